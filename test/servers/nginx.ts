/** A real nginx on loopback that answers everything and writes down what it was asked. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, serverBinary, serverFolder, startProcess, until } from "./process.ts";

export interface Nginx {
  readonly origin: string;
  /** Request lines as nginx read them, malformed ones included. */
  requests(): string[];
  stop(): Promise<void>;
}

export async function startNginx(): Promise<Nginx> {
  const port = await freePort();
  const folder = serverFolder("nginx");
  const log = join(folder, "access.log");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ");
  // A body is read by `proxy_pass` alone, and what is not read is not framed: so nginx answers through itself.
  writeFileSync(join(folder, "nginx.conf"), `
daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/error.log crit;
events { worker_connections 512; }
http {
  ${temporary} log_format seen escape=json '$request'; access_log off; keepalive_requests 1000000;
  upstream behind { server 127.0.0.1:${port}; keepalive 16; }
  server {
    listen 127.0.0.1:${port}; server_name behind; access_log off; location / { return 200 "up"; }
  }
  server {
    listen 127.0.0.1:${port} default_server; server_name _; access_log ${log} seen; client_max_body_size 64m;
    location / { add_header x-up nginx always; proxy_pass http://behind; proxy_set_header host behind; proxy_http_version 1.1; proxy_set_header connection ""; }
  }
}
`);
  const server = await startProcess(serverBinary("nginx", "nginx-light"), ["-p", folder, "-c", join(folder, "nginx.conf")], folder);
  const origin = `http://127.0.0.1:${port}`;
  await until("nginx", async () => (await fetch(`${origin}/ready`)).headers.get("x-up") === "nginx");
  return {
    origin,
    requests: () => readFileSync(log, "utf8").split("\n").slice(0, -1).filter((line) => !line.startsWith("GET /ready ")),
    stop: () => server.stop(),
  };
}
