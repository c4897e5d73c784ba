/** The other process of the fan-out on Redis: subscribes, and says when the last message came and how long they were on their way. */
import { Redis } from "ioredis";

const { redisPubSub } = await import("../dist/redis.js");
const [port, wanted, channels] = process.argv.slice(2).map(Number);
const pubsub = redisPubSub(new Redis(port, "127.0.0.1"));
let got = 0;
let sum = 0;
const listen = ({ at }) => {
  sum += performance.timeOrigin + performance.now() - at;
  if (++got === wanted) process.send({ got, meanMs: sum / got, endedAt: performance.timeOrigin + performance.now() });
};
for (let i = 0; i < channels; i++) await pubsub.subscribe(`fan-out-${i}`, listen);
process.send("ready");
