import { describe, expect, test } from "vitest";
import { sleep } from "../../core/clock.ts";
import { type ManualClock, manualClock } from "../../testing/manual-clock.ts";
import { scriptedDriver } from "../../testing/scripted-driver.ts";
import { verifyAlgorithm } from "../../testing/verify-algorithm.ts";
import { verifyCacheStoreContract } from "../../testing/verify-cache-store.ts";
import { memoryDriver } from "../../drivers/memory/memory-driver.ts";
import { type CacheEntryCommand, cacheEntry } from "../algorithms/cache-entry.ts";
import { type KeySetCommand, keySet } from "../algorithms/key-set.ts";
import { purgeMarks } from "../algorithms/purge-marks.ts";
import { type PurgeNumberCommand, purgeNumber } from "../algorithms/purge-number.ts";
import { CompareAndSet } from "../compare-and-set.ts";
import { createCombiner } from "../combiner.ts";
import type { StateDriver } from "../contracts/driver.ts";
import type { CacheRecord } from "../contracts/cache.ts";
import { type DriverCacheStore, cacheStoreOn } from "./cache-store.ts";

/** The memory driver with the network's delay. */
function distant(driver: StateDriver): StateDriver {
  const later = async <T>(work: () => T | Promise<T>): Promise<T> => {
    await Promise.resolve();
    return work();
  };
  return {
    name: "distant",
    capabilities: { ...driver.capabilities, shared: true },
    run: (batch) => later(() => driver.run(batch)),
    get: (key) => later(() => driver.get(key)),
    set: (key, value, ttlMs) => later(() => driver.set(key, value, ttlMs)),
    delete: (key) => later(() => driver.delete(key)),
    close: async () => undefined,
  };
}

const text = (record: CacheRecord | undefined): string | undefined => (record === undefined ? undefined : new TextDecoder().decode(record.body));

describe("the cache on a driver", () => {
  test.each([["in the record", undefined], ["in chunks", 0]])("keeps the contract, bodies %s", async (_, inlineBytes) => {
    const clock = manualClock();
    const driver = memoryDriver({ clock });
    const report = await verifyCacheStoreContract(() => cacheStoreOn(driver, { clock, inlineBytes }), { clock, shared: true, exclusive: true });
    expect(report.violations).toEqual([]);
    expect(report.skipped.filter(({ reason }) => !reason.includes("bounded"))).toEqual([]);
  });

  test("keeps the contract through a combiner", async () => {
    const clock = manualClock();
    const driver = distant(memoryDriver({ clock }));
    const combiner = createCombiner(driver, { clock });
    const report = await verifyCacheStoreContract(() => cacheStoreOn(driver, { clock, run: combiner.run }), { clock, shared: true, exclusive: true });
    expect(report.violations).toEqual([]);
  });

  test("a body over the bound leaves nothing, also of what was written of it", async () => {
    const driver = memoryDriver();
    const cache = cacheStoreOn(driver, { maxEntryBytes: 1_000_000 });
    await cache.put("k", new Response("old"), 60);
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(100_000).fill(++sent)) });
    const before = driver.size;
    await expect(cache.put("k", new Response(endless), 60)).rejects.toMatchObject({ code: "STORE_VALUE_TOO_LARGE" });
    expect(sent).toBeLessThan(15);
    expect(driver.size).toBe(before);
    expect(await (await cache.get("k"))?.text()).toBe("old");
  });

  test("a large body streams in and out in chunks, and a lost chunk is a miss", async () => {
    const driver = memoryDriver();
    const cache = cacheStoreOn(driver);
    const body = Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 31) % 251);
    await cache.put("k", new Response(body), 60);
    expect(Buffer.compare(new Uint8Array(await ((await cache.get("k")) as Response).arrayBuffer()), body)).toBe(0);
    expect(Buffer.compare((await cache.read("k"))?.body as Uint8Array, body)).toBe(0);
    const chunks = driver.size;
    await cache.put("k", new Response(body), 60);
    expect(driver.size, "the chunks of the write before are gone").toBe(chunks);
    const keys: string[] = [];
    const spying = { ...distant(driver), get: (key: string) => (keys.push(key), driver.get(key)) };
    const reader = cacheStoreOn(spying);
    await reader.read("k");
    await driver.delete(keys[1] as string);
    expect(await cache.read("k")).toBeUndefined();
  });

  test("open fails once when the store does, and leaves no failure that nobody hears", async () => {
    const clock = manualClock();
    const driver = distant(memoryDriver({ clock }));
    const cache = cacheStoreOn(driver, { clock, run: async () => { throw new Error("away"); } });
    // What nobody hears fails the run.
    await expect(cache.open("k", 5000)).rejects.toThrow("away");
    await new Promise((resolve) => setImmediate(resolve));
  });

  test("open frees the lock that it was granted when the number of the latest purge cannot be read", async () => {
    const clock = manualClock();
    const far = distant(memoryDriver({ clock }));
    let away = true;
    const cache = cacheStoreOn({ ...far, run: async (batch) => {
      if (away && batch[0]?.key === "cache:purges") throw new Error("away");
      return far.run(batch);
    } }, { clock });
    await expect(cache.open("k", 30_000)).rejects.toThrow("away");
    away = false;
    expect((await cache.open("k", 30_000)).fill?.kind).toBe("fill");
  });

  test("open reads, or locks where there is nothing, in one batch; a purge elsewhere in between is not undone", async () => {
    const clock = manualClock();
    const driver = memoryDriver({ clock });
    let batches = 0;
    const far = distant(driver);
    const counting = { ...far, run: (...args: Parameters<typeof far.run>) => (batches++, far.run(...args)) };
    const combiner = createCombiner(counting);
    const [cache, other] = [cacheStoreOn(counting, { clock, run: combiner.run }), cacheStoreOn(driver, { clock })];
    const record = (): CacheRecord => ({ status: 200, headers: [], body: new Uint8Array(1), storedAt: clock.now(), freshUntil: clock.now() + 60_000, keepUntil: clock.now() + 60_000 });
    const token = async (): Promise<string> => {
      const { fill, record: found } = await cache.open("k", 5000);
      if (fill?.kind !== "fill") throw new Error(`no lock: ${fill?.kind} ${found?.status}`);
      return fill.token;
    };
    const first = await token();
    expect(batches).toBe(1);
    expect(await cache.open("k", 5000), "somebody fills").toEqual({ fill: { kind: "wait", waitMs: 5000 } });
    await cache.write("k", record(), first);
    batches = 0;
    expect((await cache.open("k", 5000)).record?.status).toBe(200);
    expect(batches).toBe(1);
    expect((await other.lock("k", 5000)).kind, "a hit locks nothing").toBe("fill");
    // A purge that this process has not heard of costs a fill that began after it, and never lets an older one through.
    await other.purge({ all: true });
    const late = await token();
    await cache.write("k", record(), late);
    expect(await cache.read("k")).toBeUndefined();
    clock.advance(5000);
    await cache.write("k", record(), await token());
    expect(await cache.read("k")).toBeDefined();
    await cache.purge({ all: true });
    await cache.write("k", record(), await token());
    expect(await cache.read("k"), "its own purges it knows").toBeDefined();
  });

  test.each(["open", "lock"] as const)("a lock that comes after %s was given up on is freed", async (verb) => {
    const clock = manualClock();
    const driver = scriptedDriver({ clock });
    const combiner = createCombiner(driver, { clock, timeoutMs: 1000 });
    const cache = cacheStoreOn(driver, { clock, run: combiner.run });
    /** Answers all that is asked, and what follows from that. */
    const answerAll = async (): Promise<void> => {
      for (let i = 0; i < 5; i++) {
        for (const batch of driver.pending) batch.answer();
        await clock.advanceAsync(0);
      }
    };
    const gone = expect(Promise.resolve(cache[verb]("k", 60_000))).rejects.toMatchObject({ code: "STORE_TIMEOUT" });
    // `lock` asks for the purge number first.
    await clock.advanceAsync(0);
    if (verb === "lock") {
      driver.pending[0]?.answer();
      await clock.advanceAsync(0);
    }
    await clock.advanceAsync(1000);
    await gone;
    expect(driver.pending.length, "the batch that was given up on").toBe(1);
    await answerAll();
    const next = Promise.resolve(cache.open("k", 60_000));
    await answerAll();
    expect((await next).fill?.kind, "nobody holds the lock").toBe("fill");
  });

  describe("a purge of more names than a page, and a refresh under way", () => {
    const record = (clock: ManualClock, body: string, tags: string[] = ["t"]): CacheRecord => ({ status: 200, headers: [], body: new TextEncoder().encode(body), storedAt: clock.now(), freshUntil: clock.now() + 60_000, keepUntil: clock.now() + 60_000, tags });
    /** 301 entries; `x` is the first to end. `between` runs when a purge has read its first page. */
    async function filled(between: () => Promise<unknown>): Promise<{ clock: ManualClock; cache: DriverCacheStore }> {
      const clock = manualClock();
      const far = distant(memoryDriver({ clock }));
      let pages = 0;
      const run: StateDriver["run"] = async (batch) => {
        const replies = await far.run(batch);
        if ((batch[0]?.commands[0] as { type?: string } | undefined)?.type === "page" && (replies[0]?.[0] as { names: unknown[] } | undefined)?.names.length === 128 && pages++ === 0) await between();
        return replies;
      };
      const cache = cacheStoreOn({ ...far, run }, { clock });
      await cache.write("x", record(clock, "old"));
      clock.advance(20);
      for (let i = 0; i < 300; i++) await cache.write(`k${i}`, record(clock, "v"));
      return { clock, cache };
    }
    const tokenOf = async (cache: DriverCacheStore, key: string): Promise<string> => {
      const fill = await cache.lock(key, 30_000);
      if (fill.kind !== "fill") throw new Error("no lock");
      return fill.token;
    };

    test.each([["tag", { tags: ["t"] }, "live"], ["prefix", { prefix: "x" }, "live"], ["tag", { tags: ["t"] }, "ended"]] as const)("by %s: %j, the refresh's lock %s: nothing of before is left", async (_, target, lock) => {
      let between = async (): Promise<void> => undefined;
      const { clock, cache } = await filled(() => between());
      if ("prefix" in target) for (let i = 0; i < 2200; i++) await cache.write(`more${i}`, record(clock, "v"));
      const token = await tokenOf(cache, "x");
      between = async () => {
        if (lock === "ended") clock.advance(30_000);
        await cache.write("x", record(clock, "fetched before"), token);
      };
      await cache.purge(target);
      expect(text(await cache.read("x"))).toBeUndefined();
      await cache.write("x", record(clock, "after"), await tokenOf(cache, "x"));
      expect(text(await cache.read("x")), "and its name is where it belongs").toBe("after");
    });

    test("a refresh that has another tag does not lose what stands", async () => {
      const { clock, cache } = await filled(async () => undefined);
      const token = await tokenOf(cache, "x");
      await cache.purge({ tags: ["other"] });
      await cache.write("x", record(clock, "fetched before", ["other"]), token);
      expect(text(await cache.read("x"))).toBe("old");
    });
  });

  test("an entry that took its time is found by purges until it ends, and ends when it is to", async () => {
    const clock = manualClock();
    const driver = memoryDriver({ clock });
    // Chunks of the body take 400 ms each, four at a time.
    const blobs = { ...driver, get: driver.get.bind(driver), delete: driver.delete.bind(driver), set: async (...args: Parameters<typeof driver.set>) => (await sleep(400, clock), driver.set(...args)) };
    const cache = cacheStoreOn(driver, { clock, blobs });
    const record = (keepMs: number): CacheRecord => ({ status: 200, headers: [], body: new Uint8Array(2_000_000), storedAt: clock.now(), freshUntil: clock.now() + keepMs, keepUntil: clock.now() + keepMs, tags: ["t"] });
    const write = async (keepMs: number): Promise<void> => {
      const fill = await cache.lock("k", 30_000);
      if (fill.kind !== "fill") throw new Error("no lock");
      const writing = cache.write("k", record(keepMs), fill.token);
      for (let i = 0; i < 2; i++) await clock.advanceAsync(400);
      await writing;
    };
    await write(1000);
    expect(await cache.read("k")).toBeDefined();
    clock.advance(199);
    expect(await cache.read("k")).toBeDefined();
    clock.advance(1);
    expect(await cache.read("k"), "at its end").toBeUndefined();
    await write(2000);
    clock.advance(1199);
    expect(await cache.purge({ tags: ["t"] }), "in its last millisecond").toBe(1);
    await write(700);
    expect(await cache.read("k"), "over before it was written").toBeUndefined();
    expect((await cache.lock("k", 1000)).kind, "and nobody waits for it").toBe("fill");
  });

  test("an entry whose write was long on its way is found by purges, too", async () => {
    const clock = manualClock();
    const driver = memoryDriver({ clock });
    const far = distant(driver);
    const cache = cacheStoreOn({ ...far, run: async (batch) => {
      if ((batch[0]?.commands[0] as { type?: string } | undefined)?.type === "put") await sleep(900, clock);
      return far.run(batch);
    } }, { clock });
    const writing = cache.write("k", { status: 200, headers: [], body: new Uint8Array(1), storedAt: clock.now(), freshUntil: clock.now() + 1000, keepUntil: clock.now() + 1000, tags: ["t"] });
    await clock.advanceAsync(900);
    await writing;
    clock.advance(900);
    expect(await cache.read("k")).toBeDefined();
    expect(await cache.purge({ tags: ["t"] })).toBe(1);
  });

  test("a fill under the lock of another key that a purge overtakes is taken back", async () => {
    const clock = manualClock();
    const far = distant(memoryDriver({ clock }));
    let before = async (): Promise<unknown> => undefined;
    const cache = cacheStoreOn({ ...far, run: async (batch) => {
      if ((batch[0]?.commands[0] as { type?: string } | undefined)?.type === "put") await before();
      return far.run(batch);
    } }, { clock });
    const record: CacheRecord = { status: 200, headers: [], body: new Uint8Array(1), storedAt: clock.now(), freshUntil: clock.now() + 60_000, keepUntil: clock.now() + 60_000, tags: ["t"] };
    const fill = await cache.lock("set", 60_000);
    if (fill.kind !== "fill") throw new Error("no lock");
    before = () => cache.purge({ tags: ["t"] });
    await cache.write("variant", record, fill.token, "set");
    expect(await cache.read("variant")).toBeUndefined();
  });

  describe("on a backend of small records", () => {
    const MAX_BYTES = 4096;
    function small(clock: ManualClock): { readonly cache: DriverCacheStore; readonly largest: () => number } {
      const records = new Map<string, { bytes: Uint8Array; revision: number }>();
      let revisions = 0;
      let largest = 0;
      const runner = new CompareAndSet<number>({
        read: async (key) => ({ bytes: records.get(key)?.bytes, revision: records.get(key)?.revision ?? 0 }),
        write: async (key, bytes, revision) => {
          if ((records.get(key)?.revision ?? 0) !== revision) return false;
          largest = Math.max(largest, bytes?.length ?? 0);
          if (bytes === undefined) records.delete(key);
          else records.set(key, { bytes, revision: ++revisions });
          return true;
        },
      }, { maxValueBytes: MAX_BYTES, clock });
      const far = distant(memoryDriver({ clock }));
      const driver: StateDriver = { ...far, capabilities: { ...far.capabilities, maxValueBytes: MAX_BYTES }, run: (batch) => Promise.all(batch.map((operation) => runner.run(operation.key, operation))) };
      return { cache: cacheStoreOn(driver, { clock }), largest: () => largest };
    }
    const record = (clock: ManualClock, keepMs: number, tags: string[]): CacheRecord => ({ status: 200, headers: [], body: new Uint8Array(1), storedAt: clock.now(), freshUntil: clock.now() + keepMs, keepUntil: clock.now() + keepMs, tags });

    test("a full set of names drops the entries that end first, fails no write, and leaves nothing that no purge finds", async () => {
      const clock = manualClock();
      const { cache, largest } = small(clock);
      const keys = Array.from({ length: 1500 }, (_, i) => `https://shop.example/products?page=${i}&session=\u{1f600}abcdef0123456789`);
      for (const [i, key] of keys.entries()) {
        await cache.write(key, record(clock, i < 100 ? 60_000 : 3_600_000, i % 2 === 0 ? ["even"] : []));
        clock.advance(1);
      }
      expect(largest()).toBeGreaterThan(MAX_BYTES - 200);
      const stored = async (): Promise<number[]> => (await Promise.all(keys.map((key) => cache.read(key)))).flatMap((found, i) => (found === undefined ? [] : [i]));
      const before = await stored();
      expect(before.length).toBeGreaterThan(400);
      expect(before.length).toBeLessThan(1000);
      expect(before.some((i) => i < 100), "the first to end").toBe(false);
      expect(before, "the newest").toContain(1499);
      const even = before.filter((i) => i % 2 === 0).length;
      expect(even, "one tag is one set").toBeLessThan(60);
      expect(await cache.purge({ tags: ["even"] })).toBe(even);
      expect(await cache.purge({ all: true })).toBe(before.length - even);
      expect(await stored()).toEqual([]);
    });

    test("a name that takes more than a record is refused by itself", async () => {
      const clock = manualClock();
      const { cache } = small(clock);
      await cache.write("k", record(clock, 60_000, ["t"]));
      await expect(cache.write("x".repeat(5000), record(clock, 60_000, ["t"]))).rejects.toMatchObject({ code: "STORE_VALUE_TOO_LARGE" });
      expect(await cache.purge({ tags: ["t"] })).toBe(1);
    });
  });

  test("an entry that lost its tag is not dropped by it", async () => {
    const cache = cacheStoreOn(memoryDriver());
    const record = (tags: string[]): CacheRecord => ({ status: 200, headers: [], body: new TextEncoder().encode(tags.join()), storedAt: Date.now(), freshUntil: Date.now() + 60_000, keepUntil: Date.now() + 60_000, tags });
    await cache.write("k", record(["a", "b"]));
    await cache.write("k", record(["b"]));
    expect(await cache.purge({ tags: ["a"] })).toBe(0);
    expect(text(await cache.read("k"))).toBe("b");
    expect(await cache.purge({ tags: ["b", "b"] })).toBe(1);
    expect(await cache.read("k")).toBeUndefined();
  });

  test("a fill under the lock of another key is dropped when that lock is voided, and keeps it otherwise", async () => {
    const cache = cacheStoreOn(memoryDriver());
    const now = Date.now();
    const record: CacheRecord = { status: 200, headers: [], body: new Uint8Array(1), storedAt: now, freshUntil: now + 60_000, keepUntil: now + 60_000 };
    const first = await cache.lock("set", 60_000);
    if (first.kind !== "fill") throw new Error("no lock");
    await cache.write("variant", record, first.token, "set");
    expect(await cache.read("variant")).toBeDefined();
    expect((await cache.lock("set", 60_000)).kind).toBe("wait");
    await cache.delete("set");
    await cache.write("other", record, first.token, "set");
    expect(await cache.read("other")).toBeUndefined();
  });
});

describe("algorithms of the cache", () => {
  const comparable = ({ token: _, ...rest }: { token: number }): unknown => rest;
  test("cache-entry keeps the laws", async () => {
    const report = await verifyAlgorithm(cacheEntry, {
      isRefusal: ({ ok }) => !ok,
      comparable: (reply) => comparable(reply),
      isPeek: (command) => (command.type === "view" && command.lockMs === undefined) || command.type === "check",
      invalid: [],
      skip: { "forgetting": "a forgotten token is as dead as an unknown one; fences only grow", "refusal is free": "a drop voids the lock also where there is no entry" },
      commands: ({ pick, replies }): CacheEntryCommand => {
        const token = (replies.findLast((reply) => reply.token > 0)?.token ?? 1) - (pick(0, 5) === 0 ? 1 : 0);
        switch (pick(0, 6)) {
          case 0: return pick(0, 1) === 0 ? { type: "view" } : { type: "view", lockMs: pick(1, 500) };
          case 1: return { type: "open", lockMs: pick(1, 500) };
          case 2: return { type: "check", token };
          case 3: return { type: "close", token };
          case 4: return { type: "drop", ...(pick(0, 1) === 0 ? {} : { tag: "a" }) };
          case 5: return { type: "undo", write: pick(1, 3) };
          default: return { type: "put", ttlMs: pick(-1, 500), write: pick(1, 3), chunks: pick(0, 2), status: 200, tags: [":a:", ":ab:", ""][pick(0, 2)] as string, text: "x\ny", ...(pick(0, 1) === 0 ? {} : { token }) };
        }
      },
    });
    expect(report.violations).toEqual([]);
  });

  test("key-set and purge-marks keep the laws", async () => {
    const sets = await verifyAlgorithm(keySet, {
      isRefusal: () => false, isPeek: ({ type }) => type === "page", invalid: [], skip: { "refusal is free": "nothing is refused" },
      commands: ({ pick }): KeySetCommand => (pick(0, 2) === 0 ? { type: "page", from: pick(0, 3), limit: pick(1, 4) } : { type: "add", name: `n${pick(0, 5)}`, ttlMs: pick(1, 300), ...(pick(0, 1) === 0 ? {} : { maxBytes: pick(2, 60) }) }),
    });
    expect(sets.violations).toEqual([]);
    const marks = await verifyAlgorithm(purgeMarks, {
      isRefusal: () => false, isPeek: ({ type }) => type === "read", invalid: [], comparable: () => 0, skip: { "refusal is free": "nothing is refused" },
      commands: ({ pick }) => [{ type: "mark", purge: pick(1, 99) } as const, { type: "mark", purge: pick(1, 99), prefix: `p${pick(0, 90)}` } as const, { type: "read", name: `p${pick(0, 9)}` } as const][pick(0, 2)] as never,
    });
    expect(marks.violations).toEqual([]);
    const numbers = await verifyAlgorithm(purgeNumber, {
      isRefusal: () => false, isPeek: () => false, invalid: [], comparable: () => 0, skip: { "refusal is free": "nothing is refused" },
      commands: ({ pick }): PurgeNumberCommand => (pick(0, 1) === 0 ? { type: "next" } : { type: "current" }),
    });
    expect(numbers.violations).toEqual([]);
  });

  test("a purge's number is above all that were current before it, also when the record is lost or the clock goes back", () => {
    let state: Parameters<typeof purgeNumber.step>[0];
    const ask = (type: "next" | "current", now: number): number => {
      const step = purgeNumber.step(state, { type }, now);
      state = step.state;
      return step.reply.last;
    };
    const first = ask("current", 5000);
    expect([ask("current", 9000), ask("next", 4000), ask("current", 4000)]).toEqual([first, first + 1, first + 1]);
    state = undefined;
    expect(ask("current", 5001)).toBeGreaterThan(first + 1);
  });

  test("more prefixes than are kept count as everything", () => {
    let state: Parameters<typeof purgeMarks.step>[0];
    for (let i = 0; i < 70; i++) state = purgeMarks.step(state, { type: "mark", purge: 100 + i, prefix: `p${i}/` }, 1000).state;
    const read = (name: string): number => purgeMarks.step(state, { type: "read", name }, 1000).reply;
    expect([read("p69/x"), read("p0/x"), read("elsewhere")]).toEqual([169, 105, 105]);
  });
});
