import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CacheRecord } from "../../state/contracts/cache.ts";
import { manualClock } from "../../testing/manual-clock.ts";
import { InMemoryCacheStore, createMemoryCacheStore } from "./cache-store.ts";

const START = 1_700_000_000_000;

function setup(options: { maxEntries?: number; maxBytes?: number } = {}) {
  const clock = manualClock({ now: START });
  const store = createMemoryCacheStore({ ...options, clock });
  return { clock, store, record: (over: Partial<CacheRecord> = {}) => record(clock.now(), over) };
}

function record(now: number, over: Partial<CacheRecord> = {}): CacheRecord {
  return {
    status: 200,
    headers: [["content-type", "text/plain"]],
    body: new TextEncoder().encode("body"),
    storedAt: now,
    freshUntil: now + 1000,
    keepUntil: now + 1000,
    ...over,
  };
}

describe("records", () => {
  it("are kept until keepUntil and not a millisecond longer", () => {
    const { store, clock, record } = setup();
    store.write("a", record());
    clock.advance(999);
    expect(store.read("a")?.status).toBe(200);
    clock.advance(1);
    expect(store.read("a")).toBeUndefined();
    expect(store.size).toBe(0);
    expect(store.bytes).toBe(0);
  });

  it("own their bytes, fields, tags and facts", () => {
    const { store, record } = setup();
    const body = new Uint8Array([1, 2, 3]);
    const headers: [string, string][] = [["a", "1"]];
    const meta = { list: ["x"] };
    store.write("a", record({ body, headers, meta }));
    body[0] = 9;
    (headers[0] as [string, string])[1] = "2";
    meta.list.push("y");
    const read = store.read("a");
    expect(read?.body).toEqual(new Uint8Array([1, 2, 3]));
    expect(read?.headers).toEqual([["a", "1"]]);
    expect(read?.meta).toEqual({ list: ["x"] });
  });

  it("are the same object for every read, so that readers can prepare them once", () => {
    const { store, record } = setup();
    store.write("a", record());
    expect(store.read("a")).toBe(store.read("a"));
  });
});

describe("the Response form", () => {
  it("round-trips status, repeated cookies and bytes, and each get has a body of its own", async () => {
    const { store } = setup();
    const headers = new Headers({ "content-type": "text/css" });
    headers.append("set-cookie", "a=1");
    headers.append("set-cookie", "b=2");
    await store.put("k", new Response("body", { status: 203, headers }), 10);
    for (let i = 0; i < 2; i++) {
      const response = store.get("k") as Response;
      expect(response.status).toBe(203);
      expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
      expect(await response.text()).toBe("body");
    }
  });

  it("keeps statuses without a body", async () => {
    const { store } = setup();
    await store.put("k", new Response(null, { status: 204 }), 10);
    expect(store.get("k")?.status).toBe(204);
    expect(store.get("k")?.body).toBeNull();
  });

  it("ends at the TTL, fractions rounded up", async () => {
    const { store, clock } = setup();
    await store.put("k", new Response("x"), 0.0105);
    clock.advance(10);
    expect(store.get("k")).toBeDefined();
    clock.advance(1);
    expect(store.get("k")).toBeUndefined();
  });

  it.each([0, -1, Number.NaN, Infinity, "5", undefined, null])("refuses a TTL of %s before anything is stored", async (ttl) => {
    const { store } = setup();
    await store.put("k", new Response("old"), 5);
    await expect(store.put("k", new Response("x"), ttl as number)).rejects.toBeInstanceOf(RangeError);
    expect(await store.get("k")?.text()).toBe("old");
  });

  it("refuses a response whose body was read, and one that does not fit; the old one stays", async () => {
    const { store } = setup({ maxBytes: 2000 });
    await store.put("k", new Response("old"), 5);
    const used = new Response("x");
    await used.text();
    await expect(store.put("k", used, 5)).rejects.toMatchObject({ code: "STORE_UNSERIALIZABLE" });
    await expect(store.put("k", new Response("x".repeat(5000)), 5)).rejects.toMatchObject({ code: "STORE_VALUE_TOO_LARGE" });
    expect(await store.get("k")?.text()).toBe("old");
  });
});

describe("bounds", () => {
  it("drop the expired first, then the least recently used", () => {
    const { store, clock, record } = setup({ maxEntries: 3 });
    store.write("short", record({ keepUntil: clock.now() + 10 }));
    store.write("a", record());
    store.write("b", record());
    store.read("short");
    store.read("a");
    clock.advance(10);
    store.write("c", record());
    // "short" was used last but one and is expired: it goes before "b".
    expect(["short", "a", "b", "c"].filter((key) => store.read(key))).toEqual(["a", "b", "c"]);
    store.read("a");
    store.write("d", record());
    expect(["a", "b", "c", "d"].filter((key) => store.read(key))).toEqual(["a", "c", "d"]);
  });

  it("hold for entries and bytes after any history, and what is read is what was written last", () => {
    const command = fc.oneof(
      fc.record({ do: fc.constant("write" as const), key: fc.integer({ min: 0, max: 12 }), size: fc.integer({ min: 0, max: 900 }), ttl: fc.integer({ min: 1, max: 50 }), tag: fc.integer({ min: 0, max: 3 }) }),
      fc.record({ do: fc.constant("read" as const), key: fc.integer({ min: 0, max: 12 }) }),
      fc.record({ do: fc.constant("delete" as const), key: fc.integer({ min: 0, max: 12 }) }),
      fc.record({ do: fc.constant("purge" as const), tag: fc.integer({ min: 0, max: 3 }) }),
      fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 30 }) }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 120 }), (commands) => {
        const { store, clock, record } = setup({ maxEntries: 6, maxBytes: 5000 });
        const model = new Map<string, { body: number; until: number; tag: string }>();
        let serial = 0;
        for (const step of commands) {
          if (step.do === "write") {
            const key = `k${step.key}`;
            const until = clock.now() + step.ttl;
            const body = new Uint8Array(step.size + 4);
            new DataView(body.buffer).setUint32(0, ++serial);
            store.write(key, record({ body, keepUntil: until, tags: [`t${step.tag}`] }));
            model.set(key, { body: serial, until, tag: `t${step.tag}` });
          } else if (step.do === "read") {
            const read = store.read(`k${step.key}`);
            const wanted = model.get(`k${step.key}`);
            if (read !== undefined) {
              expect(wanted?.body).toBe(new DataView(read.body.buffer, read.body.byteOffset).getUint32(0));
              expect(wanted?.until).toBeGreaterThan(clock.now());
            }
          } else if (step.do === "delete") {
            store.delete(`k${step.key}`);
            model.delete(`k${step.key}`);
          } else if (step.do === "purge") {
            store.purge({ tags: [`t${step.tag}`] });
            for (const [key, value] of model) if (value.tag === `t${step.tag}`) model.delete(key);
          } else {
            clock.advance(step.ms);
          }
          expect(store.size).toBeLessThanOrEqual(6);
          expect(store.bytes).toBeLessThanOrEqual(5000);
        }
        store.purge({ all: true });
        expect([store.size, store.bytes]).toEqual([0, 0]);
      }),
    );
  });

  it.each([{ maxEntries: 0 }, { maxEntries: 1.5 }, { maxBytes: -1 }, { maxBytes: Number.NaN }])("refuse %o", (options) => {
    expect(() => new InMemoryCacheStore(options)).toThrow(RangeError);
  });
});

describe("purge", () => {
  it("drops by tag, prefix and everything, and counts live responses", () => {
    const { store, clock, record } = setup();
    store.write("x/1", record({ tags: ["a", "b"] }));
    store.write("x/2", record({ tags: ["b"] }));
    store.write("y/1", record());
    store.write("y/2", record({ keepUntil: clock.now() + 1 }));
    store.write("x/note", record({ status: 0, tags: ["b"] }));
    clock.advance(1);
    expect(store.purge({ tags: ["a", "none"] })).toBe(1);
    expect(store.purge({ tags: ["b"] })).toBe(1);
    expect(store.read("x/note")).toBeUndefined();
    expect(store.purge({ prefix: "y/" })).toBe(1);
    store.write("z", record());
    expect(store.purge({ all: true })).toBe(1);
    expect(store.size).toBe(0);
  });

  it("treats tags and keys as plain text", () => {
    const { store, record } = setup();
    store.write("__proto__", record({ tags: ["constructor"] }));
    expect(store.purge({ tags: ["toString"] })).toBe(0);
    expect(store.read("__proto__")).toBeDefined();
    expect(store.purge({ tags: ["constructor"] })).toBe(1);
  });
});

describe("the fill lock", () => {
  it("lets one fill and tells the others how long to wait", () => {
    const { store, clock } = setup();
    const first = store.lock("k", 100);
    expect(first.kind).toBe("fill");
    clock.advance(40);
    expect(store.lock("k", 100)).toEqual({ kind: "wait", waitMs: 60 });
    clock.advance(60);
    expect(store.lock("k", 100).kind).toBe("fill");
  });

  it("is free again after unlock with the right token, and after the write", () => {
    const { store, record } = setup();
    const first = store.lock("k", 100) as { token: string };
    store.unlock("k", "other");
    expect(store.lock("k", 100).kind).toBe("wait");
    store.unlock("k", first.token);
    const second = store.lock("k", 100) as { token: string };
    store.write("k", record(), second.token);
    expect(store.read("k")).toBeDefined();
    expect(store.lock("k", 100).kind).toBe("fill");
  });

  it.each([
    ["delete", (store: InMemoryCacheStore) => void store.delete("k")],
    ["a purge of everything", (store: InMemoryCacheStore) => void store.purge({ all: true })],
    ["a purge of its prefix", (store: InMemoryCacheStore) => void store.purge({ prefix: "k" })],
    ["a purge of its tag", (store: InMemoryCacheStore) => void store.purge({ tags: ["t"] })],
    ["its end", (_: InMemoryCacheStore, clock: { advance(ms: number): void }) => clock.advance(100)],
    ["a successor", (store: InMemoryCacheStore, clock: { advance(ms: number): void }) => {
      clock.advance(100);
      store.lock("k", 100);
    }],
  ])("drops a write overtaken by %s", (_name, overtake) => {
    const { store, clock, record } = setup();
    const { token } = store.lock("k", 100) as { token: string };
    overtake(store, clock);
    store.write("k", record({ tags: ["t"], keepUntil: clock.now() + 5000 }), token);
    store.write("k~variant", record({ tags: ["t"], keepUntil: clock.now() + 5000 }), token, "k");
    expect(store.read("k")).toBeUndefined();
    expect(store.read("k~variant")).toBeUndefined();
  });

  it("lets a fill go on that a purge did not concern, and one that began after the purge", () => {
    const { store, record } = setup();
    const first = store.lock("k", 100) as { token: string };
    store.purge({ tags: ["other"] });
    const second = store.lock("l", 100) as { token: string };
    store.write("k", record({ tags: ["t"] }), first.token);
    store.write("l", record({ tags: ["other"] }), second.token);
    expect(store.read("k")).toBeDefined();
    expect(store.read("l")).toBeDefined();
  });

  it("stays with a variant of its key until the set itself is written", () => {
    const { store, record } = setup();
    const { token } = store.lock("k", 100) as { token: string };
    store.write("k~1", record(), token, "k");
    expect(store.read("k~1")).toBeDefined();
    expect(store.lock("k", 100).kind).toBe("wait");
  });
});

describe("destroy", () => {
  it("frees everything, may be called twice, and refuses later use", () => {
    const { store, record } = setup();
    store.write("a", record());
    store.destroy();
    store.destroy();
    expect(store.size).toBe(0);
    expect(() => store.read("a")).toThrow(expect.objectContaining({ code: "STORE_CLOSED" }));
  });
});
