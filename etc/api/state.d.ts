// sluice/state

type StateErrorCode = "CONFIG_INVALID" | "PAYLOAD_TOO_LARGE" | "STORE_CAPABILITY" | "STORE_CLOSED" | "STORE_CONTENTION" | "STORE_CORRUPT" | "STORE_FULL" | "STORE_OVERFLOW" | "STORE_OVERLOADED" | "STORE_READ_ONLY" | "STORE_SCHEMA" | "STORE_TIMEOUT" | "STORE_UNAVAILABLE" | "STORE_UNSERIALIZABLE" | "STORE_VALUE_TOO_LARGE" | "STORE_WRONG_TYPE";
type Outcome = "not-applied" | "unknown";
interface SluiceErrorOptions {
  readonly cause?: unknown;
  readonly outcome?: Outcome;
  readonly retryAfterMs?: number;
}
declare class SluiceError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly outcome?: Outcome;
  readonly retryAfterMs?: number;
  constructor(code: Code, message: string, options?: SluiceErrorOptions);
  get name(): string;
}
declare class StoreError extends SluiceError<StateErrorCode> {
  get name(): string;
}
declare class OptionError extends RangeError {
  readonly code: "CONFIG_INVALID";
  readonly option: string;
  readonly value: unknown;
  constructor(option: string, value: unknown, expected: string);
  get name(): string;
}
declare function isSluiceError(error: unknown): error is SluiceError;
type TimerHandle = unknown;
interface Clock {
  now(): number;
  monotonic(): number;
  setTimeout(callback: () => void, delayMs: number, keepAlive?: boolean): TimerHandle;
  clearTimeout(handle: TimerHandle): void;
}
interface EventSink<Event> {
  (event: Event): void;
  readonly detailed?: boolean;
}
interface EventSource<Event> {
  on(sink: EventSink<Event>, options?: {
    readonly detailed?: boolean;
  }): () => void;
}
type MaybePromise<T> = T | Promise<T>;
interface Random {
  next(): number;
  uuid(): string;
}
interface Step<State, Reply> {
  readonly state: State | undefined;
  readonly reply: Reply;
  readonly expiresAt: number | undefined;
}
interface Algorithm<State = unknown, Command = unknown, Reply = unknown> {
  readonly name: string;
  readonly version: number;
  readonly maxStateBytes: number;
  step(state: State | undefined, command: Command, now: number): Step<State, Reply>;
  encode(state: State): Uint8Array;
  decode(bytes: Uint8Array): State;
  limiting?(state: State, now: number): boolean;
  readonly compact?: CompactState<State>;
  readonly row?: RowMachine<Command, Reply>;
  readonly members?: readonly Algorithm[];
}
interface CompactState<State> {
  readonly width: number;
  write(state: State, cells: Float64Array, at: number): boolean;
  read(cells: Float64Array, at: number): State;
}
interface RowMachine<Command, Reply> {
  readonly width: number;
  apply(cells: Float64Array, at: number, command: Command, now: number, reply: Reply): boolean;
  expiresAt(cells: Float64Array, at: number, command: Command): number | undefined;
  limiting(cells: Float64Array, at: number, now: number): boolean;
  reply(): Reply;
}
interface Operation<Command = unknown> {
  readonly algorithm: Algorithm;
  readonly key: string;
  readonly commands: readonly Command[];
}
type Reply = unknown;
interface RunOptions {
  readonly signal?: AbortSignal;
  readonly aborted?: boolean;
}
interface DriverCapabilities {
  readonly atomic: boolean;
  readonly clock: "backend" | "caller";
  readonly minTtlMs: number;
  readonly maxValueBytes: number;
  readonly shared: boolean;
  readonly approximate?: string;
  readonly durability?: "memory" | "async" | "sync";
  readonly native?: readonly string[];
  readonly maxBatchKeys?: number;
  readonly maxBatchCommands?: number;
  readonly lanes?: number;
  readonly spreadKeys?: number;
  readonly multiKey?: boolean;
  readonly cacheFills?: boolean;
  readonly replicas?: boolean;
  readonly combining?: boolean;
}
interface StateDriver {
  readonly name: string;
  readonly capabilities: DriverCapabilities;
  run(batch: readonly Operation[], options?: RunOptions): MaybePromise<Reply[][]>;
  runSync?<Command, R>(algorithm: Algorithm<unknown, Command, R>, key: string, command: Command): R;
  table?<Command, R>(algorithm: Algorithm<unknown, Command, R>, name: string): SyncTable<Command, R> | undefined;
  get(key: string, options?: RunOptions): MaybePromise<Uint8Array | undefined>;
  set(key: string, value: Uint8Array, ttlMs?: number, options?: RunOptions): MaybePromise<void>;
  delete(key: string, options?: RunOptions): MaybePromise<boolean>;
  close(): Promise<void>;
}
interface SyncTable<Command, R> {
  run(key: string, command: Command): R;
}
type LimitPolicy = {
  readonly algorithm: "fixed-window";
  readonly max: number;
  readonly windowMs: number;
} | {
  readonly algorithm: "sliding-window";
  readonly max: number;
  readonly windowMs: number;
  readonly buckets?: number;
  readonly dynamic?: boolean;
} | {
  readonly algorithm: "token-bucket";
  readonly capacity: number;
  readonly max: number;
  readonly windowMs: number;
  readonly maxDebt?: number;
};
interface LimitDecision {
  allowed: boolean;
  limit: number;
  remaining: number;
  retryAfterMs: number | null;
  resetAfterMs: number;
  debt: number;
  ticket?: LimitTicket;
}
interface LimitTicket {
  readonly era: number;
  readonly at: number;
  readonly need: number;
}
type LimitCommand<Policy> = {
  readonly cost: number;
  readonly policy: Policy;
  readonly dry?: boolean;
  readonly ticket?: boolean;
} | {
  readonly refund: LimitTicket;
  readonly policy: Policy;
  readonly cost?: number;
} | {
  readonly settle: LimitTicket;
  readonly actual: number;
  readonly policy: Policy;
} | {
  readonly reset: true;
  readonly policy: Policy;
};
interface RateLimitStore {
  increment(key: string, windowSeconds: number): MaybePromise<{
    count: number;
    resetAt: number;
  }>;
  check?(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision>;
  checkAll?(key: string, policies: readonly LimitPolicy[], cost: number): MaybePromise<LimitDecision[]>;
  reserve?(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision>;
  settle?(key: string, policy: LimitPolicy, ticket: LimitTicket | undefined, actual: number): MaybePromise<LimitDecision>;
  readonly leased?: boolean;
  readonly capabilities?: Partial<DriverCapabilities>;
  destroy?(): void;
}
interface ApproximateRateLimitStore extends RateLimitStore {
  readonly capabilities: Partial<DriverCapabilities> & {
    readonly approximate: string;
  };
}
type RateLimitDecision = {
  readonly allowed: true;
  readonly remaining: number;
} | {
  readonly allowed: false;
  readonly remaining: number;
  readonly retryAfterMs: number | null;
};
interface TokenBucketPolicy {
  readonly capacity: number;
  readonly tokensPerSecond: number;
  readonly prefix?: string;
}
type RateLimitPolicy = TokenBucketPolicy;
interface RateLimiter {
  consume(key: string, cost: number): Promise<RateLimitDecision>;
  consumeSync?(key: string, cost: number): RateLimitDecision;
  getPolicy(): Readonly<TokenBucketPolicy>;
  dispose?(): void;
}
type CircuitState = "closed" | "open" | "half-open";
interface CircuitBreakerSnapshot {
  readonly state: CircuitState;
  readonly failureCount: number;
  readonly successCount: number;
  readonly lastFailureTime: number;
  readonly lastStateChange: number;
}
interface CircuitPolicy {
  readonly failureThreshold: number;
  readonly windowMs: number;
  readonly failureRate?: number;
  readonly minimumThroughput: number;
  readonly slowCallMs?: number;
  readonly slowCallRate?: number;
  readonly resetTimeoutMs: number;
  readonly maxResetTimeoutMs?: number;
  readonly halfOpenMax: number;
  readonly successThreshold: number;
  readonly probeTimeoutMs: number;
}
interface CircuitPermit {
  readonly allowed: true;
  readonly state: CircuitState;
  readonly epoch: number;
  readonly token?: string;
  readonly transition?: CircuitTransition;
}
interface CircuitRefusal {
  readonly allowed: false;
  readonly state: CircuitState;
  readonly retryAfterMs: number;
}
interface CircuitTransition {
  readonly from: CircuitState;
  readonly to: CircuitState;
}
type CircuitOutcome = "success" | "failure" | "slow" | "unused";
interface CircuitBreakerStore {
  getState(key: string): MaybePromise<CircuitBreakerSnapshot>;
  recordSuccess(key: string): MaybePromise<CircuitBreakerSnapshot>;
  recordFailure(key: string): MaybePromise<CircuitBreakerSnapshot>;
  transition(key: string, to: CircuitState): MaybePromise<CircuitBreakerSnapshot>;
  reset(key: string): MaybePromise<void>;
  acquire?(key: string, policy: CircuitPolicy): MaybePromise<CircuitPermit | CircuitRefusal>;
  report?(key: string, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome): MaybePromise<CircuitTransition | undefined>;
  readonly capabilities?: Partial<DriverCapabilities>;
  destroy?(): void;
}
interface CacheRecord {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  readonly storedAt: number;
  readonly freshUntil: number;
  readonly keepUntil: number;
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, unknown>>;
}
type CacheFill = {
  readonly kind: "fill";
  readonly token: string;
} | {
  readonly kind: "wait";
  readonly waitMs: number;
};
interface CacheOpening {
  readonly record?: CacheRecord | undefined;
  readonly fill?: CacheFill | undefined;
}
interface CacheStore {
  get(key: string): MaybePromise<Response | undefined | null>;
  put(key: string, response: Response, ttlSeconds: number): MaybePromise<void>;
  delete(key: string): MaybePromise<boolean>;
  read?(key: string): MaybePromise<CacheRecord | undefined>;
  write?(key: string, record: CacheRecord, fillToken?: string, lockedKey?: string): MaybePromise<void>;
  lock?(key: string, lockMs: number): MaybePromise<CacheFill>;
  unlock?(key: string, token: string): MaybePromise<void>;
  open?(key: string, lockMs: number): MaybePromise<CacheOpening>;
  purge?(target: CachePurge): MaybePromise<number>;
  readonly capabilities?: Partial<DriverCapabilities>;
  destroy?(): void;
}
type CachePurge = {
  readonly tags: readonly string[];
} | {
  readonly prefix: string;
} | {
  readonly all: true;
};
interface CursorCommand {
  readonly spacingMs: number;
  readonly burst?: number;
  readonly cost?: number;
  readonly maxWaitMs?: number;
}
interface CursorReply {
  readonly granted: boolean;
  readonly waitMs: number;
  readonly ticket?: LimitTicket;
}
interface LeaseReply {
  readonly held: boolean;
  readonly fence: number;
  readonly retryInMs: number;
  readonly renewed?: true;
}
interface StitchStore {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown, ttlMs?: number): Promise<void>;
  incr(key: string, ttlMs?: number): Promise<number>;
  increment?(key: string, ttlMs?: number): Promise<number>;
  compareAndSet(key: string, expected: unknown, next: unknown, ttlMs?: number): Promise<boolean>;
  reserve?(key: string, command: CursorCommand | {
    readonly refund: LimitTicket;
    readonly spacingMs: number;
  } | {
    readonly pauseMs: number;
    readonly spacingMs: number;
  }): Promise<CursorReply>;
  lease?(key: string, command: {
    readonly token: string;
    readonly limit: number;
    readonly ttlMs: number;
  }): Promise<LeaseReply>;
  release?(key: string, token: string): Promise<boolean>;
  readonly capabilities?: Partial<DriverCapabilities>;
  close?(): Promise<void>;
}
interface PubSub {
  publish(channel: string, message: unknown): Promise<void>;
  subscribe(channel: string, handler: (message: unknown) => void | Promise<void>): Promise<() => Promise<void>>;
  unsubscribe(channel: string): Promise<void>;
  close?(): Promise<void>;
}
interface SerializedMessage {
  readonly id: string;
  readonly origin: string;
  readonly topic: string;
  readonly type: string;
  readonly frame: string | Uint8Array;
  readonly exclude?: string;
}
interface PublishReport {
  readonly matched: number;
  readonly capability: "exact" | "prefix" | "regex";
  readonly reach?: "cluster";
}
type PublishResult = PublishReport;
interface PubSubAdapter {
  subscribe(clientId: string, topic: string): MaybePromise<void>;
  unsubscribe(clientId: string, topic: string): MaybePromise<void>;
  publish(topic: string, message: SerializedMessage): MaybePromise<PublishReport>;
  list(clientId: string): MaybePromise<string[]>;
  disconnect?(clientId: string): MaybePromise<void>;
  start?(onRemote: (message: SerializedMessage) => void): MaybePromise<() => MaybePromise<void>>;
  close?(): MaybePromise<void>;
}
interface WebSocketPeer {
  readonly protocol: string;
  send(data: string | Uint8Array): void | Promise<void>;
  close(code?: number, reason?: string): void;
  terminate(): void;
  pause?(): void;
  resume?(): void;
  listen(onMessage: (data: string | Uint8Array) => void, onClose: (code: number, reason: string) => void): void;
}
interface WebSocketConnectOptions {
  readonly protocols: readonly string[];
  readonly headers: readonly string[];
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}
interface WebSocketRuntime {
  connect(url: string, options: WebSocketConnectOptions): Promise<WebSocketPeer>;
  accept(request: Request, protocol: string): Promise<{
    readonly peer: WebSocketPeer;
    readonly response: Response;
  }>;
}
interface GatewayAdapter {
  rateLimitStore?: RateLimitStore;
  circuitBreakerStore?: CircuitBreakerStore;
  cacheStore?: CacheStore;
  waitUntil?: (promise: Promise<unknown>) => void;
  dispatchBinding?: (service: string, request: Request) => Promise<Response>;
  webSockets?: WebSocketRuntime;
  store?: StitchStore;
  pubsub?: PubSub;
  rateLimiter?(policy: TokenBucketPolicy): RateLimiter;
  privateState?(gatewayName: string): Map<string, unknown>;
  close?(): Promise<void>;
}
declare function defineAlgorithm<State, Command, Reply>(definition: Omit<Algorithm<State, Command, Reply>, "row">): Algorithm<State, Command, Reply>;
type Row = readonly number[];
type AllOfCommand = {
  readonly cost: number;
  readonly policies: readonly unknown[];
  readonly dry?: boolean;
  readonly ticket?: boolean;
} | {
  readonly refund: AllOfTicket;
  readonly policies: readonly unknown[];
  readonly cost?: number;
} | {
  readonly settle: AllOfTicket;
  readonly actual: number;
  readonly policies: readonly unknown[];
} | {
  readonly reset: true;
  readonly policies: readonly unknown[];
};
type AllOfTicket = readonly (LimitTicket | undefined)[];
interface AllOfDecision {
  allowed: boolean;
  binding: number;
  decisions: readonly LimitDecision[];
  ticket?: AllOfTicket;
}
type Member = Algorithm<unknown, LimitCommand<unknown>, LimitDecision>;
type State = readonly unknown[];
declare function allOf(members: readonly Member[]): Algorithm<State, AllOfCommand, AllOfDecision>;
type CalendarWindowPolicy = {
  readonly max: number;
  readonly windowMs: number;
  readonly offsetMs: number;
} | {
  readonly max: number;
  readonly boundaries: readonly [number, number, number];
};
interface CalendarWindowDecision extends LimitDecision {
  stale?: number;
  resetAt: number;
}
declare const calendarWindow: Algorithm<Row, LimitCommand<CalendarWindowPolicy>, CalendarWindowDecision>;
type CircuitCommand = {
  readonly type: "acquire";
  readonly policy: CircuitPolicy;
} | CircuitReport | {
  readonly type: "view";
}  | {
  readonly type: "count";
  readonly ok: number;
  readonly fail: number;
  readonly policy: CircuitPolicy;
}  | {
  readonly type: "force";
  readonly to: CircuitState | "isolated" | "disabled";
  readonly policy: CircuitPolicy;
};
interface CircuitReport {
  readonly type: "report";
  readonly epoch: number;
  readonly token?: number;
  readonly ok: number;
  readonly fail: number;
  readonly slow: number;
  readonly instance?: number;
  readonly seq?: number;
  readonly random?: number;
  readonly policy: CircuitPolicy;
}
interface CircuitReply {
  allowed: boolean;
  state: CircuitState;
  forced: "isolated" | "disabled" | undefined;
  epoch: number;
  token: number;
  retryAfterMs: number;
  from: CircuitState | undefined;
  to: CircuitState | undefined;
  stale: boolean;
  failureCount: number;
  successCount: number;
  lastFailureAt: number;
  changedAt: number;
}
declare const circuit: Algorithm<Row, CircuitCommand, CircuitReply> & {
  readonly row: RowMachine<CircuitCommand, CircuitReply>;
};
declare function circuitPolicy(options?: Partial<CircuitPolicy>): CircuitPolicy;
type CounterCommand = {
  readonly by: number;
  readonly ttlMs?: number;
} | {
  readonly reset: true;
};
interface CounterReply {
  value: number;
  exists: boolean;
  overflow: boolean;
  expiresAt: number | undefined;
}
declare const counter: Algorithm<Row, CounterCommand, CounterReply>;
declare function counterValue(reply: CounterReply): number;
interface CursorPolicy {
  readonly p: number;
  readonly q: number;
  readonly capacityUnits: number;
}
type CursorAlgorithmCommand = {
  readonly policy: CursorPolicy;
  readonly cost?: number;
  readonly maxWaitMs?: number;
} | {
  readonly policy: CursorPolicy;
  readonly refund: LimitTicket;
}  | {
  readonly policy: CursorPolicy;
  readonly pauseMs: number;
} | {
  readonly policy: CursorPolicy;
  readonly reset: true;
};
declare const cursor: Algorithm<Row, CursorAlgorithmCommand, CursorReply>;
type FillLockCommand = {
  readonly type: "open";
  readonly lockMs: number;
} | {
  readonly type: "renew";
  readonly token: number;
  readonly lockMs: number;
}  | {
  readonly type: "close";
  readonly token: number;
} | {
  readonly type: "void";
};
interface FillLockReply {
  ok: boolean;
  token: number;
  waitMs: number;
}
declare const fillLock: Algorithm<Row, FillLockCommand, FillLockReply>;
interface FixedWindowPolicy {
  readonly max: number;
  readonly windowMs: number;
}
type FixedWindowCommand = LimitCommand<FixedWindowPolicy> | {
  readonly cost: number;
  readonly policy: FixedWindowPolicy;
  readonly force: true;
};
interface FixedWindowDecision extends LimitDecision {
  count: number;
  resetAt: number;
}
declare const fixedWindow: Algorithm<Row, FixedWindowCommand, FixedWindowDecision>;
interface LeaseHolder {
  readonly token: string;
  readonly expiresAt: number;
  readonly fence: number;
}
interface LeaseSetState {
  readonly holders: readonly LeaseHolder[];
  readonly lastFence: number;
  readonly until: number;
  readonly seen: number;
}
type LeaseCommand = {
  readonly token: string;
  readonly limit: number;
  readonly ttlMs: number;
}  | {
  readonly renew: string;
  readonly ttlMs: number;
} | {
  readonly release: string;
};
declare const leaseSet: Algorithm<LeaseSetState, LeaseCommand, LeaseReply>;
declare function checkLeaseCommand(command: LeaseCommand): LeaseCommand;
interface SlidingLogPolicy {
  readonly max: number;
  readonly windowMs: number;
}
interface SlidingLogState {
  readonly era: number;
  readonly pairs: readonly number[];
}
declare const slidingLog: Algorithm<SlidingLogState, LimitCommand<SlidingLogPolicy>, LimitDecision>;
interface SlidingWindowPolicy {
  readonly max: number;
  readonly windowMs: number;
  readonly bucketMs: number;
  readonly span: number;
}
interface SlidingWindowState {
  readonly era: number;
  readonly head: number;
  readonly count: number;
  readonly sum: number;
  readonly older: readonly number[];
}
declare const slidingWindow: Algorithm<SlidingWindowState, LimitCommand<SlidingWindowPolicy>, LimitDecision>;
interface BucketPolicy {
  readonly limit: number;
  readonly p: number;
  readonly q: number;
  readonly capacityUnits: number;
  readonly debtUnits: number;
}
declare const tokenBucket: Algorithm<Row, LimitCommand<BucketPolicy>, LimitDecision>;
interface ValueState {
  readonly text?: string;
  readonly count?: number;
  readonly expiresAt?: number;
  readonly rev: number;
  readonly seen: number;
}
type ValueCommand = {
  readonly type: "get";
}  | {
  readonly type: "set";
  readonly text: string | undefined;
  readonly ttlMs?: number;
} | {
  readonly type: "delete";
}  | {
  readonly type: "compareAndSet";
  readonly expected: string | undefined;
  readonly text: string | undefined;
  readonly ttlMs?: number;
} | {
  readonly type: "add";
  readonly by: number;
  readonly ttlMs?: number;
};
interface ValueReply {
  readonly ok: boolean;
  readonly text?: string;
  readonly count?: number;
  readonly rev: number;
}
declare const value: Algorithm<ValueState, ValueCommand, ValueReply | StoreError>;
interface CompiledLimit<Policy = any> {
  readonly algorithm: Algorithm<unknown, LimitCommand<Policy>, LimitDecision>;
  readonly policy: Policy;
  readonly keySuffix: string;
  readonly limit: number;
  readonly horizonMs: number;
}
interface CompiledLimits {
  readonly algorithm: Algorithm<unknown, AllOfCommand, AllOfDecision>;
  readonly policies: readonly unknown[];
  readonly members: readonly CompiledLimit[];
  readonly keySuffix: string;
}
declare function compileLimit(policy: LimitPolicy): CompiledLimit;
declare function compileLimits(policies: readonly LimitPolicy[]): CompiledLimits;
declare function tokenRateLimit(options: {
  readonly capacity: number;
  readonly tokensPerSecond: number;
  readonly maxDebt?: number;
}): CompiledLimit<BucketPolicy>;
type CalendarUnit = "day" | "week" | "month" | "year";
type CalendarLimitOptions = {
  readonly max: number;
  readonly windowMs: number;
  readonly offsetMs?: number;
} | {
  readonly max: number;
  readonly unit: CalendarUnit;
  readonly timeZone: string;
  readonly boundaries: readonly [number, number, number];
};
declare function calendarLimit(options: CalendarLimitOptions): CompiledLimit<CalendarWindowPolicy>;
declare function zoneBoundaries(unit: CalendarUnit, timeZone: string, now: number): [number, number, number];
interface GuardOptions {
  readonly timeoutMs?: number;
  readonly threshold?: number;
  readonly cooldownMs?: number;
  readonly maxCooldownMs?: number;
  readonly maxInFlight?: number;
  readonly name?: string;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly onChange?: (event: GuardEvent) => void;
}
type GuardState = "up" | "suspended" | "probing";
interface GuardEvent {
  readonly type: "store.down" | "store.up" | "store.error";
  readonly store: string;
  readonly code: string;
  readonly suppressed: number;
}
interface GuardCallOptions<T = unknown> {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly abortable?: boolean;
  readonly validate?: (value: T) => boolean;
}
interface GuardStats {
  readonly state: GuardState;
  readonly calls: number;
  readonly failures: number;
  readonly timeouts: number;
  readonly refused: number;
  readonly inFlight: number;
}
interface Guard {
  readonly name: string;
  readonly state: GuardState;
  readonly events: EventSource<GuardEvent>;
  call<T>(operation: string, run: (signal: AbortSignal | undefined) => MaybePromise<T>, options?: GuardCallOptions<T>): MaybePromise<T>;
  refusal(): StoreError | undefined;
  stats(): GuardStats;
}
declare function guard(store: object, options?: GuardOptions): Guard;
interface CombinerOptions {
  readonly maxQueued?: number;
  readonly maxBatchKeys?: number;
  readonly maxBatchCommands?: number;
  readonly lanes?: number;
  readonly timeoutMs?: number;
  readonly guard?: Guard;
  readonly clock?: Clock;
}
interface CombinerCallOptions<R = Reply> {
  readonly signal?: AbortSignal;
  readonly deadlineMs?: number;
  readonly onLateReply?: (reply: R) => void;
}
interface CombinerStats {
  readonly commands: number;
  readonly batches: number;
  readonly keysPerBatch: number;
  readonly commandsPerKey: number;
  readonly queueMs: number;
  readonly wireMs: number;
  readonly dropped: number;
  readonly queued: number;
  readonly onWire: number;
}
interface Combiner {
  run<State, Command, R>(algorithm: Algorithm<State, Command, R>, key: string, command: Command, options?: CombinerCallOptions<R>): MaybePromise<R>;
  stats(): CombinerStats;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
declare function createCombiner(driver: StateDriver, options?: CombinerOptions): Combiner;
interface LimitLeaseCommand<Policy = unknown> {
  readonly lease: number;
  readonly least?: number;
  readonly waiting?: number;
  readonly divisor: number;
  readonly waitForReplicas?: number;
  readonly ttlMs: number;
  readonly policy: Policy;
}
interface LimitLeaseGrant {
  readonly granted: number;
  readonly ttlMs: number;
  readonly limit: number;
  readonly remaining: number;
  readonly retryAfterMs: number | null;
  readonly resetAfterMs: number;
  readonly ticket?: LimitTicket;
}
type LeasedAlgorithm<State = unknown, Policy = unknown> = Algorithm<State, LimitCommand<Policy> | LimitLeaseCommand<Policy>, LimitDecision | LimitLeaseGrant>;
declare const leasedFixedWindow: LeasedAlgorithm<readonly number[], FixedWindowPolicy>;
declare const leasedTokenBucket: LeasedAlgorithm<readonly number[], BucketPolicy>;
declare const leasedSlidingWindow: LeasedAlgorithm<SlidingWindowState, SlidingWindowPolicy>;
interface LeaseOptions {
  readonly targetMs?: number;
  readonly guardMs?: number;
  readonly drift?: number;
  readonly divisor?: number;
  readonly maxTokens?: number;
  readonly denyCacheMs?: number;
  readonly waitForReplicas?: number;
  readonly returnUnspent?: boolean;
}
interface LeasedDecision extends LimitDecision {
  source: "store" | "lease" | "local";
  degraded: boolean;
}
interface LeaseStats {
  readonly granted: number;
  readonly spent: number;
  readonly returned: number;
  readonly expired: number;
  readonly held: number;
  readonly inFlight: number;
  readonly roundTrips: number;
  readonly deniedCached: number;
  readonly degraded: number;
  readonly epochChanges: number;
}
interface LeaseEvent {
  readonly type: "lease.epoch";
  readonly store: string;
  readonly scope: "store" | "key";
}
type LeaseDriver = StateDriver & {
  readonly runId?: string;
  readonly holders?: number;
};
interface LeasedLimiterOptions {
  readonly driver: LeaseDriver;
  readonly limit: LimitPolicy | CompiledLimit;
  readonly lease?: true | LeaseOptions;
  readonly combiner?: Pick<Combiner, "run">;
  readonly failMode?: "local" | "open" | "closed";
  readonly instances?: number;
  readonly maxCost?: number;
  readonly maxKeys?: number;
  readonly maxWaiting?: number;
  readonly clock?: Clock;
  readonly name?: (key: string) => string;
}
interface LeasedLimiter {
  readonly limit: CompiledLimit;
  readonly events: EventSource<LeaseEvent>;
  check(key: string, cost?: number, signal?: AbortSignal): MaybePromise<LeasedDecision>;
  stats(): LeaseStats;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
declare function createLeasedLimiter(options: LeasedLimiterOptions): LeasedLimiter;
interface Stored<Revision> {
  readonly bytes: Uint8Array | undefined;
  readonly revision: Revision;
  readonly writtenAt?: number;
}
interface RevisionStore<Revision = unknown> {
  read(key: string): Promise<Stored<Revision>>;
  write(key: string, bytes: Uint8Array | undefined, revision: Revision, expiresAt: number | undefined): Promise<boolean>;
  readMany?(keys: readonly string[]): Promise<readonly Stored<Revision>[]>;
  writeMany?(writes: readonly RevisionWrite<Revision>[]): Promise<boolean>;
}
interface RevisionWrite<Revision> {
  readonly key: string;
  readonly bytes: Uint8Array | undefined;
  readonly revision: Revision;
  readonly expiresAt: number | undefined;
}
interface ClockStep {
  readonly type: "clock.step";
  readonly behindMs: number;
}
type Flights = Map<string, Promise<void>>;
interface CompareAndSetOptions {
  readonly maxValueBytes: number;
  readonly maxTries?: number;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly flights?: Flights;
}
interface Change<R> {
  readonly reply: R;
  readonly write?: {
    readonly bytes: Uint8Array | undefined;
    readonly expiresAt: number | undefined;
  };
}
declare class CompareAndSet<Revision> {
  #private;
  constructor(store: RevisionStore<Revision>, options: CompareAndSetOptions);
  get events(): EventSource<ClockStep>;
  run(key: string, operation: Operation, signal?: AbortSignal): Promise<Reply[]>;
  runMany(keys: readonly string[], operations: readonly Operation[], signal?: AbortSignal): Promise<Reply[][]>;
  update<R>(key: string, decide: (stored: Stored<Revision>) => Change<R>, signal?: AbortSignal): Promise<R>;
  keyNow(...stamps: readonly (number | undefined)[]): number;
}
interface CompiledPace {
  readonly policy: CursorPolicy;
  readonly keySuffix: string;
}
type PaceOptions = ({
  readonly spacingMs: number;
}  | {
  readonly count: number;
  readonly periodMs: number;
}) & {
  readonly burst?: number;
};
declare function compilePace(options: PaceOptions): CompiledPace;
interface StateRecord<State> {
  readonly state: State;
  readonly expiresAt: number | undefined;
  readonly stamp: number | undefined;
}
declare function encodeRecord<State>(algorithm: Algorithm<State>, state: State, expiresAt?: number, stamp?: number): Uint8Array;
declare function decodeRecord<State>(algorithm: Algorithm<State>, bytes: Uint8Array): StateRecord<State>;
type CacheBlobs = Pick<StateDriver, "get" | "set" | "delete">;
type Run = <State, Command, R>(algorithm: Algorithm<State, Command, R>, key: string, command: Command, options?: CombinerCallOptions<R>) => MaybePromise<R>;
interface CacheStoreOptions {
  readonly prefix?: string;
  readonly maxEntryBytes?: number;
  readonly inlineBytes?: number;
  readonly run?: Run;
  readonly blobs?: CacheBlobs;
  readonly onDestroy?: () => void;
  readonly clock?: Clock;
  readonly random?: Random;
}
interface DriverCacheStore extends CacheStore {
  get(key: string): Promise<Response | undefined>;
  put(key: string, response: Response, ttlSeconds: number): Promise<void>;
  delete(key: string): Promise<boolean>;
  read(key: string): Promise<CacheRecord | undefined>;
  write(key: string, record: CacheRecord, fillToken?: string, lockedKey?: string): Promise<void>;
  lock(key: string, lockMs: number): Promise<CacheFill>;
  unlock(key: string, token: string): Promise<void>;
  open(key: string, lockMs: number): Promise<CacheOpening>;
  purge(target: CachePurge): Promise<number>;
  readonly capabilities: DriverCapabilities;
  destroy(): void;
}
declare function cacheStoreOn(driver: StateDriver, options?: CacheStoreOptions): DriverCacheStore;
interface CircuitBreakerStoreOptions {
  readonly prefix?: string;
  readonly policy?: Partial<CircuitPolicy>;
  readonly random?: Random;
  readonly run?: Run;
}
interface DriverCircuitBreakerStore extends CircuitBreakerStore {
  acquire(key: string, policy: CircuitPolicy): MaybePromise<CircuitPermit | CircuitRefusal>;
  report(key: string, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome): MaybePromise<CircuitTransition | undefined>;
  isolate(key: string): MaybePromise<CircuitBreakerSnapshot>;
  disable(key: string): MaybePromise<CircuitBreakerSnapshot>;
  readonly capabilities: DriverCapabilities;
}
declare function circuitBreakerStoreOn(driver: StateDriver, options?: CircuitBreakerStoreOptions): DriverCircuitBreakerStore;
interface KeyValueStoreOptions {
  readonly keyPrefix?: string;
  readonly run?: Run;
  readonly deadlineMs?: number;
  readonly onClose?: () => Promise<void>;
}
interface KeyValueStore extends Required<StitchStore> {
  readonly capabilities: DriverCapabilities;
  [Symbol.asyncDispose](): Promise<void>;
}
declare function keyValueStoreOn(driver: StateDriver, options?: KeyValueStoreOptions): KeyValueStore;
interface StoreLeaseOptions extends LeaseOptions {
  readonly maxCost?: number;
  readonly clock?: Clock;
}
interface RateLimitStoreOptions {
  readonly prefix?: string;
  readonly run?: Run;
  readonly lease?: true | StoreLeaseOptions;
  readonly onDestroy?: () => void;
}
interface DriverRateLimitStore extends RateLimitStore {
  check(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision>;
  checkAll(key: string, policies: readonly LimitPolicy[], cost: number): MaybePromise<LimitDecision[]>;
  reserve(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision>;
  settle(key: string, policy: LimitPolicy, ticket: LimitTicket | undefined, actual: number): MaybePromise<LimitDecision>;
  readonly capabilities: DriverCapabilities;
  leaseStats?(): LeaseStats;
  destroy(): void;
  [Symbol.asyncDispose](): Promise<void>;
}
declare function rateLimitStoreOn(driver: StateDriver, options?: RateLimitStoreOptions): DriverRateLimitStore;
interface RateLimiterOptions {
  readonly prefix?: string;
  readonly run?: Run;
  readonly lease?: true | StoreLeaseOptions;
  readonly onDispose?: () => void;
}
interface DriverRateLimiter extends RateLimiter {
  dispose(): void;
  [Symbol.asyncDispose](): Promise<void>;
}
interface SyncRateLimiter extends DriverRateLimiter {
  consumeSync(key: string, cost: number): RateLimitDecision;
}
declare function rateLimiterOn(driver: StateDriver, policy: TokenBucketPolicy, options?: RateLimiterOptions): DriverRateLimiter;
interface StoresOptions {
  readonly prefix?: string;
  readonly combiner?: CombinerOptions;
  readonly lease?: true | StoreLeaseOptions;
  readonly circuit?: Omit<CircuitBreakerStoreOptions, "prefix" | "run">;
}
interface Stores {
  readonly rateLimitStore: DriverRateLimitStore;
  readonly circuitBreakerStore: DriverCircuitBreakerStore;
  readonly store: KeyValueStore;
  rateLimiter(policy: TokenBucketPolicy): DriverRateLimiter;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
declare function createStores(driver: StateDriver, options?: StoresOptions): Stores;
export { Algorithm, type AllOfCommand, type AllOfDecision, type AllOfTicket, ApproximateRateLimitStore, type BucketPolicy, type CacheBlobs, CacheFill, CacheOpening, CachePurge, CacheRecord, CacheStore, type CacheStoreOptions, type CalendarLimitOptions, type CalendarUnit, type CalendarWindowDecision, type CalendarWindowPolicy, type Change, CircuitBreakerSnapshot, CircuitBreakerStore, type CircuitBreakerStoreOptions, type CircuitCommand, CircuitOutcome, CircuitPermit, CircuitPolicy, CircuitRefusal, type CircuitReply, type CircuitReport, CircuitState, CircuitTransition, type Clock, type ClockStep, type Combiner, type CombinerCallOptions, type CombinerOptions, type CombinerStats, CompactState, CompareAndSet, type CompareAndSetOptions, type CompiledLimit, type CompiledLimits, type CompiledPace, type CounterCommand, type CounterReply, type CursorAlgorithmCommand, CursorCommand, type CursorPolicy, CursorReply, type DriverCacheStore, DriverCapabilities, type DriverCircuitBreakerStore, type DriverRateLimitStore, type DriverRateLimiter, type EventSink, type EventSource, type FillLockCommand, type FillLockReply, type FixedWindowCommand, type FixedWindowDecision, type FixedWindowPolicy, type Flights, GatewayAdapter, type Guard, type GuardCallOptions, type GuardEvent, type GuardOptions, type GuardState, type GuardStats, type KeyValueStore, type KeyValueStoreOptions, type LeaseCommand, type LeaseDriver, type LeaseEvent, type LeaseHolder, type LeaseOptions, LeaseReply, type LeaseSetState, type LeaseStats, type LeasedAlgorithm, type LeasedDecision, type LeasedLimiter, type LeasedLimiterOptions, LimitCommand, LimitDecision, type LimitLeaseCommand, type LimitLeaseGrant, LimitPolicy, LimitTicket, type MaybePromise, Operation, OptionError, type Outcome, type PaceOptions, PubSub, PubSubAdapter, PublishReport, PublishResult, type Random, RateLimitDecision, RateLimitPolicy, RateLimitStore, type RateLimitStoreOptions, RateLimiter, type RateLimiterOptions, Reply, type RevisionStore, RowMachine, type Run, RunOptions, SerializedMessage, type SlidingLogPolicy, type SlidingLogState, type SlidingWindowPolicy, type SlidingWindowState, SluiceError, type SluiceErrorOptions, StateDriver, type StateErrorCode, type StateRecord, Step, StitchStore, StoreError, type StoreLeaseOptions, type Stored, type Stores, type StoresOptions, type SyncRateLimiter, SyncTable, type TimerHandle, TokenBucketPolicy, type ValueCommand, type ValueReply, type ValueState, allOf, cacheStoreOn, calendarLimit, calendarWindow, checkLeaseCommand, circuit, circuitBreakerStoreOn, circuitPolicy, compileLimit, compileLimits, compilePace, counter, counterValue, createCombiner, createLeasedLimiter, createLeasedLimiter as lease, createStores, cursor, decodeRecord, defineAlgorithm, encodeRecord, fillLock, fixedWindow, guard, isSluiceError, keyValueStoreOn, leaseSet, leasedFixedWindow, leasedSlidingWindow, leasedTokenBucket, rateLimitStoreOn, rateLimiterOn, slidingLog, slidingWindow, tokenBucket, tokenRateLimit, value, zoneBoundaries };
