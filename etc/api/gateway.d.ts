// sluice/gateway

import { Context, Hono } from "hono";
type TimerHandle = unknown;
interface Clock {
  now(): number;
  monotonic(): number;
  setTimeout(callback: () => void, delayMs: number, keepAlive?: boolean): TimerHandle;
  clearTimeout(handle: TimerHandle): void;
}
type EventSink<Event> = (event: Event) => void;
interface EventSource<Event> {
  on(sink: EventSink<Event>): () => void;
}
interface Events<Event> extends EventSource<Event> {
  emit(event: Event): void;
  readonly active: boolean;
}
interface Random {
  next(): number;
  uuid(): string;
}
type MaybePromise<T> = T | Promise<T>;
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
type Reply = unknown;
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
interface GatewayAdapter {
  rateLimitStore?: RateLimitStore;
  circuitBreakerStore?: CircuitBreakerStore;
  cacheStore?: CacheStore;
  waitUntil?: (promise: Promise<unknown>) => void;
  dispatchBinding?: (service: string, request: Request) => Promise<Response>;
  store?: StitchStore;
  pubsub?: PubSub;
  rateLimiter?(policy: TokenBucketPolicy): RateLimiter;
  close?(): Promise<void>;
}
type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "QUERY";
interface GatewayConfig {
  readonly routes: readonly RouteConfig[];
  readonly name?: string;
  readonly basePath?: string;
  readonly policies?: readonly Policy[];
  readonly adapter?: GatewayAdapter;
  readonly onError?: (error: unknown, c: Context) => MaybePromise<Response>;
  readonly debug?: boolean | string;
  readonly requestIdHeader?: string;
  readonly trustRequestId?: boolean;
  readonly defaultMethods?: readonly HttpMethod[];
  readonly trailingSlash?: "alias" | "redirect" | "strict";
  readonly defaultErrorMessage?: string;
  readonly defaultPolicyPriority?: number;
  readonly trustProxy?: TrustProxy;
  readonly stores?: StoreOptions;
  readonly unmatchedPolicies?: readonly Policy[];
  readonly clock?: Clock;
  readonly random?: Random;
}
type TrustProxy = false | number | readonly string[] | ((address: string) => boolean);
interface StoreOptions {
  readonly timeoutMs?: number;
  readonly putTimeoutMs?: number;
  readonly guard?: {
    readonly threshold?: number;
    readonly cooldownMs?: number;
    readonly maxCooldownMs?: number;
  };
}
interface RouteConfig {
  readonly path: string;
  readonly methods?: readonly HttpMethod[];
  readonly pipeline: PipelineConfig;
  readonly metadata?: Readonly<Record<string, unknown>>;
}
interface PipelineConfig {
  readonly policies?: readonly Policy[];
  readonly upstream: UpstreamConfig;
}
type UpstreamConfig = UrlUpstream | HandlerUpstream;
interface UrlUpstream {
  readonly type: "url";
  readonly target: string | ((c: Context) => MaybePromise<string | URL>);
  readonly allowOrigins?: readonly string[];
  readonly rewritePath?: (path: string) => string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly connectTimeoutMs?: number;
  readonly headersTimeoutMs?: number;
  readonly idleBodyTimeoutMs?: number;
  readonly forwarded?: "x-forwarded" | "rfc7239" | "both" | false;
  readonly via?: boolean;
  readonly preserveHost?: boolean;
  readonly rewriteLocation?: boolean;
  readonly maxResponseBytes?: number;
}
interface HandlerUpstream {
  readonly type: "handler";
  readonly handler: (c: Context) => MaybePromise<Response>;
}
interface GatewayInstance {
  readonly app: Hono;
  readonly fetch: (request: Request, env?: unknown, ctx?: unknown) => MaybePromise<Response>;
  readonly name: string;
  readonly routeCount: number;
  readonly events: EventSource<GatewayEvent>;
  readonly cache: {
    purge(target: PurgeTarget): Promise<{
      purged: number;
    }>;
  };
  update(config: GatewayConfig): Promise<{
    added: string[];
    removed: string[];
    changed: string[];
  }>;
  close(options?: {
    readonly graceMs?: number;
  }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  readonly _registry: GatewayRegistry;
}
type PurgeTarget = {
  readonly url: string;
} | {
  readonly tags: readonly string[];
} | {
  readonly prefix: string;
} | {
  readonly all: true;
};
interface GatewayRegistry {
  readonly gatewayName: string;
  readonly routes: readonly {
    readonly path: string;
    readonly methods: readonly string[];
    readonly policies: readonly string[];
    readonly upstream: string;
  }[];
  readonly policies: readonly {
    readonly name: string;
    readonly priority: number;
    readonly routes: readonly string[];
  }[];
}
type GatewayEvent = {
  readonly type: "store.down" | "store.up";
  readonly store: string;
  readonly policy: string;
  readonly code?: string;
  readonly suppressed?: number;
} | {
  readonly type: "store.error";
  readonly store: string;
  readonly policy: string;
  readonly code: string;
  readonly mode: FailMode;
} | {
  readonly type: "store.missing" | "store.limited" | "policy.warning";
  readonly policy: string;
  readonly message: string;
} | {
  readonly type: "circuit";
  readonly key: string;
  readonly from: string;
  readonly to: string;
} | {
  readonly type: "error";
  readonly code: string;
  readonly requestId: string;
  readonly error: unknown;
} | {
  readonly type: "background.error";
  readonly error: unknown;
} | {
  readonly type: "client-address.unknown";
};
type FailMode = "open" | "closed" | "local";
type Next = () => Promise<void>;
type PolicyHandler = (c: Context, next: Next) => MaybePromise<Response | void>;
interface Policy {
  readonly name: string;
  readonly handler: PolicyHandler;
  readonly priority?: number;
  readonly guard?: boolean;
  readonly preflight?: boolean;
  readonly bind?: (site: PolicySite) => BoundPolicy;
}
interface BoundPolicy {
  readonly handler: PolicyHandler;
  readonly dispose?: () => MaybePromise<void>;
  readonly purge?: (target: PurgeTarget) => MaybePromise<number>;
}
interface PolicySite {
  readonly gatewayName: string;
  readonly scopeKey: string;
  readonly policyName: string;
  readonly routePath: string;
  readonly upstream: string;
  readonly adapter: GatewayAdapter | undefined;
  readonly local: LocalStores;
  readonly stores: Required<Pick<StoreOptions, "timeoutMs" | "putTimeoutMs">> & {
    readonly guard: Required<NonNullable<StoreOptions["guard"]>>;
  };
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events<GatewayEvent>;
}
interface LocalStores {
  readonly rateLimitStore: RateLimitStore;
  readonly circuitBreakerStore: CircuitBreakerStore;
  readonly cacheStore: CacheStore;
}
interface PolicyOptions {
  readonly name?: string;
  readonly priority?: number;
  readonly skip?: (c: Context) => MaybePromise<boolean>;
}
type DebugLogger = (message: string, ...args: unknown[]) => void;
interface Identity {
  readonly scheme: string;
  readonly id: string;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly roles?: readonly string[];
  readonly permissions?: readonly string[];
  readonly scopes?: readonly string[];
}
interface PolicyContext {
  readonly requestId: string;
  readonly startTime: number;
  readonly gatewayName: string;
  readonly routePath: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly debug: (namespace: string) => DebugLogger;
  readonly adapter: GatewayAdapter | undefined;
  readonly clientIp: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly path: string;
  identity?: Identity;
  signal: AbortSignal;
  readonly waitUntil: (promise: Promise<unknown>) => void;
  readonly detached?: (policyName: string, request: Request) => Promise<Response>;
  readonly upstream: string;
  readonly chooseTarget?: (() => MaybePromise<string>) | undefined;
  upstreamTarget: string | undefined;
  upstreamCalls: number;
  upstreamStatus: number | undefined;
  upstreamError: unknown;
  upstreamGate: (() => void) | undefined;
  readonly awaitsClient: boolean;
  readonly clientAddress: (ipHeaders: readonly string[]) => string;
  readonly onBodyEnd: (callback: (end: {
    readonly bytes: number;
    readonly aborted: boolean;
  }) => void) => void;
}
declare function createGateway(config: GatewayConfig): GatewayInstance;
interface ScopeConfig {
  readonly prefix: string;
  readonly policies?: readonly Policy[];
  readonly routes: readonly RouteConfig[];
  readonly metadata?: Readonly<Record<string, unknown>>;
}
declare function scope(config: ScopeConfig): RouteConfig[];
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
declare function getGatewayContext(c: Context): PolicyContext | undefined;
interface PolicyDefinition<Config extends object, State> {
  readonly name: string;
  readonly priority?: number;
  readonly guard?: boolean;
  readonly preflight?: boolean;
  readonly defaults?: Partial<Config>;
  readonly validate?: (config: Config) => void;
  readonly setup?: (config: Config, site: PolicySite) => State;
  readonly handler: (c: Context, next: Next, tools: PolicyTools<Config, State>) => MaybePromise<Response | void>;
  readonly dispose?: (state: State) => MaybePromise<void>;
  readonly purge?: (state: State, target: PurgeTarget) => MaybePromise<number>;
}
interface PolicyTools<Config, State> {
  readonly config: Config;
  readonly state: State;
  readonly site: PolicySite;
  readonly gateway: PolicyContext;
  readonly debug: DebugLogger;
}
type PolicyFactory<Config> = Record<never, never> extends Config ? (config?: Config & PolicyOptions) => Policy : (config: Config & PolicyOptions) => Policy;
declare function definePolicy<Config extends object = PolicyOptions, State = undefined>(definition: PolicyDefinition<Config, State>): PolicyFactory<Config>;
declare const Priority: Readonly<{
  OBSERVABILITY: 0;
  IP_FILTER: 1;
  METRICS: 1;
  EARLY: 5;
  AUTH: 10;
  RATE_LIMIT: 20;
  CIRCUIT_BREAKER: 30;
  CACHE: 40;
  REQUEST_TRANSFORM: 50;
  TIMEOUT: 85;
  RETRY: 90;
  RESPONSE_TRANSFORM: 92;
  PROXY: 95;
  DEFAULT: 100;
  MOCK: 999;
}>;
declare const GATEWAY_ERROR_CODES: readonly ["bad_request", "not_found", "method_not_allowed", "rate_limited", "client_closed", "internal_error", "config_error", "policy_error", "policy_no_response", "handler_no_response", "method_not_implemented", "upgrade_unsupported", "upstream_error", "circuit_open", "store_unavailable", "gateway_closing", "gateway_timeout", "upstream_timeout", "cache_miss", "loop_detected"];
type GatewayErrorCode = (typeof GATEWAY_ERROR_CODES)[number];
interface GatewayErrorOptions {
  readonly cause?: unknown;
  readonly type?: string;
  readonly members?: Readonly<Record<string, unknown>>;
}
declare class GatewayError extends SluiceError<GatewayErrorCode | (string & {})> {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly type: string | undefined;
  readonly members: Readonly<Record<string, unknown>> | undefined;
  constructor(statusCode: number, code: GatewayErrorCode | (string & {}), message: string, headers?: Readonly<Record<string, string>>, options?: GatewayErrorOptions);
  get name(): string;
}
declare function isGatewayError(error: unknown): error is GatewayError;
declare function errorToResponse(error: unknown, requestId?: string, defaultMessage?: string): Response;
declare function defaultErrorResponse(requestId?: string, message?: string): Response;
declare const DEFAULT_IP_HEADERS: readonly string[];
interface ExtractClientIpOptions {
  readonly ipHeaders?: readonly string[];
  readonly trustedProxies?: readonly string[];
  readonly useRightmostForwardedIp?: boolean;
  readonly fallbackAddress?: string;
}
declare function extractClientIp(headers: Headers | Readonly<Record<string, string | undefined>>, options?: ExtractClientIpOptions): string;
interface SafeCallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}
declare function safeCall<T>(fn: () => MaybePromise<T>, fallback: T, debug?: DebugLogger, label?: string, options?: SafeCallOptions): Promise<T>;
declare function resolveConfig<Config extends object>(defaults: Partial<Config> | undefined, user?: Partial<Config> | null): Config;
declare function withSkip(skip: ((c: Context) => MaybePromise<boolean>) | undefined | null, handler: PolicyHandler): PolicyHandler;
declare class TestAdapter implements GatewayAdapter {
  #private;
  rateLimitStore: RateLimitStore | undefined;
  circuitBreakerStore: CircuitBreakerStore | undefined;
  cacheStore: CacheStore | undefined;
  store: StitchStore | undefined;
  pubsub: PubSub | undefined;
  rateLimiter: ((policy: TokenBucketPolicy) => RateLimiter) | undefined;
  dispatchBinding: ((service: string, request: Request) => Promise<Response>) | undefined;
  readonly waitUntil: (promise: Promise<unknown>) => void;
  constructor(options?: {
    readonly clock?: Clock;
  });
  waitAll(): Promise<void>;
  reset(): void;
  close(): Promise<void>;
}
interface PolicyTestHarnessOptions extends Omit<GatewayConfig, "routes" | "name" | "adapter" | "policies"> {
  readonly upstream?: ((c: Context) => MaybePromise<Response>) | UpstreamConfig;
  readonly path?: string;
  readonly methods?: RouteConfig["methods"];
  readonly metadata?: RouteConfig["metadata"];
  readonly gatewayName?: string;
  readonly adapter?: GatewayAdapter;
}
interface PolicyTestHarness<Adapter extends GatewayAdapter = TestAdapter> {
  readonly request: (input: string | URL | Request, init?: RequestInit, env?: unknown) => Promise<Response>;
  readonly app: Hono;
  readonly adapter: Adapter;
  readonly gateway: GatewayInstance;
}
declare function createPolicyTestHarness<Adapter extends GatewayAdapter = TestAdapter>(policies: Policy | readonly Policy[], options?: PolicyTestHarnessOptions & {
  readonly adapter?: Adapter;
}): PolicyTestHarness<Adapter>;
interface RequestLogEntry {
  readonly timestamp: string;
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly statusCode: number;
  readonly durationMs: number;
  readonly clientIp: string;
  readonly userAgent: string;
  readonly gatewayName: string;
  readonly routePath: string;
  readonly upstream: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly bytes: number;
  readonly aborted: boolean;
  readonly requestBody?: unknown;
  readonly responseBody?: unknown;
  readonly extra?: Readonly<Record<string, unknown>>;
}
interface RequestLogConfig extends PolicyOptions {
  readonly extractFields?: (c: Context) => Readonly<Record<string, unknown>> | undefined;
  readonly sink?: (entry: RequestLogEntry) => unknown;
  readonly ipHeaders?: readonly string[];
  readonly logRequestBody?: boolean;
  readonly logResponseBody?: boolean;
  readonly maxBodyLength?: number;
  readonly redactPaths?: readonly string[];
}
declare const requestLog: PolicyFactory<RequestLogConfig>;
interface CircuitBreakerConfig extends PolicyOptions {
  readonly failureThreshold?: number;
  readonly windowMs?: number;
  readonly failureRate?: number;
  readonly minimumThroughput?: number;
  readonly resetTimeoutMs?: number;
  readonly halfOpenMax?: number;
  readonly successThreshold?: number;
  readonly probeTimeoutMs?: number;
  readonly failureOn?: readonly number[];
  readonly store?: CircuitBreakerStore;
  readonly key?: string | ((c: Context) => MaybePromise<string | null | undefined>);
  readonly openStatusCode?: number;
  readonly onStateChange?: (key: string, from: CircuitState, to: CircuitState) => unknown;
  readonly failMode?: FailMode;
}
declare const circuitBreaker: PolicyFactory<CircuitBreakerConfig>;
type Backoff = "exponential" | "linear" | "constant";
type Jitter = "full" | "equal" | "none";
interface RetryConfig extends PolicyOptions {
  readonly maxRetries?: number;
  readonly retryOn?: readonly number[];
  readonly backoff?: Backoff;
  readonly baseDelayMs?: number;
  readonly maxDelayMs?: number;
  readonly jitter?: Jitter;
  readonly retryMethods?: readonly string[];
  readonly retryCountHeader?: string;
  readonly maxReplayBytes?: number;
  readonly budget?: number;
}
declare const retry: PolicyFactory<RetryConfig>;
interface TimeoutConfig extends PolicyOptions {
  readonly timeoutMs?: number;
  readonly message?: string;
  readonly statusCode?: number;
}
declare const timeout: PolicyFactory<TimeoutConfig>;
interface MockConfig extends PolicyOptions {
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly delayMs?: number;
  readonly allowInProduction?: boolean;
}
declare const mock: PolicyFactory<MockConfig>;
interface CacheConfig extends PolicyOptions {
  readonly ttlSeconds?: number;
  readonly negativeTtlMs?: number;
  readonly methods?: readonly string[];
  readonly cacheKeyFn?: (c: Context) => MaybePromise<string>;
  readonly cacheableStatuses?: readonly number[];
  readonly varyHeaders?: readonly string[];
  readonly store?: CacheStore;
  readonly respectCacheControl?: boolean;
  readonly respectRequestDirectives?: boolean;
  readonly cacheStatusHeader?: string;
  readonly bypassDirectives?: readonly string[];
  readonly staleWhileRevalidateMs?: number;
  readonly staleIfErrorMs?: number;
  readonly maxEntryBytes?: number;
  readonly maxVariants?: number;
  readonly tags?: (c: Context, response: Response) => MaybePromise<readonly string[] | undefined>;
  readonly coalesce?: boolean;
  readonly coalesceWaitMs?: number;
  readonly storeSetCookie?: boolean;
  readonly failMode?: FailMode;
}
declare const cache: PolicyFactory<CacheConfig>;
type CorsOriginFunction = (origin: string, c: Context) => MaybePromise<boolean | string | null | undefined>;
interface CorsConfig extends PolicyOptions {
  readonly origins?: string | readonly string[] | CorsOriginFunction;
  readonly methods?: readonly string[];
  readonly allowHeaders?: readonly string[];
  readonly exposeHeaders?: readonly string[];
  readonly maxAge?: number;
  readonly credentials?: boolean;
}
declare const cors: PolicyFactory<CorsConfig>;
type RateLimitHeaders = "both" | "ietf" | "x" | "none";
type RateLimitAlgorithm = "sliding-window" | "fixed-window" | "token-bucket";
interface RateLimitWindow {
  readonly name?: string;
  readonly max: number;
  readonly windowSeconds: number;
}
type RateLimitKey = "identity" | ((c: Context) => MaybePromise<string | null | undefined>);
interface RateLimitCommon extends PolicyOptions {
  readonly algorithm?: RateLimitAlgorithm;
  readonly burst?: number;
  readonly cost?: number | ((c: Context) => MaybePromise<number>);
  readonly keyBy?: RateLimitKey;
  readonly keyPrefix?: string;
  readonly store?: RateLimitStore;
  readonly failMode?: FailMode;
  readonly statusCode?: number;
  readonly message?: string;
  readonly ipHeaders?: readonly string[];
  readonly headers?: RateLimitHeaders;
  readonly dryRun?: boolean;
}
type RateLimitConfig = RateLimitCommon & ({
  readonly max: number | ((c: Context) => MaybePromise<number>);
  readonly windowSeconds?: number;
  readonly windows?: readonly RateLimitWindow[];
} | {
  readonly max?: undefined;
  readonly windowSeconds?: undefined;
  readonly windows: readonly RateLimitWindow[];
});
declare const rateLimit: PolicyFactory<RateLimitConfig>;
interface MemoryCacheOptions {
  readonly maxEntries?: number;
  readonly maxBytes?: number;
  readonly clock?: Clock;
}
declare class InMemoryCacheStore implements CacheStore {
  #private;
  readonly name = "memory-cache";
  readonly capabilities: Partial<DriverCapabilities>;
  constructor(options?: MemoryCacheOptions);
  get size(): number;
  get bytes(): number;
  read(key: string): CacheRecord | undefined;
  write(key: string, record: CacheRecord, fillToken?: string, lockedKey?: string): void;
  get(key: string): Response | undefined;
  put(key: string, response: Response, ttlSeconds: number): Promise<void>;
  delete(key: string): boolean;
  lock(key: string, lockMs: number): CacheFill;
  unlock(key: string, token: string): void;
  purge(target: CachePurge): number;
  destroy(): void;
  [Symbol.dispose](): void;
}
interface CombinerCallOptions<R = Reply> {
  readonly signal?: AbortSignal;
  readonly deadlineMs?: number;
  readonly onLateReply?: (reply: R) => void;
}
type Run = <State, Command, R>(algorithm: Algorithm<State, Command, R>, key: string, command: Command, options?: CombinerCallOptions<R>) => MaybePromise<R>;
interface CircuitBreakerStoreOptions {
  readonly prefix?: string;
  readonly policy?: Partial<CircuitPolicy>;
  readonly random?: Random;
  readonly run?: Run;
}
interface MemoryDriverOptions {
  readonly maxKeys?: number;
  readonly clock?: Clock;
  readonly cleanupIntervalMs?: number;
}
interface InMemoryCircuitBreakerStoreOptions extends MemoryDriverOptions, Omit<CircuitBreakerStoreOptions, "prefix"> {}
declare class InMemoryCircuitBreakerStore implements CircuitBreakerStore {
  #private;
  readonly name = "memory";
  readonly capabilities: DriverCapabilities;
  constructor(options?: InMemoryCircuitBreakerStoreOptions);
  get size(): number;
  acquire(key: string, policy: CircuitPolicy): CircuitPermit | CircuitRefusal;
  report(key: string, policy: CircuitPolicy, permit: CircuitPermit, outcome: CircuitOutcome): CircuitTransition | undefined;
  getState(key: string): Promise<CircuitBreakerSnapshot>;
  recordSuccess(key: string): Promise<CircuitBreakerSnapshot>;
  recordFailure(key: string): Promise<CircuitBreakerSnapshot>;
  transition(key: string, to: CircuitState): Promise<CircuitBreakerSnapshot>;
  reset(key: string): Promise<void>;
  isolate(key: string): Promise<CircuitBreakerSnapshot>;
  disable(key: string): Promise<CircuitBreakerSnapshot>;
  destroy(): void;
  [Symbol.asyncDispose](): Promise<void>;
}
declare class InMemoryRateLimitStore implements RateLimitStore {
  #private;
  readonly name = "memory";
  readonly capabilities: DriverCapabilities;
  constructor(options?: MemoryDriverOptions);
  get size(): number;
  increment(key: string, windowSeconds: number): Promise<{
    count: number;
    resetAt: number;
  }>;
  check(key: string, policy: LimitPolicy, cost: number): LimitDecision;
  checkAll(key: string, policies: readonly LimitPolicy[], cost: number): LimitDecision[];
  destroy(): void;
  [Symbol.asyncDispose](): Promise<void>;
}
export { type BoundPolicy, type CacheConfig, type CacheStore, type CircuitBreakerConfig, type CircuitBreakerSnapshot, type CircuitBreakerStore, type CircuitState, type CorsConfig, DEFAULT_IP_HEADERS, type DebugLogger, type ExtractClientIpOptions, type FailMode, GATEWAY_ERROR_CODES, type GatewayAdapter, type GatewayConfig, GatewayError, type GatewayErrorCode, type GatewayErrorOptions, type GatewayEvent, type GatewayInstance, type GatewayRegistry, type HandlerUpstream, type HttpMethod, type Identity, InMemoryCacheStore, InMemoryCircuitBreakerStore, InMemoryRateLimitStore, type LocalStores, type MockConfig, type Next, type PipelineConfig, type Policy, type PolicyContext, type PolicyDefinition, type PolicyFactory, type PolicyHandler, type PolicyOptions, type PolicySite, type PolicyTestHarness, type PolicyTestHarnessOptions, type PolicyTools, Priority, type PurgeTarget, type RateLimitConfig, type RateLimitStore, type RequestLogConfig, type RequestLogEntry, type RetryConfig, type RouteConfig, type SafeCallOptions, type ScopeConfig, type StoreOptions, type TimeoutConfig, type TrustProxy, type UpstreamConfig, type UrlUpstream, cache, circuitBreaker, cors, createGateway, createPolicyTestHarness, defaultErrorResponse, definePolicy, errorToResponse, extractClientIp, getGatewayContext, isGatewayError, mock, rateLimit, requestLog, resolveConfig, retry, safeCall, scope, timeout, withSkip };
