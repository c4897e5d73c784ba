/** A Postgres server of our own: a fresh cluster in a temporary folder, a free port on loopback, no fsync. */

import { execFileSync } from "node:child_process";
import { chownSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type ServerProcess, freePort, serverBinary, serverFolder, startProcess, until } from "./process.ts";

export interface PostgresServer {
  readonly port: number;
  readonly url: string;
  readonly process: ServerProcess;
  /** Ends the server and starts it again on the same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<PostgresServer> {
  const debian = "/usr/lib/postgresql";
  const places = (): string[] => (existsSync(debian) ? readdirSync(debian).map((version) => join(debian, version, "bin")) : []);
  serverBinary("initdb", "postgresql", places());
  const bin = [...places(), ...(process.env["PATH"] ?? "").split(":")].find((folder) => existsSync(join(folder, "initdb"))) as string;
  const folder = serverFolder("postgres");
  // Postgres refuses to run as root.
  const user = process.getuid?.() === 0 ? owner("postgres") : undefined;
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, "data");
  execFileSync(join(bin, "initdb"), ["-D", data, "-U", "sluice", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"], { cwd: folder, stdio: "pipe", ...user });

  const port = await freePort();
  const options = { fsync: "off", max_connections: "200", ...settings };
  const start = async (): Promise<ServerProcess> => {
    const args = ["-D", data, "-p", String(port), "-h", "127.0.0.1", "-k", folder, ...Object.entries(options).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
    const started = await startProcess(join(bin, "postgres"), args, folder, user);
    // The socket file is in our own folder: whoever answers there is the server we started.
    await until("postgres", () => {
      execFileSync(join(bin, "pg_isready"), ["-q", "-h", folder, "-p", String(port)], { stdio: "pipe" });
      return true;
    });
    return started;
  };
  let running = await start();
  return {
    port,
    url: `postgres://sluice@127.0.0.1:${port}/postgres`,
    get process() {
      return running;
    },
    async restart() {
      disconnectAll(running);
      await running.stop({ keepFolder: true });
      running = await start();
    },
    stop() {
      disconnectAll(running);
      return running.stop();
    },
  };
}

/** A fast shutdown: the other kind waits until every client has left, and is killed before that. */
function disconnectAll(server: ServerProcess): void {
  try {
    server.signal("SIGINT");
  } catch {
    // It is dead already.
  }
}

function owner(name: string): { uid: number; gid: number } {
  const id = (flag: string): number => Number(execFileSync("id", [flag, name], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}
