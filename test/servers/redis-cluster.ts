/** A Redis Cluster of three masters of our own, without replicas. */

import { type RedisServer, redisCommand, startRedis } from "./redis.ts";
import { freePort, until } from "./process.ts";

export interface RedisCluster {
  readonly nodes: readonly RedisServer[];
  readonly ports: readonly number[];
  stop(): Promise<void>;
}

const SLOTS = 16_384;

export async function startRedisCluster(size = 3): Promise<RedisCluster> {
  const nodes: RedisServer[] = [];
  try {
    for (let i = 0; i < size; i++) nodes.push(await startNode());
    const ports = nodes.map(({ port }) => port);
    for (const [i, port] of ports.entries()) {
      const [from, to] = [Math.floor((i * SLOTS) / size), Math.floor(((i + 1) * SLOTS) / size) - 1];
      await redisCommand(port, "CLUSTER", "ADDSLOTSRANGE", String(from), String(to));
      await redisCommand(port, "CLUSTER", "SET-CONFIG-EPOCH", String(i + 1));
    }
    const busPort = async (port: number): Promise<string> => /@(\d+)/.exec(await redisCommand(port, "CLUSTER", "NODES"))?.[1] as string;
    for (const port of ports.slice(1)) await redisCommand(ports[0] as number, "CLUSTER", "MEET", "127.0.0.1", String(port), await busPort(port));
    await until("the cluster", async () => {
      const states = await Promise.all(ports.map((port) => redisCommand(port, "CLUSTER", "INFO")));
      return states.every((state) => state.includes("cluster_state:ok") && state.includes(`cluster_known_nodes:${size}`));
    });
    return { nodes, ports, stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))) };
  } catch (error) {
    await Promise.all(nodes.map((node) => node.stop()));
    throw error;
  }
}

async function startNode(): Promise<RedisServer> {
  // The bus must not need the port + 10000 that is its default: that may be above the last port.
  const bus = await freePort();
  return startRedis(["--cluster-enabled", "yes", "--cluster-port", String(bus), "--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no"]);
}
