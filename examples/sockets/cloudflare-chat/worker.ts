/** Chat sharded over Durable Objects: rooms are spread by name, and news of the house reaches all of them over a broker. */
import { PubSubDO, SocketsDO, cloudflarePubSub, getShardedStub } from "sluice/cloudflare";
import { createRouter, message, rpc, z } from "sluice/sockets/zod";

const Enter = rpc("ENTER", { room: z.string() }, "ENTERED", { object: z.string() });
const Say = message("SAY", { room: z.string(), text: z.string() });
const Said = message("SAID", { from: z.string(), text: z.string() });
const Announce = message("ANNOUNCE", { text: z.string() });

interface Env {
  readonly ROUTER: DurableObjectNamespace;
  readonly PUBSUB: DurableObjectNamespace;
}
type DurableObjectNamespace = Parameters<typeof cloudflarePubSub>[0];
interface Guest {
  readonly name: string;
}

/** One object holds some of the rooms; its sockets hibernate. */
export class Rooms extends SocketsDO<Guest, Env>(
  (env, state) =>
    createRouter<Guest>({ pubsub: cloudflarePubSub(env.PUBSUB) })
      .rpc(Enter, async (ctx) => {
        await ctx.topics.subscribeMany([`room:${ctx.payload.room}`, "house"]);
        return { object: String((state as { id?: unknown }).id) };
      })
      .on(Say, (ctx) => void ctx.publish(`room:${ctx.payload.room}`, Said, { from: ctx.data.name, text: ctx.payload.text }))
      .on(Announce, (ctx) => void ctx.publish("house", Said, { from: "the house", text: ctx.payload.text })),
  { authenticate: (request) => ({ name: new URL(request.url).searchParams.get("name") ?? undefined }) },
) {}

export { PubSubDO };

export default {
  fetch(request: Request, env: Env): Promise<Response> {
    const room = new URL(request.url).searchParams.get("room") ?? "general";
    return getShardedStub(env, `room:${room}`, 10).fetch(request);
  },
};
