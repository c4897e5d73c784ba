/**
 * A live order book: a snapshot with the offset it was taken at, then every change, once and in order, also after the line was cut.
 * `node examples/sockets/order-book.js`
 */
import { WebSocket } from "ws";
import { serve } from "sluice/node";
import { createClient } from "sluice/sockets/client";
import { createRouter, message, rpc, z } from "sluice/sockets/zod";

const Watch = rpc("WATCH", { symbol: z.string() }, "BOOK", { levels: z.record(z.string(), z.number()) });
const Change = message("CHANGE", { price: z.string(), size: z.number() });

const book = new Map();
const router = createRouter({ topics: { history: { match: "book:*", size: 1000, ttlMs: 60_000 } } })
  .rpc(Watch, async (ctx) => {
    await ctx.topics.subscribe(`book:${ctx.payload.symbol}`);
    return { levels: Object.fromEntries(book) };
  });
const server = await serve(router, { port: 0, anonymous: true });

/** The exchange: the book and its topic change together. */
const trade = (price, size) => {
  if (size === 0) book.delete(price);
  else book.set(price, size);
  return router.publish("book:ACME", Change, { price, size });
};

const client = createClient({ url: server.url, reconnect: { initialDelayMs: 10 }, wsFactory: (url, protocols) => new WebSocket(url, [...protocols]) });
const mine = new Map();
const offsets = [];
let gaps = 0;
client.on("gap", () => gaps++);
client.on(Change, ({ payload: { price, size }, meta }) => {
  offsets.push(Number(meta.offset.split(":")[1]));
  if (size === 0) mine.delete(price);
  else mine.set(price, size);
});

await trade("100.0", 5);
await client.connect();
for (const [price, size] of Object.entries((await client.request(Watch, { symbol: "ACME" })).levels)) mine.set(price, size);
await trade("100.5", 3);
while (offsets.length < 1) await new Promise((resolve) => setTimeout(resolve, 5));

// The line breaks; the market goes on.
for (const connection of router.connections()) connection.close(1012, "the line is cut");
for (let i = 1; i <= 50; i++) await trade(`10${i % 10}.0`, i % 7);
while (offsets.at(-1) !== 52) await new Promise((resolve) => setTimeout(resolve, 5));

const whole = offsets.every((n, i) => n === offsets[0] + i);
const same = JSON.stringify([...mine].sort()) === JSON.stringify([...book].sort());
console.log(JSON.stringify({ changes: offsets.length, whole, same, gaps }));
await client.close();
await server.close();
