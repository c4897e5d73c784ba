/** Stored responses and the stores that keep them. Durations are milliseconds (`…Ms`), instants epoch milliseconds (`…At`). */

import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { DriverCapabilities } from "./driver.ts";

/** A stored response. The store owns the bytes: callers never change them. */
export interface CacheRecord {
  /** HTTP status; 0 for a note that is no response: `get` gives nothing for it, and `purge` drops but does not count it. */
  readonly status: number;
  /** Fields as sent, names in lower case; `set-cookie` may repeat. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  /** When the entry was filled, epoch ms. */
  readonly storedAt: number;
  /** Until when it may be served without asking; then it is stale. Epoch ms. */
  readonly freshUntil: number;
  /** Until when the store keeps it (stale serving included). Epoch ms. */
  readonly keepUntil: number;
  readonly tags?: readonly string[];
  /** What a cache policy needs to know about the entry and no client sees. */
  readonly meta?: Readonly<Record<string, unknown>>;
}

/** Who may fill an entry that is missing or stale. */
export type CacheFill =
  | { readonly kind: "fill"; readonly token: string }
  | { readonly kind: "wait"; readonly waitMs: number };

/** What `open` of a cache store found, or what it did about finding nothing. */
export interface CacheOpening {
  readonly record?: CacheRecord | undefined;
  /** As `lock` says; absent beside a record, and where the lock has to be asked for by itself. */
  readonly fill?: CacheFill | undefined;
}

export interface CacheStore {
  /** A response whose body can be read once, or nothing (`undefined`, or `null` in stores of users). */
  get(key: string): MaybePromise<Response | undefined | null>;
  put(key: string, response: Response, ttlSeconds: number): MaybePromise<void>;
  delete(key: string): MaybePromise<boolean>;
  /**
   * The same as `get` and `put` without building a `Response`; required together. A write with a `fillToken` that has
   * ended is dropped; `lockedKey` is the key the token was given for, when that is another one (a variant is written
   * under the lock of its set, and the lock is then kept).
   */
  read?(key: string): MaybePromise<CacheRecord | undefined>;
  write?(key: string, record: CacheRecord, fillToken?: string, lockedKey?: string): MaybePromise<void>;
  /** One caller is told to fill, the others to wait; a token ends after `lockMs`. A purge and `delete` void tokens. */
  lock?(key: string, lockMs: number): MaybePromise<CacheFill>;
  unlock?(key: string, token: string): MaybePromise<void>;
  /** `read`, and where there is nothing `lock`, in one round trip. Optional beside those two. */
  open?(key: string, lockMs: number): MaybePromise<CacheOpening>;
  /** Drops what carries one of the tags, what begins with the prefix, or everything. Resolves with the number dropped. */
  purge?(target: CachePurge): MaybePromise<number>;
  readonly capabilities?: Partial<DriverCapabilities>;
  destroy?(): void;
}

export type CachePurge = { readonly tags: readonly string[] } | { readonly prefix: string } | { readonly all: true };
