/** A Redis server of our own: no persistence, a free port, and proof that the one that answers is the one we started. */

import { rmSync } from "node:fs";
import { type Socket, connect } from "node:net";
import { join } from "node:path";
import { type ServerProcess, freePort, serverBinary, serverFolder, startProcess, until } from "./process.ts";

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  readonly process: ServerProcess;
  /** Ends the server, if it still lives, and starts another on the same port; with `empty: false` its data is saved first and loaded again. */
  restart(options?: { empty?: boolean }): Promise<void>;
  stop(): Promise<void>;
}

export async function startRedis(extra: readonly string[] = []): Promise<RedisServer> {
  const binary = serverBinary("redis-server", "redis-server");
  const folder = serverFolder("redis");
  const port = await freePort();
  const start = async (): Promise<ServerProcess> => {
    const started = await startProcess(binary, ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder, ...extra], folder);
    await until("redis-server", async () => (await redisCommand(port, "INFO", "server")).includes(`process_id:${started.pid}\r\n`));
    return started;
  };
  let running = await start();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    get process() {
      return running;
    },
    async restart({ empty = true } = {}) {
      // One that is dead has nothing to be asked.
      await redisCommand(port, empty ? "FLUSHALL" : "SAVE").catch(() => undefined);
      await running.stop({ keepFolder: true });
      if (empty) rmSync(join(folder, "dump.rdb"), { force: true });
      running = await start();
    },
    stop: () => running.stop(),
  };
}

/** One command on a connection of its own; the raw reply. */
export function redisCommand(port: number, ...words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(port, "127.0.0.1");
    let reply = "";
    socket.once("error", reject);
    socket.on("data", (chunk) => {
      reply += chunk.toString("latin1");
      const bulk = /^\$(\d+)\r\n/.exec(reply);
      if (bulk === null ? reply.endsWith("\r\n") : reply.length >= bulk[0].length + Number(bulk[1]) + 2) {
        socket.end();
        resolve(reply);
      }
    });
    socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`);
  });
}
