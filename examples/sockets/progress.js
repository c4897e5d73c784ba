/** A call with progress, one that is cancelled, and one that runs out of time. `node examples/sockets/progress.js` */
import { WebSocket } from "ws";
import { serve } from "sluice/node";
import { createClient } from "sluice/sockets/client";
import { createRouter, rpc, z } from "sluice/sockets/zod";

const Convert = rpc({ req: { type: "CONVERT", payload: { pages: z.number() } }, res: { type: "CONVERTED", payload: { pages: z.number() } }, progress: z.object({ page: z.number() }) });

const stopped = [];
const router = createRouter().rpc(Convert, async function* (ctx) {
  const { pages } = ctx.payload;
  ctx.onCancel(() => stopped.push(pages));
  for (let page = 1; page <= pages; page++) {
    if (ctx.signal.aborted) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
    yield { page };
  }
  return { pages };
});
const server = await serve(router, { port: 0, anonymous: true });
const client = createClient({ url: server.url, wsFactory: (url, protocols) => new WebSocket(url, [...protocols]) });
await client.connect();

const call = client.request(Convert, { pages: 4 });
const pages = [];
for await (const { page } of call.progress()) pages.push(page);
const { pages: done } = await call;

const long = client.request(Convert, { pages: 100_000 });
for await (const { page } of long.progress()) if (page === 3) break;
long.cancel();
const cancelled = await long.catch((error) => error.name);

const late = await client.request(Convert, { pages: 100_001 }, { timeoutMs: 30 }).catch((error) => error.name);
while (stopped.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
console.log(JSON.stringify({ pages, done, cancelled, late, stopped }));
await client.close();
await server.close();
