/** A gateway on Deno. State is in Deno KV, so every instance on the same database counts together, and a restart forgets nothing. */
import { denoKvAdapter, serve } from "sluice/deno";
import { cache, createGateway, rateLimit } from "sluice/gateway";

const kv = await Deno.openKv(Deno.env.get("KV_PATH"));
const adapter = denoKvAdapter(kv);
const gateway = createGateway({
  name: "example",
  adapter,
  routes: [
    {
      path: "/hello",
      methods: ["GET"],
      pipeline: { policies: [rateLimit({ max: 5, windowSeconds: 60 })], upstream: { type: "handler", handler: (c) => c.json({ hello: "from Deno" }) } },
    },
    {
      path: "/time",
      methods: ["GET"],
      pipeline: { policies: [cache({ ttlSeconds: 30 })], upstream: { type: "handler", handler: (c) => c.json({ now: new Date().toISOString() }) } },
    },
  ],
});

const server = await serve(gateway, { port: Number(Deno.env.get("PORT") ?? 8787) });
console.log(`listening on ${server.url}
  for i in 1 2 3 4 5 6; do curl -s -o /dev/null -w '%{http_code}\\n' ${server.url}/hello; done   # five times 200, then 429
  curl -s ${server.url}/time; sleep 1; curl -s ${server.url}/time   # the same time twice: the second comes from the cache`);

for (const signal of ["SIGINT", "SIGTERM"]) {
  Deno.addSignalListener(signal, async () => {
    await server.close();
    await adapter.close();
    kv.close();
    Deno.exit(0);
  });
}
