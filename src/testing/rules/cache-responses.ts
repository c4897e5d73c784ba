/** Rules on `get`, `put` and `delete` of a response cache. */

import type { CacheStore } from "../../state/contracts/cache.ts";
import { expect, expectEqual, expectRangeError, failureOf, optional, show, type Rule } from "../report.ts";
import { destroyRules } from "./destroy.ts";
import { LONG_S, expectHit, expectMiss, isMiss, type CacheContext } from "./cache-context.ts";

function chunks(...parts: (string | Error)[]): ReadableStream<Uint8Array<ArrayBuffer>> {
  const left = [...parts];
  return new ReadableStream({
    pull(controller) {
      const part = left.shift();
      if (part === undefined) controller.close();
      else if (typeof part === "string") controller.enqueue(new TextEncoder().encode(part));
      else controller.error(part);
    },
  });
}

export const cacheResponseRules: readonly Rule<CacheContext>[] = [
  {
    rule: "responses/round-trip",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      await a.put(key, new Response("hello", { status: 203, headers: { "content-type": "text/x", etag: '"v1"' } }), LONG_S);
      const response = await expectHit(b, key, "hello", "get after put");
      expectEqual([response.status, response.headers.get("content-type"), response.headers.get("etag")], [203, "text/x", '"v1"'], "status and fields");
    },
  },
  {
    rule: "responses/missing",
    async run(c) {
      await expectMiss(await c.store(), c.key(), "get of a missing key");
    },
  },
  {
    rule: "responses/binary-body",
    async run(c) {
      const store = await c.store();
      for (const body of [Uint8Array.from({ length: 256 }, (_, i) => i), new Uint8Array(0), Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7) % 251)]) {
        const key = c.key();
        await store.put(key, new Response(body), LONG_S);
        const response = await store.get(key);
        expectEqual(new Uint8Array(await (response as Response).arrayBuffer()), body, `a body of ${body.length} bytes`);
      }
    },
  },
  {
    rule: "responses/set-cookie-list",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      const headers = new Headers({ "x-list": "1" });
      headers.append("set-cookie", "a=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT");
      headers.append("set-cookie", "b=2, c");
      headers.append("x-list", "2");
      await store.put(key, new Response("x", { headers }), LONG_S);
      const response = await expectHit(store, key, "x", "get after put");
      expectEqual(response.headers.getSetCookie(), ["a=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT", "b=2, c"], "the set-cookie fields");
      expectEqual(response.headers.get("x-list"), "1, 2", "a field that was sent twice");
    },
  },
  {
    rule: "responses/field-bytes",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      await store.put(key, new Response("x", { headers: { "x-latin": "caf\u00e9", "x-empty": "", "x-quoted": '"a\\"b"' } }), LONG_S);
      const { headers } = await expectHit(store, key, "x", "get after put");
      expectEqual([headers.get("x-latin"), headers.get("x-empty"), headers.get("x-quoted")], ["caf\u00e9", "", '"a\\"b"'], "fields with bytes above 0x7f, empty, quoted");
    },
  },
  {
    rule: "responses/statuses",
    async run(c) {
      const store = await c.store();
      for (const status of [200, 301, 404, 410, 500]) {
        const key = c.key();
        await store.put(key, new Response(`body of ${status}`, { status }), LONG_S);
        expectEqual((await expectHit(store, key, `body of ${status}`, `get of a ${status}`)).status, status, "the status");
      }
    },
  },
  {
    rule: "responses/bodiless-statuses",
    async run(c) {
      const store = await c.store();
      for (const status of [204, 205, 304]) {
        const key = c.key();
        await store.put(key, new Response(null, { status, headers: { etag: '"e"' } }), LONG_S);
        const response = await expectHit(store, key, "", `get of a ${status}`);
        expectEqual([response.status, response.headers.get("etag")], [status, '"e"'], "status and field");
      }
    },
  },
  {
    rule: "responses/overwrite",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      await a.put(key, new Response("a longer body than the next", { headers: { "x-old": "1" } }), LONG_S);
      await b.put(key, new Response("next", { status: 404 }), LONG_S);
      const response = await expectHit(a, key, "next", "get after an overwrite");
      expectEqual([response.status, response.headers.get("x-old")], [404, null], "status, and a field of the old response");
    },
  },
  {
    rule: "responses/two-reads-are-independent",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      await store.put(key, new Response("shared?", { headers: { "x-f": "1" } }), LONG_S);
      const [first, second] = [(await store.get(key)) as Response, (await store.get(key)) as Response];
      new Uint8Array(await first.arrayBuffer()).fill(0);
      first.headers.set("x-f", "2");
      expectEqual([await second.text(), second.headers.get("x-f")], ["shared?", "1"], "body and field of a second read, after the first one's were changed");
      const third = await expectHit(store, key, "shared?", "a third read");
      expectEqual(third.headers.get("x-f"), "1", "the field of a third read");
    },
  },
  {
    rule: "responses/abandoned-read",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      await store.put(key, new Response("kept"), LONG_S);
      await ((await store.get(key)) as Response).body?.cancel("gone");
      await expectHit(store, key, "kept", "get after another reader left");
    },
  },
  {
    rule: "responses/put-copies",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      const bytes = new TextEncoder().encode("original");
      const response = new Response(bytes, { headers: { "x-f": "1" } });
      await store.put(key, response, LONG_S);
      bytes.fill(0);
      response.headers.set("x-f", "2");
      expectEqual((await expectHit(store, key, "original", "get after the bytes given to put were changed")).headers.get("x-f"), "1", "the field, after that of the response given to put was changed");
    },
  },
  {
    rule: "responses/streamed-body",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      await store.put(key, new Response(chunks("one ", "two ", "three")), LONG_S);
      await expectHit(store, key, "one two three", "get after put of a body in chunks");
      const body = ((await store.get(key)) as Response).body;
      const first = await body?.getReader().read();
      expect(first?.value instanceof Uint8Array, "the body of a hit does not stream bytes");
    },
  },
  {
    rule: "responses/broken-body-is-not-stored",
    async run(c) {
      const store = await c.store();
      const [fresh, old] = [c.key(), c.key()];
      await store.put(old, new Response("old"), LONG_S);
      for (const key of [fresh, old]) await failureOf(() => store.put(key, new Response(chunks("half", new Error("reset"))), LONG_S), "put of a body that breaks off");
      await expectMiss(store, fresh, "get after a body broke off");
      await expectHit(store, old, "old", "get of the older response after a body broke off");
    },
  },
  {
    rule: "responses/no-torn-writes",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      await Promise.all(Array.from({ length: 24 }, (_, i) => (i % 2 === 0 ? a : b).put(key, new Response(String(i % 10).repeat(20_000 + i), { headers: { "x-writer": String(i) } }), LONG_S)));
      const response = (await a.get(key)) as Response;
      const writer = Number(response.headers.get("x-writer"));
      expectEqual(await response.text(), String(writer % 10).repeat(20_000 + writer), "the body beside the fields of one of 24 concurrent writers");
    },
  },
  {
    rule: "responses/delete",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      await a.put(key, new Response("x"), LONG_S);
      expectEqual(await b.delete(key), true, "delete of an entry");
      await expectMiss(a, key, "get after delete");
      expectEqual(await a.delete(key), false, "delete of a missing entry");
    },
  },
  {
    rule: "responses/keys",
    async run(c) {
      const store = await c.store();
      const stem = c.key();
      const keys = ["", "\u0000", ":", "%", " ", "*", "ü", "u\u0308", "😀", "{x}", "?a=1&b=2", "#f", "/../", "A", "a", "x".repeat(600), `${"x".repeat(600)}y`].map((tail) => stem + tail);
      for (const [i, key] of keys.entries()) await store.put(key, new Response(String(i)), LONG_S);
      for (const [i, key] of keys.entries()) await expectHit(store, key, String(i), `get of the key ${show(key.slice(stem.length))}`);
      for (const key of ["__proto__", "constructor"]) {
        await store.delete(key);
        await expectMiss(store, key, `get of the missing key ${key}`);
        await store.put(key, new Response(key), LONG_S);
        await expectHit(store, key, key, `get of the key ${key}`);
        await store.delete(key);
      }
    },
  },
  {
    rule: "time/expiry",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      await a.put(key, new Response("short"), c.ttlMs / 1000);
      await c.time.until("an entry past its TTL is gone", c.ttlMs * 2, () => isMiss(b, key));
      await expectMiss(a, key, "get by the writer after the TTL");
    },
  },
  {
    rule: "time/lives-until-its-end",
    async run(c) {
      const store = await c.store();
      const [short, long] = [c.key(), c.key()];
      if (c.time.driven) await store.put(short, new Response("short"), 2);
      await store.put(long, new Response("long"), 400 * 86_400);
      await c.time.pass(c.time.driven ? 1999 : c.ttlMs);
      if (c.time.driven) {
        await expectHit(store, short, "short", "get 1 ms before the end");
        await c.time.pass(1);
        await expectMiss(store, short, "get at the end");
        await c.time.pass(2 ** 31);
      }
      await expectHit(store, long, "long", "get of an entry kept for 400 days");
    },
  },
  {
    rule: "time/fractional-ttl",
    async run(c) {
      c.time.needDriven();
      const store = await c.store();
      const key = c.key();
      await store.put(key, new Response("x"), 0.25);
      await c.time.pass(249);
      await expectHit(store, key, "x", "get after 249 ms, with a TTL of 0.25 s");
      await c.time.pass(1);
      await expectMiss(store, key, "get after 250 ms, with a TTL of 0.25 s");
    },
  },
  {
    rule: "time/put-refuses-a-bad-ttl",
    async run(c) {
      const store = await c.store();
      for (const ttl of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "60", undefined, null] as number[]) {
        const [fresh, old] = [c.key(), c.key()];
        await store.put(old, new Response("old"), LONG_S);
        for (const key of [fresh, old]) await expectRangeError(() => store.put(key, new Response("x"), ttl), `put with the TTL ${show(ttl)}`);
        await expectMiss(store, fresh, `get after put with the TTL ${show(ttl)} was refused`);
        await expectHit(store, old, "old", `get of the older response after put with the TTL ${show(ttl)} was refused`);
      }
    },
  },
  {
    rule: "time/overwrite-sets-the-new-ttl",
    async run(c) {
      const store = await c.store();
      const [longer, shorter] = [c.key(), c.key()];
      await store.put(longer, new Response("old"), c.ttlMs / 1000);
      await store.put(longer, new Response("new"), LONG_S);
      await store.put(shorter, new Response("old"), LONG_S);
      await store.put(shorter, new Response("new"), c.ttlMs / 1000);
      await c.time.pass(c.ttlMs);
      await c.time.until("an entry ends with the TTL of its last put", c.ttlMs, () => isMiss(store, shorter));
      await expectHit(store, longer, "new", "get of an entry whose last put has a longer TTL");
    },
  },
  {
    rule: "bound/entries",
    async run(c) {
      const store = await optional(c.options.bounded, "bound to choose (option bounded)")(16);
      c.after(() => store.destroy?.());
      const keys = Array.from({ length: 320 }, () => c.key());
      await store.put(keys[0] as string, new Response("read all the time"), LONG_S);
      for (const key of keys.slice(1)) {
        await store.put(key, new Response(key), LONG_S);
        await store.get(keys[0] as string);
      }
      let left = 0;
      for (const key of keys) if (!(await isMiss(store, key))) left++;
      expect(left > 1 && left <= 16, `entries left after 320 puts into a cache of 16: ${left}`);
      await expectHit(store, keys.at(-1) as string, keys.at(-1) as string, "get of the newest entry");
      await expectHit(store, keys[0] as string, "read all the time", "get of an old entry that was read all the time");
    },
  },
  {
    rule: "bound/expired-go-first",
    async run(c) {
      c.time.needDriven();
      const store = await optional(c.options.bounded, "bound to choose (option bounded)")(16);
      c.after(() => store.destroy?.());
      const old = Array.from({ length: 8 }, () => c.key());
      for (const key of old) await store.put(key, new Response(key), LONG_S);
      for (let i = 0; i < 8; i++) await store.put(c.key(), new Response("x"), 1);
      await c.time.pass(1000);
      for (let i = 0; i < 8; i++) await store.put(c.key(), new Response("x"), LONG_S);
      for (const key of old) await expectHit(store, key, key, "get of a live entry, which is older than entries that had ended");
    },
  },
  ...destroyRules<CacheStore>(
    (store, key) => store.put(key, new Response("kept"), LONG_S),
    (store, key) => expectHit(store, key, "kept", "get by the other client after one was destroyed"),
  ),
];
