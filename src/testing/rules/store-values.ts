/** Rules on what a key-value store gives back, and under which keys. */

import { expect, expectCode, expectEqual, expectRangeError, optional, show, skipRule, type Rule } from "../report.ts";
import type { StoreContext } from "./store-context.ts";

const everyByte = /* @__PURE__ */ Uint8Array.from({ length: 256 }, (_, i) => i);

function unserialisable(): [what: string, value: unknown][] {
  const cycle: Record<string, unknown> = { name: "cycle" };
  cycle.self = cycle;
  return [
    ["a bigint", 1n],
    ["a nested bigint", { a: [1n] }],
    ["a function", () => 1],
    ["a nested function", { a: () => 1 }],
    ["a symbol", Symbol("s")],
    ["NaN", Number.NaN],
    ["a nested infinity", { a: { b: Number.POSITIVE_INFINITY } }],
    ["a cycle", cycle],
  ];
}

export const valueRules: readonly Rule<StoreContext>[] = [
  {
    rule: "values/round-trip",
    async run(c) {
      const store = await c.store();
      const samples: unknown[] = ["text", "", "7", "null", 0, -1.5, 2 ** 53 - 1, 5e-324, true, false, [], {}, [null, [1]], { a: { b: ["ü", "😀", "\u0000", "\u2028"] } }, { $bytes: "x", $$a: 1 }];
      for (const value of samples) {
        const key = c.key();
        await store.set(key, value);
        expectEqual(await store.get(key), value, `get after set of ${show(value)}`);
      }
    },
  },
  {
    rule: "values/missing-is-undefined",
    async run(c) {
      expectEqual(await (await c.store()).get(c.key()), undefined, "get of a missing key");
    },
  },
  {
    rule: "values/null-is-null",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      await store.set(key, null);
      expectEqual(await store.get(key), null, "get of a stored null");
    },
  },
  {
    rule: "values/bytes",
    async run(c) {
      const store = await c.store();
      for (const value of [everyByte, new Uint8Array(0), { nested: [everyByte], text: "t" }]) {
        const key = c.key();
        await store.set(key, value);
        expectEqual(await store.get(key), value, `get after set of ${show(value)}`);
      }
      const key = c.key();
      await store.set(key, everyByte.subarray(10, 20));
      expectEqual(await store.get(key), everyByte.slice(10, 20), "get after set of a view into a larger buffer");
    },
  },
  {
    rule: "values/overwrite",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      await a.set(key, { old: 1, gone: true });
      await b.set(key, { old: 2 });
      expectEqual(await a.get(key), { old: 2 }, "get after an overwrite by the other client");
    },
  },
  {
    rule: "values/undefined-deletes",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      await a.set(key, 1);
      await a.set(key, undefined);
      expectEqual(await b.get(key), undefined, "get after set(key, undefined)");
      await a.set(key, undefined);
      expectEqual(await a.get(key), undefined, "get after deleting a missing key");
    },
  },
  {
    rule: "values/input-is-copied",
    async run(c) {
      const store = await c.store();
      const [object, bytes, swapped] = [c.key(), c.key(), c.key()];
      const value = { list: [1] };
      const data = Uint8Array.of(1, 2, 3);
      await store.set(object, value);
      await store.set(bytes, data);
      await store.compareAndSet(swapped, undefined, value);
      value.list.push(2);
      data[0] = 9;
      expectEqual(await store.get(object), { list: [1] }, "get after the object given to set was changed");
      expectEqual(await store.get(bytes), Uint8Array.of(1, 2, 3), "get after the bytes given to set were changed");
      expectEqual(await store.get(swapped), { list: [1] }, "get after the object given to compareAndSet was changed");
    },
  },
  {
    rule: "values/output-is-copied",
    async run(c) {
      const store = await c.store();
      const [object, bytes] = [c.key(), c.key()];
      await store.set(object, { list: [1] });
      await store.set(bytes, Uint8Array.of(1, 2, 3));
      ((await store.get(object)) as { list: number[] }).list.push(2);
      ((await store.get(bytes)) as Uint8Array)[0] = 9;
      expectEqual(await store.get(object), { list: [1] }, "get after an object that get returned was changed");
      expectEqual(await store.get(bytes), Uint8Array.of(1, 2, 3), "get after bytes that get returned were changed");
    },
  },
  {
    rule: "values/unserialisable-is-refused",
    async run(c) {
      const store = await c.store();
      for (const [what, value] of unserialisable()) {
        const key = c.key();
        await expectCode(() => store.set(key, value), ["STORE_UNSERIALIZABLE"], `set of ${what}`);
        expectEqual(await store.get(key), undefined, `get after set of ${what} was refused`);
        await expectCode(() => store.compareAndSet(key, undefined, value), ["STORE_UNSERIALIZABLE"], `compareAndSet to ${what}`);
        expectEqual(await store.get(key), undefined, `get after compareAndSet to ${what} was refused`);
      }
    },
  },
  {
    rule: "values/refused-value-keeps-the-old",
    async run(c) {
      const store = await c.store();
      for (const [what, value] of unserialisable()) {
        const key = c.key();
        await store.set(key, "old");
        await expectCode(() => store.set(key, value), ["STORE_UNSERIALIZABLE"], `set of ${what}`);
        expectEqual(await store.get(key), "old", `get after set of ${what} was refused`);
      }
    },
  },
  {
    rule: "values/oversize-is-refused",
    async run(c) {
      const store = await c.store();
      const limit = store.capabilities?.maxValueBytes;
      if (limit === undefined || !(limit <= 64 * 1024 * 1024)) return skipRule("the store names no size limit of at most 64 MiB (capabilities.maxValueBytes)");
      const key = c.key();
      await store.set(key, "old");
      await expectCode(() => store.set(key, "x".repeat(limit + 1)), ["STORE_VALUE_TOO_LARGE"], `set of ${limit + 1} characters`);
      expectEqual(await store.get(key), "old", "get after a value too large was refused");
      // Characters of two bytes: a limit counted in characters lets twice the bytes in.
      await expectCode(() => store.set(key, "é".repeat(Math.floor(limit / 2) + 1)), ["STORE_VALUE_TOO_LARGE"], `set of ${limit} bytes in two-byte characters`);
      expectEqual(await store.get(key), "old", "get after a value too large was refused");
    },
  },
  {
    rule: "values/foreign-text",
    async run(c) {
      const write = optional(c.options.foreign, "way to write past it (option foreign)");
      const store = await c.store();
      for (const [text, expected] of [["plain words", "plain words"], ['{"a":[1,null]}', { a: [1, null] }], ["{broken", "{broken"], ['"quoted"', "quoted"]] as const) {
        const key = c.key();
        await write(key, text);
        expectEqual(await store.get(key), expected, `get of the foreign text ${show(text)}`);
      }
    },
  },
  {
    rule: "values/hostile-names",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      const value = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":2},"toJSON":3}') as object;
      await store.set(key, value);
      const back = await store.get(key);
      expect(typeof back === "object" && back !== null && Object.hasOwn(back, "__proto__"), "an own property named __proto__ did not come back as one");
      expectEqual(JSON.stringify(back), JSON.stringify(value), "a value with hostile property names");
      expect((Object.prototype as { polluted?: unknown }).polluted === undefined, "Object.prototype was changed");
    },
  },
  {
    rule: "values/errors-are-rejections",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      for (const [what, call] of [
        ["set", () => store.set(key, 1, -1)],
        ["set of a bigint", () => store.set(key, 1n)],
        ["incr", () => store.incr(key, -1)],
        ["compareAndSet", () => store.compareAndSet(key, undefined, 1, -1)],
      ] as const) {
        let answer: unknown;
        try {
          answer = call();
        } catch (error) {
          expect(false, `${what} threw ${show(error)} where a rejected promise is due`);
        }
        await Promise.resolve(answer).catch(() => undefined);
      }
    },
  },
];

export const keyRules: readonly Rule<StoreContext>[] = [
  {
    rule: "keys/any-text",
    async run(c) {
      const store = await c.store();
      const stem = c.key();
      const tails = ["", "\u0000", "\u0000x", " ", "  ", "\n", "ü", "u\u0308", "\u00fc", "😀", "*", "?", "[a-z]", "%", "%00", "%25", ":", "::", "{a}", "{a", "/", "../", "'", "\"", "';--", "\\", ".", ">", "a", "A", "\u007f", "\u2028"];
      const keys = [...new Set(tails.map((tail) => stem + tail))];
      for (const [i, key] of keys.entries()) await store.set(key, i);
      for (const [i, key] of keys.entries()) expectEqual(await store.get(key), i, `get under the key ${show(key.slice(stem.length))}`);
      for (const key of keys) {
        await store.set(key, undefined);
        expectEqual(await store.get(key), undefined, `get after deleting the key ${show(key.slice(stem.length))}`);
      }
    },
  },
  {
    rule: "keys/lone-surrogates",
    async run(c) {
      const store = await c.store();
      const stem = c.key();
      const keys = ["\ud800", "\udc00", "\ufffd"].map((tail) => stem + tail);
      for (const [i, key] of keys.entries()) await store.set(key, i);
      for (const [i, key] of keys.entries()) expectEqual(await store.get(key), i, `get under a key that ends with ${JSON.stringify(key.slice(stem.length))}`);
    },
  },
  {
    rule: "keys/long",
    async run(c) {
      const store = await c.store();
      const stem = c.key();
      const exact = stem + "é".repeat((512 - stem.length) >> 1) + "x".repeat(stem.length % 2);
      const keys = [exact, `${exact}a`, `${exact}b`, exact + "z".repeat(5000), `${exact + "z".repeat(5000)}y`];
      for (const [i, key] of keys.entries()) await store.set(key, i);
      for (const [i, key] of keys.entries()) expectEqual(await store.get(key), i, `get under a key of ${new TextEncoder().encode(key).length} bytes`);
    },
  },
  {
    rule: "keys/object-names",
    async run(c) {
      const store = await c.store();
      for (const key of ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf"]) {
        c.after(() => store.set(key, undefined));
        await store.set(key, undefined);
        expectEqual(await store.get(key), undefined, `get of the missing key ${key}`);
        expectEqual(await store.incr(key), 1, `first incr of the key ${key}`);
        await store.set(key, `at ${key}`);
        expectEqual(await store.get(key), `at ${key}`, `get of the key ${key}`);
      }
    },
  },
  {
    rule: "keys/not-a-key-is-refused",
    async run(c) {
      const store = await c.store();
      for (const key of ["", undefined, null, 7, {}] as unknown as string[]) {
        await expectRangeError(() => store.get(key), `get of the key ${show(key)}`);
        await expectRangeError(() => store.set(key, 1), `set of the key ${show(key)}`);
        await expectRangeError(() => store.incr(key), `incr of the key ${show(key)}`);
      }
    },
  },
  {
    rule: "keys/prefix-isolation",
    async run(c) {
      const prefixed = optional(c.options.prefixed, "prefix to choose (option prefixed)");
      const stem = c.key();
      const [plain, outer, inner] = [await c.store(), await prefixed(`${stem}p`), await prefixed(`${stem}p:`)];
      c.after(() => outer.close?.());
      c.after(() => inner.close?.());
      await outer.set("k", "outer");
      await inner.set("k", "inner");
      expectEqual(await outer.get("k"), "outer", "get through the first prefix");
      expectEqual(await inner.get("k"), "inner", "get through the second prefix");
      expectEqual(await plain.get("k"), undefined, "get of the same key without a prefix");
      await outer.set("k", undefined);
      expectEqual(await inner.get("k"), "inner", "get after the other prefix deleted its own");
    },
  },
];
