/** A counter in Deno KV, 64 callers on one key: through the combiner, and by a bare compare-and-set loop per increment. */
import { openKv } from "@deno/kv";

const CALLERS = 64;
const key = ["counter"];

/** Increments as one would write them by hand: read, check, set, and again when somebody was first. */
async function bareIncrement(kv, counted) {
  for (;;) {
    const entry = await kv.get(key);
    counted.attempts++;
    const { ok } = await kv.atomic().check(entry).set(key, (entry.value ?? 0) + 1, { expireIn: 600_000 }).commit();
    if (ok) return;
  }
}

const together = (count, one) => Promise.all(Array.from({ length: count }, one));

async function combined() {
  const { denoKvStore } = await import("../../dist/deno.js");
  const kv = await openKv("");
  const store = denoKvStore(kv);
  return { run: (count) => together(count, () => store.incr("counter", 600_000)), teardown: () => kv.close() };
}

async function bare() {
  const kv = await openKv("");
  const counted = { attempts: 0 };
  return { run: (count) => together(count, () => bareIncrement(kv, counted)), teardown: () => kv.close() };
}

/** Attempts per increment, and whether the count is right, of one burst. */
async function attempts() {
  const { denoKvStore } = await import("../../dist/deno.js");
  const kv = await openKv("");
  const counted = { attempts: 0 };
  const watched = {
    get: (path) => kv.get(path),
    atomic() {
      const inner = kv.atomic();
      const self = { check: (...checks) => (inner.check(...checks), self), set: (...args) => (inner.set(...args), self), delete: (path) => (inner.delete(path), self), commit: () => (counted.attempts++, inner.commit()) };
      return self;
    },
  };
  const store = denoKvStore(watched);
  const counts = await together(CALLERS, () => store.incr("exact", 600_000));
  const exact = new Set(counts).size === CALLERS && Math.max(...counts) === CALLERS;
  const ours = counted.attempts / CALLERS;
  const bareCounted = { attempts: 0 };
  await together(CALLERS, () => bareIncrement(kv, bareCounted));
  const theirs = bareCounted.attempts / CALLERS;
  kv.close();
  return [
    { name: "Deno KV, 64 increments of one key at once", text: exact ? "all exact" : "NOT exact", required: "all exact", ok: exact, far: !exact },
    { name: "Deno KV, attempts per increment", text: ours.toFixed(2), required: "at most 1.5", ok: ours <= 1.5, far: ours > 3 },
    { name: "a bare compare-and-set loop, attempts per increment", text: theirs.toFixed(1) },
  ];
}

export default {
  description: "Deno KV through @deno/kv in memory, 64 callers on one key",
  cells: [
    { name: "Deno KV counter, combined", batch: CALLERS, warmup: 500 * CALLERS, setup: combined },
    { name: "Deno KV counter, bare loop", batch: CALLERS, setup: bare },
  ],
  ratios: [{ name: "Deno KV counter over a bare compare-and-set loop, increments per CPU second", of: "Deno KV counter, combined", to: "Deno KV counter, bare loop", metric: "per-cpu", atLeast: 100 }],
  extra: attempts,
};
