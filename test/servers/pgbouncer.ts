/** PgBouncer in transaction mode in front of a server of ours: few sessions, and each statement may get another one. */

import { chownSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import pg from "pg";
import { type ServerProcess, freePort, serverBinary, serverFolder, startProcess, until } from "./process.ts";

export interface Pooler {
  readonly port: number;
  readonly url: string;
  readonly process: ServerProcess;
  stop(): Promise<void>;
}

/** `sessions` is how many connections of the server all clients share. */
export async function startPooler(targetPort: number, sessions = 3): Promise<Pooler> {
  const binary = serverBinary("pgbouncer", "pgbouncer");
  const folder = serverFolder("pgbouncer");
  const port = await freePort();
  // The name of its database is ours alone: whoever answers to it is the pooler we started.
  const database = `pooled_${port}_${process.pid}`;
  writeFileSync(join(folder, "users.txt"), '"sluice" ""\n');
  writeFileSync(join(folder, "pgbouncer.ini"), `[databases]
${database} = host=127.0.0.1 port=${targetPort} dbname=postgres user=sluice
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${join(folder, "users.txt")}
pool_mode = transaction
default_pool_size = ${sessions}
max_client_conn = 500
ignore_startup_parameters = extra_float_digits
`);
  // It refuses to run as root.
  const user = process.getuid?.() === 0 ? { uid: idOf("-u"), gid: idOf("-g") } : undefined;
  if (user !== undefined) for (const path of [folder, join(folder, "users.txt"), join(folder, "pgbouncer.ini")]) chownSync(path, user.uid, user.gid);
  const running = await startProcess(binary, [join(folder, "pgbouncer.ini")], folder, user);
  const url = `postgres://sluice@127.0.0.1:${port}/${database}`;
  await until("pgbouncer", async () => {
    const client = new pg.Client(url);
    await client.connect();
    await client.end();
    return true;
  });
  return { port, url, process: running, stop: () => running.stop() };
}

function idOf(flag: string): number {
  return Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
}
