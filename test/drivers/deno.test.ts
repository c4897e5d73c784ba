/** Every contract on Deno KV through `@deno/kv`, the client for Node and Bun; inside Deno they run in test/runtimes. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Kv, openKv } from "@deno/kv";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { denoKvAdapter, denoKvDriver, denoKvStore, type DenoKvLike } from "../../src/deno.ts";
import { cacheStoreOn } from "../../src/state/stores/cache-store.ts";
import { createStores } from "../../src/state/stores/stores.ts";
import {
  verifyCacheStoreContract, verifyCircuitBreakerStoreContract, verifyDriverContract, verifyRateLimitStoreContract, verifyRateLimiterContract, verifyStoreContract,
} from "../../src/testing.ts";

let folder: string;
const handles: Kv[] = [];
let turn = 0;
/** Two handles on one file stand for two processes; a suite makes many objects on them. */
const kv = (): DenoKvLike => handles[turn++ % 2] as DenoKvLike;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-deno-kv-"));
  for (let i = 0; i < 2; i++) handles.push(await openKv(join(folder, "kv.sqlite3")));
});
afterAll(() => {
  for (const handle of handles) handle.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Counts what reaches the database, and can make it fail. */
class Watched implements DenoKvLike {
  reads = 0;
  commits = 0;
  lost = 0;
  expiries: (number | undefined)[] = [];
  beforeCommit: () => unknown = () => undefined;
  afterCommit: () => unknown = () => undefined;
  readonly inner: DenoKvLike;

  constructor(inner: DenoKvLike) {
    this.inner = inner;
  }

  async get(key: readonly string[]) {
    this.reads++;
    return this.inner.get(key);
  }

  async getMany(keys: (readonly string[])[]) {
    this.reads++;
    return (this.inner.getMany as NonNullable<DenoKvLike["getMany"]>).call(this.inner, keys);
  }

  atomic(): ReturnType<DenoKvLike["atomic"]> {
    const inner = this.inner.atomic();
    const self: ReturnType<DenoKvLike["atomic"]> = {
      check: (...checks) => (inner.check(...checks), self),
      set: (key, value, options) => (this.expiries.push(options?.expireIn), inner.set(key, value, options), self),
      delete: (key) => (inner.delete(key), self),
      commit: async () => {
        this.commits++;
        await this.beforeCommit();
        const result = await inner.commit();
        if (!result.ok) this.lost++;
        await this.afterCommit();
        return result;
      },
    };
    return self;
  }
}

const clockAt = (read: () => number) => ({ now: read, monotonic: () => performance.now(), setTimeout: (callback: () => void, ms: number) => setTimeout(callback, ms), clearTimeout: (handle: unknown) => clearTimeout(handle as never) });

describe("contracts", () => {
  const report = async (verified: Promise<{ violations: readonly unknown[]; passed: readonly string[] }>): Promise<void> => {
    const { violations, passed } = await verified;
    expect(violations).toEqual([]);
    expect(passed.length).toBeGreaterThan(5);
  };

  it.concurrent("driver", () => report(verifyDriverContract(() => denoKvDriver(kv(), { prefix: "driver" }))));
  it.concurrent("key-value", () => report(verifyStoreContract(() => denoKvStore(kv(), { keyPrefix: "kv" }), {
    ttlMs: 200,
    shared: true,
    foreign: async (key, text) => void (await handles[0]!.set(["kv", key], text)),
    prefixed: (keyPrefix) => denoKvStore(kv(), { keyPrefix }),
  })));
  it.concurrent("rate limits", () => report(verifyRateLimitStoreContract(() => createStores(denoKvDriver(kv(), { prefix: "rl" })).rateLimitStore, { shared: true })));
  it.concurrent("rate limiter", () => report(verifyRateLimiterContract((policy) => createStores(denoKvDriver(kv(), { prefix: "limiter" })).rateLimiter(policy), { shared: true, ttlMs: 400 })));
  it.concurrent("circuit breaker", () => report(verifyCircuitBreakerStoreContract(() => createStores(denoKvDriver(kv(), { prefix: "circuit" })).circuitBreakerStore, { shared: true, ttlMs: 400 })));
  it.concurrent("cache", () => report(verifyCacheStoreContract(() => cacheStoreOn(denoKvDriver(kv(), { prefix: "cache" }), { inlineBytes: 32_768 }))));
});

describe("layout", () => {
  it("is [keyPrefix, key] or [key], and what others wrote reads as it is", async () => {
    const raw = handles[0] as Kv;
    await denoKvStore(kv(), { keyPrefix: "app" }).set("k", { a: 1 });
    await denoKvStore(kv()).set("plain", "x");
    expect((await raw.get(["app", "k"])).value).toBeInstanceOf(Uint8Array);
    expect((await raw.get(["plain"])).value).toBeInstanceOf(Uint8Array);
    await raw.set(["app", "text"], "not json");
    await raw.set(["app", "object"], { b: [1, null] });
    await raw.set(["app", "code"], new Map([[1, 2]]));
    const store = denoKvStore(kv(), { keyPrefix: "app" });
    expect(await store.get("text")).toBe("not json");
    expect(await store.get("object")).toEqual({ b: [1, null] });
    await raw.set(["app", "big"], 10n);
    await expect(store.get("big")).rejects.toMatchObject({ code: "STORE_CORRUPT" });
  });

  it("prefixes do not meet, whatever they spell, and lone surrogates stay apart", async () => {
    const stores = ["a", "a:", "a\u0000", "", "\ud800", "\ud801"].map((keyPrefix) => denoKvStore(kv(), { keyPrefix }));
    await Promise.all(stores.map((store, i) => store.set("b:c", i)));
    expect(await Promise.all(stores.map((store) => store.get("b:c")))).toEqual([0, 1, 2, 3, 4, 5]);
    const store = denoKvStore(kv(), { keyPrefix: "odd" });
    for (const key of ["\ud800", "\ud801", "\u0000", "\u{1f600}".repeat(128), "x".repeat(5000)]) await store.set(key, key.length);
    for (const key of ["\ud800", "\ud801", "\u0000", "\u{1f600}".repeat(128), "x".repeat(5000)]) expect(await store.get(key)).toBe(key.length);
  });

  it("a value of exactly the maximum is kept, one byte more is refused before anything is sent", async () => {
    const watched = new Watched(kv());
    const driver = denoKvDriver(watched, { prefix: "size" });
    const { maxValueBytes } = driver.capabilities;
    await driver.set("large", new Uint8Array(maxValueBytes).fill(3), 60_000);
    expect((await driver.get("large"))?.length).toBe(maxValueBytes);
    const { commits } = watched;
    await expect(driver.set("large", new Uint8Array(maxValueBytes + 1))).rejects.toMatchObject({ code: "STORE_VALUE_TOO_LARGE", outcome: "not-applied" });
    await expect(denoKvStore(watched, { keyPrefix: "size" }).set("other", "x".repeat(65_536))).rejects.toMatchObject({ code: "STORE_VALUE_TOO_LARGE", outcome: "not-applied" });
    expect(watched.commits).toBe(commits);
  });
});

describe("counters", () => {
  it("64 increments at once are exact and need a few commits, not one each", async () => {
    const watched = new Watched(kv());
    const store = denoKvStore(watched, { keyPrefix: "hot" });
    const counts = await Promise.all(Array.from({ length: 64 }, () => store.incr("k", 60_000)));
    expect(counts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 64 }, (_, i) => i + 1));
    expect(watched.commits / 64).toBeLessThanOrEqual(0.1);
  });

  it("two handles, and two stores on one handle, count together", async () => {
    const [one, two] = [new Watched(handles[0] as DenoKvLike), new Watched(handles[1] as DenoKvLike)];
    const stores = [denoKvStore(one, { keyPrefix: "both" }), denoKvStore(one, { keyPrefix: "both" }), denoKvStore(two, { keyPrefix: "both" })];
    const counts = (await Promise.all(Array.from({ length: 300 }, (_, i) => stores[i % 3]!.incr(`k${i % 2}`)))).toSorted((a, b) => a - b);
    expect(counts).toEqual(Array.from({ length: 300 }, (_, i) => Math.floor(i / 2) + 1));
  });

  it("every increment writes the remaining life again, and none moves the deadline", async () => {
    let now = 1_800_000_000_000;
    const watched = new Watched(kv());
    const store = denoKvStore(watched, { keyPrefix: "life", clock: clockAt(() => now) });
    for (const [at, count] of [[0, 1], [400, 2], [999, 3], [1000, 1]] as const) {
      now = 1_800_000_000_000 + at;
      expect(await store.incr("k", 1000)).toBe(count);
    }
    expect(watched.expiries).toEqual([1000, 600, 1, 1000]);
  });

  it("an entry the database has not swept yet is not shown", async () => {
    let now = Date.now();
    // The clock of the process is ahead of the database's, so the entry is still there.
    const store = denoKvStore(kv(), { keyPrefix: "late", clock: clockAt(() => now) });
    await store.set("k", 1, 60_000);
    now += 59_999;
    expect(await store.get("k")).toBe(1);
    now += 1;
    expect(await store.get("k")).toBeUndefined();
    expect((await handles[0]!.get(["late", "k"])).value).not.toBeNull();
  });

  it("loses a bounded number of times, waits in between, and tells the count", async () => {
    const watched = new Watched(kv());
    const rival = handles[0] as Kv;
    watched.beforeCommit = () => rival.set(["lost", "k"], String(Math.random()));
    const store = denoKvStore(watched, { keyPrefix: "lost", maxIncrRetries: 4 });
    await expect(store.set("k", 1)).rejects.toMatchObject({ code: "STORE_CONTENTION", outcome: "not-applied", message: expect.stringMatching(/\b4\b/) });
    expect(watched.lost).toBe(4);
    for (const maxIncrRetries of [0, -1, 1.5, NaN]) expect(() => denoKvStore(kv(), { maxIncrRetries })).toThrow(/maxIncrRetries/);
  });
});

describe("batches", () => {
  it("many keys share a read of ten and one transaction", async () => {
    const watched = new Watched(kv());
    const store = denoKvStore(watched, { keyPrefix: "many" });
    await Promise.all(Array.from({ length: 104 }, (_, i) => store.set(`k${i}`, i)));
    // What a transaction takes everywhere is ten keys.
    expect(watched.commits).toBeLessThanOrEqual(26);
    expect(watched.reads).toBeLessThanOrEqual(26);
    expect(await Promise.all(Array.from({ length: 104 }, (_, i) => store.get(`k${i}`)))).toEqual(Array.from({ length: 104 }, (_, i) => i));
  });

  it("one key somebody else wrote does not fail the others, and is not lost itself", async () => {
    const watched = new Watched(handles[0] as DenoKvLike);
    const [store, rival] = [denoKvStore(watched, { keyPrefix: "mixed" }), denoKvStore(handles[1] as DenoKvLike, { keyPrefix: "mixed" })];
    let once = true;
    watched.beforeCommit = async () => {
      if (!once) return;
      once = false;
      await rival.incr("k7");
    };
    const counts = await Promise.all(Array.from({ length: 20 }, (_, i) => store.incr(`k${i}`)));
    expect(watched.lost).toBe(1);
    expect(counts.filter((count) => count === 2)).toHaveLength(1);
    expect(await rival.get("k7")).toBe(2);
    for (let i = 0; i < 20; i++) if (i !== 7) expect(await rival.get(`k${i}`)).toBe(1);
  });

  it("large values go in several transactions", async () => {
    const store = denoKvStore(kv(), { keyPrefix: "heavy" });
    await Promise.all(Array.from({ length: 30 }, (_, i) => store.set(`k${i}`, "x".repeat(60_000))));
    expect((await Promise.all(Array.from({ length: 30 }, (_, i) => store.get(`k${i}`)))).every((text) => (text as string).length === 60_000)).toBe(true);
  });

  it("a wrong type fails its own key alone", async () => {
    const store = denoKvStore(kv(), { keyPrefix: "types" });
    await store.set("text", "x");
    await Promise.all(Array.from({ length: 4 }, (_, i) => store.get(`warm${i}`)));
    const ends = await Promise.allSettled([...Array.from({ length: 8 }, (_, i) => store.incr(`n${i}`)), store.incr("text"), store.incr("n8")]);
    expect(ends.map(({ status }) => status)).toEqual([...Array.from({ length: 8 }, () => "fulfilled"), "rejected", "fulfilled"]);
    expect(ends[8]).toMatchObject({ reason: { code: "STORE_WRONG_TYPE" } });
  });
});

describe("clocks", () => {
  it("processes whose clocks are 6 s apart share one window and one bucket", async () => {
    const [ahead, behind] = [6000, -6000].map((byMs) => createStores(denoKvDriver(kv(), { prefix: "skew", clock: clockAt(() => Date.now() + byMs) })));
    const resets = new Set<number>();
    for (let n = 1; n <= 20; n++) {
      const { count, resetAt } = await (n % 2 === 1 ? ahead : behind)!.rateLimitStore.increment("window", 3);
      expect(count).toBe(n);
      resets.add(resetAt);
    }
    expect(resets.size).toBe(1);
    const policy = { algorithm: "token-bucket", capacity: 10, max: 1, windowMs: 10_000 } as const;
    let admitted = 0;
    for (let n = 0; n < 60; n++) if ((await (n % 2 === 0 ? ahead : behind)!.rateLimitStore.check("bucket", policy, 1)).allowed) admitted++;
    expect(admitted).toBe(10);
  });

  it("a clock that was set back a day is an event, and gives nothing away", async () => {
    let now = Date.now() + 86_400_000;
    const driver = denoKvDriver(kv(), { prefix: "step", clock: clockAt(() => now) });
    const steps: unknown[] = [];
    driver.events.on((event) => void steps.push(event));
    const { rateLimitStore } = createStores(driver);
    const policy = { algorithm: "fixed-window", max: 3, windowMs: 60_000 } as const;
    for (let i = 0; i < 3; i++) expect((await rateLimitStore.check("k", policy, 1)).allowed).toBe(true);
    now -= 86_400_000;
    expect((await rateLimitStore.check("k", policy, 1)).allowed).toBe(false);
    expect(steps).toEqual([{ type: "clock.step", behindMs: expect.any(Number) }]);
  });
});

describe("adapter", () => {
  it("has every member, keeps the database open, and leaves out what it is told to", async () => {
    const adapter = denoKvAdapter(handles[0] as DenoKvLike, { prefix: "app-all" });
    expect((await adapter.rateLimitStore?.increment("k", 60))?.count).toBe(1);
    await adapter.cacheStore?.put("https://example.test/", new Response("x".repeat(300_000)), 60);
    expect((await (await adapter.cacheStore?.get("https://example.test/"))?.text())?.length).toBe(300_000);
    await adapter.store?.set("k", { a: 1 });
    expect(await adapter.rateLimiter({ capacity: 2, tokensPerSecond: 1 }).consume("k", 1)).toEqual({ allowed: true, remaining: 1 });
    expect((await adapter.circuitBreakerStore?.getState("k"))?.state).toBe("closed");
    await adapter.close();
    await adapter.close();
    await expect(adapter.store?.get("k")).rejects.toMatchObject({ code: "STORE_CLOSED" });
    expect((await handles[0]!.get(["app-all", "kv:k"])).value).not.toBeNull();
    const partial = denoKvAdapter(kv(), { stores: { cache: false } });
    expect(Object.keys(partial).sort()).toEqual(["circuitBreakerStore", "close", "rateLimitStore", "rateLimiter", "store"]);
    await partial.close();
  });

  it("refuses what is no database, and bad options, by name", () => {
    expect(() => denoKvAdapter({} as never)).toThrow(/kv must be a Deno KV database.*it lacks get, atomic/);
    expect(() => denoKvStore(undefined as never)).toThrow(/kv must be a Deno KV database/);
    expect(() => denoKvAdapter(kv(), { prefix: "" })).toThrow(/prefix/);
    expect(() => denoKvStore(kv(), { keyPrefix: "p".repeat(129) })).toThrow(/prefix/);
    expect(() => denoKvStore(kv(), { timeoutMs: 0 })).toThrow(/timeoutMs/);
  });
});

describe("faults", () => {
  it("a commit that fails is unknown, is not sent again, and leaves the key usable", async () => {
    const watched = new Watched(kv());
    const store = denoKvStore(watched, { keyPrefix: "fail" });
    watched.beforeCommit = () => {
      throw new Error("disk I/O error");
    };
    await expect(store.incr("k")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", outcome: "unknown" });
    expect(watched.commits).toBe(1);
    watched.beforeCommit = () => undefined;
    expect(await store.incr("k")).toBe(1);
  });

  it("a reply that is lost after the write took effect charges once and admits nobody", async () => {
    const watched = new Watched(kv());
    const store = denoKvStore(watched, { keyPrefix: "reply", timeoutMs: 60 });
    watched.afterCommit = () => new Promise(() => {});
    await expect(store.incr("k", 60_000)).rejects.toMatchObject({ code: "STORE_TIMEOUT", outcome: "unknown" });
    expect(watched.commits).toBe(1);
    watched.afterCommit = () => undefined;
    expect(await store.incr("k", 60_000)).toBe(2);
    expect(watched.expiries.every((expiry) => expiry !== undefined && expiry <= 60_000)).toBe(true);
  });

  it("a file that another process has locked is tried again, and one that stays locked is not applied", async () => {
    const watched = new Watched(kv());
    const store = denoKvStore(watched, { keyPrefix: "busy" });
    watched.beforeCommit = () => {
      if (watched.commits < 3) throw new Error("database is locked\n\nCaused by:\n    Error code 5");
    };
    expect(await store.incr("k")).toBe(1);
    expect(watched.commits).toBe(3);
    watched.beforeCommit = () => {
      throw new Error("database is locked");
    };
    const patient = denoKvStore(watched, { keyPrefix: "busy", timeoutMs: 20_000, random: { next: () => 0, uuid: () => "" } });
    await expect(patient.incr("k")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", outcome: "not-applied" });
  });

  it("a read that hangs has a deadline, and nothing was applied", async () => {
    const watched = new Watched(kv());
    watched.get = () => new Promise(() => {});
    await expect(denoKvStore(watched, { timeoutMs: 50 }).get("k")).rejects.toMatchObject({ code: "STORE_TIMEOUT", outcome: "not-applied" });
  });

  it("a database that was closed says so", async () => {
    const closed = await openKv(join(folder, "closed.sqlite3"));
    const store = denoKvStore(closed);
    await store.set("k", 1);
    closed.close();
    await expect(store.get("k")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", outcome: "not-applied" });
  });
});
