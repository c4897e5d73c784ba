/**
 * One process of a fleet that leases (`redis-lease-process.js <port> <file>`): callers come at a rate of their own, whether or not those
 * before have their answer. Of each admission three instants go to `file` with every turn, so that they are there when this process is
 * killed: before it, after it, and when the limit is whole again, which of a fixed window is its end. Needs `dist/`.
 */
import { openSync, writeSync } from "node:fs";
import { Redis } from "ioredis";
import { redisAdapter } from "../../dist/redis.js";

const [port, file] = process.argv.slice(2);
const client = new Redis(Number(port), "127.0.0.1", { retryStrategy: () => 100, maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false });
client.on("error", () => undefined);
// A process that does not reach its server has nothing to say: this throws, and the test sees it end.
if ((await client.ping()) !== "PONG") throw new Error("no PONG");
const { rateLimitStore } = redisAdapter({ client, lease: true, combiner: { timeoutMs: 250 } });

/** Epoch ms, with a fraction: the clock that the server on this machine has. */
const wall = () => performance.timeOrigin + performance.now();

process.on("message", async ({ key, policy, perSecond, forMs }) => {
  const fd = openSync(file, "a");
  /** Instants of this turn, three by three. */
  let admitted = [];
  const micros = [];
  const failures = {};
  const counts = { asked: 0, admitted: 0, refused: 0, failed: 0 };
  let waiting = 0;
  /** How many had come, and when, turn by turn. */
  const arrivals = [];
  const note = (before, { allowed, resetAfterMs }) => {
    if (!allowed) return void counts.refused++;
    counts.admitted++;
    const after = wall();
    admitted.push(before, after, after + resetAfterMs);
  };
  const flush = () => {
    if (admitted.length > 0) writeSync(fd, new Uint8Array(Float64Array.from(admitted).buffer));
    admitted = [];
  };
  const began = performance.now();
  while (performance.now() - began < forMs) {
    for (const due = ((performance.now() - began) * perSecond) / 1000; counts.asked < due; counts.asked++) {
      const before = wall();
      const decided = rateLimitStore.check(key, policy, 1);
      if (decided instanceof Promise) {
        waiting++;
        decided.then((decision) => note(before, decision), ({ code, message }) => {
          counts.failed++;
          const text = `${code}: ${message}`;
          failures[text] = (failures[text] ?? 0) + 1;
        }).finally(() => waiting--);
      } else {
        micros.push(wall() - before);
        note(before, decided);
      }
    }
    arrivals.push([wall(), counts.asked]);
    flush();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  while (waiting > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  flush();
  micros.sort((a, b) => a - b);
  process.send({ ...counts, arrivals, failures, stats: rateLimitStore.leaseStats(), medianUs: micros[micros.length >> 1] * 1000 });
});
process.send("ready");
