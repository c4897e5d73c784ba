/** Stored answers of the fleet: entries under digests, generations that make whole groups void, and a lock for who asks. */

import { sha256Hex } from "../../core/digest.ts";
import { joinKey } from "../../core/keys.ts";
import type { Scope } from "../scope.ts";
import { renewing, type StoreAccess } from "../store-access.ts";
import { isEntry, type Entry } from "./entry.ts";

/** Says by which request fields a URL varies; its id is part of the variants' keys, so that none outlives it. */
interface Marker {
  readonly vary: readonly string[];
  readonly id: string;
}

export interface Lock {
  readonly entry?: Entry;
  release(): Promise<void>;
  /** Whether the lock is still this holder's: a late one must not write. */
  stillHeld(): Promise<boolean>;
}

const POLL_MS: readonly [least: number, most: number] = [20, 250];

export class SharedEntries {
  readonly #name: string;
  readonly #access: StoreAccess;

  constructor(name: string, access: StoreAccess) {
    this.#name = name;
    this.#access = access;
  }

  /** Entry and generations are read together: one round trip, a second where the answer varies. */
  async read(key: string, owner: string | undefined, variantOf: (names: readonly string[]) => string): Promise<Entry | undefined> {
    const [generation, value] = await Promise.all([this.#generation(owner), this.#access.get("cache", storeKey(key))]);
    let entry = value;
    if (isMarker(value)) entry = await this.#access.get("cache", storeKey(`${key}\n${value.id}\n${variantOf(value.vary)}`));
    return isEntry(entry) && entry.generation === generation && entry.keepUntil > this.#access.clock.now() ? entry : undefined;
  }

  async write(key: string, owner: string | undefined, vary: readonly string[], variant: string, entry: Entry, now: number): Promise<void> {
    const ttlMs = Math.max(1, entry.keepUntil - now);
    const stored = { ...entry, headers: { ...entry.headers }, generation: await this.#generation(owner) };
    if (vary.length === 0) {
      await this.#access.set("cache", storeKey(key), stored, ttlMs);
      return;
    }
    const known = await this.#access.get("cache", storeKey(key));
    const marker: Marker = isMarker(known) && known.vary.join() === vary.join() ? known : { vary: [...vary], id: this.#access.random.uuid() };
    await this.#access.set("cache", storeKey(key), marker, ttlMs);
    await this.#access.set("cache", storeKey(`${key}\n${marker.id}\n${variant}`), stored, ttlMs);
  }

  /** The marker goes, and with it every variant can no longer be found. */
  delete(key: string): Promise<void> {
    return this.#access.set("cache", storeKey(key), undefined);
  }

  /** Makes everything written so far void. A generation never expires before the entries it guards: it has no expiry. */
  nextGeneration(owner: string | undefined): Promise<void> {
    return this.#access.set("cache", this.#generationKey(owner), this.#access.random.uuid());
  }

  async #generation(owner: string | undefined): Promise<string> {
    const [all, own] = await Promise.all([this.#access.get("cache", this.#generationKey(undefined)), owner === undefined ? undefined : this.#access.get("cache", this.#generationKey(owner))]);
    return `${String(all ?? "")} ${String(own ?? "")}`;
  }

  #generationKey(owner: string | undefined): string {
    return owner === undefined ? joinKey("cache", "generation", this.#name) : joinKey("cache", "generation", this.#name, owner);
  }

  /** The lock of a key, or the entry that its holder stored meanwhile. A store that fails gives the lock to everybody. */
  async lockOrEntry(key: string, ttlMs: number, scope: Scope, look: () => Promise<Entry | undefined>): Promise<Lock> {
    const access = this.#access;
    const token = access.random.uuid();
    const lockKey = `lock:${storeKey(key)}`;
    for (;;) {
      scope.throwIfCancelled();
      try {
        const reply = await access.lease(lockKey, token, 1, ttlMs);
        if (reply.held) {
          const release = async (): Promise<void> => void (await access.release(lockKey, token).catch(() => false));
          // Also at the first try: another process may have stored it between this one's look and its lock.
          const found = await look();
          if (found !== undefined) {
            await release();
            return { entry: found, release: async () => undefined, stillHeld: async () => false };
          }
          return this.#held(lockKey, token, ttlMs, reply.fence, release);
        }
        await scope.sleep(Math.min(POLL_MS[1], Math.max(POLL_MS[0], reply.retryInMs / 10)) * (0.5 + access.random.next() / 2));
      } catch (error) {
        // The late reply may have taken the lock.
        if ((error as { code?: unknown }).code === "STORE_TIMEOUT") access.release(lockKey, token).catch(() => false);
        scope.throwIfCancelled();
        if (access.modes.lock === "closed") throw error;
        return { release: async () => undefined, stillHeld: async () => true };
      }
      const found = await look();
      if (found !== undefined) return { entry: found, release: async () => undefined, stillHeld: async () => false };
    }
  }

  #held(lockKey: string, token: string, ttlMs: number, fence: number, release: () => Promise<void>): Lock {
    const access = this.#access;
    let lost = false;
    const stop = renewing(access, lockKey, token, ttlMs, fence, () => (lost = true));
    return {
      release: async () => {
        stop();
        await release();
      },
      stillHeld: async () => {
        if (lost) return false;
        const reply = await access.lease(lockKey, token, 1, ttlMs).catch(() => undefined);
        return reply === undefined || (reply.held && reply.fence === fence);
      },
    };
  }

  /** Runs only in the process that gets the lock; the others leave it to that one. */
  async refreshOnce(key: string, run: () => Promise<void>): Promise<void> {
    const token = this.#access.random.uuid();
    const lockKey = `lock:refresh:${storeKey(key)}`;
    const reply = await this.#access.lease(lockKey, token, 1, REFRESH_LOCK_MS).catch(() => undefined);
    if (reply !== undefined && !reply.held) return;
    try {
      await run();
    } finally {
      await this.#access.release(lockKey, token).catch(() => false);
    }
  }
}

const REFRESH_LOCK_MS = 30_000;

function storeKey(key: string): string {
  return `cache:${sha256Hex(key)}`;
}

function isMarker(value: unknown): value is Marker {
  const like = value as Partial<Marker> | null;
  return typeof like === "object" && like !== null && Array.isArray(like.vary) && typeof like.id === "string";
}

