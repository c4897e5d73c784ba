/** A Redis Cluster of three masters of our own, with a replica each where a test wants to lose a master. */

import { type RedisServer, redisCommand, startRedis } from "./redis.ts";
import { freePort, until } from "./process.ts";

export interface RedisCluster {
  readonly nodes: readonly RedisServer[];
  readonly ports: readonly number[];
  /** Ports of the replicas, in the order of their masters. */
  readonly replicas: readonly number[];
  stop(): Promise<void>;
}

const SLOTS = 16_384;

export async function startRedisCluster(size = 3, { replicas = false }: { readonly replicas?: boolean } = {}): Promise<RedisCluster> {
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
    const replicaPorts: number[] = [];
    for (const port of replicas ? ports : []) {
      const node = await startNode();
      nodes.push(node);
      const id = /\$40\r\n(\w+)/.exec(await redisCommand(port, "CLUSTER", "MYID"))?.[1] as string;
      await redisCommand(ports[0] as number, "CLUSTER", "MEET", "127.0.0.1", String(node.port), await busPort(node.port));
      await until("the node knows its master", async () => (await redisCommand(node.port, "CLUSTER", "NODES")).includes(id));
      await until("it replicates", async () => (await redisCommand(node.port, "CLUSTER", "REPLICATE", id)).startsWith("+OK"));
      await until("it is in step", async () => (await redisCommand(node.port, "INFO", "replication")).includes("master_link_status:up"));
      replicaPorts.push(node.port);
    }
    if (replicas) await until("all know all", async () => (await Promise.all(nodes.map(({ port }) => redisCommand(port, "CLUSTER", "SLOTS")))).every((slots) => replicaPorts.every((port) => slots.includes(`:${port}\r\n`))));
    return { nodes, ports, replicas: replicaPorts, stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))) };
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
