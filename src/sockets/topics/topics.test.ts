import { describe, expect, it } from "vitest";
import { z } from "zod";
import { memoryPubSub } from "../../drivers/memory/memory-pub-sub.ts";
import { memoryRateLimiter } from "../../drivers/memory/memory-rate-limiter.ts";
import type { PubSubAdapter } from "../../state/contracts/pub-sub.ts";
import { manualClock } from "../../testing/manual-clock.ts";
import { message } from "../message.ts";
import type { RouterOptions } from "../options.ts";
import { rateLimit } from "../rate-limit.ts";
import { type Router, createRouter } from "../router.ts";
import { createTestRouter } from "../testing/test-router.ts";
import { withPubSub } from "../with-pubsub.ts";
import type { TopicOptions } from "./policy.ts";
import type { BaseContext } from "../types.ts";

const Say = message("SAY", { text: z.string() });
const Do = message("DO", z.any());

type Step = (ctx: BaseContext) => unknown;

/** A router whose clients run code in a handler. */
function laboratory(options: RouterOptions = {}) {
  const steps: { step: Step; done: (value: unknown) => void }[] = [];
  const router: Router = createRouter({ logger: false, ...options }).on(Do, async (ctx) => {
    const { step, done } = steps.shift()!;
    try {
      done({ value: await step(ctx as unknown as BaseContext) });
    } catch (error) {
      done({ error });
      throw error;
    }
  });
  const within = (client: { sendRaw(data: string): void }, step: Step): Promise<any> =>
    new Promise((resolve, reject) => {
      steps.push({ step, done: (result) => ("error" in (result as object) ? reject((result as { error: unknown }).error) : resolve((result as { value: unknown }).value)) });
      client.sendRaw('{"type":"DO"}');
    });
  return { router, within };
}

const texts = (client: { outgoing(type?: string): { payload?: unknown }[] }): unknown[] => client.outgoing("SAY").map(({ payload }) => (payload as { text: string }).text);

describe("topics", () => {
  it("deliver before publish returns, without the sender when asked", async () => {
    const { router, within } = laboratory();
    const test = createTestRouter(router);
    const [one, two] = [await test.connect(), await test.connect()];
    for (const client of [one, two]) await within(client, (ctx) => ctx.topics.subscribe("room:1"));
    let seen: unknown;
    const result = await within(one, (ctx) => {
      const pending = ctx.publish("room:1", Say, { text: "a" }, { excludeSelf: true });
      seen = texts(two);
      return pending;
    });
    expect(seen).toEqual(["a"]);
    expect(result).toEqual({ ok: true, matched: 1, dropped: 0, capability: "exact", reach: "local" });
    expect(texts(one)).toEqual([]);
    expect(two.outgoing("SAY")[0]?.meta).toMatchObject({ topic: "room:1", timestamp: expect.any(Number) });
    await expect(router.publish("room:1", Say, { text: "b" })).resolves.toMatchObject({ ok: true, matched: 2 });
    await two.close();
    await expect(router.publish("room:1", Say, { text: "c" })).resolves.toMatchObject({ matched: 1 });
    await expect(router.publish("empty", Say, { text: "c" })).resolves.toMatchObject({ ok: true, matched: 0 });
  });

  it("are a set: idempotent, all or nothing, restored on failure", async () => {
    const { router, within } = laboratory({ topics: { maxTopicsPerConnection: 3, authorize: (_action, topic) => topic !== "secret" } });
    const test = createTestRouter(router);
    const client = await test.connect();
    await within(client, (ctx) => ctx.topics.subscribe("a"));
    await expect(within(client, (ctx) => ctx.topics.subscribeMany(["b", "b", "a", "c"]))).resolves.toEqual({ added: 2, total: 3 });
    await expect(within(client, (ctx) => ctx.topics.subscribe("d"))).rejects.toMatchObject({ code: "TOPIC_LIMIT_EXCEEDED", details: { topic: "d" } });
    await expect(within(client, (ctx) => ctx.topics.set(["c", "d", "e"]))).resolves.toEqual({ added: 2, removed: 2, total: 3 });
    await expect(within(client, (ctx) => ctx.topics.set(["secret"]))).rejects.toMatchObject({ code: "ACL_SUBSCRIBE" });
    expect([...client.topics]).toEqual(["c", "d", "e"]);
    await expect(within(client, (ctx) => ctx.topics.update((draft) => void draft.delete("c")))).resolves.toEqual({ added: 0, removed: 1, total: 2 });
    await expect(within(client, (ctx) => ctx.topics.clear())).resolves.toEqual({ removed: 2 });
    expect(router.topics.list()).toEqual([]);
    expect(client.outgoing("ERROR").map(({ payload }) => (payload as { code: string }).code)).toEqual(["RESOURCE_EXHAUSTED", "PERMISSION_DENIED"]);
  });

  it.each([
    ["a b", "pattern"], ["x".repeat(129), "length"], ["", "pattern"], ["bad", "validate"], ["a*", "pattern"],
  ])("refuse the name %j: %s", async (topic, reason) => {
    const { router, within } = laboratory({ topics: { validate: (name) => (name === "bad" ? "no" : undefined) } });
    const test = createTestRouter(router);
    const client = await test.connect();
    await expect(within(client, (ctx) => ctx.topics.subscribe(topic))).rejects.toMatchObject({ code: "INVALID_TOPIC", details: { reason } });
    await expect(router.publish(topic, Say, { text: "" })).resolves.toMatchObject({ ok: false, error: "INVALID_TOPIC", retryable: false });
  });

  it("never reject a publish: each failure is a value", async () => {
    const failing: PubSubAdapter = { subscribe: () => undefined, unsubscribe: () => undefined, list: () => [], publish: () => Promise.reject(new Error("down")) };
    const { router, within } = laboratory({ pubsub: failing, topics: { authorize: (action, topic) => !(action === "publish" && topic === "ro") } });
    const test = createTestRouter(router);
    const client = await test.connect();
    await within(client, (ctx) => ctx.topics.subscribe("a"));
    await expect(router.publish("ro", Say, { text: "" })).resolves.toMatchObject({ ok: false, error: "ACL_PUBLISH" });
    await expect(router.publish("a", Say, { text: 1 as never })).resolves.toMatchObject({ ok: false, error: "VALIDATION" });
    await expect(router.publish("a", Say, { text: "x" })).resolves.toMatchObject({ ok: false, error: "ADAPTER_ERROR", retryable: true, matched: 1 });
    expect(texts(client)).toEqual(["x"]);
  });

  it("match wildcards by segments, each frame once", async () => {
    const { router, within } = laboratory({ topics: { wildcards: true } });
    const test = createTestRouter(router);
    const client = await test.connect();
    await within(client, (ctx) => ctx.topics.subscribeMany(["a:*:c", "a:**", "a:b:c", "x:*"]));
    await expect(router.publish("a:b:c", Say, { text: "1" })).resolves.toMatchObject({ matched: 1, capability: "prefix" });
    await expect(router.publish("a", Say, { text: "2" })).resolves.toMatchObject({ matched: 0 });
    await expect(router.publish("x:y:z", Say, { text: "3" })).resolves.toMatchObject({ matched: 0 });
    await expect(router.publish("a:*", Say, { text: "4" })).resolves.toMatchObject({ ok: false, error: "INVALID_TOPIC", details: { reason: "wildcard" } });
    await within(client, (ctx) => ctx.topics.unsubscribe("a:**"));
    await expect(router.publish("a:q:c", Say, { text: "5" })).resolves.toMatchObject({ matched: 1 });
    await expect(router.publish("a:q", Say, { text: "6" })).resolves.toMatchObject({ matched: 0 });
    await expect(within(client, (ctx) => ctx.topics.subscribe("a*:b"))).rejects.toMatchObject({ details: { reason: "wildcard" } });
    expect(texts(client)).toEqual(["1", "5"]);
  });

  it("keep the publisher's order, also when a schema is asynchronous", async () => {
    const Late = message("LATE", { n: z.number().refine(async (n) => (await new Promise((resolve) => setTimeout(resolve, n)), true)) });
    const { router, within } = laboratory();
    const test = createTestRouter(router);
    const [one, two] = [await test.connect(), await test.connect()];
    for (const client of [one, two]) await within(client, (ctx) => ctx.topics.subscribe("a"));
    await within(one, (ctx) => {
      const first = ctx.publish("a", Late, { n: 5 });
      void ctx.publish("a", Say, { text: "second" });
      void ctx.send(Say, { text: "third" });
      return first;
    });
    await test.settle();
    expect(one.outgoing().map(({ type, payload }) => [type, payload])).toEqual([["LATE", { n: 5 }], ["SAY", { text: "second" }], ["SAY", { text: "third" }]]);
    expect(two.outgoing().map(({ type }) => type)).toEqual(["LATE", "SAY"]);
  });

  it("runs the adapter of a custom broker, whose books are empty in the end", async () => {
    const subscriptions = new Map<string, Set<string>>();
    const sent: string[] = [];
    const adapter: PubSubAdapter = {
      subscribe: async (clientId, topic) => void (subscriptions.get(topic) ?? subscriptions.set(topic, new Set()).get(topic)!).add(clientId),
      unsubscribe: async (clientId, topic) => void subscriptions.get(topic)?.delete(clientId),
      publish: async (topic, serialized) => (sent.push(JSON.stringify(serialized)), { matched: subscriptions.get(topic)?.size ?? 0, capability: "exact" }),
      list: async (clientId) => [...subscriptions].filter(([, clients]) => clients.has(clientId)).map(([topic]) => topic),
    };
    const { router, within } = laboratory();
    router.plugin(withPubSub({ adapter }));
    const test = createTestRouter(router);
    const client = await test.connect();
    await within(client, (ctx) => ctx.topics.subscribe("a"));
    await expect(within(client, (ctx) => ctx.topics.verify("a"))).resolves.toBe("subscribed");
    await expect(router.publish("a", Say, { text: "x" })).resolves.toMatchObject({ ok: true, matched: 1, reach: "local" });
    expect(texts(client)).toEqual(["x"]);
    expect(JSON.parse(sent[0]!)).toMatchObject({ topic: "a", type: "SAY" });
    await client.close();
    expect([...subscriptions.values()].every((clients) => clients.size === 0)).toBe(true);
  });

  it("reach other routers on one broker, once, without the excluded sender", async () => {
    const pubsub = memoryPubSub();
    const [here, there] = [laboratory({ pubsub }), laboratory({ pubsub })];
    const [one, two] = [await createTestRouter(here.router).connect(), await createTestRouter(there.router).connect()];
    await here.within(one, (ctx) => ctx.topics.subscribe("a"));
    await there.within(two, (ctx) => ctx.topics.subscribe("a"));
    await expect(here.within(one, (ctx) => ctx.publish("a", Say, { text: "1" }, { excludeSelf: true }))).resolves.toMatchObject({ ok: true, reach: "cluster" });
    await there.within(two, (ctx) => ctx.publish("a", Say, { text: "2" }));
    expect([texts(one), texts(two)]).toEqual([["2"], ["1", "2"]]);
    await one.close();
    await two.close();
    expect(pubsub.size.clients).toBe(0);
  });
});

describe("slow consumers", () => {
  const big = "x".repeat(1000);
  const limits = (policy: "close" | "drop-oldest" | "drop-newest" | "coalesce") => ({ limits: { backpressure: { maxBufferedBytes: 4000, policy } } });

  it.each([
    // What the runtime has taken already cannot be taken back.
    ["close", ["0", "1", "2"], { code: 1013, reason: "slow consumer" }],
    ["drop-newest", ["0", "1", "2"], undefined],
    ["drop-oldest", ["0", "1", "5"], undefined],
    ["coalesce", ["0", "1", "5"], undefined],
  ] as const)("%s", async (policy, expected, closed) => {
    const seen: unknown[] = [];
    const { router, within } = laboratory({ ...limits(policy), hooks: { onLimitExceeded: ({ type, direction }) => void seen.push([type, direction]) } });
    const test = createTestRouter(router);
    const [slow, fast] = [await test.connect(), await test.connect()];
    for (const client of [slow, fast]) await within(client, (ctx) => ctx.topics.subscribe("a"));
    slow.stall();
    let dropped = 0;
    for (let i = 0; i < 6; i++) {
      const result = await router.publish("a", Say, { text: `${i}${big}` });
      if (result.ok) dropped += result.dropped;
    }
    expect(texts(fast)).toHaveLength(6);
    slow.resume();
    await test.settle();
    expect(texts(slow).map((text) => (text as string)[0])).toEqual(expected);
    expect(slow.closed).toEqual(closed);
    expect(seen).toEqual([["backpressure", "out"]]);
    if (policy === "drop-newest") expect(dropped).toBe(3);
  });

  it("a reply is never dropped: too many of them close", async () => {
    const { router, within } = laboratory(limits("drop-newest"));
    const test = createTestRouter(router);
    const client = await test.connect();
    client.stall();
    await within(client, async (ctx) => {
      for (let i = 0; i < 6; i++) await ctx.send(Say, { text: big });
    });
    client.resume();
    await test.settle();
    expect(client.closed?.code).toBe(1013);
  });
});

describe("history and resume", () => {
  const topics: TopicOptions = { history: { size: 3, ttlMs: 10_000 } };

  it("numbers what is published, and gives what was missed, in order, then what is new", async () => {
    const clock = manualClock();
    const { router, within } = laboratory({ topics });
    const test = createTestRouter(router, { clock });
    const first = await test.connect();
    await within(first, (ctx) => ctx.topics.subscribe("a"));
    await router.publish("a", Say, { text: "1" });
    const offset = first.outgoing("SAY")[0]?.meta["offset"] as string;
    expect(offset).toMatch(/^[0-9a-f]{8}:1$/);
    await first.close();
    for (const text of ["2", "3"]) await router.publish("a", Say, { text });
    const second = await test.connect();
    second.sendRaw(JSON.stringify({ type: "$ws:resume", payload: { topics: { a: offset, b: "x", "no way": "1:1" } } }));
    void router.publish("a", Say, { text: "4" });
    await test.settle();
    void router.publish("a", Say, { text: "5" });
    const frames = second.outgoing();
    expect(frames[0]).toMatchObject({ type: "$ws:resumed", payload: { topics: { a: { status: "ok" }, b: { status: "gap" }, "no way": { status: "denied" } } } });
    expect(frames.slice(1).map(({ meta, payload }) => [(payload as { text: string }).text, (meta["offset"] as string).split(":")[1]])).toEqual([["2", "2"], ["3", "3"], ["4", "4"], ["5", "5"]]);
  });

  it("says when something is missing: too old, of another life, invented, or expired", async () => {
    const clock = manualClock();
    const { router, within } = laboratory({ topics });
    const test = createTestRouter(router, { clock });
    const client = await test.connect();
    await within(client, (ctx) => ctx.topics.subscribe("a"));
    for (const text of ["1", "2", "3", "4", "5"]) await router.publish("a", Say, { text });
    const epoch = (client.outgoing("SAY")[0]!.meta["offset"] as string).split(":")[0];
    const resume = async (offset: unknown) => {
      const other = await test.connect();
      other.sendRaw(JSON.stringify({ type: "$ws:resume", payload: { topics: { a: offset } } }));
      await test.settle();
      return [(other.outgoing("$ws:resumed")[0]!.payload as any).topics.a.status, texts(other)];
    };
    await expect(resume(`${epoch}:1`)).resolves.toEqual(["gap", ["3", "4", "5"]]);
    await expect(resume(`${epoch}:2`)).resolves.toEqual(["ok", ["3", "4", "5"]]);
    await expect(resume(`${epoch}:5`)).resolves.toEqual(["ok", []]);
    await expect(resume(`${epoch}:9`)).resolves.toEqual(["gap", ["3", "4", "5"]]);
    await expect(resume("other:2")).resolves.toEqual(["gap", ["3", "4", "5"]]);
    for (const invented of [7, null, {}, "", "a:b", `${epoch}:-1`]) await expect(resume(invented)).resolves.toEqual(["gap", ["3", "4", "5"]]);
    clock.advance(10_000);
    await expect(resume(`${epoch}:4`)).resolves.toEqual(["gap", []]);
  });

  it("asks the policy again", async () => {
    let allowed = true;
    const { router, within } = laboratory({ topics: { ...topics, authorize: (action) => action !== "subscribe" || allowed } });
    const test = createTestRouter(router);
    const client = await test.connect();
    await within(client, (ctx) => ctx.topics.subscribe("a"));
    await router.publish("a", Say, { text: "1" });
    allowed = false;
    const other = await test.connect();
    other.sendRaw(JSON.stringify({ type: "$ws:resume", payload: { topics: { a: client.outgoing("SAY")[0]?.meta["offset"] } } }));
    await test.settle();
    expect(other.outgoing()).toMatchObject([{ type: "$ws:resumed", payload: { topics: { a: { status: "denied" } } } }]);
    expect(other.topics.size).toBe(0);
  });
});

describe("presence", () => {
  it("counts identities over the fleet, and forgets a process that fell silent", async () => {
    const clock = manualClock();
    const pubsub = memoryPubSub();
    const changes: string[] = [];
    const options = (name: string): RouterOptions => ({
      pubsub, heartbeat: false,
      topics: { presence: { identity: ({ data }) => (data as { user: string }).user } },
      hooks: { onJoin: ({ id }) => void changes.push(`${name}+${id}`), onLeave: ({ id }) => void changes.push(`${name}-${id}`) },
    });
    const [here, there] = [laboratory(options("h")), laboratory(options("t"))];
    const [testHere, testThere] = [createTestRouter(here.router, { clock }), createTestRouter(there.router, { clock })];
    const ann = await testHere.connect({ data: { user: "ann" } });
    await here.within(ann, (ctx) => ctx.topics.subscribe("room"));
    const again = await testHere.connect({ data: { user: "ann" } });
    await here.within(again, (ctx) => ctx.topics.subscribe("room"));
    await here.within(ann, (ctx) => ctx.topics.track("room", { mood: "fine" }));
    const bob = await testThere.connect({ data: { user: "bob" } });
    await there.within(bob, (ctx) => ctx.topics.subscribe("room"));
    await testThere.settle();
    for (const [lab, client] of [[here, ann], [there, bob]] as const) {
      const members = await lab.within(client, (ctx) => ctx.topics.presence("room"));
      expect(members.map(({ id, connections, data }: { id: string; connections: number; data: unknown }) => [id, connections, data]).sort()).toEqual([["ann", 2, { mood: "fine" }], ["bob", 1, undefined]]);
    }
    await ann.close();
    expect((await there.router.presence("room")).map(({ id }) => id).sort()).toEqual(["ann", "bob"]);
    await again.close();
    expect((await there.router.presence("room")).map(({ id }) => id)).toEqual(["bob"]);
    expect(changes).toEqual(["h+ann", "t+ann", "t+bob", "h+bob", "h-ann", "t-ann"]);
    // The other process dies: it tells nobody any more.
    await pubsub.close();
    await clock.advanceAsync(40_000);
    expect(await here.router.presence("room")).toEqual([]);
  });
});

describe("rate limits", () => {
  it("count before validation, refuse with when to come back, and say never when it is never", async () => {
    const clock = manualClock();
    const hooks: unknown[] = [];
    let cost = 1;
    const router = createRouter({ logger: false, hooks: { onLimitExceeded: ({ type, retryAfterMs }) => void hooks.push([type, retryAfterMs]) } })
      .use(rateLimit({ limiter: memoryRateLimiter({ capacity: 2, tokensPerSecond: 1 }, { clock }), cost: () => cost }))
      .on(Say, () => undefined);
    const test = createTestRouter(router, { clock });
    const client = await test.connect();
    client.sendRaw('{"type":"SAY","payload":{"text":1}}');
    client.send(Say, { text: "" });
    client.send(Say, { text: "" });
    cost = 3;
    client.send(Say, { text: "" });
    cost = 0;
    client.send(Say, { text: "" });
    cost = -1;
    client.send(Say, { text: "" });
    expect(client.outgoing().map(({ payload }) => payload)).toMatchObject([
      { code: "INVALID_ARGUMENT" },
      { code: "RESOURCE_EXHAUSTED", retryable: true, retryAfterMs: 1000, details: { cost: 1, capacity: 2, remaining: 0 } },
      { code: "FAILED_PRECONDITION", retryable: false, details: { cost: 3, capacity: 2 } },
      { code: "INVALID_ARGUMENT", retryable: false },
    ]);
    expect(client.outgoing()[2]?.payload).not.toHaveProperty("retryAfterMs");
    expect(hooks).toEqual([["rate", 1000], ["rate", null]]);
  });

  it("never let two anonymous connections share a bucket", async () => {
    const router = createRouter({ logger: false }).use(rateLimit({ limiter: memoryRateLimiter({ capacity: 1, tokensPerSecond: 1 }) })).on(Say, () => undefined);
    const test = createTestRouter(router);
    for (const client of [await test.connect(), await test.connect()]) {
      client.send(Say, { text: "" });
      expect(client.outgoing()).toEqual([]);
    }
  });
});
