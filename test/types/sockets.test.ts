/** The types of sockets: checked by the compiler, with zod, valibot and arktype. What must not compile is marked. */

import { type as ark } from "arktype";
import * as v from "valibot";
import { describe, expectTypeOf, it } from "vitest";
import { z } from "zod";
import { createRouter, definePlugin, memoized } from "./sockets-types.ts";
import { type Middleware, message, rpc } from "../../src/sockets.ts";
import { createClient } from "../../src/sockets-client.ts";

const zodJoin = message("JOIN", { room: z.string(), n: z.coerce.number().optional() }, { tenant: z.string() });
const valibotJoin = message("JOIN", { room: v.string() });
const arkJoin = message("JOIN", ark({ room: "string" }));
const Get = rpc({ req: { type: "GET", payload: { id: z.string() } }, res: { type: "GOT", payload: { name: z.string() } }, progress: z.number() });
const Plain = rpc("PLAIN", undefined, "PLAINED", { x: z.number() });

describe("types of sockets", () => {
  it("flow from descriptors to handlers and senders", () => {
    memoized(() => {
      createRouter<{ user: string }>()
        .on(zodJoin, (ctx) => {
          expectTypeOf(ctx.payload).toEqualTypeOf<{ room: string; n?: number | undefined }>();
          expectTypeOf(ctx.type).toEqualTypeOf<"JOIN">();
          expectTypeOf(ctx.meta.tenant).toEqualTypeOf<string>();
          expectTypeOf(ctx.receivedAt).toEqualTypeOf<number>();
          expectTypeOf(ctx.data).toEqualTypeOf<{ user: string }>();
          // @ts-expect-error an event has no answer
          ctx.reply({});
          void ctx.send(valibotJoin, { room: "a" });
          // @ts-expect-error the payload is wrong
          void ctx.send(valibotJoin, { room: 1 });
          // @ts-expect-error meta is required
          void ctx.send(zodJoin, { room: "a" });
          void ctx.send(zodJoin, { room: "a" }, { meta: { tenant: "t" } });
          // @ts-expect-error the payload is wrong
          void ctx.publish("topic", arkJoin, { room: 1 });
        })
        .rpc(Get, async (ctx) => {
          void ctx.progress(1);
          // @ts-expect-error progress takes the progress type
          void ctx.progress({ name: "x" });
          // @ts-expect-error the answer is wrong
          void ctx.reply({ nome: "x" });
          return { name: ctx.payload.id };
        })
        .rpc(Plain, (ctx) => {
          // @ts-expect-error there is no progress schema
          void ctx.progress(1);
          return { x: 1 };
        });
      createRouter().on(arkJoin, ({ payload }) => void expectTypeOf(payload).toEqualTypeOf<{ room: string }>());
      // @ts-expect-error an event is no call
      createRouter().rpc(valibotJoin, () => undefined);
      // @ts-expect-error a call is no event
      createRouter().on(Plain, () => undefined);
      // @ts-expect-error an unknown option
      createRouter({ nope: 1 });
      // @ts-expect-error a wrong answer
      createRouter().rpc(Plain, () => ({ x: "no" }));
      const added: Middleware<{ user: string }, { tenant: string }> = (ctx, next) => ((ctx.tenant = "t"), next());
      createRouter<{ user: string }>().use(added).plugin(definePlugin<{ locale: string }>({ name: "locale", context: { locale: () => "en" } }))
        .on(valibotJoin, (ctx) => {
          expectTypeOf(ctx.tenant).toEqualTypeOf<string>();
          expectTypeOf(ctx.locale).toEqualTypeOf<string>();
        });
      const router = createRouter();
      void router.publish("topic", valibotJoin, { room: "a" });
      // @ts-expect-error the payload is wrong
      void router.publish("topic", valibotJoin, {});
      const client = createClient({ url: "" });
      const call = client.request(Get, { id: "1" });
      expectTypeOf(call).resolves.toEqualTypeOf<{ name: string }>();
      expectTypeOf(call.progress()).toEqualTypeOf<AsyncIterable<number>>();
      // @ts-expect-error the payload is wrong
      void client.request(Get, { id: 1 });
    });
  });
});
