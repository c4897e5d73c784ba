/** A cache store as the policy uses it: records in, records out, whatever form the store keeps; failures are values. */

import { chain, isPromise, type MaybePromise } from "../../../../core/maybe-promise.ts";
import { StoreError } from "../../../../core/errors.ts";
import type { CacheFill, CacheOpening, CachePurge, CacheRecord, CacheStore } from "../../../../state/contracts/cache.ts";
import { StoreFailure, storeCaller, storeSubject, type StoreCaller } from "../../../store-call.ts";
import type { FailMode, PolicySite } from "../../../types.ts";
import { metaOf } from "./entry.ts";
import { Flights } from "./flights.ts";
import { fromResponse, toResponse } from "./response-form.ts";

/** One store at one place. */
export class CachePort {
  readonly store: CacheStore;
  /** Concurrent fills of this store in this process. */
  readonly flights: Flights;
  readonly canLock: boolean;
  readonly canOpen: boolean;
  readonly canPurge: boolean;
  /** Reads of a store in this process cost no deadline and no closure. */
  readonly #local: boolean;
  readonly #site: PolicySite;
  readonly #mode: FailMode;
  readonly #reads: StoreCaller<CacheStore>;
  readonly #writes: StoreCaller<CacheStore>;
  #corruptTold = false;

  constructor(site: PolicySite, caller: StoreCaller<CacheStore>, mode: FailMode) {
    this.store = caller.store;
    this.flights = Flights.of(storeSubject(site, "cacheStore", caller.store));
    this.canLock = caller.store.lock !== undefined && caller.store.unlock !== undefined && caller.store.write !== undefined;
    this.canOpen = this.canLock && caller.store.open !== undefined;
    this.canPurge = caller.store.purge !== undefined;
    this.#local = caller.store.capabilities?.shared === false && caller.store.read !== undefined;
    this.#site = site;
    this.#mode = mode;
    this.#reads = caller;
    this.#writes = storeCaller(site, "cacheStore", caller.store, mode, site.stores.putTimeoutMs);
  }

  /** The record of a key. One that is damaged, foreign or over is none. */
  read(key: string, now: number): MaybePromise<CacheRecord | undefined | StoreFailure> {
    if (this.#local) {
      try {
        const record = (this.store as Required<CacheStore>).read(key);
        if (!isPromise(record)) return record === undefined ? undefined : this.#sound(record, now);
      } catch {
        // Asked once more below, where the failure is counted and reported.
      }
    }
    const reply = this.#reads.call<CacheRecord | undefined | typeof FOREIGN>("get", (store) => (store.read === undefined ? readResponse(store, key) : store.read(key)));
    return chain(reply, (record) => {
      if (record === undefined || record === null || record instanceof StoreFailure) return record ?? undefined;
      return record === FOREIGN ? this.#corrupt() : this.#sound(record, now);
    });
  }

  /** `read`, and a key that has nothing is locked in the same round trip. Only where `canOpen`. */
  open(key: string, now: number, lockMs: number): MaybePromise<CacheOpening | StoreFailure> {
    let asked: MaybePromise<CacheOpening> | undefined;
    const reply = this.#reads.call("open", (store) => (asked = (store as Required<CacheStore>).open(key, lockMs)), isOpening);
    return chain(reply, (opening) => {
      if (opening instanceof StoreFailure) this.#letGoOf(key, chain(asked, (late) => late?.fill));
      return opening instanceof StoreFailure || opening.record === undefined ? opening : { record: this.#sound(opening.record, now) };
    });
  }

  write(key: string, record: CacheRecord, now: number, fillToken?: string, lockedKey?: string): MaybePromise<void | StoreFailure> {
    return this.#writes.call("put", (store) => {
      if (store.write !== undefined) return store.write(key, record, fillToken, lockedKey);
      const meta = metaOf(record);
      const until = meta?.kind === "entry" ? meta.until : record.keepUntil;
      return store.put(key, toResponse(record), Math.max(1, Math.ceil((until - now) / 1000)));
    });
  }

  delete(key: string): MaybePromise<boolean | StoreFailure> {
    return this.#writes.call("delete", (store) => store.delete(key));
  }

  lock(key: string, lockMs: number): MaybePromise<CacheFill | StoreFailure> {
    let asked: MaybePromise<CacheFill> | undefined;
    const reply = this.#reads.call("lock", (store) => (asked = (store as Required<CacheStore>).lock(key, lockMs)), isFill);
    return chain(reply, (fill) => {
      if (fill instanceof StoreFailure) this.#letGoOf(key, asked);
      return fill;
    });
  }

  /** A lock that is granted after its deadline would keep everybody else waiting. */
  #letGoOf(key: string, asked: MaybePromise<CacheFill | undefined>): void {
    if (!isPromise(asked)) return;
    const freed = asked.then((fill) => (fill?.kind === "fill" ? (this.store as Required<CacheStore>).unlock(key, fill.token) : undefined));
    freed.catch(() => {});
  }

  unlock(key: string, token: string): MaybePromise<void | StoreFailure> {
    return this.#writes.call("unlock", (store) => (store as Required<CacheStore>).unlock(key, token));
  }

  /** Throws `STORE_CAPABILITY` when the store has no `purge`. */
  purge(target: CachePurge): MaybePromise<number | StoreFailure> {
    if (!this.canPurge) throw noPurge(this.store);
    return this.#writes.call("purge", (store) => (store as Required<CacheStore>).purge(target), (count) => typeof count === "number");
  }

  #sound(record: CacheRecord, now: number): CacheRecord | undefined {
    if (metaOf(record) === undefined) return this.#corrupt();
    return record.keepUntil > now ? record : undefined;
  }

  #corrupt(): undefined {
    if (!this.#corruptTold) {
      this.#corruptTold = true;
      this.#site.events.emit({ type: "store.error", store: "cacheStore", policy: this.#site.policyName, code: "STORE_CORRUPT", mode: this.#mode });
    }
    return undefined;
  }
}

function isOpening(reply: unknown): boolean {
  const { record, fill } = (reply ?? {}) as { record?: unknown; fill?: unknown };
  return typeof reply === "object" && reply !== null && (record === undefined || fill === undefined) && (fill === undefined || isFill(fill));
}

function isFill(reply: unknown): boolean {
  const { kind, token, waitMs } = (reply ?? {}) as { kind?: unknown; token?: unknown; waitMs?: unknown };
  return (kind === "fill" && typeof token === "string") || (kind === "wait" && typeof waitMs === "number" && waitMs >= 0);
}

const FOREIGN: unique symbol = Symbol("foreign");

async function readResponse(store: CacheStore, key: string): Promise<CacheRecord | undefined | typeof FOREIGN> {
  const response = await store.get(key);
  if (response === undefined || response === null) return undefined;
  return (await fromResponse(response)) ?? FOREIGN;
}

function noPurge(store: CacheStore): StoreError {
  const name = (store as { name?: unknown }).name;
  const which = typeof name === "string" ? name : (store.constructor?.name ?? "the cache store");
  return new StoreError("STORE_CAPABILITY", `${which} has no purge(): it cannot drop by tag, prefix or as a whole; use a store that has it, or purge by { url }`, {
    outcome: "not-applied",
  });
}
