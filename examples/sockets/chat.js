/** Chat with rooms and presence. `node examples/sockets/chat.js` runs a server and three guests, and prints what Ann sees. */
import { WebSocket } from "ws";
import { serve } from "sluice/node";
import { createClient } from "sluice/sockets/client";
import { createRouter, message, rpc, z } from "sluice/sockets/zod";

const Enter = rpc("ENTER", { room: z.string() }, "ENTERED", { people: z.array(z.string()) });
const Say = message("SAY", { room: z.string(), text: z.string().max(500) });
const Said = message("SAID", { from: z.string(), text: z.string() });
const Presence = message("PRESENCE", { topic: z.string(), joined: z.array(z.any()), left: z.array(z.any()) });

const router = createRouter({ topics: { presence: { identity: ({ data }) => data.name, announce: Presence } } })
  .rpc(Enter, async (ctx) => {
    const topic = `room:${ctx.payload.room}`;
    await ctx.topics.subscribe(topic);
    return { people: (await ctx.topics.presence(topic)).map(({ id }) => id) };
  })
  .on(Say, (ctx) => void ctx.publish(`room:${ctx.payload.room}`, Said, { from: ctx.data.name, text: ctx.payload.text }, { excludeSelf: true }));

const server = await serve(router, { port: 0, authenticate: (request) => ({ name: new URL(request.url).searchParams.get("name") ?? undefined }) });

const guest = async (name) => {
  const client = createClient({ url: `${server.url}?name=${name}`, wsFactory: (url, protocols) => new WebSocket(url, [...protocols]) });
  await client.connect();
  return client;
};
const [ann, bob, eve] = [await guest("ann"), await guest("bob"), await guest("eve")];

const seen = [];
ann.on(Said, ({ payload }) => seen.push(`${payload.from}: ${payload.text}`));
ann.on(Presence, ({ payload }) => seen.push(...payload.joined.map(({ id }) => `* ${id} came`), ...payload.left.map(({ id }) => `* ${id} left`)));
await ann.request(Enter, { room: "green" });
await eve.request(Enter, { room: "blue" });
const { people } = await bob.request(Enter, { room: "green" });
bob.send(Say, { room: "green", text: "hello" });
ann.send(Say, { room: "green", text: "hello yourself" });
await bob.request(Enter, { room: "green" });
await bob.close();
while (!seen.includes("* bob left")) await new Promise((resolve) => setTimeout(resolve, 5));
console.log(JSON.stringify({ people, seen }));
await Promise.all([ann.close(), eve.close()]);
await server.close();
