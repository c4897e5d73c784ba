/** A master, its replica and three sentinels of our own, which fail over within about a second. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ServerProcess, freePort, serverBinary, serverFolder, startProcess, until } from "./process.ts";
import { type RedisServer, redisCommand, startRedis } from "./redis.ts";

export interface RedisSentinel {
  readonly name: string;
  readonly sentinels: readonly { readonly host: string; readonly port: number }[];
  readonly servers: readonly RedisServer[];
  /** Port of the server that the sentinels call the master. */
  master(): Promise<number>;
  stop(): Promise<void>;
}

export async function startRedisSentinel(): Promise<RedisSentinel> {
  const name = `sluice-${process.pid}`;
  const binary = serverBinary("redis-sentinel", "redis-sentinel");
  const master = await startRedis();
  const replica = await startRedis(["--replicaof", "127.0.0.1", String(master.port), "--repl-diskless-sync-delay", "0"]);
  await until("the replica follows", async () => (await redisCommand(replica.port, "INFO", "replication")).includes("master_link_status:up"));
  const ports: number[] = [];
  const processes: ServerProcess[] = [];
  const stop = async (): Promise<void> => void (await Promise.all([...processes.map((running) => running.stop()), replica.stop(), master.stop()]));
  try {
    for (let i = 0; i < 3; i++) {
      const port = await freePort();
      const folder = serverFolder("sentinel");
      const file = join(folder, "sentinel.conf");
      writeFileSync(file, [`port ${port}`, "bind 127.0.0.1", `dir ${folder}`, `sentinel monitor ${name} 127.0.0.1 ${master.port} 2`, `sentinel down-after-milliseconds ${name} 500`, `sentinel failover-timeout ${name} 2000`, ""].join("\n"));
      processes.push(await startProcess(binary, [file], folder));
      ports.push(port);
    }
    for (const port of ports) {
      await until("the sentinels know each other and the replica", async () => {
        const state = await redisCommand(port, "INFO", "sentinel");
        return state.includes(`name=${name},status=ok`) && state.includes("slaves=1") && state.includes("sentinels=3");
      });
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    name,
    sentinels: ports.map((port) => ({ host: "127.0.0.1", port })),
    servers: [master, replica],
    async master() {
      const said = await redisCommand(ports[0] as number, "INFO", "sentinel");
      return Number(/address=127\.0\.0\.1:(\d+)/.exec(said)?.[1]);
    },
    stop,
  };
}
