/** The gateway under soak: limit, breaker, timeout and cache on Redis, in front of one upstream. Run with --expose-gc. */
import { getHeapSpaceStatistics } from "node:v8";
import { Redis } from "ioredis";
import { cache, circuitBreaker, createGateway, rateLimit, timeout } from "../dist/gateway.js";
import { serve } from "../dist/node.js";
import { redisAdapter } from "../dist/redis.js";

const [redisPort, target] = process.argv.slice(2);
const client = new Redis(Number(redisPort), "127.0.0.1", { retryStrategy: () => 100 });
client.on("error", () => {});
const adapter = redisAdapter({ client });
const gateway = createGateway({
  name: "soak",
  adapter,
  metrics: true,
  policies: [rateLimit({ max: (c) => (c.req.header("x-key") === "greedy" ? 5 : 100_000), windowSeconds: 1, keyBy: (c) => c.req.header("x-key") ?? "nobody" })],
  routes: [{ path: "/*", methods: ["GET", "POST"], pipeline: {
    policies: [circuitBreaker({ resetTimeoutMs: 500 }), cache({ ttlSeconds: 5 }), timeout({ timeoutMs: 5000 })],
    upstream: { type: "url", target },
  } }],
});
const events = {};
gateway.events.on((event) => {
  events[event.type] = (events[event.type] ?? 0) + 1;
});
const server = await serve(gateway, { port: 0 });

/** What keeps the process alive, by kind; the pipes to the parent left out. */
function handles() {
  const kinds = {};
  for (const kind of process.getActiveResourcesInfo()) if (kind !== "PipeWrap" && kind !== "TTYWrap") kinds[kind] = (kinds[kind] ?? 0) + 1;
  return kinds;
}

function sample() {
  globalThis.gc();
  const { heapUsed: all, rss, external } = process.memoryUsage();
  // Compiled code follows the program and how often collections throw it away, not the requests.
  const heapUsed = all - getHeapSpaceStatistics().filter(({ space_name: name }) => name.startsWith("code")).reduce((sum, space) => sum + space.space_used_size, 0);
  const { user, system } = process.cpuUsage();
  return { heapUsed, rss, external, cpuUs: user + system, handles: handles(), events };
}

process.on("message", async (message) => {
  if (message === "sample") process.send({ sample: sample() });
  if (message !== "close") return;
  await server.close({ graceMs: 5000 });
  await gateway.close();
  await adapter.close();
  client.disconnect();
  await new Promise((resolve) => setTimeout(resolve, 200));
  process.send({ sample: sample() }, () => process.disconnect());
});
process.on("disconnect", () => process.exit(0));
process.send({ port: server.port });
