/** One process of a fleet whose topics keep a history: joins, publishes, says what happened. Needs `dist/`. */
import { createRouter, message, rpc } from "../../dist/sockets.js";
import { serve } from "../../dist/node.js";

const [kind, url] = process.argv.slice(2);
const any = { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) } };

async function broker() {
  if (kind === "redis") {
    const { Redis } = await import("ioredis");
    const { redisPubSub } = await import("../../dist/redis.js");
    return redisPubSub(new Redis(url).on("error", () => undefined));
  }
  const { default: pg } = await import("pg");
  const { postgresPubSub, POSTGRES_SCHEMA_SQL } = await import("../../dist/postgres.js");
  const pool = new pg.Pool({ connectionString: url }).on("error", () => undefined);
  await pool.query(POSTGRES_SCHEMA_SQL);
  return postgresPubSub(pool);
}

const Say = message("SAY", any);
const gaps = [];
const router = createRouter({
  logger: false,
  pubsub: await broker(),
  limits: { connectionRate: false, backpressure: { maxBufferedBytes: 50_000_000 } },
  topics: { history: { match: /^(log|small):/, size: 2000, maxBytes: 50_000_000 }, presence: { match: "people", ttlMs: 1500, heartbeatMs: 300, identity: ({ data }) => data.name } },
  sinks: [(event) => event.type === "pubsub.gap" && gaps.push(event.topic)],
})
  .rpc(rpc("JOIN", any, "JOINED", any), async (ctx) => {
    await ctx.topics.subscribe(ctx.payload);
    return ctx.topics.list();
  })
  .rpc(rpc("PUBLISH", any, "PUBLISHED", any), async (ctx) => {
    const { ok, offset, matched, error } = await ctx.publish(ctx.payload.topic, Say, ctx.payload.text, { excludeSelf: ctx.payload.excludeSelf });
    return { ok, offset, matched, error };
  }, { ordered: false })
  .rpc(rpc("STATE", any, "STATE_IS", any), async () => ({ gaps: gaps.slice(), people: (await router.presence("people")).map(({ id }) => id).sort() }));
const server = await serve(router, { port: 0, authenticate: (request) => ({ name: new URL(request.url).searchParams.get("name") }) });
console.log(server.url);
for await (const _ of process.stdin);
await server.close({ drainMs: 500 });
process.exit(0);
