// sluice/testing

type MaybePromise<T> = T | Promise<T>;
interface ContractViolation {
  readonly rule: string;
  readonly detail: string;
  readonly seed?: number;
}
interface ContractReport {
  readonly name: string;
  readonly ok: boolean;
  readonly passed: string[];
  readonly violations: ContractViolation[];
  readonly skipped: {
    readonly rule: string;
    readonly reason: string;
  }[];
}
interface DrivenClock {
  now(): number;
  advance(ms: number): unknown;
  step?(ms: number): void;
}
interface ContractOptions {
  readonly ttlMs?: number;
  readonly clock?: DrivenClock;
  readonly skip?: Readonly<Record<string, string>>;
  readonly only?: readonly string[];
  readonly seed?: number;
  readonly timeoutMs?: number;
  readonly shared?: boolean;
}
declare class ConformanceError extends Error {
  readonly report: ContractReport;
  constructor(report: ContractReport);
  get name(): string;
}
declare function assertConformance(report: ContractReport): void;
declare function describeReport(report: ContractReport): string;
type TimerHandle = unknown;
interface Clock {
  now(): number;
  monotonic(): number;
  setTimeout(callback: () => void, delayMs: number, keepAlive?: boolean): TimerHandle;
  clearTimeout(handle: TimerHandle): void;
}
type Fault = {
  readonly kind: "delay";
  readonly ms: number;
}  | {
  readonly kind: "fail";
  readonly error?: unknown;
}  | {
  readonly kind: "drop";
  readonly error?: unknown;
}  | {
  readonly kind: "hang";
  readonly effect?: boolean;
}  | {
  readonly kind: "garbage";
  readonly value: unknown;
  readonly effect?: boolean;
};
interface FaultCall {
  readonly method: string;
  readonly args: readonly unknown[];
  readonly nth: number;
  readonly total: number;
}
interface FaultRule {
  readonly method?: string | readonly string[];
  readonly nth?: number;
  readonly every?: number;
  readonly fault: Fault;
}
type FaultScript = readonly FaultRule[] | ((call: FaultCall) => Fault | undefined);
interface FailingStoreOptions {
  readonly clock?: Clock;
}
declare function failingStore<T extends object>(target: T, script: FaultScript, options?: FailingStoreOptions): T;
interface ManualClockOptions {
  readonly now?: number;
}
interface ManualClock extends Clock {
  readonly pendingTimers: number;
  readonly nextTimerMs: number | undefined;
  advance(ms: number): void;
  advanceAsync(ms: number): Promise<void>;
  step(ms: number): void;
}
declare function manualClock(options?: ManualClockOptions): ManualClock;
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
  readonly multiKey?: boolean;
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
interface RateLimitStore {
  increment(key: string, windowSeconds: number): MaybePromise<{
    count: number;
    resetAt: number;
  }>;
  check?(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision>;
  checkAll?(key: string, policies: readonly LimitPolicy[], cost: number): MaybePromise<LimitDecision[]>;
  readonly capabilities?: Partial<DriverCapabilities>;
  destroy?(): void;
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
interface CacheStore {
  get(key: string): MaybePromise<Response | undefined | null>;
  put(key: string, response: Response, ttlSeconds: number): MaybePromise<void>;
  delete(key: string): MaybePromise<boolean>;
  read?(key: string): MaybePromise<CacheRecord | undefined>;
  write?(key: string, record: CacheRecord, fillToken?: string, lockedKey?: string): MaybePromise<void>;
  lock?(key: string, lockMs: number): MaybePromise<CacheFill>;
  unlock?(key: string, token: string): MaybePromise<void>;
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
interface ScriptedDriverOptions {
  readonly clock?: Clock;
  readonly answer?: "hand" | "async" | "sync";
  readonly capabilities?: Partial<DriverCapabilities>;
  readonly name?: string;
}
interface ScriptedBatch {
  readonly operations: readonly Operation[];
  readonly commands: readonly unknown[];
  readonly signal: AbortSignal | undefined;
  readonly settled: boolean;
  apply(): Reply[][];
  answer(): void;
  resolve(replies: unknown): void;
  reject(error: unknown): void;
}
interface ScriptedDriver extends StateDriver {
  readonly answerMode: "hand" | "async" | "sync";
  readonly batches: readonly ScriptedBatch[];
  readonly pending: readonly ScriptedBatch[];
  readonly closed: boolean;
  flush(): void;
}
declare function scriptedDriver(options?: ScriptedDriverOptions): ScriptedDriver;
interface Random {
  next(): number;
  uuid(): string;
}
interface SeededRandom extends Random {
  readonly seed: number;
  integer(min: number, max: number): number;
}
declare function seededRandom(seed: number): SeededRandom;
interface CommandSource<Reply> {
  random(): number;
  pick(low: number, high: number): number;
  readonly replies: readonly Reply[];
}
interface VerifyAlgorithmOptions<Command, Reply> {
  readonly commands: readonly Command[] | ((source: CommandSource<Reply>) => Command);
  readonly seed?: number;
  readonly histories?: number;
  readonly steps?: number;
  readonly startAt?: number;
  readonly isRefusal?: (reply: Reply) => boolean;
  readonly isPeek?: (command: Command) => boolean;
  readonly invalid?: readonly Command[];
  readonly comparable?: (reply: Reply) => unknown;
  readonly skip?: Readonly<Record<string, string>>;
}
declare function verifyAlgorithm<State, Command, Reply>(algorithm: Algorithm<State, Command, Reply>, options: VerifyAlgorithmOptions<Command, Reply>): Promise<ContractReport>;
interface CacheStoreContractOptions extends ContractOptions {
  readonly bounded?: (maxEntries: number) => MaybePromise<CacheStore>;
  readonly exclusive?: boolean;
}
declare const cacheStoreContractRules: readonly string[];
declare function verifyCacheStoreContract(makeStore: () => MaybePromise<CacheStore>, options?: CacheStoreContractOptions): Promise<ContractReport>;
type CircuitBreakerStoreContractOptions = ContractOptions;
declare const circuitBreakerStoreContractRules: readonly string[];
declare function verifyCircuitBreakerStoreContract(makeStore: () => MaybePromise<CircuitBreakerStore>, options?: CircuitBreakerStoreContractOptions): Promise<ContractReport>;
type DriverContractOptions = ContractOptions;
declare const driverContractRules: readonly string[];
declare function verifyDriverContract(makeDriver: () => MaybePromise<StateDriver>, options?: DriverContractOptions): Promise<ContractReport>;
interface PubSubContractOptions extends ContractOptions {
  readonly idle?: (pubsub: PubSub) => boolean | Promise<boolean>;
}
declare const pubSubContractRules: readonly string[];
declare function verifyPubSubContract(makePubSub: () => MaybePromise<PubSub>, options?: PubSubContractOptions): Promise<ContractReport>;
interface RateLimitStoreContractOptions extends ContractOptions {
  readonly bounded?: (maxKeys: number) => MaybePromise<RateLimitStore>;
}
declare const rateLimitStoreContractRules: readonly string[];
declare function verifyRateLimitStoreContract(makeStore: () => MaybePromise<RateLimitStore>, options?: RateLimitStoreContractOptions): Promise<ContractReport>;
interface RateLimiterContractOptions extends ContractOptions {
  readonly bounded?: (policy: TokenBucketPolicy, maxKeys: number) => MaybePromise<RateLimiter>;
}
declare const rateLimiterContractRules: readonly string[];
declare function verifyRateLimiterContract(makeLimiter: (policy: TokenBucketPolicy) => MaybePromise<RateLimiter>, options?: RateLimiterContractOptions): Promise<ContractReport>;
interface StoreContractOptions extends ContractOptions {
  readonly foreign?: (key: string, text: string) => MaybePromise<void>;
  readonly prefixed?: (prefix: string) => MaybePromise<StitchStore>;
  readonly bounded?: (maxEntries: number) => MaybePromise<StitchStore>;
}
declare const storeContractRules: readonly string[];
declare function verifyStoreContract(makeStore: () => MaybePromise<StitchStore>, options?: StoreContractOptions): Promise<ContractReport>;
export { type CacheStoreContractOptions, type CircuitBreakerStoreContractOptions, type CommandSource, ConformanceError, type ContractOptions, type ContractReport, type ContractViolation, type DrivenClock, type DriverContractOptions, type FailingStoreOptions, type Fault, type FaultCall, type FaultRule, type FaultScript, type ManualClock, type ManualClockOptions, type PubSubContractOptions, type RateLimitStoreContractOptions, type RateLimiterContractOptions, type ScriptedBatch, type ScriptedDriver, type ScriptedDriverOptions, type SeededRandom, type StoreContractOptions, type VerifyAlgorithmOptions, assertConformance, cacheStoreContractRules, circuitBreakerStoreContractRules, describeReport, driverContractRules, failingStore, manualClock, pubSubContractRules, rateLimitStoreContractRules, rateLimiterContractRules, scriptedDriver, seededRandom, storeContractRules, verifyAlgorithm, verifyCacheStoreContract, verifyCircuitBreakerStoreContract, verifyDriverContract, verifyPubSubContract, verifyRateLimitStoreContract, verifyRateLimiterContract, verifyStoreContract };
