/** A gateway in a process of its own, whose memory is its own: limits of bodies in front of an upstream that reads everything. Needs `dist/`. */
import { createServer } from "node:http";
import { createGateway, requestLimit } from "../../dist/gateway.js";
import { serve } from "../../dist/node.js";

let received = 0;
const upstream = createServer((request, response) => {
  request.on("data", (chunk) => (received += chunk.length)).on("end", () => response.end("all")).on("error", () => {});
});
await new Promise((resolve) => upstream.listen(0, "127.0.0.1", resolve));

let peak = 0;
const look = () => (peak = Math.max(peak, process.memoryUsage().rss));
setInterval(look, 5).unref();

const gateway = createGateway({
  routes: [
    { path: "/figures", pipeline: { upstream: { type: "handler", handler: (c) => {
      look();
      const figures = { peak, received };
      peak = 0;
      received = 0;
      return c.json(figures);
    } } } },
    { path: "/*", methods: ["POST"], pipeline: { policies: [requestLimit({ maxBytes: 1_048_576 })], upstream: { type: "url", target: `http://127.0.0.1:${upstream.address().port}` } } },
  ],
});
const server = await serve(gateway, { port: 0 });
console.log(JSON.stringify({ port: server.port }));
for await (const _ of process.stdin);
await server.close({ graceMs: 0 });
upstream.closeAllConnections();
upstream.close();
