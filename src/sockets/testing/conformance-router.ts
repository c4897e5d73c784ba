/** The router that every runtime serves for the conformance suite. Its schemas are written by hand: it needs no library. */

import type { StandardSchema } from "../../core/standard-schema.ts";
import { CloseError, SocketError } from "../errors.ts";
import { message, rpc } from "../message.ts";
import { type Router, createRouter } from "../router.ts";
import type { RouterOptions } from "../options.ts";

function schema<T>(name: string, test: (value: unknown) => boolean): StandardSchema<T> {
  return { "~standard": { version: 1, vendor: "sluice", validate: (value) => (test(value) ? { value: value as T } : { issues: [{ message: `expected ${name}` }] }) } };
}

const text: StandardSchema<string> = /* @__PURE__ */ schema<string>("a text", (value) => typeof value === "string");
const number: StandardSchema<number> = /* @__PURE__ */ schema<number>("a number", (value) => typeof value === "number");
const any: StandardSchema<unknown> = /* @__PURE__ */ schema<unknown>("anything", () => true);

/** Names of the messages the suite sends. */
export const CONFORMANCE_LIMITS = { maxPayloadBytes: 20_000, maxViolations: 30 } as const;

/** What the runtime is called in the first answer. */
export type ConformanceRuntime = "node" | "bun" | "deno" | "workerd";

/** The runtime this code is executed in, by what only that runtime has. */
export function currentRuntime(): ConformanceRuntime {
  const scope = globalThis as { Bun?: unknown; Deno?: unknown; navigator?: { userAgent?: string } };
  if (scope.Bun !== undefined) return "bun";
  if (scope.Deno !== undefined) return "deno";
  return scope.navigator?.userAgent === "Cloudflare-Workers" ? "workerd" : "node";
}

/** The router under test; serve it with `authenticate: conformanceAuthenticate`. */
export function conformanceRouter(options: RouterOptions = {}): Router {
  const Echo = message("ECHO", { text });
  const Echoed = message("ECHOED", { text });
  const Hooks = rpc("HOOKS", { of: text }, "HOOKS_SEEN", { seen: any });
  const Runtime = rpc("RUNTIME", undefined, "RUNTIME_IS", { runtime: text, polluted: any });
  const Slow = message("SLOW", { text, turns: number });
  const Add = rpc("ADD", { a: number, b: number }, "SUM", { sum: number });
  const Count = rpc({ req: { type: "COUNT", payload: { to: number } }, res: { type: "COUNTED", payload: { to: number } }, progress: number });
  const Hang = rpc("HANG", undefined, "NEVER", { x: number });
  const Fail = message("FAIL", { how: text });
  const Subscribe = message("SUBSCRIBE", { topic: text });
  const Publish = rpc("PUBLISH", { topic: text, text, excludeSelf: any }, "PUBLISHED", { result: any });
  const Close = message("CLOSE", { code: number, reason: text });
  const Large = message("LARGE", { size: number });
  const seen = new Map<string, string[]>();
  const note = (name: string, line: string): void => {
    if (seen.size > 10_000) seen.clear();
    seen.set(name, [...(seen.get(name) ?? []), line]);
  };
  const nameOf = (data: unknown): string => String((data as { name?: unknown } | undefined)?.name ?? "");
  return createRouter({
    logger: false,
    limits: { ...CONFORMANCE_LIMITS, connectionRate: false },
    topics: { history: { match: "kept:*", size: 3 }, authorize: (action, topic) => !(topic === "secret" || (topic === "read-only" && action === "publish")) },
    ...options,
    hooks: { onLimitExceeded: ({ type, clientId: _id, ws, observed }) => void (ws === undefined ? undefined : note("limits", `${type} ${observed}`)) },
  })
    .onOpen(async (ctx) => {
      note(nameOf(ctx.data), "open");
      await Promise.resolve();
      await ctx.send(Echoed, { text: "welcome" });
    })
    .onClose((ctx) => note(nameOf(ctx.data), `close ${ctx.code} ${ctx.reason}`))
    .onError((_error, { type, code, data }) => note(nameOf(data), `error ${type} ${code}`))
    .on(Echo, (ctx) => void ctx.send(Echoed, { text: ctx.payload.text }))
    .on(Slow, async (ctx) => {
      for (let i = 0; i < ctx.payload.turns; i++) await new Promise<void>((resolve) => void Promise.resolve().then(() => resolve()));
      await ctx.send(Echoed, { text: ctx.payload.text });
    })
    .rpc(Runtime, () => ({ runtime: currentRuntime(), polluted: Object.keys(Object.prototype).length > 0 || (({}) as { polluted?: unknown }).polluted !== undefined }))
    .rpc(Hooks, ({ payload }) => ({ seen: seen.get(payload.of) ?? [] }))
    .rpc(Add, ({ payload }) => ({ sum: payload.a + payload.b }))
    .rpc(Count, async function* ({ payload }) {
      for (let i = 0; i < payload.to; i++) yield i;
      return { to: payload.to };
    })
    .rpc(Hang, (ctx) => new Promise<never>(() => ctx.onCancel(() => note(nameOf(ctx.data), "cancelled"))), { ordered: false })
    .on(Fail, ({ payload }) => {
      if (payload.how === "own") throw new SocketError("NOT_FOUND", "nothing here", { token: "t", id: 1 });
      if (payload.how === "close") throw new CloseError(4321, "thrown");
      throw new Error("a secret");
    })
    .on(Subscribe, async (ctx) => {
      await ctx.topics.subscribe(ctx.payload.topic);
      await ctx.send(Echoed, { text: `subscribed ${ctx.topics.list().join()}` });
    })
    .rpc(Publish, async (ctx) => {
      const { topic, text: said, excludeSelf } = ctx.payload;
      const result = await ctx.publish(topic, Echoed, { text: said }, { excludeSelf: excludeSelf === true });
      return { result: result.ok ? { ok: true, matched: result.matched } : { ok: false, error: result.error } };
    })
    .on(Close, async (ctx) => {
      await ctx.send(Echoed, { text: "before the close" });
      ctx.close(ctx.payload.code, ctx.payload.reason);
      await ctx.send(Echoed, { text: "never" });
    })
    .on(Large, (ctx) => void ctx.send(Echoed, { text: "x".repeat(ctx.payload.size) })) as Router;
}

/** Everybody is let in under the name in the query, but for those without. */
export function conformanceAuthenticate(request: Request): { name: string } | undefined {
  const name = new URL(request.url).searchParams.get("name");
  return name === null ? undefined : { name };
}
