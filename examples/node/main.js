/** A gateway on Node. State is in the memory of this process. */
import { cache, createGateway, rateLimit } from "sluice/gateway";
import { nodeAdapter, serve } from "sluice/node";

const adapter = nodeAdapter();
const gateway = createGateway({
  name: "example",
  adapter,
  routes: [
    {
      path: "/hello",
      methods: ["GET"],
      pipeline: { policies: [rateLimit({ max: 5, windowSeconds: 60 })], upstream: { type: "handler", handler: (c) => c.json({ hello: "from Node" }) } },
    },
    {
      path: "/time",
      methods: ["GET"],
      pipeline: { policies: [cache({ ttlSeconds: 30 })], upstream: { type: "handler", handler: (c) => c.json({ now: new Date().toISOString() }) } },
    },
  ],
});

const server = await serve(gateway, { port: Number(process.env.PORT ?? 8787) });
console.log(`listening on ${server.url}
  for i in 1 2 3 4 5 6; do curl -s -o /dev/null -w '%{http_code}\\n' ${server.url}/hello; done   # five times 200, then 429
  curl -s ${server.url}/time; sleep 1; curl -s ${server.url}/time   # the same time twice: the second comes from the cache`);

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    await server.close();
    await adapter.close();
  });
}
