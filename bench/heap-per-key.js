/** `node --expose-gc bench/heap-per-key.js <what>`: prints the bytes per key, the key itself included, at a million keys. */
const [what] = process.argv.slice(2);
const COUNT = 1_000_000;
const LONG_MS = 86_400_000;

const { memoryDriver } = await import("../dist/drivers/memory/memory-driver.js");
const { rateLimitStoreOn } = await import("../dist/state/stores/rate-limit-store.js");
const { RateLimiterMemory } = await import("rate-limiter-flexible");

const policies = {
  "fixed-window": { algorithm: "fixed-window", max: 1000, windowMs: LONG_MS },
  "sliding-window (log)": { algorithm: "sliding-window", max: 10, windowMs: LONG_MS },
  "sliding-window (ring)": { algorithm: "sliding-window", max: 1000, windowMs: LONG_MS },
  "token-bucket": { algorithm: "token-bucket", capacity: 1000, max: 1000, windowMs: LONG_MS },
};

/** Typed arrays live outside the heap and count as well. Several collections: one leaves what the former freed up. */
async function used() {
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (let i = 0; i < 4; i++) globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

async function perKey(fill) {
  const before = await used();
  const kept = await fill();
  const after = await used();
  return kept === undefined ? Number.NaN : (after - before) / COUNT;
}

// Made anew for each call, as keys come out of requests: what a store keeps of them is its own cost.
const key = (i) => `user-${i}-10.0.0.${i % 255}`;

if (what === "key") {
  // In one piece each; eight bytes for the place in the array are not part of the key.
  const list = new Array(COUNT).fill("");
  const bytes = await perKey(() => {
    for (let i = 0; i < COUNT; i++) list[i] = [key(i).slice(0, 1), key(i).slice(1)].join("");
    return list;
  });
  console.log(list.length === COUNT ? bytes : Number.NaN);
} else if (what === "rate-limiter-flexible") {
  const limiter = new RateLimiterMemory({ points: 1000, duration: LONG_MS / 1000 });
  const bytes = await perKey(async () => {
    for (let i = 0; i < COUNT; i++) await limiter.consume(key(i), 1);
    return limiter;
  });
  console.log(bytes);
  process.exit(0);
} else {
  const driver = memoryDriver({ maxKeys: COUNT });
  const store = rateLimitStoreOn(driver);
  const bytes = await perKey(() => {
    for (let i = 0; i < COUNT; i++) store.check(key(i), policies[what], 1);
    return store;
  });
  if (driver.size !== COUNT) throw new Error(`expected ${COUNT} keys, found ${driver.size}`);
  console.log(bytes);
}
