/** One process of a fleet: does the tasks it is sent, and sends back what it got. Needs `dist/`. */
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";
import { natsAdapter } from "../../dist/nats.js";

const connection = await connect({ servers: process.argv[2] });
const kv = await new Kvm(connection).create("fleet", { history: 1 });
const adapter = natsAdapter({ kv, connection });

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
  process.send({ result: await tasks[task](options) });
});
process.send("ready");
