/** The other process of the fan-out: subscribes, and says how many messages came and when the last one did. */
import pg from "pg";

const { postgresPubSub } = await import("../dist/postgres.js");
const [url, wanted] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: url, max: 2 });
const pubsub = postgresPubSub(pool);
let got = 0;
let sum = 0;
await pubsub.subscribe("fan-out", ({ at }) => {
  sum += performance.timeOrigin + performance.now() - at;
  if (++got === Number(wanted)) process.send({ got, meanMs: sum / got, endedAt: performance.timeOrigin + performance.now() });
});
process.send("ready");
