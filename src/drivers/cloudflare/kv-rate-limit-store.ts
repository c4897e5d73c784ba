/** `KVRateLimitStore`: fixed windows in Workers KV. Approximate: KV has no atomic increment, and reads lag behind writes. */

import { checkInteger, checkString } from "../../core/check.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import type { ApproximateRateLimitStore } from "../../state/contracts/limits.ts";
import { countingWindow } from "../../state/stores/counting-window.ts";
import { waitUntil } from "#workers";
import { checkKvNamespace } from "./bindings.ts";
import { kvKey } from "./kv-key.ts";
import type { KVNamespaceLike } from "./types.ts";

export interface KVRateLimitStoreOptions {
  /** In front of every key. @default "sluice:rl:" */
  readonly prefix?: string;
  /** Keys that an isolate remembers; the oldest go first, and are read again. @default 10000 */
  readonly maxKeys?: number;
  /** Keeps a write alive after the answer was sent. @default the platform's own, else writes are awaited */
  readonly waitUntil?: (promise: Promise<unknown>) => void;
  readonly clock?: Clock;
}

/** A window as this isolate knows it. */
interface Count {
  count: number;
  resetAt: number;
  /** Counted here since the last write. */
  unwritten: number;
  /** When KV was asked, or written, last. */
  syncedAt: number;
  syncing: Promise<void> | undefined;
}

/** KV takes one write per second and key, and tells nobody of it sooner. */
const SYNC_EVERY_MS = 1000;
/** KV keeps nothing for less. */
const MIN_TTL_SECONDS = 60;

const APPROXIMATE = "Workers KV has no atomic increment and its reads lag up to 60 s: isolates in different places may each admit up to the limit; within one isolate counts are exact";

/** Counts of an isolate by namespace and prefix: a store made per request goes on counting. */
const isolates: WeakMap<KVNamespaceLike, Map<string, Map<string, Count>>> = /* @__PURE__ */ new WeakMap();

/**
 * Counts for abuse prevention, where a Durable Object per key is too dear. An isolate counts exactly what it sees itself; what it
 * knows of the others is what KV says, asked and told once a second and key. So over `n` isolates a window may admit up to `n`
 * times its limit at worst, and less the longer the window is. A count never goes down while its window lasts, whatever stale
 * value KV gives. Every window length works: the deadline is in the value, so KV's 60 s floor decides nothing.
 *
 * @throws OptionError for a binding that is not there, which says how to add it.
 *
 * @example
 * createGateway({ routes, adapter: cloudflareAdapter({ rateLimitKv: env.RATE_LIMIT_KV }) });
 */
export class KVRateLimitStore implements ApproximateRateLimitStore {
  readonly capabilities: ApproximateRateLimitStore["capabilities"] = Object.freeze({
    atomic: false, clock: "caller", minTtlMs: 1, maxValueBytes: 26_214_400, shared: true, durability: "async", approximate: APPROXIMATE,
  });
  readonly #kv: KVNamespaceLike;
  readonly #prefix: string;
  readonly #maxKeys: number;
  readonly #clock: Clock;
  readonly #waitUntil: ((promise: Promise<unknown>) => void) | undefined;
  readonly #counts: Map<string, Count>;
  #destroyed = false;

  constructor(kv: KVNamespaceLike, options: KVRateLimitStoreOptions = {}) {
    this.#kv = checkKvNamespace("kv", kv);
    this.#prefix = checkString("prefix", options.prefix ?? "sluice:rl:");
    this.#maxKeys = checkInteger("maxKeys", options.maxKeys ?? 10_000, 1);
    this.#clock = options.clock ?? systemClock;
    this.#waitUntil = options.waitUntil;
    let ofNamespace = isolates.get(kv);
    if (ofNamespace === undefined) isolates.set(kv, (ofNamespace = new Map()));
    let counts = ofNamespace.get(this.#prefix);
    if (counts === undefined) ofNamespace.set(this.#prefix, (counts = new Map()));
    this.#counts = counts;
  }

  async increment(key: string, windowSeconds: number): Promise<{ count: number; resetAt: number }> {
    if (this.#destroyed) throw new StoreError("STORE_CLOSED", "the rate limit store was destroyed", { outcome: "not-applied" });
    if (typeof key !== "string" || key.length === 0) throw new OptionError("key", key, "a non-empty string");
    const { windowMs } = countingWindow(windowSeconds);
    const physical = kvKey(`${this.#prefix}${windowMs}:${key}`);
    let known = this.#counts.get(physical);
    if (known === undefined || known.resetAt <= this.#clock.now()) {
      const stored = await this.#read(physical);
      const now = this.#clock.now();
      // Another call of this isolate may have been first.
      known = this.#counts.get(physical);
      if (known === undefined || known.resetAt <= now) {
        known = { count: stored?.count ?? 0, resetAt: stored?.resetAt ?? Math.floor(now) + windowMs, unwritten: 0, syncedAt: Number.NEGATIVE_INFINITY, syncing: undefined };
        this.#remember(physical, known, now);
      }
    }
    known.count++;
    known.unwritten++;
    const reply = { count: known.count, resetAt: known.resetAt };
    const now = this.#clock.now();
    if (known.syncing === undefined && (now - known.syncedAt >= SYNC_EVERY_MS || now < known.syncedAt)) await this.#background(this.#sync(physical, known));
    return reply;
  }

  /** Refuses further use. What an isolate has counted stays for other stores on the same namespace. */
  destroy(): void {
    this.#destroyed = true;
  }

  async #background(work: Promise<void>): Promise<void> {
    if (this.#waitUntil !== undefined) this.#waitUntil(work);
    else if (!waitUntil(work)) await work;
  }

  /** Adds what was counted here to what KV has by now. A write that fails is made up for by the next. */
  #sync(physical: string, known: Count): Promise<void> {
    const first = known.syncedAt === Number.NEGATIVE_INFINITY;
    known.syncedAt = this.#clock.now();
    const work = (async () => {
      try {
        // The first write of a window comes right after it was read.
        const stored = first ? undefined : await this.#read(physical);
        const now = this.#clock.now();
        if (known.resetAt <= now) return;
        const sent = known.unwritten;
        if (stored !== undefined) {
          known.resetAt = stored.resetAt;
          known.count = Math.max(known.count, stored.count + sent);
        }
        const expirationTtl = Math.max(MIN_TTL_SECONDS, Math.ceil((known.resetAt - now) / 1000));
        await this.#kv.put(physical, JSON.stringify({ count: known.count, resetAt: known.resetAt }), { expirationTtl });
        known.unwritten -= sent;
      } catch {
        // Refused as too many writes, or KV is away: what was counted here is still counted.
      } finally {
        known.syncing = undefined;
      }
    })();
    known.syncing = work;
    return work;
  }

  /** The window KV has, unless it is over, or not one of ours. */
  async #read(physical: string): Promise<{ count: number; resetAt: number } | undefined> {
    const text: unknown = await this.#kv.get(physical);
    if (text === null || text === undefined) return undefined;
    let stored: { count?: unknown; resetAt?: unknown } | null;
    try {
      stored = JSON.parse(text as string) as typeof stored;
    } catch (cause) {
      throw corrupt(cause);
    }
    const { count, resetAt } = stored ?? {};
    if (typeof count !== "number" || typeof resetAt !== "number" || !Number.isSafeInteger(count) || !Number.isFinite(resetAt)) throw corrupt();
    return resetAt > this.#clock.now() ? { count, resetAt } : undefined;
  }

  #remember(physical: string, count: Count, now: number): void {
    if (this.#counts.size >= this.#maxKeys) {
      let oldest: string | undefined;
      for (const [key, { resetAt }] of this.#counts) {
        oldest ??= key;
        if (resetAt > now) continue;
        oldest = key;
        break;
      }
      this.#counts.delete(oldest as string);
    }
    this.#counts.delete(physical);
    this.#counts.set(physical, count);
  }
}

function corrupt(cause?: unknown): StoreError {
  return new StoreError("STORE_CORRUPT", "a window in KV is damaged", { cause });
}
