/** An nginx of a cell's own as a proxy: one process, free port on loopback, kept connections to the upstream, gone when this process is. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./redis-server.js";

/** `target`: the upstream's origin. `subjectPid` is the process whose CPU counts. */
export async function startNginx(target) {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-nginx-"));
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join("\n");
  writeFileSync(join(folder, "nginx.conf"), `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 100000000;
  ${paths}
  upstream bench { server ${new URL(target).host}; keepalive 64; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://bench; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`);
  const child = spawn("nginx", ["-p", folder, "-c", join(folder, "nginx.conf")], { stdio: ["ignore", "ignore", "inherit"] });
  process.once("exit", () => child.kill());
  let missing;
  child.once("error", (error) => (missing = error.code === "ENOENT" ? new Error("nginx is missing: apt-get install nginx-light") : error));
  child.once("exit", (code) => (missing ??= new Error(`nginx ended with ${code}`)));
  while (!(await accepts(port))) {
    if (missing !== undefined) throw missing;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return { port, subjectPid: child.pid, stop: () => (child.kill(), rmSync(folder, { recursive: true, force: true })) };
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });
}
