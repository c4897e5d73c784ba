/** One process of a fleet (`fleet-process.js <backend> <address> [adapter options as JSON]`): does the tasks it is sent, and sends back what it got. Needs `dist/`. */
import { openSync, writeSync } from "node:fs";

const [backend, address] = process.argv.slice(2);
const options = JSON.parse(process.argv[4] ?? "{}");

/** The adapter of each backend on a client that is connected. */
const connect = {
  async redis() {
    const { Redis } = await import("ioredis");
    const { redisAdapter } = await import("../../dist/redis.js");
    const client = new Redis(address.includes(":") ? address : Number(address), "127.0.0.1", { retryStrategy: () => 50 });
    client.on("error", () => undefined);
    await client.ping();
    return redisAdapter({ client, ...options });
  },
  async postgres() {
    const { default: pg } = await import("pg");
    const { postgresAdapter } = await import("../../dist/postgres.js");
    const client = new pg.Pool({ connectionString: address, max: 6 });
    await client.query("SELECT 1");
    return postgresAdapter({ client, ...options });
  },
  async nats() {
    const { Kvm } = await import("@nats-io/kv");
    const { connect: open } = await import("@nats-io/transport-node");
    const { natsAdapter } = await import("../../dist/nats.js");
    const connection = await open({ servers: address });
    const kv = await new Kvm(connection).create("fleet", { history: 1 });
    return natsAdapter({ kv, connection, ...options });
  },
};
const adapter = await connect[backend]();

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
  /** Fails every call it is permitted; when it sent the reports that caused an opening. */
  async openings({ key, count, callers, policy }) {
    const opened = [];
    await flight(count, callers, async () => {
      const permit = await adapter.circuitBreakerStore.acquire(key, policy);
      const at = wall();
      if (permit.allowed && (await adapter.circuitBreakerStore.report(key, policy, permit, "failure"))?.to === "open") opened.push(at);
    });
    return opened;
  },
  /** Asks to probe for `forMs` and never reports, as one that crashes; when it asked for each permit it got, and when it had it. */
  async probeFor({ key, forMs, callers, policy }) {
    const permits = [];
    const ends = performance.now() + forMs;
    await Promise.all(Array.from({ length: callers }, async () => {
      while (performance.now() < ends) {
        const asked = wall();
        if ((await adapter.circuitBreakerStore.acquire(key, policy)).allowed) permits.push([asked, wall()]);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }));
    return permits;
  },
};

/** Epoch ms, with a fraction. */
const wall = () => performance.timeOrigin + performance.now();

/**
 * Calls at `perSecond`, whether or not those before have ended, for `forMs`. Between which two instants each was admitted goes to
 * `file` at once, so that it is there when this process is killed. Errors are refusals here.
 */
tasks.arrive = async ({ key, policy, perSecond, forMs, file }) => {
  const fd = openSync(file, "a");
  const began = performance.now();
  let made = 0;
  let admitted = 0;
  const one = async () => {
    const before = wall();
    const answer = adapter.rateLimitStore.check(key, policy, 1);
    const { allowed } = answer instanceof Promise ? await answer : answer;
    if (!allowed) return;
    writeSync(fd, `${before} ${wall()}\n`);
    admitted++;
  };
  while (performance.now() - began < forMs) {
    for (const due = ((performance.now() - began) * perSecond) / 1000; made < due; made++) void one().catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return { made, admitted };
};

process.on("message", async ({ task, ...options }) => {
  const began = process.cpuUsage();
  const result = await tasks[task](options);
  const { user, system } = process.cpuUsage(began);
  process.send({ result, cpuMs: (user + system) / 1000 });
});
process.send("ready");
