/** A NATS server of our own with JetStream: its own folder, a free port on loopback, and proof that the one that answers is ours. */

import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { type ServerProcess, freePort, serverBinary, serverFolder, startProcess, until } from "./process.ts";

export interface NatsServer {
  readonly port: number;
  readonly url: string;
  readonly process: ServerProcess;
  /** Kills the server; `start` brings it back on the same port and data. */
  kill(): Promise<void>;
  start(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startNats(settings: Readonly<Record<string, string>> = {}): Promise<NatsServer> {
  const binary = serverBinary("nats-server", "nats-server");
  const folder = serverFolder("nats");
  const port = await freePort();
  const name = `sluice-${port}-${process.pid}`;
  const file = join(folder, "server.conf");
  writeFileSync(file, [`server_name: ${name}`, "host: 127.0.0.1", `port: ${port}`, `jetstream { store_dir: ${JSON.stringify(join(folder, "data"))} }`, ...Object.entries(settings).map(([key, value]) => `${key}: ${value}`)].join("\n"));
  const start = async (): Promise<ServerProcess> => {
    const started = await startProcess(binary, ["-c", file], folder);
    // A refused port ends the server, and the name is in what the server says first.
    await until("nats-server", async () => (await serverInfo(port)).includes(`"server_name":"${name}"`) && readFileSync(join(folder, "server.log"), "utf8").includes("Server is ready"));
    return started;
  };
  let running = await start();
  return {
    port,
    url: `127.0.0.1:${port}`,
    get process() {
      return running;
    },
    async kill() {
      running.signal("SIGKILL");
      await running.stop({ keepFolder: true });
    },
    async start() {
      running = await start();
    },
    async restart() {
      await running.stop({ keepFolder: true });
      running = await start();
    },
    stop: () => running.stop(),
  };
}

/** The first line that a server says to whoever connects. */
function serverInfo(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.once("error", reject);
    socket.once("close", () => resolve(text));
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (text.includes("\r\n")) socket.end();
    });
  });
}
