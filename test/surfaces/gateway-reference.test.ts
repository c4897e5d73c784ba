/** The walk-through of store-backed policies, as its readers write it down: only the import specifiers are ours. */

import { afterAll, describe, expect, test } from "vitest";
import { InMemoryRateLimitStore, Priority, createGateway, definePolicy, getGatewayContext, type GatewayAdapter } from "../../src/gateway.ts";
import { createPolicyTestHarness, createTestAdapter, safeCall } from "../../src/gateway-sdk.ts";

interface CounterStore {
  increment(key: string): Promise<number>;
  get(key: string): Promise<number>;
}

class InMemoryCounterStore implements CounterStore {
  private counts = new Map<string, number>();
  async increment(key: string): Promise<number> {
    const current = (this.counts.get(key) ?? 0) + 1;
    this.counts.set(key, current);
    return current;
  }
  async get(key: string): Promise<number> {
    return this.counts.get(key) ?? 0;
  }
}

interface AppAdapter extends GatewayAdapter {
  counterStore?: CounterStore;
}

const requestCounter = definePolicy({
  name: "request-counter",
  priority: Priority.OBSERVABILITY,
  handler: async (c, next, { debug }) => {
    const adapter = getGatewayContext(c)?.adapter as AppAdapter | undefined;
    const store = adapter?.counterStore;
    let count = 0;
    if (store) {
      count = await safeCall(
        () => store.increment(c.req.path),
        0,
        debug,
        "counterStore.increment()",
      );
      debug("request #%d to %s", count, c.req.path);
    }
    await next();
    if (count > 0) {
      c.res.headers.set("x-request-count", String(count));
    }
  },
});

const upstream = { type: "handler" as const, handler: () => new Response("ok") };

describe("the request counter", () => {
  test("counts per path through the adapter's own store", async () => {
    const adapter: AppAdapter = { counterStore: new InMemoryCounterStore() };
    const gateway = createGateway({ adapter, routes: [{ path: "/api/*", pipeline: { policies: [requestCounter()], upstream } }] });
    const counts: (string | null)[] = [];
    for (const path of ["/api/count", "/api/count", "/api/other", "/api/count"]) counts.push((await gateway.app.request(path)).headers.get("x-request-count"));
    expect(counts).toEqual(["1", "2", "1", "3"]);
  });

  test("sees the adapter itself: prototype methods and getters survive", async () => {
    class ClassAdapter implements AppAdapter {
      #store = new InMemoryCounterStore();
      get counterStore(): CounterStore {
        return this.#store;
      }
    }
    const { request } = createPolicyTestHarness(requestCounter(), { adapter: new ClassAdapter() as AppAdapter });
    await request("/x");
    expect((await request("/x")).headers.get("x-request-count")).toBe("2");
  });

  test("goes on without a store, and with a store that fails or hangs", async () => {
    const lines: unknown[] = [];
    const failing = (increment: CounterStore["increment"]): AppAdapter => ({ counterStore: { increment, get: async () => 0 } });
    for (const adapter of [{}, failing(async () => Promise.reject(new Error("down"))), failing(() => { throw new Error("down"); }), failing(() => new Promise(() => {}))]) {
      const response = await createPolicyTestHarness(requestCounter(), { adapter: adapter as AppAdapter, upstream: (c) => c.text("ok") }).request("/x");
      expect([response.status, response.headers.get("x-request-count")]).toEqual([200, null]);
    }
    expect(await safeCall(() => { throw new Error("down"); }, 7, (...line) => void lines.push(line), "store.get()")).toBe(7);
    expect(lines).toEqual([["%s failed: %s", "store.get()", "down"]]);
  });

  test("works on a response whose header fields are immutable", async () => {
    const response = await createPolicyTestHarness(requestCounter(), { adapter: { counterStore: new InMemoryCounterStore() } as AppAdapter, upstream: () => Response.redirect("http://h/") }).request("/x");
    expect(response.headers.get("x-request-count")).toBe("1");
  });
});

describe("waitUntil", () => {
  test("keeps work going after the response was sent", async () => {
    const adapter = createTestAdapter();
    const done: string[] = [];
    const persist = definePolicy({
      name: "persist",
      handler: async (c, next) => {
        await next();
        const found = getGatewayContext(c)?.adapter;
        if (found?.waitUntil) found.waitUntil(Promise.resolve().then(() => void done.push("persisted")));
      },
    });
    await createPolicyTestHarness(persist(), { adapter }).request("/");
    await adapter.waitAll();
    expect(done).toEqual(["persisted"]);
  });
});

describe("in-memory stores", () => {
  const store = new InMemoryRateLimitStore();
  afterAll(() => {
    store.destroy();
  });
  test("count", async () => {
    await store.increment("k", 60);
    expect(await store.increment("k", 60)).toMatchObject({ count: 2 });
  });
});
