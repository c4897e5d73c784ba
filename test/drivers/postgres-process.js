/** One process of a fleet: does the tasks it is sent, and sends back what it got. Needs `dist/`. */
import pg from "pg";
import { postgresAdapter } from "../../dist/postgres.js";

const client = new pg.Pool({ connectionString: process.argv[2], max: 6 });
const adapter = postgresAdapter({ client });

/** `count` calls, `callers` of them in flight. */
async function flight(count, callers, call) {
  let left = count;
  await Promise.all(Array.from({ length: callers }, async () => {
    while (left-- > 0) await call();
  }));
}

const tasks = {
  /** Which counts this process was given, per key. */
  async increment({ keys, count, callers }) {
    const counts = keys.map(() => []);
    let turn = 0;
    await flight(count, callers, async () => {
      const at = turn++ % keys.length;
      counts[at].push((await adapter.rateLimitStore.increment(keys[at], 600)).count);
    });
    return counts;
  },
  /** How many were admitted, per key. */
  async check({ keys, count, callers, policy, cost }) {
    const admitted = keys.map(() => 0);
    let turn = 0;
    await flight(count, callers, async () => {
      const at = turn++ % keys.length;
      if ((await adapter.rateLimitStore.check(keys[at], policy, cost)).allowed) admitted[at]++;
    });
    return admitted;
  },
  async consume({ keys, count, callers, policy }) {
    const limiter = adapter.rateLimiter(policy);
    const admitted = keys.map(() => 0);
    let turn = 0;
    await flight(count, callers, async () => {
      const at = turn++ % keys.length;
      if ((await limiter.consume(keys[at], 1)).allowed) admitted[at]++;
    });
    return admitted;
  },
  /** Fails every call it is permitted; the openings it caused. */
  async fail({ key, count, callers, policy }) {
    let opened = 0;
    await flight(count, callers, async () => {
      const permit = await adapter.circuitBreakerStore.acquire(key, policy);
      if (permit.allowed && (await adapter.circuitBreakerStore.report(key, policy, permit, "failure"))?.to === "open") opened++;
    });
    return opened;
  },
  /** Asks to probe and never reports, as one that crashes; the permits it got. */
  async probe({ key, count, callers, policy }) {
    let permits = 0;
    await flight(count, callers, async () => {
      if ((await adapter.circuitBreakerStore.acquire(key, policy)).allowed) permits++;
    });
    return permits;
  },
};

process.on("message", async ({ task, ...options }) => {
  const began = process.cpuUsage();
  const result = await tasks[task](options);
  const { user, system } = process.cpuUsage(began);
  process.send({ result, cpuMs: (user + system) / 1000 });
});
await client.query("SELECT 1");
process.send("ready");
