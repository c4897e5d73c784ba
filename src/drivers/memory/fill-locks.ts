/** Who may fill which entry of an in-process cache, and which fills a purge has overtaken. */

import type { CacheFill } from "../../state/contracts/cache.ts";

interface Lock {
  readonly token: string;
  readonly until: number;
  /** Purges seen when it was given. */
  readonly purges: number;
}

/** Tags remembered for fills under way; above it every token is voided, which only costs a miss. */
const MAX_PURGED_TAGS = 1000;
/** Locks above which those that have ended are looked for. */
const SWEEP_ABOVE = 1024;

export class FillLocks {
  readonly #locks: Map<string, Lock> = new Map();
  /** Tag to the number of the purge that dropped it last, kept while somebody fills. */
  readonly #purged: Map<string, number> = new Map();
  #issued = 0;
  #purges = 0;

  acquire(key: string, lockMs: number, now: number): CacheFill {
    const held = this.#locks.get(key);
    if (held !== undefined && held.until > now) return { kind: "wait", waitMs: Math.max(1, Math.ceil(held.until - now)) };
    if (this.#locks.size >= SWEEP_ABOVE && this.#issued % 64 === 0) this.#sweep(now);
    const lock: Lock = { token: `f${++this.#issued}`, until: now + lockMs, purges: this.#purges };
    this.#locks.set(key, lock);
    return { kind: "fill", token: lock.token };
  }

  /** Whether the holder of `token` may still write an entry with these tags. */
  holds(key: string, token: string, tags: readonly string[], now: number): boolean {
    const lock = this.#locks.get(key);
    if (lock === undefined || lock.token !== token || lock.until <= now) return false;
    return !tags.some((tag) => (this.#purged.get(tag) ?? 0) > lock.purges);
  }

  release(key: string, token: string): void {
    if (this.#locks.get(key)?.token === token) this.void(key);
  }

  void(key: string): void {
    if (this.#locks.delete(key) && this.#locks.size === 0) this.#purged.clear();
  }

  voidPrefix(prefix: string): void {
    for (const key of this.#locks.keys()) if (key.startsWith(prefix)) this.void(key);
  }

  voidTags(tags: readonly string[]): void {
    if (this.#locks.size === 0) return;
    this.#purges++;
    for (const tag of tags) this.#purged.set(tag, this.#purges);
    if (this.#purged.size > MAX_PURGED_TAGS) this.clear();
  }

  clear(): void {
    this.#locks.clear();
    this.#purged.clear();
  }

  #sweep(now: number): void {
    for (const [key, lock] of this.#locks) if (lock.until <= now) this.void(key);
  }
}
