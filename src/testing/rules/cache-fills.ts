/** Rules on the optional verbs of a response cache: records, the fill lock, purges. */

import type { CachePurge } from "../../state/contracts/cache.ts";
import { expect, expectEqual, optional, sameValue, show, skipRule, type Rule } from "../report.ts";
import { LONG_S, expectHit, expectMiss, fillOf, recordOf, recordsOf, type CacheContext } from "./cache-context.ts";

const LOCK_MS = 600_000;

async function purgeOf(c: CacheContext): Promise<(target: CachePurge) => Promise<number>> {
  const store = await c.store();
  const purge = optional(store.purge?.bind(store), "purge");
  return async (target) => purge(target);
}

/** A fill that began before `overtake` must leave nothing, one that begins afterwards must be stored. */
async function expectVoided(c: CacheContext, what: string, tags: readonly string[], key: string, overtake: () => Promise<unknown>): Promise<void> {
  const [a, b] = await c.clients();
  const token = await fillOf(a, key, LOCK_MS, "a free lock");
  await overtake();
  await recordsOf(a).write(key, recordOf(c, "late", { tags }), token);
  expectEqual(await recordsOf(b).text(key), undefined, `what is kept after a fill that ${what} overtook`);
  const next = await fillOf(b, key, LOCK_MS, `the lock after ${what}`);
  await recordsOf(b).write(key, recordOf(c, "next", { tags }), next);
  expectEqual(await recordsOf(a).text(key), "next", `what is kept after a fill that began after ${what}`);
}

export const cacheFillRules: readonly Rule<CacheContext>[] = [
  {
    rule: "records/round-trip",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      const record = recordOf(c, "ü\u0000", { status: 404, headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["etag", '"x"']], tags: ["t1", "t,2"], meta: { vary: ["accept"], n: 1 } });
      await recordsOf(a).write(key, record);
      const back = await recordsOf(b).read(key);
      expect(sameValue({ ...back, headers: [...(back?.headers ?? [])] }, record), () => `read after write: expected ${show(record)}, got ${show(back)}`);
      expectEqual(await recordsOf(b).read(c.key()), undefined, "read of a missing key");
    },
  },
  {
    rule: "records/are-what-get-gives",
    async run(c) {
      const store = await c.store();
      const records = recordsOf(store);
      const [written, put] = [c.key(), c.key()];
      await records.write(written, recordOf(c, "written", { headers: [["x-f", "1"]] }));
      expectEqual((await expectHit(store, written, "written", "get after write")).headers.get("x-f"), "1", "a field");
      await store.put(put, new Response("put", { status: 203 }), LONG_S);
      expectEqual([await records.text(put), (await records.read(put))?.status], ["put", 203], "body and status that read gives after put");
    },
  },
  {
    rule: "records/write-copies",
    async run(c) {
      const records = recordsOf(await c.store());
      const key = c.key();
      const body = new TextEncoder().encode("original");
      await records.write(key, recordOf(c, "", { body }));
      body.fill(0);
      expectEqual(await records.text(key), "original", "read after the bytes given to write were changed");
    },
  },
  {
    rule: "records/kept-while-stale",
    async run(c) {
      const records = recordsOf(await c.store());
      const key = c.key();
      const now = c.time.now();
      await records.write(key, recordOf(c, "stale", { freshUntil: now + 1, keepUntil: now + (c.time.driven ? 1000 : 60_000) }));
      await c.time.pass(c.time.driven ? 999 : 5);
      expectEqual(await records.text(key), "stale", "read of a record that is stale and still kept");
      if (!c.time.driven) return;
      await c.time.pass(1);
      expectEqual(await records.text(key), undefined, "read at keepUntil");
    },
  },
  {
    rule: "lock/one-fill",
    async run(c) {
      const [a, b] = await c.clients();
      optional(a.lock, "lock");
      const key = c.key();
      const answers = await Promise.all(Array.from({ length: 64 }, async (_, i) => (i % 2 === 0 ? a : b).lock?.(key, LOCK_MS)));
      expectEqual(answers.filter((answer) => answer?.kind === "fill").length, 1, "callers of 64 concurrent ones that are told to fill");
      for (const answer of answers) {
        if (answer?.kind === "wait") expect(answer.waitMs > 0 && answer.waitMs <= LOCK_MS, `waitMs of a waiter: expected up to ${LOCK_MS}, got ${answer.waitMs}`);
      }
    },
  },
  {
    rule: "lock/keys",
    async run(c) {
      const store = await c.store();
      const stem = c.key();
      for (const tail of ["", ":", "\u0000", "%", " ", "A", "a"]) await fillOf(store, stem + tail, LOCK_MS, `the lock of the key ${show(tail)}`);
    },
  },
  {
    rule: "lock/fill-is-stored",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      const token = await fillOf(a, key, LOCK_MS, "a free lock");
      await recordsOf(a).write(key, recordOf(c, "filled"), token);
      expectEqual(await recordsOf(b).text(key), "filled", "read after the holder of the lock wrote");
    },
  },
  {
    rule: "lock/unlock",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      const token = await fillOf(a, key, LOCK_MS, "a free lock");
      await optional(a.unlock?.bind(a), "unlock")(key, token);
      await fillOf(b, key, LOCK_MS, "the lock after unlock");
    },
  },
  {
    rule: "lock/foreign-unlock",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      const token = await fillOf(a, key, LOCK_MS, "a free lock");
      await optional(b.unlock?.bind(b), "unlock")(key, `${token}x`);
      expectEqual((await b.lock?.(key, LOCK_MS))?.kind, "wait", "the lock after unlock with another token");
      await a.unlock?.(key, token);
      await fillOf(b, key, LOCK_MS, "the lock after unlock");
      await a.unlock?.(key, token);
      expectEqual((await a.lock?.(key, LOCK_MS))?.kind, "wait", "the lock of the next holder, after a repeated unlock of the first");
    },
  },
  {
    rule: "lock/dead-leader",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      await fillOf(a, key, c.ttlMs, "a free lock");
      if (c.time.driven) {
        await c.time.pass(c.ttlMs - 1);
        expectEqual(await b.lock?.(key, c.ttlMs), { kind: "wait", waitMs: 1 }, "the lock 1 ms before it ends");
        await c.time.pass(1);
        await fillOf(b, key, c.ttlMs, "the lock at its end");
        return;
      }
      await c.time.pass(c.ttlMs);
      await c.time.until("the lock of a leader that died ends", c.ttlMs, async () => (await b.lock?.(key, 60_000))?.kind === "fill");
    },
  },
  {
    rule: "lock/late-put",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      const dead = await fillOf(a, key, c.ttlMs, "a free lock");
      await c.time.pass(c.ttlMs);
      let token: string | undefined;
      await c.time.until("the lock ends", c.ttlMs, async () => {
        const answer = await b.lock?.(key, LOCK_MS);
        if (answer?.kind === "fill") token = answer.token;
        return token !== undefined;
      });
      await recordsOf(a).write(key, recordOf(c, "late"), dead);
      expectEqual(await recordsOf(b).text(key), undefined, "read after a fill whose lock had ended");
      await recordsOf(b).write(key, recordOf(c, "in time"), token);
      await recordsOf(a).write(key, recordOf(c, "late"), dead);
      expectEqual(await recordsOf(a).text(key), "in time", "read after the next holder wrote, and the late one once more");
    },
  },
  {
    rule: "lock/unknown-token",
    async run(c) {
      const store = await c.store();
      optional(store.lock, "lock");
      const key = c.key();
      await recordsOf(store).write(key, recordOf(c, "forged"), "no such token");
      expectEqual(await recordsOf(store).text(key), undefined, "read after a write with a token that nobody was given");
    },
  },
  {
    rule: "lock/delete-voids-fills",
    async run(c) {
      const key = c.key();
      await expectVoided(c, "a delete", [], key, async () => (await c.store()).delete(key));
    },
  },
  {
    rule: "purge/tags",
    async run(c) {
      const store = await c.store();
      const purge = await purgeOf(c);
      const [one, two, both, none] = [c.key(), c.key(), c.key(), c.key()];
      const [t1, t2] = [c.key("tag"), c.key("tag")];
      for (const [key, tags] of [[one, [t1]], [two, [t2]], [both, [t1, t2]], [none, undefined]] as const) await recordsOf(store).write(key, recordOf(c, "x", { tags }));
      expectEqual(await purge({ tags: [t1, c.key("tag")] }), 2, "the number dropped by a tag that two entries carry");
      for (const key of [one, both]) await expectMiss(store, key, "get of an entry with the tag");
      for (const key of [two, none]) await expectHit(store, key, "x", "get of an entry without the tag");
      await recordsOf(store).write(one, recordOf(c, "again", { tags: [t1] }));
      await expectHit(store, one, "again", "get of an entry written after the purge");
    },
  },
  {
    rule: "purge/prefix",
    async run(c) {
      const store = await c.store();
      const purge = await purgeOf(c);
      const stem = c.key();
      const inside = ["a%", "a%/x", "a%_"].map((tail) => stem + tail);
      const outside = ["", "a", "ab/x", "b"].map((tail) => stem + tail);
      for (const key of [...inside, ...outside]) await store.put(key, new Response("x"), LONG_S);
      expectEqual(await purge({ prefix: `${stem}a%` }), 3, "the number dropped by a prefix of three keys");
      for (const key of inside) await expectMiss(store, key, "get of a key with the prefix");
      for (const key of outside) await expectHit(store, key, "x", "get of a key without the prefix");
    },
  },
  {
    rule: "purge/all",
    async run(c) {
      if (!(c.options.exclusive ?? !(await c.shared()))) return skipRule("others may use the backend (option exclusive)");
      const store = await c.store();
      const purge = await purgeOf(c);
      const keys = [c.key(), c.key(), c.key()];
      for (const key of keys) await store.put(key, new Response("x"), LONG_S);
      expect((await purge({ all: true })) >= 3, "the number dropped is below the number of entries");
      for (const key of keys) await expectMiss(store, key, "get after everything was purged");
      await expectVoided(c, "a purge of everything", [], c.key(), () => purge({ all: true }));
    },
  },
  {
    rule: "purge/tags-void-fills",
    async run(c) {
      const purge = await purgeOf(c);
      const tag = c.key("tag");
      await expectVoidedByTag(c, tag, purge);
    },
  },
  {
    rule: "purge/prefix-voids-fills",
    async run(c) {
      const purge = await purgeOf(c);
      const key = c.key();
      await expectVoided(c, "a purge by prefix", [], `${key}/x`, () => purge({ prefix: `${key}/` }));
    },
  },
];

/** A lock knows no tags, so what a tag voids shows when the entry that carries it is written. */
async function expectVoidedByTag(c: CacheContext, tag: string, purge: (target: CachePurge) => Promise<number>): Promise<void> {
  const [a, b] = await c.clients();
  const [late, other, next] = [c.key(), c.key(), c.key()];
  const tokens = [await fillOf(a, late, LOCK_MS, "a free lock"), await fillOf(a, other, LOCK_MS, "a free lock")];
  await purge({ tags: [tag] });
  await recordsOf(a).write(late, recordOf(c, "late", { tags: [tag] }), tokens[0]);
  await recordsOf(a).write(other, recordOf(c, "other", { tags: [`${tag}x`] }), tokens[1]);
  expectEqual([await recordsOf(b).text(late), await recordsOf(b).text(other)], [undefined, "other"], "what is kept after two fills, the tag of the first of which was purged meanwhile");
  await recordsOf(b).write(next, recordOf(c, "next", { tags: [tag] }), await fillOf(b, next, LOCK_MS, "a free lock"));
  expectEqual(await recordsOf(a).text(next), "next", "what is kept after a fill that began after the purge");
}
