/** Limiters in memory: what a decision costs beside a bare Map counter and a popular limiter, and what a key takes. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { RateLimiterMemory } from "rate-limiter-flexible";

const { memoryDriver } = await import("../../dist/drivers/memory/memory-driver.js");
const { rateLimitStoreOn } = await import("../../dist/state/stores/rate-limit-store.js");
const { memoryRateLimiter } = await import("../../dist/drivers/memory/memory-rate-limiter.js");

const KEYS = 10_000;
const LONG_MS = 86_400_000;
/** As code makes them, put together from what it knows of the caller. */
const keys = Array.from({ length: KEYS }, (_, i) => `user-${(i * 7919) % KEYS}-10.0.${i % 255}.${i % 251}`);
/** A fixed shuffled walk over the keys, so that no cell profits from neighbours in memory. */
const walk = new Uint16Array(1 << 16);
for (let i = 0, random = 1; i < walk.length; i++) {
  random = (random * 48_271) % 2_147_483_647;
  walk[i] = random % KEYS;
}
let sink = 0;

const policies = {
  "fixed-window": (max) => ({ algorithm: "fixed-window", max, windowMs: LONG_MS }),
  "sliding-window (log)": (max) => ({ algorithm: "sliding-window", max: Math.min(max, 32), windowMs: LONG_MS }),
  "sliding-window (ring)": (max) => ({ algorithm: "sliding-window", max, windowMs: LONG_MS, buckets: 64 }),
  "token-bucket": (max) => ({ algorithm: "token-bucket", capacity: max, max, windowMs: LONG_MS }),
};
/** Per key: no cell comes near it. */
const PLENTY = 20_000_000;

const sync = (body) => async () => ({
  run(n) {
    for (let i = 0; i < n; i++) body(keys[walk[i & 0xffff]]);
  },
});
const awaited = (body) => async () => ({
  async run(n) {
    for (let i = 0; i < n; i++) await body(keys[walk[i & 0xffff]]);
  },
});

/** Get, compare with the end of the window, add: what a limiter cannot do without. */
function bareCounter(now) {
  const map = new Map();
  return (key) => {
    const at = now();
    const entry = map.get(key);
    if (entry === undefined || at >= entry.end) map.set(key, { count: 1, end: at + LONG_MS });
    else sink += ++entry.count;
  };
}

function storeCheck(policy, { warm = 0 } = {}) {
  const store = rateLimitStoreOn(memoryDriver());
  for (const key of keys) for (let i = 0; i < warm; i++) store.check(key, policy, 1);
  return (key) => {
    sink += store.check(key, policy, 1).remaining;
  };
}

const cells = [
  { name: "bare Map counter, with clock", group: "floor", setup: () => sync(bareCounter(() => performance.now()))() },
  { name: "bare Map counter, no clock", group: "floor", setup: () => sync(bareCounter(() => 1))() },
];
for (const [name, policy] of Object.entries(policies)) {
  // A log admits at most 32 per key in all: it has no allowed cell.
  if (!name.includes("log")) cells.push({ name: `${name}, allowed`, group: "synchronous", setup: () => sync(storeCheck(policy(PLENTY)))() });
  cells.push({ name: `${name}, refused`, group: "synchronous", setup: () => sync(storeCheck(policy(1), { warm: 1 }))() });
}
cells.push(
  {
    name: "limiter.consumeSync, allowed",
    group: "synchronous",
    setup: () => {
      const limiter = memoryRateLimiter({ capacity: PLENTY, tokensPerSecond: 1 });
      return sync((key) => void (sink += limiter.consumeSync(key, 1).remaining))();
    },
  },
  {
    name: "limiter.consume, through await",
    group: "await",
    setup: () => {
      const limiter = memoryRateLimiter({ capacity: PLENTY, tokensPerSecond: 1 });
      return awaited((key) => limiter.consume(key, 1))();
    },
  },
  {
    name: "fixed-window, through await",
    group: "await",
    setup: () => {
      const store = rateLimitStoreOn(memoryDriver());
      const policy = policies["fixed-window"](PLENTY);
      return awaited((key) => store.check(key, policy, 1))();
    },
  },
  {
    name: "rate-limiter-flexible, through await",
    group: "await",
    setup: () => {
      const limiter = new RateLimiterMemory({ points: PLENTY, duration: LONG_MS / 1000 });
      return awaited((key) => limiter.consume(key, 1))();
    },
  },
);

export default {
  name: "memory",
  description: `limiters in memory, ${KEYS} keys in random order`,
  cells,
  // CPU time per operation: 2 x the CPU is 0.5 x the decisions.
  ratios: [
    { name: "CPU of fixed-window / bare Map counter with clock (0.5 x the rate)", metric: "cpu", of: "fixed-window, allowed", to: "bare Map counter, with clock", atMost: 2 },
    { name: "CPU of token-bucket / bare Map counter with clock (0.5 x the rate)", metric: "cpu", of: "token-bucket, allowed", to: "bare Map counter, with clock", atMost: 2 },
    { name: "CPU of fixed-window / rate-limiter-flexible through await (4 x the rate)", metric: "cpu", of: "fixed-window, allowed", to: "rate-limiter-flexible, through await", atMost: 0.25 },
    { name: "CPU of token-bucket / rate-limiter-flexible through await (4 x the rate)", metric: "cpu", of: "token-bucket, allowed", to: "rate-limiter-flexible, through await", atMost: 0.25 },
    { name: "CPU of fixed-window / rate-limiter-flexible, both through await", metric: "cpu", of: "fixed-window, through await", to: "rate-limiter-flexible, through await", atMost: 1 },
    { name: "CPU of a refusal / an admission, fixed-window", metric: "cpu", of: "fixed-window, refused", to: "fixed-window, allowed", atMost: 1.1 },
  ],
  async extra() {
    const bytes = (what) => Number(execFileSync(process.execPath, ["--expose-gc", fileURLToPath(new URL("../heap-per-key.js", import.meta.url)), what], { encoding: "utf8" }));
    const key = bytes("key");
    return [...Object.keys(policies), "rate-limiter-flexible"].map((name) => {
      const beyond = bytes(name) - key;
      const limit = name === "rate-limiter-flexible" ? undefined : 120;
      return {
        name: `heap per key at 1,000,000 keys, beyond its ${key.toFixed(0)} bytes: ${name}`,
        text: `${beyond.toFixed(0)} B`,
        required: limit === undefined ? "" : `at most ${limit} B`,
        ok: limit === undefined ? undefined : beyond <= limit,
        far: limit !== undefined && beyond > 2 * limit,
      };
    });
  },
};
