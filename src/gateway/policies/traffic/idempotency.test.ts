import { SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import type { Context } from "hono";
import type { Policy } from "../../types.ts";
import { memoryStore } from "../../../drivers/memory/memory-store.ts";
import { basicAuth } from "../auth/basic-auth.ts";
import { interrupt } from "./interrupt.ts";
import { definePolicy } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { jwtAuth } from "../auth/jwt-auth.ts";
import { idempotency, type IdempotencyConfig } from "./idempotency.ts";

function harness(options: IdempotencyConfig = {}, upstream?: (c: Context, call: number) => Response | Promise<Response>) {
  const clock = manualClock();
  let calls = 0;
  const made = createPolicyTestHarness([basicAuth({ validate: () => true, skip: (c) => !c.req.header("authorization") }), idempotency(options)], {
    clock,
    upstream: (c) => (calls++, upstream?.(c, calls) ?? c.json({ call: calls }, 201, { "set-cookie": "a=1", "x-b": "2" })),
  });
  const send = (key?: string, body = "{}", more: RequestInit & { user?: string } = {}, path = "/pay"): Promise<Response> =>
    made.request(path, { method: "POST", body, ...more, headers: { ...(key === undefined ? {} : { "idempotency-key": key }), ...(more.user === undefined ? {} : { authorization: `Basic ${btoa(`${more.user}:x`)}` }) } });
  return { ...made, clock, send, calls: () => calls };
}

describe("idempotency", () => {
  it("replays status, fields and body", async () => {
    const { send, calls } = harness();
    const first = await send("k");
    const again = await send("k");
    expect([first.headers.has("idempotent-replayed"), again.headers.get("idempotent-replayed")]).toEqual([false, "true"]);
    expect([again.status, await again.json(), again.headers.get("set-cookie"), again.headers.get("x-b")]).toEqual([201, { call: 1 }, "a=1", "2"]);
    expect(await first.json()).toEqual({ call: 1 });
    expect(calls()).toBe(1);
  });

  it("refuses another request with the key", async () => {
    const { send } = harness();
    await send("k", "a");
    for (const response of [await send("k", "b"), await send("k", "a", { method: "PATCH" }), await send("k", "a", {}, "/other")]) {
      expect([response.status, await response.json()]).toMatchObject([422, { code: "idempotency_key_reused" }]);
    }
  });

  it("tells callers apart", async () => {
    const { send, calls } = harness();
    expect(await (await send("k", "{}", { user: "ann" })).json()).toEqual({ call: 1 });
    expect(await (await send("k", "{}", { user: "bob" })).json()).toEqual({ call: 2 });
    expect(calls()).toBe(2);
  });

  describe("callers behind one address", () => {
    const from = { incoming: { socket: { remoteAddress: "10.0.0.1" } } };
    const pay = (options: IdempotencyConfig = {}, more: Policy[] = [], path = "http://a.example/pay") => {
      let calls = 0;
      const { request } = createPolicyTestHarness([...more, idempotency(options)], { trustProxy: ["10.0.0.1"], upstream: (c) => c.json({ call: ++calls, of: c.req.header("authorization") ?? null }) });
      return async (headers: Record<string, string>, url = path): Promise<number> => {
        const response = await request(url, { method: "POST", body: "{}", headers: { "idempotency-key": "k", "x-forwarded-for": "192.0.2.1", ...headers } }, from);
        return ((await response.json()) as { call: number }).call;
      };
    };

    it.each<[string, Record<string, string>, Record<string, string>]>([
      ["bearer tokens", { authorization: "Bearer a" }, { authorization: "Bearer b" }],
      ["a token and none", { authorization: "Bearer a" }, {}],
      ["cookies", { cookie: "s=1" }, { cookie: "s=2" }],
      ["hosts", { "x-forwarded-host": "a.example" }, { "x-forwarded-host": "b.example" }],
    ])("are told apart by %s", async (_, one, other) => {
      for (const options of [{}, { scopeBy: "identity" as const }, { scopeBy: () => "" }]) {
        const send = pay(options);
        expect([await send(one), await send(other), await send(one), await send(other)]).toEqual([1, 2, 1, 2]);
      }
    });

    it("are the same with a renewed token, and what scopeBy says", async () => {
      const token = async (jti: string): Promise<Record<string, string>> => ({ authorization: `Bearer ${await new SignJWT({ jti }).setSubject("ann").setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode("k".repeat(32)))}` });
      const send = pay({}, [jwtAuth({ secret: "k".repeat(32) })]);
      expect([await send(await token("1")), await send(await token("2"))]).toEqual([1, 1]);
      const tenants = pay({ scopeBy: (c) => c.req.header("x-tenant") });
      expect([await tenants({ "x-tenant": "t", authorization: "a" }), await tenants({ "x-tenant": "t", authorization: "b" }), await tenants({ "x-tenant": "u", authorization: "b" })]).toEqual([1, 1, 2]);
    });
  });

  it("never replays past a guard, and keeps no refusal of one", async () => {
    const guard = definePolicy({ name: "session", guard: true, handler: (c, next) => { if (c.req.header("x-session") !== "good") throw new GatewayError(401, "unauthorized", "no"); return next(); } });
    const closed = interrupt({ condition: (c) => c.req.header("x-closed") !== undefined, statusCode: 403 });
    for (const priority of [undefined, 0, 25, 39.5]) {
      let calls = 0;
      const { request, gateway } = createPolicyTestHarness([idempotency(priority === undefined ? {} : { priority }), guard(), closed], { upstream: (c) => c.json({ call: ++calls }) });
      const send = async (headers: Record<string, string>): Promise<number> => (await request("/pay", { method: "POST", body: "{}", headers: { "idempotency-key": "k", ...headers } })).status;
      expect([await send({}), await send({ "x-session": "good" }), await send({ "x-session": "good" }), await send({ "x-session": "stolen" }), await send({ "x-session": "good", "x-closed": "1" }), calls]).toEqual([401, 200, 200, 401, 403, 1]);
      expect(gateway._registry.policies.find(({ name }) => name === "idempotency")?.priority).toBe(40);
    }
  });

  it.each([401, 408, 425, 429])("does not keep a %i", async (status) => {
    const { send, calls } = harness({}, (c, call) => (call === 1 ? c.text("later", status as 408) : c.text("done")));
    expect([(await send("k")).status, await (await send("k")).text(), await (await send("k")).text(), calls()]).toEqual([status, "done", "done", 2]);
  });

  it("lets an event stream through as it comes, holds the key until it ends, and does not keep it", async () => {
    let events!: ReadableStreamDefaultController<Uint8Array>;
    const stream = (): Response => new Response(new ReadableStream<Uint8Array>({ start: (controller) => void (events = controller) }), { headers: { "content-type": "text/event-stream" } });
    const { send, calls } = harness({}, stream);
    const first = await send("k");
    const reader = (first.body as ReadableStream<Uint8Array>).getReader();
    events.enqueue(new TextEncoder().encode("data: 1\n\n"));
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("data: 1\n\n");
    expect((await send("k")).status).toBe(409);
    events.close();
    expect((await reader.read()).done).toBe(true);
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
    expect([(await send("k")).status, calls()]).toEqual([200, 2]);
  });

  it("runs one of many at once; the others are told, or wait", async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const slow = async (c: Context): Promise<Response> => { await gate; return c.text("done"); };
    const { send, calls, clock } = harness({}, slow);
    const first = send("k");
    await clock.advanceAsync(0);
    const busy = await send("k");
    expect([busy.status, busy.headers.get("retry-after"), await busy.json()]).toMatchObject([409, "1", { code: "idempotency_in_progress" }]);
    release();
    expect(await (await first).text()).toBe("done");
    expect(calls()).toBe(1);
    const waiting = harness({ waitMs: 1000 }, async (c) => { await new Promise<void>((resolve) => void waiting.clock.setTimeout(resolve, 300)); return c.text("done"); });
    const both = Promise.all([waiting.send("k"), waiting.send("k")]);
    await waiting.clock.advanceAsync(1000);
    expect(await Promise.all((await both).map((response) => response.text()))).toEqual(["done", "done"]);
    expect(waiting.calls()).toBe(1);
  });

  it("does not keep 5xx, broken and too long answers", async () => {
    const failing = harness({}, (c, call) => (call === 1 ? c.text("no", 500) : c.text("yes")));
    expect((await failing.send("k")).status).toBe(500);
    expect(await (await failing.send("k")).text()).toBe("yes");
    const long = harness({ maxBodyBytes: 4 }, (c) => c.text("12345"));
    expect(await (await long.send("k")).text()).toBe("12345");
    await (await long.send("k")).text();
    expect(long.calls()).toBe(2);
    const broken = harness({}, (c, call) => (call === 1 ? new Response(new ReadableStream({ pull: (controller) => controller.error(new Error("x")) })) : c.text("whole")));
    expect((await broken.send("k")).status).toBe(500);
    expect(await (await broken.send("k")).text()).toBe("whole");
  });

  it("forgets after its time", async () => {
    const { send, calls, clock } = harness({ ttlMs: 1000 });
    await send("k");
    clock.advance(1000);
    await send("k");
    expect(calls()).toBe(2);
  });

  it("asks for a key where one is required, and bounds bodies", async () => {
    expect(await (await harness({ required: true }).send()).json()).toMatchObject({ code: "idempotency_key_missing", status: 400 });
    expect((await harness().send()).status).toBe(201);
    expect((await harness({ maxBodyBytes: 1 }).send("k", "12")).status).toBe(413);
    const get = harness({ required: true });
    expect((await get.request("/")).status).toBe(201);
  });

  it.each([[undefined, 503], ["open", 201], ["local", 201]] as const)("failMode %s", async (failMode, status) => {
    const store = memoryStore();
    store.compareAndSet = () => Promise.reject(new Error("down"));
    const { send, calls } = harness({ store, ...(failMode === undefined ? {} : { failMode }) });
    expect((await send("k")).status).toBe(status);
    await send("k");
    expect(calls()).toBe(failMode === undefined ? 0 : failMode === "open" ? 2 : 1);
  });

  it.each([{ header: "a b" }, { methods: [] }, { ttlMs: 0 }, { waitMs: -1 }, { scopeBy: 1 }, { failMode: "x" }])("refuses %j", (options) => {
    const make = idempotency;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
