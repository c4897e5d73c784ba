/**
 * The contracts of the state layer. Durations are milliseconds (`…Ms`), instants epoch milliseconds (`…At`); the two
 * names fixed by other packages' interfaces, `windowSeconds` and `ttlSeconds`, keep their units.
 */

import type { MaybePromise } from "../core/maybe-promise.ts";
import type { WebSocketRuntime } from "../core/web-socket-port.ts";

// ---------------------------------------------------------------------------------------------- algorithm and driver

/** What one step of an algorithm gives. `expiresAt` is when the state stops mattering; `undefined` means never. */
export interface Step<State, Reply> {
  readonly state: State | undefined;
  readonly reply: Reply;
  readonly expiresAt: number | undefined;
}

/**
 * A pure state machine on one key; the definition of what is right on every backend. Make one with `defineAlgorithm`.
 *
 * Laws (checked by `verifyAlgorithm`): `step` has no clock, randomness, I/O or mutation; a refusal, a peek and an
 * invalid command return the same state object; for every `now >= expiresAt` it replies as if there were no state.
 */
// Methods are bivariant in their parameters, so every algorithm is an `Algorithm` to a driver that does not know its types.
export interface Algorithm<State = unknown, Command = unknown, Reply = unknown> {
  /** Drivers look native versions up by it, and records carry it. Lower-case words joined by `-`. */
  readonly name: string;
  /** Version of the encoded state: a record of another version is `STORE_CORRUPT`, never "absent". 0 to 255. */
  readonly version: number;
  /** Upper bound of the encoded state. */
  readonly maxStateBytes: number;
  step(state: State | undefined, command: Command, now: number): Step<State, Reply>;
  /** State to bytes, without the version byte (the driver adds it). */
  encode(state: State): Uint8Array;
  decode(bytes: Uint8Array): State;
  /**
   * Whether a state is still refusing or counting somebody at `now`, as {@link RowMachine.limiting} says for rows. A store
   * at its bound evicts the states that are not. Absent: always, until they expire.
   */
  limiting?(state: State, now: number): boolean;
  /** How a small state lies in numbers: a driver in this process then keeps no object for it. */
  readonly compact?: CompactState<State>;
  /** Present when the state is a row of numbers: a driver in this process may then keep it in a slab and run it in place. */
  readonly row?: RowMachine<Command, Reply>;
  /** Of a composite: what it is made of. A driver that names algorithms over a wire names these. */
  readonly members?: readonly Algorithm[];
}

/** The common small states of an algorithm as `width` numbers. A driver may use it or not: it changes no reply. */
export interface CompactState<State> {
  readonly width: number;
  /** Writes `state` to `cells[at .. at + width)`, or returns false and writes nothing when it does not fit. */
  write(state: State, cells: Float64Array, at: number): boolean;
  /** The state that `write` wrote. */
  read(cells: Float64Array, at: number): State;
}

/**
 * The in-place half of an algorithm whose state is `width` numbers. `step` of such an algorithm is derived from it, so
 * there is one definition. An absent state is a row of zeros.
 */
export interface RowMachine<Command, Reply> {
  readonly width: number;
  /**
   * Runs `command` on `cells[at .. at + width)` and fills `reply`. Returns whether the row changed; it writes nothing
   * when it returns false.
   */
  apply(cells: Float64Array, at: number, command: Command, now: number, reply: Reply): boolean;
  /** The instant at which the row stops mattering, or `undefined` for never. */
  expiresAt(cells: Float64Array, at: number, command: Command): number | undefined;
  /**
   * Whether the row is still refusing or counting somebody at `now`. A store at its bound evicts idle rows, never a
   * limiting one.
   */
  limiting(cells: Float64Array, at: number, now: number): boolean;
  /** A new reply for `apply` to fill. */
  reply(): Reply;
}

/** Commands for one key, in order. */
export interface Operation<Command = unknown> {
  readonly algorithm: Algorithm;
  readonly key: string;
  readonly commands: readonly Command[];
}

/** A reply, or the error of its key: one failed key fails only its own commands. */
export type Reply = unknown;

export interface RunOptions {
  /** Aborting it rejects the call with its reason; what was not sent yet is not sent. */
  readonly signal?: AbortSignal;
  /** Whether the signal has aborted, for those who only look: the combiner makes a signal when somebody reads it. */
  readonly aborted?: boolean;
}

export interface DriverCapabilities {
  /** Steps are atomic over all clients of the backend. */
  readonly atomic: boolean;
  readonly clock: "backend" | "caller";
  /** Coarsest TTL the backend keeps; values still never show past their own deadline. */
  readonly minTtlMs: number;
  readonly maxValueBytes: number;
  /** Other processes see the same state. */
  readonly shared: boolean;
  /** One sentence on what is not exact; absent when everything is. */
  readonly approximate?: string;
  /** What a crash of the backend loses: everything, the last moments, nothing. */
  readonly durability?: "memory" | "async" | "sync";
  /** Algorithms that run beside the data without shipping their state. */
  readonly native?: readonly string[];
  /** Most keys of one batch. @default 128 */
  readonly maxBatchKeys?: number;
  /** Most commands of one batch. @default 4096 */
  readonly maxBatchCommands?: number;
  /** Batches on the wire at once. @default 1 */
  readonly lanes?: number;
  /**
   * From so many waiting keys on, they are spread over all free lanes rather than sent as one batch, so that the backend works on
   * one while this process works on another. @default never
   */
  readonly spreadKeys?: number;
  /** Several keys can change in one transaction. @default false */
  readonly multiKey?: boolean;
  /** A response goes into the cache together with what makes it findable for purges: one call for three. @default false */
  readonly cacheFills?: boolean;
  /** A lease can wait until replicas of the backend have it. @default false */
  readonly replicas?: boolean;
  /** The driver itself puts concurrent calls together: a combiner in front passes each on at once. @default false */
  readonly combining?: boolean;
}

/** Runs algorithms atomically on keys, and keeps plain values. One per backend. */
export interface StateDriver {
  readonly name: string;
  readonly capabilities: DriverCapabilities;
  /**
   * Runs a batch: atomic per key, commands of a key in order, replies in the shape of the batch. An operation that
   * failed alone has a `SluiceError` in the place of each of its replies; a whole failure throws or rejects.
   */
  run(batch: readonly Operation[], options?: RunOptions): MaybePromise<Reply[][]>;
  /** One command at once, where no I/O is needed. Only drivers whose data is in this process have it. */
  runSync?<Command, R>(algorithm: Algorithm<unknown, Command, R>, key: string, command: Command): R;
  /**
   * A name space of its own for the records of one algorithm, with `runSync`'s semantics: a caller with many keys under one
   * prefix builds no string per call. Keys of two tables, or of a table and `run`, never meet; the same name gives the
   * same records. `undefined` when there are too many tables: then the caller puts the name into the key.
   */
  table?<Command, R>(algorithm: Algorithm<unknown, Command, R>, name: string): SyncTable<Command, R> | undefined;
  get(key: string, options?: RunOptions): MaybePromise<Uint8Array | undefined>;
  /** `ttlMs`: `undefined` is no expiry. A plain overwrite clears an old TTL. */
  set(key: string, value: Uint8Array, ttlMs?: number, options?: RunOptions): MaybePromise<void>;
  delete(key: string, options?: RunOptions): MaybePromise<boolean>;
  /** Frees what the driver opened itself, never the caller's client. Idempotent. */
  close(): Promise<void>;
}

/** Records of one algorithm in this process. */
export interface SyncTable<Command, R> {
  /** Runs one command. `key` is any non-empty string, unescaped. The command is not kept: a caller may use it again. */
  run(key: string, command: Command): R;
}

// ------------------------------------------------------------------------------------------------------------ limits

/** A limit as a user writes it. */
export type LimitPolicy =
  | { readonly algorithm: "fixed-window"; readonly max: number; readonly windowMs: number }
  | {
      readonly algorithm: "sliding-window";
      readonly max: number;
      readonly windowMs: number;
      /** Sub-windows of the ring, 16 to 240: more recover sooner and take more state. @default 64 */
      readonly buckets?: number;
      /** `max` changes from call to call: the layout may then not depend on it. @default false */
      readonly dynamic?: boolean;
    }
  | {
      readonly algorithm: "token-bucket";
      /** Tokens a full bucket holds: the burst. */
      readonly capacity: number;
      /** Refill as `max` tokens per `windowMs`, exact for every pair of integers. */
      readonly max: number;
      readonly windowMs: number;
      /** Tokens that a settlement may charge beyond an empty bucket. @default the capacity */
      readonly maxDebt?: number;
    };

/** The answer of a limiter. An expected outcome: a refusal is a value, not an error. */
export interface LimitDecision {
  allowed: boolean;
  /** The limit that was applied: `max`, or the capacity of a bucket. */
  limit: number;
  /** Whole units left after this decision, from 0 to `limit`. */
  remaining: number;
  /**
   * 0 when allowed; else the smallest whole number of ms after which the same cost passes if nobody else spends;
   * `null` when it can never pass.
   */
  retryAfterMs: number | null;
  /** Milliseconds until everything is back. */
  resetAfterMs: number;
  /** Whole units owed beyond the limit (`settle` can charge into debt); else 0. */
  debt: number;
  /** What to hand back for a refund; only when the command asked for one and was allowed with a positive cost. */
  ticket?: LimitTicket;
}

/** Proof of a charge, to be refunded or settled once. Plain data: it may cross a process boundary. */
export interface LimitTicket {
  readonly era: number;
  readonly at: number;
  readonly need: number;
}

/** A refund whose ticket is unknown or of another era changes nothing: it may be lost, never counted double. */
export type LimitCommand<Policy> =
  | { readonly cost: number; readonly policy: Policy; readonly dry?: boolean; readonly ticket?: boolean }
  | { readonly refund: LimitTicket; readonly policy: Policy; readonly cost?: number }
  | { readonly settle: LimitTicket; readonly actual: number; readonly policy: Policy }
  | { readonly reset: true; readonly policy: Policy };

export interface RateLimitStore {
  /** Counts one more in the fixed window of `key`, which begins with its first count. `resetAt` is epoch ms. */
  increment(key: string, windowSeconds: number): MaybePromise<{ count: number; resetAt: number }>;
  /**
   * Charges `cost` under `policy`, or refuses and charges nothing; `cost: 0` reads. Optional: a store with only
   * `increment` serves fixed windows.
   */
  check?(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision>;
  /** Tests all policies on one subject and charges all of them, or none. Decisions in the order of the policies. */
  checkAll?(key: string, policies: readonly LimitPolicy[], cost: number): MaybePromise<LimitDecision[]>;
  /** `check` whose decision carries a ticket when something was charged; required together with `settle`. */
  reserve?(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision>;
  /**
   * Corrects an earlier charge to what was really used, up or down. More may be charged than is left: the debt of a token
   * bucket is waited out by later checks. Without a ticket, `actual` is charged as it is.
   */
  settle?(key: string, policy: LimitPolicy, ticket: LimitTicket | undefined, actual: number): MaybePromise<LimitDecision>;
  readonly capabilities?: Partial<DriverCapabilities>;
  destroy?(): void;
}

/** A store whose counts may be wrong, and says how in one sentence. For abuse prevention, not for billing or quotas. */
export interface ApproximateRateLimitStore extends RateLimitStore {
  readonly capabilities: Partial<DriverCapabilities> & { readonly approximate: string };
}

export type RateLimitDecision =
  | { readonly allowed: true; readonly remaining: number }
  | { readonly allowed: false; readonly remaining: number; readonly retryAfterMs: number | null };

export interface TokenBucketPolicy {
  /** Tokens of a full bucket; a finite number of at least 1. */
  readonly capacity: number;
  /** Refill rate; a finite number above 0. */
  readonly tokensPerSecond: number;
  readonly prefix?: string;
}

/** The same policy under the name that limiters of one's own know it by. */
export type RateLimitPolicy = TokenBucketPolicy;

/** A token bucket per key. */
export interface RateLimiter {
  /** `cost`: a positive safe integer. `key`: a non-empty string of at most 512 bytes. Else it rejects with `RangeError`. */
  consume(key: string, cost: number): Promise<RateLimitDecision>;
  /** The same without a promise, where no I/O is needed. */
  consumeSync?(key: string, cost: number): RateLimitDecision;
  getPolicy(): Readonly<TokenBucketPolicy>;
  dispose?(): void;
}

// ---------------------------------------------------------------------------------------------------------- circuits

export type CircuitState = "closed" | "open" | "half-open";

export interface CircuitBreakerSnapshot {
  readonly state: CircuitState;
  readonly failureCount: number;
  readonly successCount: number;
  /** Epoch ms, 0 when there was none. */
  readonly lastFailureTime: number;
  readonly lastStateChange: number;
}

export interface CircuitPolicy {
  /** Failures inside the rolling window that open the circuit. */
  readonly failureThreshold: number;
  readonly windowMs: number;
  /** Share of failures, in (0, 1], that opens it once `minimumThroughput` calls are in the window. */
  readonly failureRate?: number;
  readonly minimumThroughput: number;
  /** Calls slower than this count as slow. */
  readonly slowCallMs?: number;
  /** Share of slow calls, in (0, 1], that opens it once `minimumThroughput` calls are in the window. */
  readonly slowCallRate?: number;
  readonly resetTimeoutMs: number;
  /** Each opening in a row waits twice as long as the one before, up to this. Absent: every one waits `resetTimeoutMs`. */
  readonly maxResetTimeoutMs?: number;
  /** Probes out at once while half-open, over the whole fleet. */
  readonly halfOpenMax: number;
  /** Successful probes that close it. */
  readonly successThreshold: number;
  /** A probe nobody reported on gives its place back after this time. */
  readonly probeTimeoutMs: number;
}

/** A permission to call. `token` is set for a probe of a half-open circuit. */
export interface CircuitPermit {
  readonly allowed: true;
  readonly state: CircuitState;
  readonly epoch: number;
  readonly token?: string;
  /** Set when this very call moved the circuit. */
  readonly transition?: CircuitTransition;
}

export interface CircuitRefusal {
  readonly allowed: false;
  readonly state: CircuitState;
  readonly retryAfterMs: number;
}

export interface CircuitTransition {
  readonly from: CircuitState;
  readonly to: CircuitState;
}

export type CircuitOutcome = "success" | "failure" | "slow" | "unused";

export interface CircuitBreakerStore {
  getState(key: string): MaybePromise<CircuitBreakerSnapshot>;
  recordSuccess(key: string): MaybePromise<CircuitBreakerSnapshot>;
  recordFailure(key: string): MaybePromise<CircuitBreakerSnapshot>;
  transition(key: string, to: CircuitState): MaybePromise<CircuitBreakerSnapshot>;
  reset(key: string): MaybePromise<void>;
  /** Atomic pair: with it half-open probes are counted over the whole fleet. */
  acquire?(key: string, policy: CircuitPolicy): MaybePromise<CircuitPermit | CircuitRefusal>;
  /** Reports on a permit; a report of an older epoch or a used token changes nothing. */
  report?(key: string, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome): MaybePromise<CircuitTransition | undefined>;
  readonly capabilities?: Partial<DriverCapabilities>;
  destroy?(): void;
}

// ------------------------------------------------------------------------------------------------------------- cache

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

// --------------------------------------------------------------------------------------------------------- key-value

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

// ----------------------------------------------------------------------------------------------------------- pub/sub

export interface PubSub {
  publish(channel: string, message: unknown): Promise<void>;
  /** Resolves once the backend has confirmed; the function it gives removes this handler only. */
  subscribe(channel: string, handler: (message: unknown) => void | Promise<void>): Promise<() => Promise<void>>;
  /** Removes all handlers of the channel. */
  unsubscribe(channel: string): Promise<void>;
  close?(): Promise<void>;
}

export interface SerializedMessage {
  readonly id: string;
  readonly origin: string;
  readonly topic: string;
  readonly type: string;
  readonly frame: string | Uint8Array;
  readonly exclude?: string;
}

export interface PublishReport {
  readonly matched: number;
  readonly capability: "exact" | "prefix" | "regex";
  readonly reach?: "cluster";
}

/** The same report under the name that adapters of one's own know it by; what `ctx.publish` answers is the `PublishResult` of `sluice/sockets`. */
export type PublishResult = PublishReport;

export interface PubSubAdapter {
  subscribe(clientId: string, topic: string): MaybePromise<void>;
  unsubscribe(clientId: string, topic: string): MaybePromise<void>;
  publish(topic: string, message: SerializedMessage): MaybePromise<PublishReport>;
  list(clientId: string): MaybePromise<string[]>;
  disconnect?(clientId: string): MaybePromise<void>;
  start?(onRemote: (message: SerializedMessage) => void): MaybePromise<() => MaybePromise<void>>;
  close?(): MaybePromise<void>;
}

// ----------------------------------------------------------------------------------------------------------- adapter

/** One object that feeds every surface. Every field is optional: a surface falls back to a private in-memory store. */
export interface GatewayAdapter {
  rateLimitStore?: RateLimitStore;
  circuitBreakerStore?: CircuitBreakerStore;
  cacheStore?: CacheStore;
  /** Keeps background work alive after the answer was sent. */
  waitUntil?: (promise: Promise<unknown>) => void;
  /** Calls another service of the platform by its binding name. */
  dispatchBinding?: (service: string, request: Request) => Promise<Response>;
  /** Accepts and opens WebSockets, where the requests' `env` does not bring it. */
  webSockets?: WebSocketRuntime;
  store?: StitchStore;
  pubsub?: PubSub;
  rateLimiter?(policy: TokenBucketPolicy): RateLimiter;
  /**
   * Where a gateway of that name keeps what lives in its process alone: private stores, stand-ins, guards, single flights.
   * For platforms on which a gateway is made anew for every request: give the same map for the same name as long as the
   * process lives. Absent, each gateway keeps its own.
   */
  privateState?(gatewayName: string): Map<string, unknown>;
  /** Closes what the adapter opened. */
  close?(): Promise<void>;
}

