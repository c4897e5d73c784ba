import { describe, expect, it } from "vitest";
import type { Context } from "hono";
import { createMemoryCacheStore } from "../../../../drivers/memory/cache-store.ts";
import type { CacheStore } from "../../../../state/contracts/cache.ts";
import { type ManualClock, manualClock } from "../../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../../sdk/harness.ts";
import { cache, type CacheConfig } from "../cache.ts";

/** An upstream whose calls the test answers one by one. */
class Upstream {
  readonly calls: { readonly c: Context; readonly answer: (response: Response) => void; readonly fail: (error: Error) => void }[] = [];

  readonly handler = (c: Context): Promise<Response> =>
    new Promise((answer, fail) => {
      this.calls.push({ c, answer, fail });
      c.req.raw.signal.addEventListener("abort", () => fail(new Error("aborted")));
    });

  /** Waits until that many calls have come. */
  async called(count: number): Promise<void> {
    for (let i = 0; i < 200 && this.calls.length < count; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(this.calls.length).toBe(count);
  }
}

function gateway(options: CacheConfig, upstream: Upstream, clock: ManualClock, store: CacheStore = createMemoryCacheStore({ clock })) {
  const { request } = createPolicyTestHarness(cache(options), { clock, adapter: { cacheStore: store }, upstream: upstream.handler, methods: ["GET", "POST"] });
  return (path: string, headers: Record<string, string> = {}, init: RequestInit = {}) => request(`http://host${path}`, { headers, ...init });
}

const setup = (options: CacheConfig = {}) => {
  const upstream = new Upstream();
  const clock = manualClock();
  return { upstream, clock, get: gateway(options, upstream, clock) };
};

const turn = async () => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe("concurrent misses", () => {
  it("make one call, and every caller gets its answer", async () => {
    const t = setup();
    const answers = Array.from({ length: 200 }, () => t.get("/a"));
    await t.upstream.called(1);
    await turn();
    t.upstream.calls[0]?.answer(new Response("shared", { headers: { "cache-control": "max-age=60" } }));
    const responses = await Promise.all(answers);
    expect(new Set(await Promise.all(responses.map((response) => response.text())))).toEqual(new Set(["shared"]));
    expect(responses[0]?.headers.get("cache-status")).toBe("test-gateway; fwd=uri-miss; fwd-status=200; stored");
    expect(responses[1]?.headers.get("cache-status")).toMatch(/^test-gateway; fwd=uri-miss; fwd-status=200; ttl=60; collapsed$|^test-gateway; fwd=uri-miss; fwd-status=200; collapsed$/);
    expect(t.upstream.calls.length).toBe(1);
    expect(t.clock.pendingTimers).toBe(0);
  });

  it("of different keys and variants do not wait for each other", async () => {
    const t = setup();
    const vary = { headers: { "cache-control": "max-age=60", vary: "x-v" } };
    const first = t.get("/a", { "x-v": "0" });
    await t.upstream.called(1);
    t.upstream.calls[0]?.answer(new Response("0", vary));
    await (await first).text();
    const answers = ["1", "1", "2", "2", "2"].map((value) => t.get("/a", { "x-v": value }));
    const other = t.get("/b");
    await t.upstream.called(4);
    for (const call of t.upstream.calls.slice(1)) call.answer(new Response(call.c.req.header("x-v") ?? "b", vary));
    expect(await Promise.all([...answers, other].map(async (answer) => (await answer).text()))).toEqual(["1", "1", "2", "2", "2", "b"]);
    expect(t.upstream.calls.length).toBe(4);
  });

  it("that turn out to differ by Vary get one call per variant", async () => {
    const t = setup();
    const answers = ["1", "2", "1", "2", "3"].map((value) => t.get("/a", { "x-v": value }));
    const answering = (async () => {
      for (let i = 0; i < 3; i++) {
        await t.upstream.called(Math.max(i + 1, t.upstream.calls.length));
        for (const call of t.upstream.calls) call.answer(new Response(call.c.req.header("x-v"), { headers: { vary: "x-v", "cache-control": "max-age=60" } }));
        await turn();
      }
    })();
    expect(await Promise.all(answers.map(async (answer) => (await answer).text()))).toEqual(["1", "2", "1", "2", "3"]);
    await answering;
    expect(t.upstream.calls.length).toBe(3);
  });

  it("can be left alone", async () => {
    const t = setup({ coalesce: false });
    const answers = [t.get("/a"), t.get("/a"), t.get("/a")];
    await t.upstream.called(3);
    for (const call of t.upstream.calls) call.answer(new Response("x"));
    await Promise.all(answers);
  });
});

describe("an answer that may not be shared", () => {
  it.each([
    { "cache-control": "private" },
    { "cache-control": "no-store" },
    { vary: "*" },
    { "set-cookie": "session=1" },
  ] as Record<string, string>[])("with %j is never handed to those who wait", async (headers) => {
    const t = setup();
    const answers = Array.from({ length: 50 }, (_, i) => t.get("/a", { "x-user": String(i) }));
    await t.upstream.called(1);
    t.upstream.calls[0]?.answer(new Response("for 0", { headers }));
    await t.upstream.called(50);
    for (const call of t.upstream.calls) call.answer(new Response(`for ${call.c.req.header("x-user")}`, { headers }));
    const texts = await Promise.all(answers.map(async (answer) => (await answer).text()));
    expect(texts).toEqual(Array.from({ length: 50 }, (_, i) => `for ${i}`));
    // Nobody waits for the next ones.
    const more = [t.get("/a"), t.get("/a")];
    await t.upstream.called(52);
    for (const call of t.upstream.calls) call.answer(new Response("x", { headers }));
    await Promise.all(more);
  });

  it("frees them as soon as its header fields are known", async () => {
    const t = setup();
    const first = t.get("/a");
    await t.upstream.called(1);
    const second = t.get("/a");
    await turn();
    // A body that never ends.
    t.upstream.calls[0]?.answer(new Response(new ReadableStream(), { headers: { "cache-control": "private" } }));
    await t.upstream.called(2);
    t.upstream.calls[1]?.answer(new Response("two"));
    expect(await (await second).text()).toBe("two");
    await (await first).body?.cancel();
  });

  it("never crosses from one caller to another, in 1000 requests of two", async () => {
    for (const field of ["authorization", "cookie"]) {
      const t = setup();
      const answering = setInterval(() => {
        for (const call of t.upstream.calls) call.answer(new Response(`for ${call.c.req.header(field)}`, { headers: { "cache-control": "max-age=60" } }));
      }, 1);
      const users = Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? "alice" : "bob"));
      const texts = await Promise.all(users.map(async (user) => (await t.get("/me", { [field]: user })).text()));
      clearInterval(answering);
      expect(texts).toEqual(users.map((user) => `for ${user}`));
    }
  });

  it("of one caller is not waited for by another", async () => {
    const t = setup();
    const alice = t.get("/me", { authorization: "alice" });
    await t.upstream.called(1);
    const bob = t.get("/me", { authorization: "bob" });
    await t.upstream.called(2);
    for (const call of t.upstream.calls) call.answer(new Response(call.c.req.header("authorization")));
    expect([await (await alice).text(), await (await bob).text()]).toEqual(["alice", "bob"]);
  });

  it("is shared with other callers when it says so", async () => {
    const t = setup();
    const mine = [t.get("/a", { authorization: "a" }), t.get("/a", { authorization: "a" })];
    await t.upstream.called(1);
    t.upstream.calls[0]?.answer(new Response("public", { headers: { "cache-control": "public, max-age=60" } }));
    for (const answer of mine) expect(await (await answer).text()).toBe("public");
    expect(await (await t.get("/a", { authorization: "b" })).text()).toBe("public");
    expect(t.upstream.calls.length).toBe(1);
  });
});

describe("a leader", () => {
  it("that dies is followed by one of those who wait", async () => {
    const t = setup();
    const answers = [t.get("/a"), t.get("/a"), t.get("/a")];
    await t.upstream.called(1);
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    t.upstream.calls[0]?.answer(new Response(new ReadableStream({ start: (own) => void (controller = own) }), { headers: { "cache-control": "max-age=60" } }));
    await turn();
    controller.enqueue(new TextEncoder().encode("half"));
    await turn();
    controller.error(new Error("reset"));
    await t.upstream.called(2);
    t.upstream.calls[1]?.answer(new Response("whole", { headers: { "cache-control": "max-age=60" } }));
    expect(await Promise.all(answers.slice(1).map(async (answer) => (await answer).text()))).toEqual(["whole", "whole"]);
    await expect((await answers[0])?.text()).rejects.toThrow();
  });

  it("whose client leaves does not take the others with it", async () => {
    const t = setup();
    const leaving = new AbortController();
    const first = t.get("/a", {}, { signal: leaving.signal }).catch(() => undefined);
    await t.upstream.called(1);
    const others = [t.get("/a"), t.get("/a")];
    await turn();
    leaving.abort();
    await t.upstream.called(2);
    t.upstream.calls[1]?.answer(new Response("for the others", { headers: { "cache-control": "max-age=60" } }));
    expect(await Promise.all(others.map(async (answer) => (await answer).text()))).toEqual(["for the others", "for the others"]);
    await first;
  });

  it("whose client leaves in the middle of the body feeds the others to the end", async () => {
    const t = setup();
    const first = t.get("/a");
    await t.upstream.called(1);
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    t.upstream.calls[0]?.answer(new Response(new ReadableStream({ start: (own) => void (controller = own) }), { headers: { "cache-control": "max-age=60" } }));
    const other = t.get("/a");
    await turn();
    controller.enqueue(new TextEncoder().encode("one "));
    await (await first).body?.cancel();
    controller.enqueue(new TextEncoder().encode("two"));
    controller.close();
    expect(await (await other).text()).toBe("one two");
    expect(t.upstream.calls.length).toBe(1);
  });

  it("that takes too long is not waited for any longer", async () => {
    const t = setup({ coalesceWaitMs: 1000 });
    const first = t.get("/a");
    await t.upstream.called(1);
    const second = t.get("/a");
    await turn();
    await t.clock.advanceAsync(999);
    expect(t.upstream.calls.length).toBe(1);
    await t.clock.advanceAsync(1);
    await t.upstream.called(2);
    t.upstream.calls[1]?.answer(new Response("second"));
    expect(await (await second).text()).toBe("second");
    t.upstream.calls[0]?.answer(new Response("first"));
    expect(await (await first).text()).toBe("first");
  });

  it("that fails with 5xx lets a stale answer stand in for all", async () => {
    const t = setup({ staleIfErrorMs: 60_000 });
    const fill = t.get("/a");
    await t.upstream.called(1);
    t.upstream.calls[0]?.answer(new Response("old", { headers: { "cache-control": "max-age=1" } }));
    await (await fill).text();
    t.clock.advance(5000);
    const answers = [t.get("/a"), t.get("/a"), t.get("/a")];
    await t.upstream.called(2);
    t.upstream.calls[1]?.answer(new Response("down", { status: 503 }));
    for (const answer of answers) expect([(await answer).headers.get("x-cache"), await (await answer).text()]).toEqual(["STALE", "old"]);
    expect(t.upstream.calls.length).toBe(2);
  });
});

describe("streaming", () => {
  it("feeds the first client while the entry fills, and stores what came whole", async () => {
    const t = setup();
    const answer = t.get("/a");
    await t.upstream.called(1);
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    t.upstream.calls[0]?.answer(new Response(new ReadableStream({ start: (own) => void (controller = own) }), { headers: { "cache-control": "max-age=60", "content-length": "6" } }));
    const reader = (await answer).body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    for (const part of ["abc", "def"]) {
      controller.enqueue(new TextEncoder().encode(part));
      expect(new TextDecoder().decode((await reader.read()).value)).toBe(part);
    }
    // Asked before the end, answered after it: the response is known to be stored.
    const late = t.get("/a");
    await turn();
    controller.close();
    expect([(await late).headers.get("x-cache"), await (await late).text()]).toEqual(["HIT", "abcdef"]);
  });

  it.each<[string, Record<string, string>, CacheConfig]>([
    ["shorter than declared", { "content-length": "99" }, {}],
    ["longer than maxEntryBytes", {}, { maxEntryBytes: 3 }],
    ["declared longer than maxEntryBytes", { "content-length": "4" }, { maxEntryBytes: 3 }],
    ["an event stream", { "content-type": "text/event-stream" }, {}],
  ])("does not store a body that is %s", async (_name, headers, options) => {
    const t = setup(options);
    for (let call = 1; call <= 2; call++) {
      const answer = t.get("/a");
      await t.upstream.called(call);
      t.upstream.calls[call - 1]?.answer(new Response("body", { headers: { "cache-control": "max-age=60", ...headers } }));
      expect(await (await answer).text()).toBe("body");
    }
  });

  it("does not read an event stream ahead", async () => {
    const t = setup();
    let pulled = 0;
    const answer = t.get("/a");
    await t.upstream.called(1);
    const events = new ReadableStream({ pull: (controller) => controller.enqueue(new TextEncoder().encode(`data: ${++pulled}\n\n`)) }, { highWaterMark: 0 });
    t.upstream.calls[0]?.answer(new Response(events, { headers: { "content-type": "text/event-stream" } }));
    const response = await answer;
    await turn();
    expect([response.headers.get("x-cache"), pulled]).toEqual(["BYPASS", 0]);
    await response.body?.cancel();
  });
});

describe("two processes on one store", () => {
  /** The memory store behind a network, as two gateways with nothing else in common see it. */
  function remote(store: ReturnType<typeof createMemoryCacheStore>): CacheStore {
    const far = async <T>(run: () => T): Promise<T> => {
      for (let i = 0; i < 5; i++) await undefined;
      return run();
    };
    return {
      capabilities: { shared: true },
      get: (key) => far(() => store.get(key)),
      put: (key, response, ttl) => store.put(key, response, ttl),
      delete: (key) => far(() => store.delete(key)),
      read: (key) => far(() => store.read(key)),
      write: (key, record, token, locked) => far(() => store.write(key, record, token, locked)),
      lock: (key, ms) => far(() => store.lock(key, ms)),
      unlock: (key, token) => far(() => store.unlock(key, token)),
      purge: (target) => far(() => store.purge(target)),
    };
  }

  function fleet(options: CacheConfig = {}) {
    const clock = manualClock();
    const store = createMemoryCacheStore({ clock });
    const upstream = new Upstream();
    const processes = Array.from({ length: 4 }, () => gateway(options, upstream, clock, remote(store)));
    return { clock, store, upstream, processes };
  }

  it("make one call for 4 x 50 callers", async () => {
    const t = fleet();
    const answers = t.processes.flatMap((get) => Array.from({ length: 50 }, () => get("/a")));
    await t.upstream.called(1);
    await turn();
    t.upstream.calls[0]?.answer(new Response("one", { headers: { "cache-control": "max-age=60" } }));
    await turn();
    for (let i = 0; i < 40; i++) await t.clock.advanceAsync(10);
    expect(new Set(await Promise.all(answers.map(async (answer) => (await answer).text())))).toEqual(new Set(["one"]));
    expect(t.upstream.calls.length).toBe(1);
  });

  it("go on their own when the answer may not be shared", async () => {
    const t = fleet();
    const answers = t.processes.map((get) => get("/a"));
    await t.upstream.called(1);
    t.upstream.calls[0]?.answer(new Response("x", { headers: { "cache-control": "private" } }));
    await turn();
    for (let i = 0; i < 10; i++) await t.clock.advanceAsync(10);
    await t.upstream.called(4);
    for (const call of t.upstream.calls) call.answer(new Response("x", { headers: { "cache-control": "private" } }));
    await Promise.all(answers);
  });

  it("take over from one that died with the lock", async () => {
    const t = fleet({ coalesceWaitMs: 60_000 });
    const dead = t.processes[0]?.("/a");
    await t.upstream.called(1);
    const alive = t.processes[1]?.("/a");
    await turn();
    for (let i = 0; i < 290; i++) await t.clock.advanceAsync(100);
    expect(t.upstream.calls.length).toBe(1);
    for (let i = 0; i < 20; i++) await t.clock.advanceAsync(100);
    await t.upstream.called(2);
    t.upstream.calls[1]?.answer(new Response("alive", { headers: { "cache-control": "max-age=60" } }));
    expect(await (await alive)?.text()).toBe("alive");
    // What the other one brings later is worth no less.
    t.upstream.calls[0]?.answer(new Response("late", { headers: { "cache-control": "max-age=60" } }));
    expect(await (await dead)?.text()).toBe("late");
  });

  it("take over at once from one whose body broke", async () => {
    const t = fleet();
    const broken = t.processes[0]?.("/a");
    await t.upstream.called(1);
    const other = t.processes[1]?.("/a");
    await turn();
    t.upstream.calls[0]?.answer(new Response(new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) }), { headers: { "cache-control": "max-age=60" } }));
    await turn();
    for (let i = 0; i < 30; i++) await t.clock.advanceAsync(10);
    await t.upstream.called(2);
    t.upstream.calls[1]?.answer(new Response("whole", { headers: { "cache-control": "max-age=60" } }));
    expect(await (await other)?.text()).toBe("whole");
    await expect((await broken)?.text()).rejects.toThrow();
  });

  it("wait no longer than they are told", async () => {
    const t = fleet({ coalesceWaitMs: 1000 });
    const slow = t.processes[0]?.("/a");
    await t.upstream.called(1);
    const other = t.processes[1]?.("/a");
    await turn();
    for (let i = 0; i < 12; i++) await t.clock.advanceAsync(100);
    await t.upstream.called(2);
    for (const call of t.upstream.calls) call.answer(new Response("x"));
    await Promise.all([slow, other]);
  });

  it("see a purge that came during a fill", async () => {
    const t = fleet();
    const filling = t.processes[0]?.("/a");
    await t.upstream.called(1);
    t.store.purge({ all: true });
    t.upstream.calls[0]?.answer(new Response("old", { headers: { "cache-control": "max-age=60" } }));
    await (await filling)?.text();
    await turn();
    expect(t.store.size).toBe(0);
  });
});

describe("a store's lock that is none", () => {
  it.each([[null], [undefined], ["x"], [{}], [{ kind: "wait" }], [{ kind: "fill" }]])("%j: the upstream is asked all the same", async (reply) => {
    const upstream = new Upstream();
    const clock = manualClock();
    const store = createMemoryCacheStore({ clock });
    store.lock = () => reply as never;
    const get = gateway({}, upstream, clock, store);
    const answer = get("/a");
    await upstream.called(1);
    upstream.calls[0]?.answer(new Response("fine"));
    expect(await (await answer).text()).toBe("fine");
    expect(await (await get("/a")).text()).toBe("fine");
  });
});
