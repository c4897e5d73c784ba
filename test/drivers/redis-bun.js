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

const admin = new RedisClient(url);
await admin.connect();
open.push(admin);
const publisher = redisPubSub(await connect());
const until = async (ask) => {
  const end = performance.now() + 15_000;
  while (performance.now() < end && !ask()) await Bun.sleep(10);
};
/** How often one message is heard: what is published behind it comes behind it. */
const deliveries = async (channel, heard) => {
  heard.length = 0;
  await publisher.publish(channel, "counted");
  await publisher.publish(channel, "end");
  await until(() => heard.includes("end"));
  return heard.filter((text) => text === "counted").length;
};
/** Loses every connection that listens, so many times; how often a message is then heard, and the gaps so far. */
const lose = async (times, channel, heard, gaps) => {
  const told = [];
  for (let i = 0; i < times; i++) {
    const before = gaps.length;
    await admin.send("CLIENT", ["KILL", "TYPE", "pubsub"]);
    await until(() => gaps.length > before);
    told.push({ deliveries: await deliveries(channel, heard), gaps: gaps.length });
  }
  return told;
};

{
  const pubsub = redisPubSub(await connect());
  const [gaps, heard] = [[], []];
  pubsub.events.on((event) => gaps.push(event.type));
  await pubsub.subscribe("news", (text) => heard.push(text));
  const told = await lose(3, "news", heard, gaps);
  say("reconnected", { gap: gaps[0], told });
  await pubsub.close();
}
{
  const subscriber = new RedisClient(url);
  const [hooks, foreign] = [[], []];
  const [onconnect, onclose] = [() => hooks.push("connect"), () => hooks.push("close")];
  Object.assign(subscriber, { onconnect, onclose });
  open.push(subscriber);
  const pubsub = redisPubSub(await connect(), { subscriber: fromBunRedis(subscriber), prefix: "p:" });
  const [gaps, heard] = [[], []];
  pubsub.events.on((event) => gaps.push(event.type));
  await pubsub.subscribe("news", (text) => heard.push(text));
  await admin.publish("p:none", "");
  const first = { gaps: gaps.length, hooks: [...hooks] };
  // A listener of the caller's on the same channel is the caller's.
  await subscriber.subscribe("p:channel:news", (text) => foreign.push(text));
  await admin.send("CLIENT", ["KILL", "TYPE", "pubsub"]);
  await until(() => gaps.length > 0);
  await pubsub.close();
  await admin.publish("p:channel:news", "foreign");
  await until(() => foreign.length > 0);
  say("borrowed", { first, hooks: hooks.filter((hook) => hook === "connect").length, gaps: gaps.length, restored: subscriber.onconnect === onconnect && subscriber.onclose === onclose, foreign });
}
await publisher.close();
for (const client of open) client.close();
say("done", true);
