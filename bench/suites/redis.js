/** Decisions on a real Redis through ioredis, beside rate-limiter-flexible on the same client with automatic pipelining. */
import { Redis } from "ioredis";
import { RateLimiterRedis } from "rate-limiter-flexible";
import { bytesPerDecision, fanOut, httpRequests, largeBodies, leasedFleet } from "../redis-figures.js";
import { startRedis } from "../redis-server.js";

const { redisAdapter } = await import("../../dist/redis.js");
const { circuitPolicy } = await import("../../dist/state/algorithms/circuit-policy.js");

const NEVER = 1_000_000_000;
const LOADS = [[1, 1], [64, 1], [64, 10_000], [1024, 1], [1024, 10_000]];
const WINDOW = { algorithm: "fixed-window", max: NEVER, windowMs: 60_000 };

/** A cell whose operation `make` gives; `callers` of them are in flight. Rates are taken without a clock per call, latencies apart. */
function cell(name, callers, keys, make, clientOptions = {}, more = {}) {
  return {
    ...more,
    name,
    group: `${callers} callers, ${keys} keys`,
    // Callers end one after the other: with too few calls each, the end of a batch would be most of it.
    batch: Math.max(64, callers * 8),
    async setup() {
      const server = await startRedis();
      const client = new Redis(server.port, "127.0.0.1", clientOptions);
      await client.ping();
      const names = Array.from({ length: keys }, (_, i) => `user-${i}`);
      const operation = await make(client);
      const latencies = [];
      let turn = 0;
      let left = 0;
      const plain = async () => {
        while (left-- > 0) await operation(names[turn++ % keys]);
      };
      const timed = async () => {
        while (left-- > 0) {
          const began = performance.now();
          const decided = operation(names[turn++ % keys]);
          // A plain value is there at once; with 63 other callers in the queue of the engine an await of it would measure them.
          if (decided instanceof Promise) await decided;
          latencies.push(performance.now() - began);
          if (!(decided instanceof Promise)) await decided;
        }
      };
      const flight = (caller) => (n) => {
        left = n;
        return Promise.all(Array.from({ length: Math.min(callers, n) }, caller));
      };
      return {
        run: flight(plain),
        runTimed: flight(timed),
        latencies: () => latencies,
        serverPid: server.pid,
        teardown() {
          client.disconnect();
          server.stop();
        },
      };
    },
  };
}

const sluice = (policy, options = {}) => (client) => {
  const { rateLimitStore } = redisAdapter({ client, ...options });
  return (key) => rateLimitStore.check(key, policy, 1);
};
const peer = (client) => {
  const limiter = new RateLimiterRedis({ storeClient: client, points: NEVER, duration: 60 });
  return (key) => limiter.consume(key, 1);
};
const piped = { enableAutoPipelining: true };
const at = ([callers, keys]) => `${callers} callers, ${keys === 1 ? "1 key" : `${keys} keys`}`;

const record = (bytes) => {
  const now = Date.now();
  return { status: 200, headers: [["content-type", "text/plain"]], body: new Uint8Array(bytes).fill(65), storedAt: now, freshUntil: now + 60_000, keepUntil: now + 60_000 };
};
const cached = (bytes, use) => async (client) => {
  const { cacheStore } = redisAdapter({ client });
  const stored = record(bytes);
  await cacheStore.write("page", stored);
  return () => use(cacheStore, stored);
};

export default {
  name: "redis",
  description: "decisions, circuits and cache on one Redis over loopback, through ioredis",
  // A client, a limiter and their buffers are a lot of code: a service is past compiling it, and so is what is measured.
  warmupMs: 2500,
  cells: [
    ...LOADS.flatMap((load) => [
      cell(`sluice, ${at(load)}`, ...load, sluice(WINDOW)),
      cell(`rate-limiter-flexible, ${at(load)}`, ...load, peer, piped),
      cell(`INCR, ${at(load)}`, ...load, (client) => (key) => client.incr(key), piped),
    ]),
    // With this many keys each is asked for a few times a second: a lease should last for more than one call. It begins with one unit
    // and doubles with use, so this cell has 300 calls per key behind it when its time begins.
    cell("sluice leased, 64 callers, 10000 keys", 64, 10_000, sluice(WINDOW, { lease: { targetMs: 10_000 } }), {}, { warmup: 3_000_000 }),
    cell("sluice token bucket, 64 callers, 10000 keys", 64, 10_000, sluice({ algorithm: "token-bucket", capacity: NEVER, max: 1000, windowMs: 1000 })),
    cell("sluice sliding window, 64 callers, 10000 keys", 64, 10_000, sluice({ algorithm: "sliding-window", max: NEVER, windowMs: 60_000 })),
    cell("sluice breaker acquire and report, 64 callers, 1 key", 64, 1, (client) => {
      const { circuitBreakerStore } = redisAdapter({ client });
      const policy = circuitPolicy({ failureThreshold: NEVER });
      return async (key) => circuitBreakerStore.report(key, policy, await circuitBreakerStore.acquire(key, policy), "success");
    }),
    cell("sluice cache read 1 KB, 64 callers", 64, 1, cached(1024, (store) => store.read("page"))),
    cell("sluice cache write 1 KB, 64 callers", 64, 1, cached(1024, (store, stored) => store.write("page", stored))),
    cell("sluice cache read 100 KB, 8 callers", 8, 1, cached(102_400, (store) => store.read("page"))),
    cell("sluice cache write 100 KB, 8 callers", 8, 1, cached(102_400, (store, stored) => store.write("page", stored))),
    cell("GET 100 KB, 8 callers", 8, 1, async (client) => {
      await client.set("page", "A".repeat(102_400));
      return () => client.get("page");
    }, piped),
  ],
  ratios: [
    ...LOADS.map((load, i) => ({ name: `against rate-limiter-flexible: ${at(load)}`, of: `sluice, ${at(load)}`, to: `rate-limiter-flexible, ${at(load)}`, atLeast: [0.95, 8, 2.5, 20, 4][i] })),
    { name: "leased, against rate-limiter-flexible: 64 callers, 10000 keys", of: "sluice leased, 64 callers, 10000 keys", to: "rate-limiter-flexible, 64 callers, 10000 keys", atLeast: 20 },
    ...LOADS.map((load, i) => ({ name: `against bare INCR: ${at(load)}`, of: `sluice, ${at(load)}`, to: `INCR, ${at(load)}`, atLeast: [0.4, 1, 0.3, 1.5, 0.4][i] })),
  ],
  async extra() {
    const server = await startRedis();
    const figures = [];
    for (const figure of [bytesPerDecision, leasedFleet, largeBodies, fanOut, httpRequests]) figures.push(...(await figure(server.port, figure === largeBodies ? record : figure === fanOut ? undefined : WINDOW)));
    server.stop();
    return figures;
  },
};
