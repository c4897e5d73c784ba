/** Durable Objects, KV and the Cache API as they really are: many isolates, resets, writes that fail, alarms, stale values. */

import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Workerd, type WorkerBundle, bundleWorker, startWorkerd } from "../../servers/workerd.ts";

const entry = fileURLToPath(new URL("objects-worker.ts", import.meta.url));
const COPIES = 4;
const worker = {
  durableObjects: {
    LIMITER: { className: "Limiter", useSQLite: true },
    PLAIN: { className: "PlainLimiter" },
    STATE: { className: "StateDO", useSQLite: true },
    BREAKER: { className: "CircuitBreakerDO", useSQLite: true },
  },
  kvNamespaces: { KV: "kv" },
  ratelimits: { FAST: { simple: { limit: 3, period: 60 } } },
  serviceBindings: { SELF: "worker" },
};

let bundle: WorkerBundle;
let workerd: Workerd;
beforeAll(async () => {
  bundle = await bundleWorker(entry);
  workerd = await startWorkerd({ entry: bundle, copies: COPIES, worker });
});
afterAll(() => workerd.stop());

const run = <T>(name: string, query: Record<string, string> = {}, copy = 0, init?: RequestInit): Promise<T> => workerd.json<T>(`/?${new URLSearchParams({ run: name, ...query })}`, init, copy);

describe("500 concurrent requests over four Workers", () => {
  it("count to 500, each number once", async () => {
    const replies = await Promise.all(Array.from({ length: 500 }, (_, i) => run<{ count: number; resetAt: number; requests: number }>("count", { key: "all" }, i % COPIES)));
    expect(replies.map(({ count }) => count).sort((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
    expect(new Set(replies.map(({ resetAt }) => resetAt)).size).toBe(1);
    const requests = Array.from({ length: COPIES }, (_, copy) => Math.max(...replies.filter((_reply, i) => i % COPIES === copy).map((reply) => reply.requests)));
    console.log(`500 decisions took ${requests.reduce((sum, n) => sum + n, 0)} requests to the object`);
  });

  it("admit exactly the limit", async () => {
    const replies = await Promise.all(Array.from({ length: 500 }, (_, i) => run<{ allowed: boolean }>("check", { key: "limited" }, i % COPIES)));
    expect(replies.filter(({ allowed }) => allowed).length).toBe(100);
  });

  it("increment a key of StateDO to 500", async () => {
    const replies = await Promise.all(Array.from({ length: 500 }, (_, i) => run<{ count: number }>("incr", { key: "n" }, i % COPIES)));
    expect(replies.map(({ count }) => count).sort((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
  });
});

describe.each(["LIMITER", "PLAIN"])("an object that is reset (%s)", (binding) => {
  it.each(["fixed-window", "sliding-window", "token-bucket"])("never admits more than a %s allows", async (policy) => {
    const { admitted } = await run<{ admitted: number }>("resets", { binding, policy });
    expect(admitted).toBeLessThanOrEqual(100);
    // What a reset loses are units ahead, a sixteenth of what is left at most each time.
    expect(admitted).toBeGreaterThan(60);
  });

  it("never takes back a count, and loses none after a quiet second", async () => {
    const { count } = await run<{ count: number }>("counts over resets", { binding, quiet: "no" });
    expect(count).toBeGreaterThanOrEqual(201);
    expect(await run("counts over resets", { binding, quiet: "yes" })).toEqual({ count: 201 });
  });
});

it("a reset in the middle of a call is a failure of unknown outcome, and the next call works", async () => {
  const { during, after } = await run<{ during: object; after: number }>("reset mid-call");
  expect(during).toMatchObject({ name: "StoreError", code: "STORE_UNAVAILABLE", outcome: "unknown" });
  expect(after).toBeGreaterThanOrEqual(2);
});

it("a write that fails is a failure, and what it would have stored is not counted", async () => {
  expect(await run("a write fails")).toMatchObject({ first: 97, during: { code: "STORE_UNAVAILABLE", message: expect.stringContaining("disk I/O error") }, after: 96 });
});

it("alarms come out of turn, twice and late: windows stay, and what is over is removed", async () => {
  expect(await run("alarms")).toEqual({ counts: [1, 2, 1], before: 1, after: 0 });
});

it("fetch counts by the query, and refuses a bad window by name", async () => {
  const { good, bad } = await run<{ good: any[]; bad: any[] }>("plain fetch");
  expect(good.map(({ status, body }) => [status, body.count])).toEqual([[200, 1], [200, 2]]);
  expect(good[0].body.resetAt).toBe(good[1].body.resetAt);
  for (const { status, body } of bad) {
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringMatching(/^window/) });
  }
});

it("a request whose client leaves takes nobody with it", async () => {
  const key = `slow ${crypto.randomUUID()}`;
  await run("hold", { key });
  const leaving = new AbortController();
  const first = run("slow", { key }, 0, { signal: leaving.signal }).catch(() => "gone");
  await run("all wait", { key, requests: "1" });
  const others = Array.from({ length: 5 }, () => run<{ count: number }>("slow", { key }));
  await run("all wait", { key, requests: "6" });
  leaving.abort();
  expect(await first).toBe("gone");
  await run("let go", { key });
  expect((await Promise.all(others)).map(({ count }) => count).sort()).toEqual([2, 3, 4, 5, 6]);
});

it("KV that gives stale values, or none, never lowers a count", async () => {
  expect(await run("stale KV")).toEqual({ counts: [1, 2, 3, 4, 5, 6], resets: 1 });
});

it("a window of 5 s in KV is one window for two isolates", async () => {
  expect(await run("KV over isolates")).toEqual({ counts: [1, 2], sameWindow: true, approximate: expect.stringContaining("no atomic increment") });
});

it("KV keeps values and deadlines, and says what it cannot", async () => {
  expect(await run("KV values")).toMatchObject({
    bytes: { bytes: { 0: 1, 1: 2 }, list: [null, "x"] }, atOnce: "here", physical: true, dots: [".", "..", "~."],
    incr: { code: "STORE_CAPABILITY", message: expect.stringContaining("durableObjectStore") }, bad: { code: "STORE_UNSERIALIZABLE" },
  });
});

it("the cache gives responses back as they were, and an evicted one is a miss", async () => {
  expect(await run("evicted cache")).toEqual({ seen: { status: 404, cookies: ["a=1", "b=2"], vary: "accept", control: "no-cache, max-age=5", body: "body" }, evicted: true, again: false });
});

it("the rate limiting binding refuses first, and the exact store decides the rest", async () => {
  expect(await run("binding")).toMatchObject({ allowed: [true, true, false, false, false, false], requests: 3, bad: { name: "OptionError" } });
});

it("a missing binding is one sentence that names it", async () => {
  const errors = await run<{ name: string; message: string }[]>("missing");
  expect(errors.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^namespace must be a Durable Object namespace: export RateLimiterDO .*new_sqlite_classes.*, got undefined$/), expect.stringContaining("CircuitBreakerDO"), expect.stringContaining("StateDO"),
    expect.stringMatching(/^kv must be a KV namespace/), expect.stringMatching(/^kv must be/), expect.stringMatching(/^cache must be a cache/), expect.stringMatching(/^rateLimitDo must be/), expect.stringMatching(/^breakerDo must be/),
    expect.stringMatching(/^stateDo must be/), expect.stringMatching(/^rateLimitKv must be/), expect.stringMatching(/^shards must be/), expect.stringMatching(/^service must be the name of a service binding/),
  ]);
  expect(errors.every(({ name }) => name === "OptionError")).toBe(true);
});

it("the adapter prefers objects, is the isolate's, and dispatches to services", async () => {
  expect(await run("adapter")).toEqual({
    both: "DurableObjectRateLimitStore", kv: "KVRateLimitStore", none: ["close", "privateState", "webSockets"], same: true, dispatched: { hello: "from the service" },
    consumed: [{ allowed: true, remaining: 1 }, { allowed: false, remaining: 1, retryAfterMs: expect.any(Number) }], counted: 1, approximate: true,
  });
});

it("circuits are one for all isolates, half-open probes too", async () => {
  expect(await run("circuits")).toEqual({ open: false, probes: 2 });
});

it("a leased limiter admits no more than the bucket holds", async () => {
  const { allowed } = await run<{ allowed: number }>("leased");
  expect(allowed).toBeGreaterThan(500);
  expect(allowed).toBeLessThanOrEqual(1000);
});

it("an algorithm or a class that is not there is named", async () => {
  expect(await run("unknown")).toMatchObject({
    known: 1, code: "STORE_CAPABILITY", message: expect.stringContaining('has no algorithm "mine"'), wrong: { code: "STORE_CAPABILITY", message: expect.stringContaining('no algorithm "value"') },
  });
});

it.each([
  ["an old compatibility date", { compatibilityDate: "2024-01-01" }, undefined],
  ["a bundler that does not know workerd", {}, ["worker", "browser", "import", "default"]],
])("without RPC the stores use fetch: %s", async (_, options, conditions) => {
  const own = conditions === undefined ? bundle : await bundleWorker(entry, { conditions });
  await using old = await startWorkerd({ entry: own, worker, ...options });
  const ask = <T>(name: string): Promise<T> => old.json<T>(`/?run=${name}&key=k`);
  const counts = await Promise.all(Array.from({ length: 20 }, () => ask<{ count: number }>("count")));
  expect(counts.map(({ count }) => count).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_unused, i) => i + 1));
  expect(await ask<{ allowed: boolean }>("check")).toMatchObject({ allowed: true, remaining: 99 });
  expect(await ask("incr")).toEqual({ count: 1 });
});
