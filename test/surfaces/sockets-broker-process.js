/** One process of a fleet: a router on a broker, its gaps and its topics on request. Needs `dist/`. */
import { createRouter } from "../../dist/sockets.js";
import { message, rpc } from "../../dist/sockets/message.js";
import { serve } from "../../dist/node.js";

const [kind, url] = process.argv.slice(2);
const any = { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) } };

async function broker() {
  if (kind === "redis") {
    const { Redis } = await import("ioredis");
    const { redisPubSub } = await import("../../dist/redis.js");
    return redisPubSub(new Redis(url).on("error", () => undefined));
  }
  if (kind === "postgres") {
    const { default: pg } = await import("pg");
    const { postgresPubSub, POSTGRES_SCHEMA_SQL } = await import("../../dist/postgres.js");
    const pool = new pg.Pool({ connectionString: url }).on("error", () => undefined);
    await pool.query(POSTGRES_SCHEMA_SQL).catch(() => undefined);
    return postgresPubSub(pool);
  }
  const { connect } = await import("@nats-io/transport-node");
  const { natsPubSub } = await import("../../dist/nats.js");
  return natsPubSub(await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50 }));
}

const pubsub = await broker();
const gaps = [];
const Say = message("SAY", any);
const router = createRouter({ logger: false, pubsub, topics: { presence: { match: "people", ttlMs: 1500, heartbeatMs: 300, identity: ({ data }) => data.name } }, sinks: [(event) => event.type === "pubsub.gap" && gaps.push(event.topic)] })
  .rpc(rpc("JOIN", any, "JOINED", any), async (ctx) => {
    await ctx.topics.subscribe(ctx.payload);
    return ctx.topics.list();
  })
  .rpc(rpc("PUBLISH", any, "PUBLISHED", any), (ctx) => ctx.publish(ctx.payload.topic, Say, ctx.payload.text, { excludeSelf: true }).then(({ ok, matched, error }) => ({ ok, matched, error })))
  .rpc(rpc("STATE", any, "STATE_IS", any), async () => ({ gaps: gaps.slice(), channels: pubsub.size.channels, people: (await router.presence("people")).map(({ id }) => id).sort() }));
const server = await serve(router, { port: 0, authenticate: (request) => ({ name: new URL(request.url).searchParams.get("name") }) });
console.log(server.url);
for await (const _ of process.stdin);
await server.close({ drainMs: 500 });
process.exit(0);
