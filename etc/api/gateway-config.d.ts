// sluice/gateway/config

import { Context } from "hono";
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
interface Events<Event> extends EventSource<Event> {
  emit(event: Event): void;
  detail(event: Event): void;
  readonly detailed: boolean;
  readonly active: boolean;
}
interface Random {
  next(): number;
  uuid(): string;
}
type MaybePromise<T> = T | Promise<T>;
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
  reserve?(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision>;
  settle?(key: string, policy: LimitPolicy, ticket: LimitTicket | undefined, actual: number): MaybePromise<LimitDecision>;
  readonly leased?: boolean;
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
  webSockets?: WebSocketRuntime;
  store?: StitchStore;
  pubsub?: PubSub;
  rateLimiter?(policy: TokenBucketPolicy): RateLimiter;
  privateState?(gatewayName: string): Map<string, unknown>;
  close?(): Promise<void>;
}
type TraceReporter = (action: string, data?: Readonly<Record<string, unknown>>) => void;
declare const PROCESSING_PHASES: readonly ["request-headers", "request-body", "request-trailers", "response-headers", "response-body", "response-trailers"];
type ProcessingPhase = (typeof PROCESSING_PHASES)[number];
type ProtocolType = "http" | "grpc" | "websocket";
interface PolicyInput {
  readonly phase: ProcessingPhase;
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly status?: number;
  readonly clientIp?: string;
  readonly body?: ArrayBuffer | string;
  readonly trailers?: Headers;
  readonly attributes: Map<string, unknown>;
  readonly protocol: ProtocolType;
  readonly identity?: Identity;
}
type PolicyResult = PolicyContinue | PolicyReject | PolicyImmediateResponse;
interface PolicyContinue {
  readonly action: "continue";
  readonly mutations?: readonly Mutation[];
}
interface PolicyReject {
  readonly action: "reject";
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly problemType?: string;
  readonly members?: Readonly<Record<string, unknown>>;
}
interface PolicyImmediateResponse {
  readonly action: "immediate-response";
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | ArrayBuffer;
}
type Mutation = HeaderMutation | BodyMutation | StatusMutation | AttributeMutation | IdentityMutation;
interface HeaderMutation {
  readonly type: "header";
  readonly op: "set" | "remove" | "append";
  readonly name: string;
  readonly value?: string;
}
interface BodyMutation {
  readonly type: "body";
  readonly op: "replace" | "clear";
  readonly content?: string | ArrayBuffer;
}
interface StatusMutation {
  readonly type: "status";
  readonly code: number;
}
interface AttributeMutation {
  readonly type: "attribute";
  readonly key: string;
  readonly value: unknown;
}
interface IdentityMutation {
  readonly type: "identity";
  readonly identity: Identity;
}
interface PolicyEvalContext {
  readonly debug: DebugLogger;
  readonly trace: TraceReporter;
  readonly requestId: string;
  readonly traceId: string;
  readonly adapter?: GatewayAdapter;
}
interface PolicyEvaluator {
  readonly onRequest?: (input: PolicyInput, ctx: PolicyEvalContext) => MaybePromise<PolicyResult>;
  readonly onResponse?: (input: PolicyInput, ctx: PolicyEvalContext) => MaybePromise<PolicyResult>;
}
type MetricTags = Readonly<Record<string, string>>;
interface MetricsCollector {
  increment(name: string, value?: number, tags?: MetricTags): void;
  histogram(name: string, value: number, tags?: MetricTags): void;
  gauge(name: string, value: number, tags?: MetricTags): void;
  snapshot(): MetricsSnapshot;
  reset(): void;
}
interface TaggedValue {
  readonly value: number;
  readonly tags?: MetricTags;
}
interface HistogramEntry {
  readonly tags?: MetricTags;
  readonly counts: readonly number[];
  readonly bounds: readonly number[];
  readonly sum: number;
  readonly count: number;
}
interface MetricsSnapshot {
  readonly counters: Readonly<Record<string, readonly TaggedValue[]>>;
  readonly gauges: Readonly<Record<string, readonly TaggedValue[]>>;
  readonly histograms: Readonly<Record<string, readonly HistogramEntry[]>>;
}
interface AdminOptions {
  readonly enabled?: boolean;
  readonly prefix?: string;
  readonly auth?: (c: Context) => MaybePromise<boolean>;
  readonly metrics?: MetricsCollector;
}
type SpanKind = "SERVER" | "CLIENT" | "INTERNAL";
type SpanStatusCode = "UNSET" | "OK" | "ERROR";
type SpanAttribute = string | number | boolean;
interface SpanEvent {
  readonly name: string;
  readonly timeMs: number;
  readonly attributes?: Readonly<Record<string, SpanAttribute>>;
}
interface ReadableSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: SpanKind;
  readonly startTimeMs: number;
  readonly endTimeMs: number;
  readonly attributes: Readonly<Record<string, SpanAttribute>>;
  readonly status: {
    readonly code: SpanStatusCode;
    readonly message?: string;
  };
  readonly events: readonly SpanEvent[];
}
interface SpanExporter {
  export(spans: readonly ReadableSpan[]): Promise<void>;
  flush?(): Promise<void>;
  shutdown?(): Promise<void>;
}
interface TracingConfig {
  readonly exporter: SpanExporter;
  readonly serviceName?: string;
  readonly serviceVersion?: string;
  readonly sampleRate?: number;
}
interface DebugHeadersOptions {
  readonly requestHeader?: string;
  readonly allow?: readonly string[];
  readonly authorize?: (c: Context) => MaybePromise<boolean>;
}
interface ServiceBindingUpstream {
  readonly type: "service-binding";
  readonly service: string;
  readonly rewritePath?: (path: string) => string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly forwarded?: UrlUpstream["forwarded"];
  readonly via?: boolean;
}
type Balance = "round-robin" | "weighted" | "least-pending" | "consistent-hash";
interface BalancedTarget {
  readonly url: string;
  readonly weight?: number;
  readonly canary?: boolean;
}
interface BalancedUpstream extends Omit<UrlUpstream, "type" | "target" | "allowOrigins"> {
  readonly type: "balanced";
  readonly targets: readonly BalancedTarget[];
  readonly balance?: Balance;
  readonly hashKey?: (c: Context) => MaybePromise<string>;
  readonly ejection?: EjectionOptions | false;
  readonly healthCheck?: HealthCheckOptions;
}
interface EjectionOptions {
  readonly consecutiveFailures?: number;
  readonly baseMs?: number;
  readonly maxMs?: number;
  readonly maxPercent?: number;
}
interface HealthCheckOptions {
  readonly path: string;
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
  readonly healthy?: number;
  readonly unhealthy?: number;
}
interface CanaryOptions {
  readonly target?: string;
  readonly percent: number;
  readonly stickyBy?: (c: Context) => MaybePromise<string | null | undefined>;
}
type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "QUERY" | "ACL" | "BIND" | "CHECKOUT" | "COPY" | "LINK" | "LOCK" | "M-SEARCH" | "MERGE" | "MKACTIVITY" | "MKCALENDAR" | "MKCOL" | "MOVE" | "NOTIFY" | "PROPFIND" | "PROPPATCH" | "PURGE" | "REBIND" | "REPORT" | "SEARCH" | "SUBSCRIBE" | "UNBIND" | "UNLINK" | "UNLOCK" | "UNSUBSCRIBE";
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
  readonly admin?: boolean | AdminOptions;
  readonly debugHeaders?: boolean | DebugHeadersOptions;
  readonly tracing?: TracingConfig;
  readonly metrics?: boolean | MetricsCollector;
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
type UpstreamConfig = UrlUpstream | HandlerUpstream | BalancedUpstream | ServiceBindingUpstream;
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
  readonly interimResponses?: boolean;
  readonly canary?: CanaryOptions;
}
interface HandlerUpstream {
  readonly type: "handler";
  readonly handler: (c: Context) => MaybePromise<Response>;
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
  readonly type: "target";
  readonly route: string;
  readonly target: string;
  readonly change: "ejected" | "returned" | "unhealthy" | "healthy";
} | {
  readonly type: "circuit";
  readonly key: string;
  readonly from: string;
  readonly to: string;
  readonly policy?: string;
  readonly route?: string;
} | {
  readonly type: "request";
  readonly requestId: string;
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly durationMs: number;
  readonly bytes: number;
  readonly aborted: boolean;
  readonly code?: string;
  readonly tags?: Readonly<Record<string, string>>;
} | {
  readonly type: "policy";
  readonly policy: string;
  readonly route: string;
  readonly durationMs: number;
} | {
  readonly type: "limit";
  readonly policy: string;
  readonly route: string;
  readonly decision: "allow" | "refuse" | "local-allow" | "local-refuse";
} | {
  readonly type: "cache";
  readonly policy: string;
  readonly route: string;
  readonly result: string;
} | {
  readonly type: "upstream";
  readonly route: string;
  readonly method: string;
  readonly target?: string;
  readonly status?: number;
  readonly error?: string;
  readonly durationMs: number;
  readonly attempt: number;
} | {
  readonly type: "concurrency";
  readonly policy: string;
  readonly route: string;
  readonly limit: number;
} | {
  readonly type: "retry";
  readonly policy: string;
  readonly route: string;
} | {
  readonly type: "store.call";
  readonly store: string;
  readonly operation: string;
  readonly durationMs: number;
  readonly ok: boolean;
  readonly mode: FailMode;
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
  readonly late?: boolean;
  readonly ownedFields?: readonly string[];
  readonly bind?: (site: PolicySite) => BoundPolicy;
  readonly evaluate?: PolicyEvaluator;
  readonly phases?: readonly ProcessingPhase[];
  readonly warnings?: () => readonly string[];
  readonly httpOnly?: true;
}
interface BoundPolicy {
  readonly handler: PolicyHandler;
  readonly dispose?: () => MaybePromise<void>;
  readonly purge?: (target: PurgeTarget) => MaybePromise<number>;
  readonly resetCircuit?: (key: string) => MaybePromise<void>;
  readonly choose?: (c: Context) => MaybePromise<string>;
  readonly prepare?: (c: Context, first: boolean) => Preparation | undefined;
}
interface Preparation<T = unknown> {
  readonly value: T;
  readonly undo?: () => MaybePromise<unknown>;
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
  readonly keep: <T>(name: string, make: () => T, whole?: boolean) => T;
}
interface LocalStores {
  of<Name extends keyof StoreKinds>(kind: StoreKind<Name>): StoreKinds[Name];
}
interface StoreKinds {
  readonly rateLimitStore: RateLimitStore;
  readonly circuitBreakerStore: CircuitBreakerStore;
  readonly cacheStore: CacheStore;
  readonly store: StitchStore;
}
interface StoreKind<Name extends keyof StoreKinds = keyof StoreKinds> {
  readonly name: Name;
  readonly make: (clock: Clock | undefined) => StoreKinds[Name];
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
declare function mergeConfigs(...partials: readonly (Partial<GatewayConfig> | undefined)[]): GatewayConfig;
interface OpenApiOptions {
  readonly upstream?: UpstreamConfig | ((operation: OpenApiOperation) => UpstreamConfig);
  readonly policies?: readonly Policy[];
  readonly security?: Readonly<Record<string, Policy>>;
  readonly validator?: (schema: unknown) => (value: unknown) => string | undefined | null;
}
interface OpenApiOperation {
  readonly path: string;
  readonly method: HttpMethod;
  readonly operationId: string | undefined;
  readonly tags: readonly string[];
}
declare function routesFromOpenApi(doc: unknown, options?: OpenApiOptions): RouteConfig[];
interface ConfigIssue {
  readonly path: string;
  readonly message: string;
}
type ConfigCheck = {
  readonly success: true;
  readonly data: GatewayConfig;
  readonly warnings: readonly ConfigIssue[];
} | {
  readonly success: false;
  readonly issues: readonly ConfigIssue[];
  readonly warnings: readonly ConfigIssue[];
};
declare class ConfigValidationError extends Error {
  readonly code: "config_error";
  readonly issues: readonly ConfigIssue[];
  constructor(issues: readonly ConfigIssue[]);
  get name(): string;
}
declare function validateConfig(config: unknown): GatewayConfig;
declare function safeValidateConfig(config: unknown): ConfigCheck;
export { type ConfigCheck, type ConfigIssue, ConfigValidationError, type OpenApiOptions, mergeConfigs, routesFromOpenApi, safeValidateConfig, validateConfig };
