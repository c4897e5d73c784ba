/** Values, counters, turns and locks: the contract of the client surface. Durations are milliseconds (`…Ms`), instants epoch milliseconds (`…At`). */

import type { DriverCapabilities } from "./driver.ts";
import type { LimitTicket } from "./limits.ts";

export interface CursorCommand {
  readonly spacingMs: number;
  /** @default 1 */
  readonly burst?: number;
  /** @default 1 */
  readonly cost?: number;
  /** A wait beyond it is refused and reserves nothing. */
  readonly maxWaitMs?: number;
}

export interface CursorReply {
  readonly granted: boolean;
  readonly waitMs: number;
  readonly ticket?: LimitTicket;
}

export interface LeaseReply {
  readonly held: boolean;
  /** Grows with every new holder, also across the loss of the record. */
  readonly fence: number;
  /** 0 when held, else the time to the soonest expiry. */
  readonly retryInMs: number;
  /** The token held its place before, too. */
  readonly renewed?: true;
}

/** The key-value contract of the client surface. Values are JSON plus `Uint8Array`, copied in both directions. */
export interface StitchStore {
  /** Missing or expired: `undefined`; a stored `null` is `null`; a counter reads as its number. */
  get(key: string): Promise<unknown>;
  /** `undefined` deletes. Replaces an old value and its TTL. */
  set(key: string, value: unknown, ttlMs?: number): Promise<void>;
  /** Adds one. The TTL is set by the call that creates the counter and never moves. */
  incr(key: string, ttlMs?: number): Promise<number>;
  /** Alias of {@link incr}. */
  increment?(key: string, ttlMs?: number): Promise<number>;
  /** `expected: undefined` is "absent", `next: undefined` is "delete". Equality is that of the encoded form. */
  compareAndSet(key: string, expected: unknown, next: unknown, ttlMs?: number): Promise<boolean>;
  reserve?(key: string, command: CursorCommand | { readonly refund: LimitTicket; readonly spacingMs: number } | { readonly pauseMs: number; readonly spacingMs: number }): Promise<CursorReply>;
  lease?(key: string, command: { readonly token: string; readonly limit: number; readonly ttlMs: number }): Promise<LeaseReply>;
  release?(key: string, token: string): Promise<boolean>;
  readonly capabilities?: Partial<DriverCapabilities>;
  close?(): Promise<void>;
}
