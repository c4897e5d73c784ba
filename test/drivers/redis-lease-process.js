/** One process of a fleet that leases: callers come at a rate of their own, and what was admitted is sent at the end. Needs `dist/`. */
import { Redis } from "ioredis";
import { createCombiner, rateLimitStoreOn } from "../../dist/state.js";
import { redisDriver } from "../../dist/redis.js";

const client = new Redis(Number(process.argv[2]), "127.0.0.1", { retryStrategy: () => 20, maxRetriesPerRequest: 0, enableOfflineQueue: false, autoResendUnfulfilledCommands: false });
client.on("error", () => undefined);
const driver = redisDriver(client);
const combiner = createCombiner(driver, { timeoutMs: 250 });
const store = rateLimitStoreOn(driver, { run: (algorithm, key, command, call) => combiner.run(algorithm, key, command, call), lease: true });

process.on("message", ({ key, policy, perSecond, untilAt }) => {
  /** Admissions per ms of the clock that this machine's server has, too; and per end of their window. */
  const [byMs, byEnd, micros] = [new Map(), new Map(), []];
  const [began, sent] = [Date.now(), combiner.stats().commands];
  let asked = 0;
  let failed = 0;
  let waiting = 0;
  const admit = (decision) => {
    if (!decision.allowed) return;
    const now = Date.now();
    byMs.set(now, (byMs.get(now) ?? 0) + 1);
    const end = Math.round(now + decision.resetAfterMs);
    byEnd.set(end, (byEnd.get(end) ?? 0) + 1);
  };
  const tick = setInterval(async () => {
    if (Date.now() >= untilAt) {
      clearInterval(tick);
      while (waiting > 0) await new Promise((resolve) => setTimeout(resolve, 10));
      micros.sort((a, b) => a - b);
      process.send({ byMs: [...byMs], byEnd: [...byEnd], asked, failed, roundTrips: combiner.stats().commands - sent, medianUs: micros[micros.length >> 1] });
      return;
    }
    for (const due = ((Date.now() - began) * perSecond) / 1000; asked < due; asked++) {
      const from = performance.now();
      const decided = store.check(key, policy, 1);
      if (decided instanceof Promise) {
        waiting++;
        decided.then(admit, () => failed++).finally(() => waiting--);
      } else {
        micros.push((performance.now() - from) * 1000);
        admit(decided);
      }
    }
  }, 2);
});
await client.ping().catch(() => undefined);
process.send("ready");
