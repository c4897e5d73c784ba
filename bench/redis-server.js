/** A Redis server of a cell's own: free port on loopback, no persistence, gone when this process is. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** `at`: the port, for one that comes back. `stop()` resolves once it is gone. */
export async function startRedis(at = 0) {
  const port = at === 0 ? await freePort() : at;
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-redis-"));
  // The shell waits for the end of its input, which the system closes when this process ends, however it ends.
  const script = `"$@" >/dev/null & pid=$!; echo $pid; cat >/dev/null; kill $pid; wait $pid 2>/dev/null; rm -rf "${folder}"`;
  const keeper = spawn("sh", ["-c", script, "keeper", "redis-server", "--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder], { stdio: ["pipe", "pipe", "ignore"], detached: true });
  const pid = await new Promise((resolve, reject) => {
    keeper.once("error", reject);
    keeper.stdout.once("data", (line) => resolve(Number(line)));
  });
  for (;;) {
    const reply = await info(port).catch(() => "");
    if (reply.includes(`process_id:${pid}\r\n`)) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const gone = new Promise((resolve) => void keeper.once("exit", resolve));
  return { port, pid, stop: () => (keeper.stdin.end(), rmSync(folder, { recursive: true, force: true }), gone) };
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

function info(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", reject);
    socket.once("data", (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.write("INFO server\r\n");
  });
}
