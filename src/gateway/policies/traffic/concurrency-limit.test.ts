import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { concurrencyLimit, type ConcurrencyLimitConfig } from "./concurrency-limit.ts";
import { memoryStore } from "../../../drivers/memory/memory-store.ts";

function harness(options: ConcurrencyLimitConfig, clock = manualClock()) {
  const waiting: (() => void)[] = [];
  const made = createPolicyTestHarness(concurrencyLimit(options), { clock, upstream: (c) => new Promise<Response>((resolve) => void waiting.push(() => resolve(c.text("ok")))) });
  return { clock, waiting, ...made };
}

describe("concurrencyLimit", () => {
  it("counts over gateways that share a store, until the body has ended", async () => {
    const clock = manualClock();
    const store = memoryStore({ clock });
    const [a, b] = [harness({ max: 1, store }, clock), harness({ max: 1, store }, clock)];
    const first = a.request("/");
    await clock.advanceAsync(0);
    const refused = await b.request("/");
    expect([refused.status, refused.headers.get("retry-after"), await refused.json()]).toMatchObject([429, "1", { code: "concurrency_limited" }]);
    a.waiting.shift()?.();
    await (await first).text();
    await clock.advanceAsync(0);
    const next = b.request("/");
    await clock.advanceAsync(0);
    b.waiting.shift()?.();
    expect((await next).status).toBe(200);
  });

  it("renews a place while it is held, and gives one of a dead process back", async () => {
    const clock = manualClock();
    const store = memoryStore({ clock });
    const held = harness({ max: 1, store, leaseMs: 900 }, clock);
    void held.request("/");
    await clock.advanceAsync(0);
    for (let i = 0; i < 20; i++) await clock.advanceAsync(300);
    expect((await harness({ max: 1, store }, clock).request("/")).status).toBe(429);
    const other = memoryStore({ clock });
    await other.lease("test-gateway:GET,POST,PUT,PATCH,DELETE,OPTIONS /*:concurrency-limit:places", { token: "dead", limit: 1, ttlMs: 500 });
    const waiting = harness({ max: 1, store: other, queue: 1 }, clock);
    const answer = waiting.request("/");
    await clock.advanceAsync(600);
    waiting.waiting.shift()?.();
    expect((await answer).status).toBe(200);
  });

  it("takes a lost place back as soon as there is one, so that its request is counted", async () => {
    const clock = manualClock();
    const store = memoryStore({ clock });
    const asked: { key: string; token: string; at: number }[] = [];
    const lease = store.lease.bind(store);
    store.lease = (key, command) => {
      asked.push({ key, token: command.token, at: clock.monotonic() });
      return lease(key, command);
    };
    void harness({ max: 1, store, leaseMs: 9000 }, clock).request("/");
    await clock.advanceAsync(0);
    const { key, token } = asked[0]!;
    // As if this process had stood still: its lease has ended, and another process has the place.
    await store.release(key, token);
    await lease(key, { token: "other", limit: 1, ttlMs: 3500 });
    await clock.advanceAsync(3000);
    await clock.advanceAsync(600);
    expect(asked.map(({ at }) => at)).toEqual([0, 3000, 3500]);
    expect((await lease(key, { token: "third", limit: 1, ttlMs: 1000 })).held).toBe(false);
  });

  it("gives back a place that a late reply may have taken", async () => {
    const clock = manualClock();
    const store = memoryStore({ clock });
    const lease = store.lease.bind(store);
    let key = "";
    store.lease = async (name, command) => {
      key = name;
      await new Promise<void>((resolve) => clock.setTimeout(resolve, 5000));
      return lease(name, command);
    };
    const released: string[] = [];
    store.release = async (name) => released.push(name) > 0;
    const refused = harness({ max: 1, store, failMode: "closed" }, clock).request("/");
    await clock.advanceAsync(4000);
    expect([(await refused).status, released]).toEqual([503, [key]]);
  });

  it("tells callers apart by keyBy", async () => {
    const { request, waiting, clock } = harness({ max: 1, keyBy: (c) => c.req.header("x-k") });
    const a = request("/", { headers: { "x-k": "a" } });
    const b = request("/", { headers: { "x-k": "b" } });
    await clock.advanceAsync(0);
    expect((await request("/", { headers: { "x-k": "a" } })).status).toBe(429);
    for (const end of waiting) end();
    expect([(await a).status, (await b).status]).toEqual([200, 200]);
  });

  it.each([["open", [200, 200]], ["closed", [503, 503]], ["local", [200, 429]]] as const)("failMode %s", async (failMode, statuses) => {
    const store = memoryStore();
    store.lease = () => Promise.reject(new Error("down"));
    const { request, waiting, clock } = harness({ max: 1, store, failMode });
    const first = request("/");
    await clock.advanceAsync(0);
    const second = request("/");
    await clock.advanceAsync(0);
    for (const end of waiting) end();
    expect([(await first).status, (await second).status]).toEqual(statuses);
  });

  it("names a store without leases", () => {
    expect(() => createPolicyTestHarness(concurrencyLimit({ max: 1, store: { get: async () => undefined } as never }))).toThrow(/store has no lease/);
  });

  it.each([{}, { max: 0 }, { max: 513 }, { max: 1, leaseMs: 0 }, { max: 1, queue: -1 }])("refuses %j", (options) => {
    const make = concurrencyLimit;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
