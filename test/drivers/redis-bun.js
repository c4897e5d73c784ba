/** Runs inside Bun, with its own client: every contract, and pub/sub over a lost connection. Speaks in lines of JSON. Needs `dist/`. */
import { RedisClient } from "bun";
import { fromBunRedis, redisDriver, redisPubSub, redisRateLimiter, redisStore } from "../../dist/redis.js";
import { createStores } from "../../dist/state.js";
import { cacheStoreOn } from "../../dist/state/stores/cache-store.js";
import * as testing from "../../dist/testing.js";

const say = (type, value) => console.log(JSON.stringify({ type, value }));
const url = process.argv[2];
const open = [];
const connect = async () => {
  const client = new RedisClient(url);
  await client.connect();
  open.push(client);
  return fromBunRedis(client);
};

say("runtime", { bun: typeof Bun === "object" ? Bun.version : undefined, client: (await connect()).client });
const suites = {
  "key-value": () => testing.verifyStoreContract(async () => redisStore(await connect(), { keyPrefix: "kv:" }), { ttlMs: 200 }),
  "rate limits": () => testing.verifyRateLimitStoreContract(async () => createStores(redisDriver(await connect())).rateLimitStore),
  "rate limiter": () => testing.verifyRateLimiterContract(async (policy) => redisRateLimiter(await connect(), policy)),
  "circuit breaker": () => testing.verifyCircuitBreakerStoreContract(async () => createStores(redisDriver(await connect())).circuitBreakerStore),
  cache: () => testing.verifyCacheStoreContract(async () => cacheStoreOn(redisDriver(await connect())), { ttlMs: 200 }),
  driver: () => testing.verifyDriverContract(async () => redisDriver(await connect())),
  "pub/sub": () => testing.verifyPubSubContract(async () => redisPubSub(await connect()), { shared: true }),
};
for (const [name, run] of Object.entries(suites)) {
  const { violations, passed, skipped } = await run();
  say(name, { violations, passed: passed.length, skipped });
}

const pubsub = redisPubSub(await connect());
const [events, heard] = [[], []];
pubsub.events?.on((event) => events.push(event.type));
await pubsub.subscribe("news", (text) => heard.push(text));
say("listening", true);
const publisher = redisPubSub(await connect());
const end = performance.now() + 15_000;
while (performance.now() < end && !(events.includes("pubsub.gap") && heard.includes("after"))) {
  await publisher.publish("news", events.includes("pubsub.gap") ? "after" : "before").catch(() => undefined);
  await Bun.sleep(20);
}
say("reconnected", { events: [...new Set(events)], after: heard.includes("after") });
await pubsub.close();
await publisher.close();
for (const client of open) client.close();
say("done", true);
