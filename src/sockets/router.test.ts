import { type as ark } from "arktype";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { manualClock } from "../testing/manual-clock.ts";
import { CloseError, SocketError } from "./errors.ts";
import type { SocketEvent } from "./events.ts";
import { message, rpc } from "./message.ts";
import { createRouter } from "./router.ts";
import { HandshakeRefused, createTestRouter } from "./testing/test-router.ts";

const Ping = message("PING", { text: z.string() });
const Pong = message("PONG", { text: z.string() });
const Add = rpc("ADD", { a: z.number(), b: z.number() }, "SUM", { sum: z.number() });

function quiet() {
  return createRouter({ logger: false });
}

describe("events", () => {
  it("answers with what the handler sends, stamped by the server", async () => {
    const clock = manualClock();
    const router = quiet().on(Ping, (ctx) => void ctx.send(Pong, { text: `${ctx.payload.text}!` }));
    const test = createTestRouter(router, { clock });
    const client = await test.connect();
    client.send(Ping, { text: "hi" });
    expect(client.outgoing()).toEqual([{ type: "PONG", meta: { timestamp: clock.now() }, payload: { text: "hi!" } }]);
  });

  it.each([
    ["zod", message("M", { n: z.number(), s: z.string().default("x") }), { n: 1, s: "x" }],
    ["valibot", message("M", { n: v.number(), s: v.optional(v.string(), "x") }), { n: 1, s: "x" }],
    ["arktype", message("M", { n: ark("number"), s: ark("string").pipe((text) => text) }), undefined],
    ["a whole zod schema", message("M", z.object({ n: z.number() })), { n: 1 }],
    ["a whole arktype schema", message("M", ark({ n: "number" })), { n: 1 }],
  ])("gives handlers what the schema gives: %s", async (_name, descriptor, expected) => {
    const seen: unknown[] = [];
    const test = createTestRouter(quiet().on(descriptor, (ctx) => void seen.push(ctx.payload)));
    const client = await test.connect();
    client.sendRaw(JSON.stringify({ type: "M", payload: { n: 1 } }));
    if (expected === undefined) expect(client.outgoing()[0]?.payload).toMatchObject({ code: "INVALID_ARGUMENT" });
    else expect(seen).toEqual([expected]);
  });

  it("answers a failed handler also when the logger fails", async () => {
    const broken = (): never => { throw new Error("the log is full"); };
    const router = createRouter({ logger: { error: broken, warn: broken, info: broken } }).on(Ping, () => { throw new Error("no"); });
    const test = createTestRouter(router);
    const client = await test.connect();
    client.send(Ping, { text: "" });
    await test.settle();
    expect(client.outgoing()).toMatchObject([{ type: "ERROR", payload: { code: "INTERNAL" } }]);
  });

  it("waits for asynchronous schemas and keeps the order", async () => {
    const Slow = message("SLOW", { n: z.number().refine(async (n) => (await Promise.resolve(), n > 0)) });
    const seen: unknown[] = [];
    const test = createTestRouter(quiet().on(Slow, (ctx) => void seen.push(ctx.payload.n)).on(Ping, () => void seen.push("ping")));
    const client = await test.connect();
    client.sendRaw(JSON.stringify({ type: "SLOW", payload: { n: 1 } }));
    client.send(Ping, { text: "" });
    await test.settle();
    expect(seen).toEqual([1, "ping"]);
  });

  it("sends in call order, also when one send validates asynchronously", async () => {
    const Late = message("LATE", { n: z.number().refine(async () => (await Promise.resolve(), true)) });
    const test = createTestRouter(quiet().on(Ping, (ctx) => {
      void ctx.send(Late, { n: 1 });
      void ctx.send(Pong, { text: "second" });
      ctx.error("NOT_FOUND", "third");
    }));
    const client = await test.connect();
    client.send(Ping, { text: "" });
    await test.settle();
    expect(client.outgoing().map(({ type }) => type)).toEqual(["LATE", "PONG", "ERROR"]);
  });

  it("never rejects a send: what does not fit is reported once", async () => {
    const errors: unknown[] = [];
    const results: unknown[] = [];
    const router = quiet().onError((_error, { code }) => void errors.push(code)).on(Ping, async (ctx) => {
      results.push(await ctx.send(Pong, { text: 7 as never }));
      results.push(await ctx.send(message("ANY", z.any()), 1n));
      ctx.close();
      results.push(await ctx.send(Pong, { text: "late" }));
    });
    const test = createTestRouter(router);
    const client = await test.connect();
    client.send(Ping, { text: "" });
    await test.settle();
    expect(results).toEqual([{ ok: false, error: "VALIDATION" }, { ok: false, error: "SERIALIZATION" }, { ok: false, error: "CONNECTION_CLOSED" }]);
    expect(errors).toEqual(["OUTBOUND_VALIDATION", "OUTBOUND_VALIDATION"]);
  });

  it("handles one after the other, and those that are not ordered at once", async () => {
    const Free = message("FREE");
    const seen: string[] = [];
    let release: () => void = () => undefined;
    const router = quiet()
      .on(Ping, async (ctx) => {
        seen.push(`begin ${ctx.payload.text}`);
        await new Promise<void>((resolve) => (release = resolve));
        seen.push(`end ${ctx.payload.text}`);
      })
      .on(Free, () => void seen.push("free"), { ordered: false });
    const test = createTestRouter(router);
    const client = await test.connect();
    client.send(Ping, { text: "1" });
    client.send(Ping, { text: "2" });
    client.send(Free);
    release();
    await test.settle();
    expect(seen).toEqual(["begin 1", "free", "end 1", "begin 2"]);
  });

  it("moves on when a handler takes too long, once reported", async () => {
    const clock = manualClock();
    const seen: unknown[] = [];
    const router = createRouter({ logger: false, limits: { handlerTimeoutMs: 1000 } })
      .onError((_error, { code }) => void seen.push(code))
      .on(Ping, (ctx) => (ctx.payload.text === "hang" ? new Promise<void>(() => ctx.onCancel(() => void seen.push("aborted"))) : void seen.push(ctx.payload.text)));
    const test = createTestRouter(router, { clock });
    const client = await test.connect();
    client.send(Ping, { text: "hang" });
    client.send(Ping, { text: "next" });
    clock.advance(999);
    expect(seen).toEqual([]);
    clock.advance(1);
    expect(seen).toEqual(["DEADLINE_EXCEEDED", "aborted", "next"]);
  });
});

describe("calls", () => {
  it("answer by returning, by reply, with the id echoed", async () => {
    const test = createTestRouter(quiet().rpc(Add, ({ payload }) => ({ sum: payload.a + payload.b })));
    const client = await test.connect();
    await expect(client.request(Add, { a: 1, b: 2 }, { correlationId: "c1" })).resolves.toEqual({ sum: 3 });
    expect(client.outgoing()[0]?.meta).toMatchObject({ correlationId: "c1" });
  });

  it("stream progress, numbered, before the one answer", async () => {
    const Export = rpc({ req: { type: "EXPORT" }, res: { type: "EXPORTED", payload: { url: z.string() } }, progress: { percent: z.number() } });
    const router = quiet().rpc(Export, async function* () {
      yield { percent: 1 };
      yield { percent: 2 };
      return { url: "/x" };
    });
    const test = createTestRouter(router);
    const client = await test.connect();
    await expect(client.request(Export)).resolves.toEqual({ url: "/x" });
    expect(client.outgoing().map(({ type, meta, payload }) => [type, meta["seq"], payload])).toEqual([
      ["$ws:rpc-progress", 0, { percent: 1 }], ["$ws:rpc-progress", 1, { percent: 2 }], ["EXPORTED", undefined, { url: "/x" }],
    ]);
  });

  it("throttles progress: the first at once, the last always", async () => {
    const clock = manualClock();
    const Export = rpc({ req: { type: "EXPORT" }, res: { type: "DONE" }, progress: z.number() });
    const router = quiet().rpc(Export, async (ctx) => {
      for (let i = 0; i < 5; i++) void ctx.progress(i, { throttleMs: 100 });
      await new Promise<void>((resolve) => clock.setTimeout(resolve, 150));
      for (let i = 5; i < 8; i++) void ctx.progress(i, { throttleMs: 100 });
      await ctx.reply();
    });
    const test = createTestRouter(router, { clock });
    const client = await test.connect();
    const call = client.request(Export);
    await clock.advanceAsync(150);
    await call;
    expect(client.outgoing("$ws:rpc-progress").map(({ payload }) => payload)).toEqual([0, 4, 7]);
  });

  it("end by deadline, counted from receipt, and do not start after it", async () => {
    const clock = manualClock();
    const started: number[] = [];
    const router = quiet().rpc(Add, async ({ payload, signal }) => {
      started.push(payload.a);
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      return { sum: 0 };
    });
    const test = createTestRouter(router, { clock });
    const client = await test.connect();
    const frame = (id: string, a: number, timeoutMs: number): string => JSON.stringify({ type: "ADD", meta: { correlationId: id, timeoutMs }, payload: { a, b: 0 } });
    client.sendRaw(frame("one", 1, 500));
    client.sendRaw(frame("two", 2, 300));
    await clock.advanceAsync(300);
    expect(client.take()).toMatchObject([{ type: "RPC_ERROR", meta: { correlationId: "two" }, payload: { code: "DEADLINE_EXCEEDED", retryable: true } }]);
    await clock.advanceAsync(200);
    expect(client.take()).toMatchObject([{ type: "RPC_ERROR", meta: { correlationId: "one" }, payload: { code: "DEADLINE_EXCEEDED" } }]);
    expect(started).toEqual([1]);
  });

  it("are cancelled by the client, running or waiting", async () => {
    let aborted = 0;
    const router = quiet().rpc(Add, ({ onCancel: _ignored, signal }) => new Promise<{ sum: number }>(() => signal.addEventListener("abort", () => aborted++)));
    const test = createTestRouter(router);
    const client = await test.connect();
    for (const id of ["one", "two"]) client.sendRaw(JSON.stringify({ type: "ADD", meta: { correlationId: id }, payload: { a: 1, b: 1 } }));
    for (const id of ["two", "one", "unknown"]) client.sendRaw(JSON.stringify({ type: "$ws:abort", meta: { correlationId: id } }));
    await test.settle();
    expect(client.outgoing().map(({ meta, payload }) => [meta["correlationId"], (payload as { code: string }).code])).toEqual([["two", "CANCELLED"], ["one", "CANCELLED"]]);
    expect(aborted).toBe(1);
  });

  it("with an id that is in flight join it; inside the window the answer comes again", async () => {
    let runs = 0;
    const clock = manualClock();
    const router = createRouter({ logger: false, rpc: { dedupeWindowMs: 1000 } }).rpc(Add, async () => ({ sum: ++runs }));
    const test = createTestRouter(router, { clock });
    const client = await test.connect();
    const frame = JSON.stringify({ type: "ADD", meta: { correlationId: "same" }, payload: { a: 1, b: 1 } });
    client.sendRaw(frame);
    client.sendRaw(frame);
    await test.settle();
    expect(client.take()).toHaveLength(1);
    client.sendRaw(frame);
    expect(client.take()).toMatchObject([{ type: "SUM", payload: { sum: 1 } }]);
    clock.advance(1000);
    client.sendRaw(frame);
    await test.settle();
    expect(client.take()).toMatchObject([{ type: "SUM", payload: { sum: 2 } }]);
  });

  it("without an answer are INTERNAL; a second answer is dropped and reported once", async () => {
    const codes: string[] = [];
    const None = rpc("NONE", undefined, "NEVER", { x: z.number() });
    const router = quiet().onError((_error, { code }) => void codes.push(code)).rpc(None, () => undefined).rpc(Add, (ctx) => {
      void ctx.reply({ sum: 1 });
      void ctx.reply({ sum: 2 });
      ctx.error("NOT_FOUND");
    });
    const test = createTestRouter(router);
    const client = await test.connect();
    await expect(client.request(None, undefined)).rejects.toMatchObject({ code: "INTERNAL" });
    client.take();
    await expect(client.request(Add, { a: 1, b: 1 })).resolves.toEqual({ sum: 1 });
    expect(client.take()).toHaveLength(1);
    expect(codes).toEqual(["INTERNAL", "ALREADY_ANSWERED"]);
  });

  it("are limited in number per connection", async () => {
    const router = createRouter({ logger: false, rpc: { maxInFlight: 1 } }).rpc(Add, () => new Promise<never>(() => undefined), { ordered: false });
    const test = createTestRouter(router);
    const client = await test.connect();
    void client.request(Add, { a: 1, b: 1 }).catch(() => undefined);
    await expect(client.request(Add, { a: 1, b: 1 })).rejects.toMatchObject({ code: "RESOURCE_EXHAUSTED", retryable: true });
  });
});

describe("bad input", () => {
  const rows: [string, string | Uint8Array, object][] = [
    ["no JSON", "{", { type: "ERROR", payload: { code: "INVALID_ARGUMENT", retryable: false } }],
    ["binary under a text codec", new Uint8Array([1, 2]), { type: "ERROR", payload: { code: "INVALID_ARGUMENT" } }],
    ["an array", "[]", { type: "ERROR", payload: { code: "INVALID_ARGUMENT" } }],
    ["no type", '{"payload":1}', { type: "ERROR" }],
    ["an unknown root key", '{"type":"PING","x":1}', { type: "ERROR", payload: { code: "INVALID_ARGUMENT" } }],
    ["bad meta", '{"type":"PING","meta":[]}', { type: "ERROR" }],
    ["bad meta of a call", '{"type":"ADD","x":1,"meta":{"correlationId":"c"}}', { type: "RPC_ERROR", meta: { correlationId: "c" } }],
    ["a bad id", '{"type":"ADD","meta":{"correlationId":""}}', { type: "ERROR" }],
    ["too deep", `{"type":"PING","payload":${"[".repeat(65)}${"]".repeat(65)}}`, { type: "ERROR", payload: { code: "INVALID_ARGUMENT" } }],
    ["__proto__", '{"type":"PING","payload":{"text":"x","a":{"__proto__":{"polluted":1}}}}', { type: "ERROR", payload: { code: "INVALID_ARGUMENT" } }],
    ["an escaped __proto__", '{"type":"PING","payload":{"text":"x","\\u005f_proto__":1}}', { type: "ERROR", payload: { code: "INVALID_ARGUMENT" } }],
    ["a reserved type", '{"type":"$mine"}', { type: "ERROR", payload: { code: "INVALID_ARGUMENT" } }],
    ["a server's type", '{"type":"ERROR"}', { type: "ERROR", payload: { code: "INVALID_ARGUMENT" } }],
    ["a malformed control frame", '{"type":"$ws:abort"}', { type: "ERROR", payload: { code: "INVALID_ARGUMENT" } }],
    ["an unknown type", '{"type":"NOPE"}', { type: "ERROR", payload: { code: "UNIMPLEMENTED", details: { type: "NOPE" } } }],
    ["an unknown type with an id", '{"type":"NOPE","meta":{"correlationId":"c"}}', { type: "RPC_ERROR", payload: { code: "UNIMPLEMENTED" }, meta: { correlationId: "c" } }],
    ["a wrong payload", '{"type":"PING","payload":{"text":1}}', { type: "ERROR", payload: { code: "INVALID_ARGUMENT", details: { issues: [{ path: ["payload", "text"] }] } } }],
    ["a wrong payload of an event with an id", '{"type":"PING","meta":{"correlationId":"e"},"payload":{}}', { type: "ERROR", meta: { correlationId: "e" } }],
    ["an unknown key of a shape", '{"type":"PING","payload":{"text":"x","y":1}}', { type: "ERROR", payload: { code: "INVALID_ARGUMENT" } }],
    ["a wrong payload of a call", '{"type":"ADD","meta":{"correlationId":"c"},"payload":{}}', { type: "RPC_ERROR", meta: { correlationId: "c" }, payload: { code: "INVALID_ARGUMENT" } }],
  ];

  it.each(rows)("%s is answered once", async (_name, frame, expected) => {
    const errors: unknown[] = [];
    const router = quiet().onError((error) => void errors.push(error)).on(Ping, () => undefined).rpc(Add, () => ({ sum: 0 }));
    const test = createTestRouter(router);
    const client = await test.connect();
    client.sendRaw(frame);
    await test.settle();
    expect(client.outgoing()).toHaveLength(1);
    expect(client.outgoing()[0]).toMatchObject(expected);
    expect(errors).toEqual([]);
    expect(client.closed).toBeUndefined();
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it("closes with 1008 after too many violations", async () => {
    const clock = manualClock();
    const test = createTestRouter(createRouter({ logger: false, heartbeat: false, limits: { maxViolations: 2 } }), { clock });
    const client = await test.connect();
    client.sendRaw("{");
    client.sendRaw("{");
    clock.advance(60_000);
    client.sendRaw("{");
    client.sendRaw("{");
    await test.settle();
    expect(client.closed).toBeUndefined();
    client.sendRaw("{");
    await test.settle();
    expect(client.closed).toEqual({ code: 1008, reason: "too many protocol violations" });
  });

  it("what a handler throws is INTERNAL without a word about it; its own errors keep theirs", async () => {
    const errors: unknown[] = [];
    const router = quiet().onError((_error, { code, type }) => void errors.push([type, code])).on(Ping, ({ payload }) => {
      if (payload.text === "own") throw new SocketError("NOT_FOUND", "no such thing", { password: "x", id: 7 });
      if (payload.text === "close") throw new CloseError(4000, "bye");
      throw new Error("secret");
    });
    const test = createTestRouter(router);
    const client = await test.connect();
    client.send(Ping, { text: "boom" });
    client.send(Ping, { text: "own" });
    expect(client.outgoing().map(({ payload }) => payload)).toEqual([
      { code: "INTERNAL", message: "internal error", retryable: false },
      { code: "NOT_FOUND", message: "no such thing", retryable: false, details: { password: "[redacted]", id: 7 } },
    ]);
    client.send(Ping, { text: "close" });
    await test.settle();
    expect(client.closed).toEqual({ code: 4000, reason: "bye" });
    expect(errors).toEqual([["PING", "INTERNAL"], ["PING", "NOT_FOUND"]]);
  });

  it.each([
    ["send", { closed: undefined, frames: [{ code: "RESOURCE_EXHAUSTED", retryable: false, details: { limit: 100, observed: 101 } }] }],
    ["close", { closed: { code: 1009, reason: "Message too big" }, frames: [] }],
    ["custom", { closed: undefined, frames: [] }],
  ] as const)("a payload over the limit: %s", async (onExceeded, expected) => {
    const limits: unknown[] = [];
    const router = createRouter({ logger: false, limits: { maxPayloadBytes: 100, onExceeded }, hooks: { onLimitExceeded: ({ type, observed, limit }) => void limits.push([type, observed, limit]) } });
    const test = createTestRouter(router);
    const client = await test.connect();
    client.sendRaw(`"${"é".repeat(49)}x"`);
    await test.settle();
    expect(client.outgoing().map(({ payload }) => payload)).toMatchObject(expected.frames);
    expect(client.closed).toEqual(expected.closed);
    expect(limits).toEqual([["payload", 101, 100]]);
  });
});

describe("lifecycle", () => {
  it("runs onOpen before messages, and frames of onOpen come first", async () => {
    const seen: string[] = [];
    const router = quiet().onOpen(async (ctx) => {
      await Promise.resolve();
      await ctx.send(Pong, { text: "welcome" });
      seen.push("open");
    }).on(Ping, (ctx) => {
      seen.push("message");
      void ctx.send(Pong, { text: "answer" });
    }).onClose((ctx) => void seen.push(`close ${ctx.code} ${ctx.reason}`));
    const test = createTestRouter(router);
    const client = await test.connect();
    client.send(Ping, { text: "" });
    await test.settle();
    await client.close(4001, "done");
    expect(client.outgoing().map(({ payload }) => (payload as { text: string }).text)).toEqual(["welcome", "answer"]);
    expect(seen).toEqual(["open", "message", "close 4001 done"]);
    expect(test.connections).toBe(0);
  });

  it("refuses with what onOpen throws", async () => {
    const test = createTestRouter(quiet().onOpen(() => { throw new Error("no"); }));
    const client = await test.connect();
    expect(client.closed).toMatchObject({ code: 1011 });
    const other = createTestRouter(quiet().onOpen(() => { throw new CloseError(4403, "go away"); }));
    expect((await other.connect()).closed).toEqual({ code: 4403, reason: "go away" });
  });

  it("treats a CloseError with a code that cannot be sent as any other failure", async () => {
    const errors: unknown[] = [];
    const close = (): never => { throw new CloseError(1005); };
    const hooked = createTestRouter(quiet().onOpen(async () => close()).onError((error) => void errors.push(error)));
    expect((await hooked.connect()).closed).toMatchObject({ code: 1011 });
    const handled = createTestRouter(quiet().on(Ping, close).onError((error) => void errors.push(error)));
    const client = await handled.connect();
    client.send(Ping, { text: "a" });
    await handled.settle();
    expect(client.closed).toBeUndefined();
    expect(errors).toEqual(Array.from({ length: 2 }, () => expect.objectContaining({ code: "CONFIG_INVALID", option: "closeCode", value: 1005 }) as Error));
    await handled.close();
  });

  it.each([[undefined, 401], [null, 401], [false, 401], [0, 401], ["", 401], [true, 401]])("authenticate answering %o refuses", async (answer, status) => {
    const test = createTestRouter(quiet(), { authenticate: () => answer as never });
    await expect(test.connect()).rejects.toMatchObject({ status });
    expect(test.connections).toBe(0);
  });

  it("authenticate that throws, or never answers, refuses", async () => {
    const clock = manualClock();
    const throwing = createTestRouter(quiet(), { authenticate: () => { throw new Error("db"); } });
    await expect(throwing.connect()).rejects.toMatchObject({ status: 500 });
    const hanging = createTestRouter(quiet(), { authenticate: () => new Promise(() => undefined), clock });
    const refused = expect(hanging.connect()).rejects.toMatchObject({ status: 401 });
    await clock.advanceAsync(10_000);
    await refused;
    expect(clock.pendingTimers).toBe(0);
  });

  it("keeps the id of the server whatever anybody says", async () => {
    let told = "";
    const router = quiet().on(Ping, (ctx) => {
      ctx.assignData({ clientId: "forged", n: 1 });
      void ctx.send(Pong, { text: ctx.clientId });
    });
    const test = createTestRouter(router, { authenticate: (_request, { clientId }) => ((told = clientId), { clientId: "forged", role: "x" }) as never });
    const client = await test.connect();
    client.sendRaw('{"type":"PING","meta":{"clientId":"forged"},"payload":{"text":""}}');
    expect(client.clientId).toBe(told);
    expect(client.outgoing()[0]?.payload).toEqual({ text: told });
    expect(client.data).toEqual({ role: "x", n: 1 });
  });

  it("loses the heartbeat exactly when nobody was heard for its two times", async () => {
    const clock = manualClock();
    const test = createTestRouter(createRouter({ logger: false, heartbeat: { intervalMs: 1000, timeoutMs: 500 } }), { clock });
    const client = await test.connect();
    await clock.advanceAsync(1000);
    client.sendRaw('{"type":"__heartbeat"}');
    expect(client.outgoing()).toEqual([{ type: "__heartbeat_ack" }]);
    await clock.advanceAsync(1499);
    expect(client.closed).toBeUndefined();
    await clock.advanceAsync(251);
    expect(client.closed).toEqual({ code: 4408, reason: "heartbeat lost" });
    await test.settle();
    expect(clock.pendingTimers).toBe(0);
  });

  it("drains: says so, lets handlers finish, refuses what waits, then 1012", async () => {
    const clock = manualClock();
    let finish: () => void = () => undefined;
    const router = quiet().on(Ping, () => new Promise<void>((resolve) => (finish = resolve)));
    const test = createTestRouter(router, { clock });
    const client = await test.connect();
    client.send(Ping, { text: "1" });
    client.send(Ping, { text: "2" });
    const closing = router.close({ drainMs: 1000 });
    await expect(test.connect()).rejects.toBeInstanceOf(HandshakeRefused);
    expect(client.outgoing().map(({ type, payload }) => [type, (payload as { code?: string }).code])).toEqual([["$ws:goaway", undefined], ["ERROR", "UNAVAILABLE"]]);
    expect(client.closed).toBeUndefined();
    finish();
    await closing;
    expect(client.closed).toEqual({ code: 1012, reason: "server restart" });
    expect(clock.pendingTimers).toBe(0);
  });

  it("a drain whose time is up waits for nobody", async () => {
    const clock = manualClock();
    const closed: number[] = [];
    let aborted = false;
    const router = quiet().onClose(({ code }) => void closed.push(code)).on(Ping, (ctx) => new Promise<void>(() => ctx.onCancel(() => (aborted = true))));
    const test = createTestRouter(router, { clock });
    const client = await test.connect();
    client.send(Ping, { text: "" });
    const closing = router.close({ drainMs: 1000 });
    await clock.advanceAsync(1100);
    await closing;
    expect(closed).toEqual([1012]);
    expect(aborted).toBe(true);
    expect(client.closed?.code).toBe(1012);
  });

  it("replaces an older connection of the same identity, whose clean-up comes first", async () => {
    const seen: string[] = [];
    const router = createRouter<{ user: string }>({ logger: false, identity: { key: ({ user }) => user, onConflict: "replace" } })
      .onOpen(({ clientId }) => void seen.push(`open ${clientId}`)).onClose(async ({ clientId, code }) => {
        await Promise.resolve();
        seen.push(`close ${clientId} ${code}`);
      });
    const test = createTestRouter(router);
    const first = await test.connect({ data: { user: "ann" } });
    const second = await test.connect({ data: { user: "ann" } });
    expect(seen).toEqual([`open ${first.clientId}`, `close ${first.clientId} 4409`, `open ${second.clientId}`]);
    await test.connect({ data: { user: "bob" } });
    expect(test.connections).toBe(2);
  });

  it("limits connections, and gives places back", async () => {
    const limits: unknown[] = [];
    const router = createRouter({ limits: { maxConnections: 1 }, hooks: { onLimitExceeded: ({ type, ws }) => void limits.push([type, ws]) } });
    const test = createTestRouter(router, { authenticate: (request) => (request.headers.get("x-bad") === null ? {} : undefined) });
    await expect(test.connect({ headers: { "x-bad": "1" } })).rejects.toMatchObject({ status: 401 });
    const client = await test.connect();
    await expect(test.connect()).rejects.toMatchObject({ status: 429 });
    await client.close();
    await test.connect();
    expect(limits).toEqual([["connections", undefined]]);
  });
});

describe("middleware and composition", () => {
  it("runs global, then per route, in order, around the handler", async () => {
    const seen: string[] = [];
    const log = (name: string) => async (_ctx: unknown, next: () => unknown): Promise<void> => {
      seen.push(`${name} in`);
      await next();
      seen.push(`${name} out`);
    };
    const router = quiet().use(log("one")).use(Ping, log("ping")).use(log("two"));
    router.route(Ping).use(log("route")).on(() => void seen.push("handler"));
    const test = createTestRouter(router);
    const client = await test.connect();
    client.send(Ping, { text: "" });
    await test.settle();
    expect(seen).toEqual(["one in", "two in", "ping in", "route in", "handler", "route out", "ping out", "two out", "one out"]);
  });

  it("mounts another router under a prefix with its middleware, calls included", async () => {
    const seen: string[] = [];
    const inner = quiet().use((ctx, next) => (seen.push(ctx.type), next())).rpc(Add, ({ payload }) => ({ sum: payload.a + payload.b }));
    const router = quiet().on(Ping, () => undefined).mount("math.", inner);
    const test = createTestRouter(router);
    const client = await test.connect();
    const prefixed = inner.prefixed("math.")(Add);
    expect(prefixed.type).toBe("math.ADD");
    await expect(client.request(prefixed, { a: 2, b: 3 })).resolves.toEqual({ sum: 5 });
    expect(client.outgoing()[0]?.type).toBe("math.SUM");
    client.send(Ping, { text: "" });
    expect(seen).toEqual(["math.ADD"]);
  });

  it("refuses what cannot be by name", () => {
    const router = quiet().on(Ping, () => undefined);
    expect(() => router.on(Ping, () => undefined)).toThrow(/PING/);
    expect(() => router.on(Add as never, () => undefined)).toThrow(/message\(\)/);
    expect(() => router.on({ type: "X", kind: "event" } as never, () => undefined)).toThrow(/descriptor/);
    expect(() => message("$x")).toThrow(/message\.type/);
    expect(() => message("X", { a: 1 as never })).toThrow(/message\.payload\.a/);
    expect(() => message("X", undefined, { clientId: z.string() })).toThrow(/meta\.clientId/);
    expect(() => rpc("A", undefined, "A")).toThrow(/rpc\.res\.type/);
    expect(() => createRouter({ limits: { maxPayloadBytes: 0 } })).toThrow(/limits\.maxPayloadBytes.*0/);
    expect(() => createRouter({ nope: 1 } as never)).toThrow(/nope/);
    expect(() => createTestRouter(quiet(), { path: "x" } as never)).toThrow(/path/);
  });

  it("plugins are applied once, and put members on contexts", async () => {
    let applied = 0;
    const plugin = { name: "locale", context: { locale: (ctx: { clientId: string }) => `en-${ctx.clientId.length}` }, setup: () => void applied++ };
    const router = quiet().plugin<{ locale: string }>(plugin).plugin(plugin).on(Ping, (ctx) => void ctx.send(Pong, { text: ctx.locale }));
    const test = createTestRouter(router);
    const client = await test.connect();
    client.send(Ping, { text: "" });
    expect(client.outgoing()[0]?.payload).toEqual({ text: "en-36" });
    expect(applied).toBe(1);
    expect(() => router.plugin({ name: "other", context: { locale: () => "x" } } as never)).toThrow(/locale.*other/);
  });

  it("reports events, without payloads", async () => {
    const events: SocketEvent[] = [];
    const router = quiet().on(Ping, () => undefined);
    const remove = router.observe((event) => void events.push(event));
    const test = createTestRouter(router);
    const client = await test.connect();
    client.send(Ping, { text: "hidden" });
    client.sendRaw('{"type":"NOPE"}');
    await client.close();
    expect(events.map(({ type }) => type)).toEqual(["connection.open", "message.in", "message.end", "message.in", "message.unhandled", "message.out", "connection.close"]);
    expect(JSON.stringify(events)).not.toContain("hidden");
    remove();
    await test.connect();
    expect(events).toHaveLength(7);
  });
});
