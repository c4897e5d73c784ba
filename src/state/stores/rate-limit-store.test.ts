import { describe, expect, it } from "vitest";
import { memoryDriver } from "../../drivers/memory/memory-driver.ts";
import { type ManualClock, manualClock } from "../../testing/manual-clock.ts";
import { scriptedDriver } from "../../testing/scripted-driver.ts";
import { verifyRateLimitStoreContract } from "../../testing/verify-rate-limit-store.ts";
import { verifyRateLimiterContract } from "../../testing/verify-rate-limiter.ts";
import { verifyStoreContract } from "../../testing/verify-store.ts";
import { createCombiner } from "../combiner.ts";
import type { StateDriver } from "../contracts/driver.ts";
import type { LimitPolicy } from "../contracts/limits.ts";
import { keyValueStoreOn } from "./key-value-store.ts";
import { rateLimitStoreOn } from "./rate-limit-store.ts";
import { rateLimiterOn } from "./rate-limiter.ts";
import { type Stores, createStores } from "./stores.ts";

const last = <T>(items: readonly T[]): T => items.at(-1) as T;
const second = (max: number): LimitPolicy => ({ algorithm: "fixed-window", max, windowMs: 1000 });

describe("reserve and settle", () => {
  const bucket = { algorithm: "token-bucket", capacity: 10, max: 10, windowMs: 1000 } as const;

  it("correct a charge up into debt, and down", async () => {
    const clock = manualClock();
    const store = rateLimitStoreOn(memoryDriver({ clock }));
    const reserved = await store.reserve("k", bucket, 4);
    expect(reserved).toMatchObject({ allowed: true, remaining: 6 });
    const { ticket } = reserved;
    expect(ticket).toBeDefined();
    expect(await store.settle("k", bucket, ticket, 12)).toMatchObject({ remaining: 0, debt: 2 });
    expect(await store.check("k", bucket, 1)).toMatchObject({ allowed: false, retryAfterMs: 300 });
    clock.advance(300);
    const one = await store.reserve("k", bucket, 1);
    expect(one.allowed).toBe(true);
    expect(await store.settle("k", bucket, one.ticket, 0)).toMatchObject({ remaining: 1 });
  });

  it("gives back what was reserved for a caller who had gone", async () => {
    const clock = manualClock();
    const driver = scriptedDriver({ clock });
    const store = rateLimitStoreOn(driver, { run: createCombiner(driver, { clock, timeoutMs: 100 }).run });
    const lost = expect(store.reserve("k", bucket, 4)).rejects.toMatchObject({ code: "STORE_TIMEOUT", outcome: "unknown" });
    await clock.advanceAsync(100);
    await lost;
    driver.pending[0]!.answer();
    await clock.advanceAsync(0);
    expect(last(driver.batches).commands).toMatchObject([{ refund: { need: 4000 } }]);
    driver.pending[0]!.answer();
    const refused = store.reserve("k", bucket, 11);
    const settled = expect(refused).rejects.toMatchObject({ code: "STORE_TIMEOUT" });
    await clock.advanceAsync(100);
    await settled;
    driver.pending[0]!.answer();
    await clock.advanceAsync(0);
    expect(driver.pending).toHaveLength(0);
    const left = store.check("k", bucket, 0);
    await clock.advanceAsync(0);
    driver.pending[0]!.answer();
    expect(await left).toMatchObject({ remaining: 10 });
  });

  it("charge without a ticket what was used", async () => {
    const store = rateLimitStoreOn(memoryDriver({ clock: manualClock() }));
    await store.settle("k", bucket, undefined, 7);
    expect(await store.check("k", bucket, 0)).toMatchObject({ remaining: 3 });
  });
});

describe("stores on a driver that is not in this process", () => {
  it("keep the contracts, through the combiner and without it", async () => {
    for (const combined of [true, false]) {
      const setup = (): { clock: ManualClock; driver: StateDriver; stores: () => Stores } => {
        const clock = manualClock();
        const driver = scriptedDriver({ clock, answer: "async" });
        return { clock, driver, stores: () => createStores(driver, { combiner: { clock } }) };
      };
      const [limits, values, limiters] = [setup(), setup(), setup()];
      // The long ones once: without a combiner only the way to the driver differs.
      const only = combined ? undefined : ["increment/count-up", "fixed-window/limit", "check-all/all-or-nothing"];
      const reports = [
        await verifyRateLimitStoreContract(() => (combined ? limits.stores().rateLimitStore : rateLimitStoreOn(limits.driver)), { clock: limits.clock, shared: true, only }),
        await verifyStoreContract(() => (combined ? values.stores().store : keyValueStoreOn(values.driver)), {
          clock: values.clock,
          shared: true,
          prefixed: (keyPrefix) => keyValueStoreOn(values.driver, { keyPrefix }),
        }),
        await verifyRateLimiterContract((policy) => (combined ? limiters.stores().rateLimiter(policy) : rateLimiterOn(limiters.driver, policy)), { clock: limiters.clock, shared: true }),
      ];
      expect(reports.flatMap(({ violations }) => violations)).toEqual([]);
    }
    const clock = manualClock();
    const stores = createStores(scriptedDriver({ clock, answer: "async" }), { combiner: { clock } });
    await stores.close();
    await expect(stores.store.get("k")).rejects.toMatchObject({ code: "STORE_CLOSED" });
  });

  it("refuse a driver that is not atomic, at construction", () => {
    const driver = scriptedDriver({ capabilities: { atomic: false } });
    const refused = expect.objectContaining({ code: "STORE_CAPABILITY", message: expect.stringContaining(driver.name) as string });
    expect(() => rateLimitStoreOn(driver)).toThrowError(refused);
    expect(() => keyValueStoreOn(driver)).toThrowError(refused);
    expect(() => rateLimiterOn(driver, { capacity: 1, tokensPerSecond: 1 })).toThrowError(refused);
  });
});

describe("rateLimitStoreOn", () => {
  it("sees a policy object that was changed, and policies made anew for each call", () => {
    const store = rateLimitStoreOn(memoryDriver());
    const policy = { algorithm: "fixed-window" as const, max: 1, windowMs: 60_000 };
    expect([store.check("k", policy, 1), store.check("k", policy, 1)]).toMatchObject([{ allowed: true }, { allowed: false }]);
    policy.max = 3;
    expect(store.check("k", policy, 1)).toMatchObject({ allowed: true, remaining: 1 });
    expect(store.check("k", { ...policy }, 1)).toMatchObject({ allowed: true, remaining: 0 });
  });

  it("refuses what is no policy", () => {
    const store = rateLimitStoreOn(memoryDriver());
    for (const bad of [undefined, null, "fixed-window", {}, { ...second(1), algorithm: "leaky" }] as LimitPolicy[]) {
      expect(() => store.check("k", bad, 1)).toThrow(RangeError);
      expect(() => store.checkAll("k", [second(1), bad], 1)).toThrow(RangeError);
    }
  });

  it("keeps policies and prefixes apart, whatever is in a key", () => {
    const driver = memoryDriver();
    const a = rateLimitStoreOn(driver, { prefix: "a" });
    const b = rateLimitStoreOn(driver, { prefix: "a:b" });
    expect([a.check("b:k", second(5), 1), b.check("k", second(5), 1), a.check("b:k", { ...second(5), windowMs: 2000 }, 1)]).toMatchObject([{ remaining: 4 }, { remaining: 4 }, { remaining: 4 }]);
  });

  it("works where the driver has no more tables", () => {
    const driver = memoryDriver();
    const store = rateLimitStoreOn(driver);
    for (let i = 1; i <= 6000; i++) store.check("k", { ...second(5), windowMs: 1000 + i }, 1);
    expect(store.check("k", { ...second(5), windowMs: 6999 }, 1)).toMatchObject({ remaining: 3 });
    expect(store.check("other", { ...second(5), windowMs: 6999 }, 1)).toMatchObject({ remaining: 4 });
    expect(driver.size).toBeGreaterThan(5000);
  });

  it("counts windows of decimal seconds in whole milliseconds", async () => {
    const clock = manualClock({ now: 1_000_000 });
    const store = rateLimitStoreOn(memoryDriver({ clock }));
    for (const [seconds, ms] of [[1.1, 1100], [0.001, 1], [0.0015, 2], [4.35, 4350], [1e-3 * 3, 3]] as const) {
      expect((await store.increment(`k${seconds}`, seconds)).resetAt).toBe(1_000_000 + ms);
    }
    for (const bad of [0, 0.0009, -1, Number.NaN, Number.POSITIVE_INFINITY, "1", undefined, 1e9] as number[]) expect(() => store.increment("k", bad)).toThrow(/^windowSeconds must be/);
  });
});

describe("keyValueStoreOn", () => {
  it("keeps a pause when the spacing changes", async () => {
    const store = keyValueStoreOn(memoryDriver({ clock: manualClock() }));
    await store.reserve("k", { pauseMs: 5000, spacingMs: 100 });
    expect((await store.reserve("k", { spacingMs: 250 })).waitMs).toBe(5000);
    expect((await store.reserve("k", { spacingMs: 100 })).waitMs).toBe(5250);
  });

  it("gives a key that looks like a digest its own record", async () => {
    const store = keyValueStoreOn(memoryDriver());
    const long = "x".repeat(600);
    const digest = `sha256=${Buffer.from(await crypto.subtle.digest("SHA-256", Buffer.from(long))).toString("hex")}`;
    await store.set(long, "long");
    expect(await store.get(digest)).toBeUndefined();
    await store.set(digest, "digest");
    await store.set(`=${digest}`, "marked");
    expect([await store.get(long), await store.get(digest), await store.get(`=${digest}`)]).toEqual(["long", "digest", "marked"]);
  });

  it("says what a key is used for", async () => {
    const store = keyValueStoreOn(memoryDriver());
    await store.set("k", 1);
    await expect(store.lease("k", { token: "t", limit: 1, ttlMs: 1000 })).rejects.toMatchObject({ code: "STORE_WRONG_TYPE" });
    await expect(store.reserve("k", { spacingMs: 10 })).rejects.toMatchObject({ code: "STORE_WRONG_TYPE" });
    expect(await store.get("k")).toBe(1);
  });

  it("closes what it opened, once", async () => {
    let closed = 0;
    const store = keyValueStoreOn(memoryDriver(), { onClose: async () => void closed++ });
    await Promise.all([store.close(), store.close(), store[Symbol.asyncDispose]()]);
    expect(closed).toBe(1);
    for (const use of [store.get("k"), store.lease("k", { token: "t", limit: 1, ttlMs: 1 }), store.release("k", "t"), store.reserve("k", { spacingMs: 1 })]) {
      await expect(use).rejects.toMatchObject({ code: "STORE_CLOSED" });
    }
  });
});
