/** A bare upstream: 1 KiB of JSON for every request, cacheable unless the query says `no-store`. The first argument is its port. */
import { createServer } from "node:http";

const body = JSON.stringify({ items: Array.from({ length: 12 }, (_, i) => ({ id: i, name: `item ${i}`, price: i * 100, tags: ["a", "b", "c"] })) }).slice(0, 1024).padEnd(1024, " ");
const server = createServer((request, response) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body), "cache-control": request.url.endsWith("?no-store") ? "no-store" : "max-age=60" });
  response.end(body);
});
server.keepAliveTimeout = 60_000;
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => process.send(server.address().port));
process.on("disconnect", () => process.exit(0));
