/**
 * Cursors of people on one page. Moves come faster than a slow reader takes them: with `coalesce` a waiting move is replaced by
 * a newer one of the same person, so nobody sees old positions, and memory stays bounded. `node examples/sockets/cursors.js`
 */
import { WebSocket } from "ws";
import { serve } from "sluice/node";
import { createRouter, message, rpc, z } from "sluice/sockets/zod";

const Join = rpc("JOIN", undefined, "JOINED");
const Move = message("MOVE", { x: z.number(), y: z.number() });
const Moved = message("MOVED", { who: z.string(), x: z.number(), y: z.number(), trail: z.string().optional() });

const router = createRouter({
  logger: false,
  limits: { backpressure: { maxBufferedBytes: 64_000, topics: [{ match: "page:*", policy: "coalesce", coalesceKey: (_topic, _type, { who }) => who }] } },
})
  .rpc(Join, async (ctx) => void (await ctx.topics.subscribe("page:1")))
  // The trail makes frames long enough for a reader to fall behind within a second.
  .on(Move, (ctx) => void ctx.publish("page:1", Moved, { who: ctx.data.name, ...ctx.payload, trail: "·".repeat(2000) }, { excludeSelf: true }));

const server = await serve(router, { port: 0, authenticate: (request) => ({ name: new URL(request.url).searchParams.get("name") ?? "?" }) });

const person = async (name) => {
  const socket = new WebSocket(`${server.url}?name=${name}`);
  const positions = [];
  socket.on("message", (data) => {
    const { type, payload } = JSON.parse(data);
    if (type === "MOVED") positions.push(payload.x);
  });
  await new Promise((resolve) => socket.once("open", resolve));
  const joined = new Promise((resolve) => socket.once("message", resolve));
  socket.send('{"type":"JOIN","meta":{"correlationId":"j"}}');
  await joined;
  return { socket, positions };
};
const [ann, bob, slow] = [await person("ann"), await person("bob"), await person("slow")];

const MOVES = 3000;
slow.socket.pause();
for (let x = 1; x <= MOVES; x++) {
  ann.socket.send(JSON.stringify({ type: "MOVE", payload: { x, y: 0 } }));
  if (x % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
}
while (bob.positions.at(-1) !== MOVES) await new Promise((resolve) => setTimeout(resolve, 5));
const buffered = Math.max(...router.connections().map(({ bufferedBytes }) => bufferedBytes));
slow.socket.resume();
while (slow.positions.at(-1) !== MOVES) await new Promise((resolve) => setTimeout(resolve, 5));
const rising = slow.positions.every((x, i) => i === 0 || x > slow.positions[i - 1]);
console.log(JSON.stringify({ bobEndsAt: bob.positions.at(-1), slowSawFewer: slow.positions.length < MOVES, slowEndsAt: slow.positions.at(-1), rising, buffered: buffered <= 64_000 + 5000 }));
for (const { socket } of [ann, bob, slow]) socket.terminate();
await server.close({ drainMs: 100 });
