// sluice/gateway

import { Context, Hono } from "hono";
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
declare const noopTraceReporter: TraceReporter;
interface PolicyTraceDetail {
  readonly action: string;
  readonly data?: Readonly<Record<string, unknown>>;
}
interface PolicyTraceEntry {
  readonly name: string;
  readonly priority: number;
  readonly durationMs: number;
  readonly calledNext: boolean;
  readonly error: string | null;
  readonly detail?: PolicyTraceDetail;
}
interface PolicyTrace {
  readonly requestId: string;
  readonly traceId: string;
  readonly route: string;
  readonly totalMs: number;
  readonly entries: readonly PolicyTraceEntry[];
  readonly cut?: number;
}
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
interface EvaluateTools<Config, State> extends PolicyEvalContext {
  readonly config: Config;
  readonly state: State;
  readonly site: PolicySite;
}
interface EvaluateDefinition<Config, State> {
  readonly onRequest?: (input: PolicyInput, tools: EvaluateTools<Config, State>) => MaybePromise<PolicyResult>;
  readonly onResponse?: (input: PolicyInput, tools: EvaluateTools<Config, State>) => MaybePromise<PolicyResult>;
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
interface InMemoryMetricsOptions {
  readonly bounds?: readonly number[];
  readonly maxSeries?: number;
}
declare class InMemoryMetricsCollector implements MetricsCollector {
  private readonly metrics;
  private readonly bounds;
  private readonly maxSeries;
  constructor(options?: InMemoryMetricsOptions);
  increment(name: string, value?: number, tags?: MetricTags): void;
  gauge(name: string, value: number, tags?: MetricTags): void;
  histogram(name: string, value: number, tags?: MetricTags): void;
  snapshot(): MetricsSnapshot;
  reset(): void;
  private seriesOf;
}
declare function toPrometheusText(snapshot: MetricsSnapshot): string;
interface AdminOptions {
  readonly enabled?: boolean;
  readonly prefix?: string;
  readonly auth?: (c: Context) => MaybePromise<boolean>;
  readonly metrics?: MetricsCollector;
}
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
declare const SemConv: Readonly<Record<"HTTP_METHOD" | "HTTP_METHOD_ORIGINAL" | "HTTP_ROUTE" | "HTTP_STATUS_CODE" | "HTTP_RESEND_COUNT" | "URL_PATH" | "URL_SCHEME" | "URL_FULL" | "SERVER_ADDRESS" | "SERVER_PORT" | "CLIENT_ADDRESS" | "USER_AGENT" | "ERROR_TYPE", string>>;
declare class SpanBuilder {
  readonly name: string;
  readonly kind: SpanKind;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly startTimeMs: number;
  private readonly attributes;
  private readonly events;
  private status;
  private ended;
  constructor(name: string, kind: SpanKind, traceId: string, spanId?: string, parentSpanId?: string, startTimeMs?: number);
  setAttribute(key: string, value: SpanAttribute): this;
  addEvent(name: string, attributes?: Readonly<Record<string, SpanAttribute>>, timeMs?: number): this;
  setStatus(code: SpanStatusCode, message?: string): this;
  end(endTimeMs?: number): ReadableSpan;
}
declare class ConsoleSpanExporter implements SpanExporter {
  private readonly write;
  constructor(write?: (line: string) => void);
  export(spans: readonly ReadableSpan[]): Promise<void>;
}
interface TracingConfig {
  readonly exporter: SpanExporter;
  readonly serviceName?: string;
  readonly serviceVersion?: string;
  readonly sampleRate?: number;
}
declare const GATEWAY_ERROR_CODES: readonly ["bad_request", "invalid_json", "json_threat", "threat_detected", "invalid_method_override", "idempotency_key_missing", "unauthorized", "jws_missing", "jws_invalid", "signature_invalid", "forbidden", "insufficient_scope", "ip_denied", "geo_denied", "ssl_required", "csrf_rejected", "not_found", "no_route", "method_not_allowed", "idempotency_in_progress", "request_too_large", "body_too_large", "unsupported_media_type", "validation_failed", "idempotency_key_reused", "rate_limited", "quota_exceeded", "concurrency_limited", "client_closed", "internal_error", "config_error", "policy_error", "policy_no_response", "handler_no_response", "method_not_implemented", "upgrade_unsupported", "upstream_error", "jwks_error", "introspection_error", "callout_failed", "invalid_upstream_response", "circuit_open", "bulkhead_full", "overloaded", "store_unavailable", "no_healthy_upstream", "gateway_closing", "gateway_timeout", "upstream_timeout", "cache_miss", "loop_detected"];
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
declare function getGatewayContext(c: Context): PolicyContext | undefined;
interface DebugHeadersOptions {
  readonly requestHeader?: string;
  readonly allow?: readonly string[];
  readonly authorize?: (c: Context) => MaybePromise<boolean>;
}
interface DebugRequest {
  readonly all: boolean;
  readonly names: ReadonlySet<string>;
}
declare function parseDebugRequest(value: string | null | undefined, allow?: Iterable<string>): DebugRequest | undefined;
declare function isDebugRequested(c: Context, name?: string): boolean;
declare function setDebugHeader(c: Context, name: string, value: string | number | boolean): void;
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
  readonly publicOrigin: string;
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
interface PolicyDefinition<Config extends object, State> {
  readonly name: string;
  readonly priority?: number;
  readonly guard?: boolean;
  readonly preflight?: boolean;
  readonly late?: boolean;
  readonly ownedFields?: (config: Config) => readonly string[];
  readonly defaults?: Partial<Config>;
  readonly validate?: (config: Config) => void;
  readonly warn?: (config: Config) => readonly string[];
  readonly setup?: (config: Config, site: PolicySite) => State;
  readonly prepares?: (config: Config, site: PolicySite) => boolean;
  readonly prepare?: (c: Context, tools: PolicyTools<Config, State>, first: boolean) => Preparation | undefined;
  readonly handler?: (c: Context, next: Next, tools: PolicyTools<Config, State>) => MaybePromise<Response | void>;
  readonly evaluate?: EvaluateDefinition<Config, State>;
  readonly phases?: readonly ProcessingPhase[];
  readonly httpOnly?: boolean;
  readonly dispose?: (state: State) => MaybePromise<void>;
  readonly purge?: (state: State, target: PurgeTarget) => MaybePromise<number>;
  readonly resetCircuit?: (state: State, key: string) => MaybePromise<void>;
  readonly choose?: (c: Context, state: State) => MaybePromise<string>;
}
interface PolicyTools<Config, State> {
  readonly config: Config;
  readonly state: State;
  readonly site: PolicySite;
  readonly gateway: PolicyContext;
  readonly debug: DebugLogger;
  readonly trace: TraceReporter;
  readonly prepared?: unknown;
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
interface AssignMetricsConfig extends PolicyOptions {
  readonly tags: Readonly<Record<string, string | ((c: Context) => MaybePromise<string>)>>;
}
declare const assignMetrics: PolicyFactory<AssignMetricsConfig>;
interface MetricsReporterConfig extends PolicyOptions {
  readonly collector: MetricsCollector;
}
declare const metricsReporter: PolicyFactory<MetricsReporterConfig>;
type ServerTimingVisibility = "always" | "debug-only" | "conditional";
interface ServerTimingConfig extends PolicyOptions {
  readonly serverTimingHeader?: boolean;
  readonly responseTimeHeader?: boolean;
  readonly precision?: number;
  readonly includeTotal?: boolean;
  readonly descriptionFn?: (name: string) => string;
  readonly visibility?: ServerTimingVisibility;
  readonly visibilityFn?: (c: Context) => MaybePromise<boolean>;
}
declare const serverTiming: PolicyFactory<ServerTimingConfig>;
type Verdict = boolean | Partial<Identity> | null | undefined;
interface ForwardKeyIdentity {
  readonly headerName: string;
  readonly identityFn: (key: string, c: Context) => MaybePromise<string | null | undefined>;
}
interface ApiKeyAuthConfig extends PolicyOptions {
  readonly validate: (key: string, c: Context) => MaybePromise<Verdict>;
  readonly headerName?: string;
  readonly queryParam?: string;
  readonly forwardKeyIdentity?: ForwardKeyIdentity;
  readonly invalidStatusCode?: number;
  readonly stripCredentials?: boolean;
}
declare const apiKeyAuth: PolicyFactory<ApiKeyAuthConfig>;
interface BasicAuthConfig extends PolicyOptions {
  readonly validate: (username: string, password: string, c: Context) => MaybePromise<Verdict>;
  readonly realm?: string;
  readonly invalidStatusCode?: number;
  readonly stripCredentials?: boolean;
}
declare const basicAuth: PolicyFactory<BasicAuthConfig>;
interface CsrfConfig extends PolicyOptions {
  readonly allowedOrigins?: readonly string[];
  readonly methods?: readonly string[];
  readonly allowMissing?: boolean;
}
declare const csrf: PolicyFactory<CsrfConfig>;
type Jwk = Readonly<Record<string, unknown>>;
type SignatureAlgorithm = "hmac-sha256" | "rsa-v1_5-sha256" | "rsa-pss-sha512" | "ecdsa-p256-sha256" | "ecdsa-p384-sha384" | "ed25519";
interface GenerateHttpSignatureConfig extends PolicyOptions {
  readonly keyId: string;
  readonly algorithm: SignatureAlgorithm;
  readonly secret?: string | Uint8Array;
  readonly privateKey?: string | Jwk;
  readonly components?: readonly string[];
  readonly signatureHeaderName?: string;
  readonly signatureInputHeaderName?: string;
  readonly label?: string;
  readonly expires?: number;
  readonly nonce?: boolean;
}
declare const generateHttpSignature: PolicyFactory<GenerateHttpSignatureConfig>;
type JwtClaims = Readonly<Record<string, unknown>>;
interface GenerateJwtConfig extends PolicyOptions {
  readonly algorithm: string;
  readonly secret?: string;
  readonly privateKey?: string | Jwk;
  readonly keyId?: string;
  readonly claims?: JwtClaims | ((c: Context) => MaybePromise<JwtClaims>);
  readonly expiresIn?: number;
  readonly issuer?: string;
  readonly audience?: string | readonly string[];
  readonly headerName?: string;
  readonly tokenPrefix?: string;
}
declare const generateJwt: PolicyFactory<GenerateJwtConfig>;
declare function forgetJwks(): void;
interface JwsConfig extends PolicyOptions {
  readonly secret?: string;
  readonly jwksUrl?: string;
  readonly algorithms?: readonly string[];
  readonly headerName?: string;
  readonly payloadSource?: "embedded" | "body";
  readonly forwardPayload?: boolean;
  readonly forwardHeaderName?: string;
  readonly maxBodyBytes?: number;
  readonly jwksCacheTtlMs?: number;
  readonly jwksTimeoutMs?: number;
  readonly jwksCooldownMs?: number;
  readonly stripCredentials?: boolean;
}
declare const jws: PolicyFactory<JwsConfig>;
interface JwtAuthConfig extends PolicyOptions {
  readonly secret?: string;
  readonly jwksUrl?: string;
  readonly publicKey?: string | Jwk;
  readonly algorithms?: readonly string[];
  readonly issuer?: string | readonly string[];
  readonly audience?: string | readonly string[];
  readonly headerName?: string;
  readonly tokenPrefix?: string;
  readonly forwardClaims?: Readonly<Record<string, string>>;
  readonly jwksCacheTtlMs?: number;
  readonly jwksTimeoutMs?: number;
  readonly jwksCooldownMs?: number;
  readonly clockSkewSeconds?: number;
  readonly requireExp?: boolean;
  readonly typ?: string;
  readonly requiredClaims?: readonly string[];
  readonly optional?: boolean;
  readonly stripCredentials?: boolean;
}
declare const jwtAuth: PolicyFactory<JwtAuthConfig>;
declare function clearJwksCache(): void;
interface TokenInfo {
  readonly active?: boolean;
  readonly scope?: string | readonly string[];
  readonly sub?: string;
  readonly client_id?: string;
  readonly username?: string;
  readonly exp?: number;
  readonly [member: string]: unknown;
}
interface OAuth2Config extends PolicyOptions {
  readonly introspectionUrl?: string;
  readonly localValidate?: (token: string, c: Context) => MaybePromise<boolean | TokenInfo | null | undefined>;
  readonly clientId?: string;
  readonly clientSecret?: string;
  readonly tokenLocation?: "header" | "query";
  readonly headerName?: string;
  readonly headerPrefix?: string;
  readonly queryParam?: string;
  readonly forwardTokenInfo?: Readonly<Record<string, string>>;
  readonly cacheTtlSeconds?: number;
  readonly cacheMaxEntries?: number;
  readonly requiredScopes?: readonly string[];
  readonly introspectionTimeoutMs?: number;
  readonly stripCredentials?: boolean;
}
declare const oauth2: PolicyFactory<OAuth2Config>;
declare function clearOAuth2Cache(): void;
interface RbacConfig extends PolicyOptions {
  readonly roles?: readonly string[];
  readonly permissions?: readonly string[];
  readonly roleHeader?: string;
  readonly permissionHeader?: string;
  readonly roleDelimiter?: string;
  readonly permissionDelimiter?: string;
  readonly denyMessage?: string;
  readonly stripHeaders?: boolean;
}
declare const rbac: PolicyFactory<RbacConfig>;
interface VerificationKey {
  readonly algorithm: SignatureAlgorithm;
  readonly secret?: string | Uint8Array;
  readonly publicKey?: string | Jwk;
}
interface VerifyHttpSignatureConfig extends PolicyOptions {
  readonly keys: Readonly<Record<string, VerificationKey>>;
  readonly requiredComponents?: readonly string[];
  readonly maxAge?: number;
  readonly signatureHeaderName?: string;
  readonly signatureInputHeaderName?: string;
  readonly label?: string;
  readonly clockSkewSeconds?: number;
  readonly replayProtection?: boolean;
  readonly maxBodyBytes?: number;
}
declare const verifyHttpSignature: PolicyFactory<VerifyHttpSignatureConfig>;
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
  readonly scope?: "route" | "target";
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
interface LatencyInjectionConfig extends PolicyOptions {
  readonly delayMs: number;
  readonly jitter?: number;
  readonly probability?: number;
}
declare const latencyInjection: PolicyFactory<LatencyInjectionConfig>;
interface AdaptiveConcurrencyConfig extends PolicyOptions {
  readonly initial?: number;
  readonly min?: number;
  readonly max?: number;
  readonly algorithm?: "gradient" | "aimd";
  readonly tolerance?: number;
}
declare const adaptiveConcurrency: PolicyFactory<AdaptiveConcurrencyConfig>;
interface BulkheadConfig extends PolicyOptions {
  readonly maxConcurrent?: number;
  readonly maxQueue?: number;
  readonly queueTimeoutMs?: number;
}
declare const bulkhead: PolicyFactory<BulkheadConfig>;
interface ConcurrencyLimitConfig extends PolicyOptions {
  readonly max: number;
  readonly keyBy?: RateLimitKey;
  readonly leaseMs?: number;
  readonly queue?: number;
  readonly queueTimeoutMs?: number;
  readonly statusCode?: number;
  readonly store?: StitchStore;
  readonly failMode?: FailMode;
}
declare const concurrencyLimit: PolicyFactory<ConcurrencyLimitConfig>;
interface RoutingRule {
  readonly name?: string;
  readonly condition: (c: Context) => MaybePromise<boolean>;
  readonly target: string;
  readonly rewritePath?: (path: string) => string;
  readonly headers?: Readonly<Record<string, string>>;
}
interface DynamicRoutingConfig extends PolicyOptions {
  readonly rules: readonly RoutingRule[];
  readonly fallthrough?: boolean;
}
declare const dynamicRouting: PolicyFactory<DynamicRoutingConfig>;
interface GeoIpFilterConfig extends PolicyOptions {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly mode?: "allow" | "deny";
  readonly countryHeader?: string;
}
declare const geoIpFilter: PolicyFactory<GeoIpFilterConfig>;
interface HttpCalloutConfig extends PolicyOptions {
  readonly url: string | ((c: Context) => MaybePromise<string>);
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>> | ((c: Context) => MaybePromise<Readonly<Record<string, string>>>);
  readonly body?: unknown;
  readonly timeout?: number;
  readonly onResponse: (response: Response, c: Context) => MaybePromise<Response | void>;
  readonly onError?: (error: unknown, c: Context) => MaybePromise<Response | void>;
  readonly abortOnFailure?: boolean;
}
declare const httpCallout: PolicyFactory<HttpCalloutConfig>;
interface IdempotencyConfig extends PolicyOptions {
  readonly header?: string;
  readonly methods?: readonly string[];
  readonly required?: boolean;
  readonly ttlMs?: number;
  readonly leaseMs?: number;
  readonly waitMs?: number;
  readonly maxBodyBytes?: number;
  readonly scopeBy?: RateLimitKey;
  readonly store?: StitchStore;
  readonly failMode?: FailMode;
}
declare const idempotency: PolicyFactory<IdempotencyConfig>;
interface InterruptConfig extends PolicyOptions {
  readonly condition: (c: Context) => MaybePromise<boolean>;
  readonly statusCode?: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}
declare const interrupt: PolicyFactory<InterruptConfig>;
interface IpFilterConfig extends PolicyOptions {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly mode?: "allow" | "deny";
  readonly ipHeaders?: readonly string[];
}
declare const ipFilter: PolicyFactory<IpFilterConfig>;
interface JsonThreatProtectionConfig extends PolicyOptions {
  readonly maxDepth?: number;
  readonly maxKeys?: number;
  readonly maxStringLength?: number;
  readonly maxArraySize?: number;
  readonly maxBodySize?: number;
  readonly contentTypes?: readonly string[];
}
declare const jsonThreatProtection: PolicyFactory<JsonThreatProtectionConfig>;
type QuotaPeriod = "hour" | "day" | "week" | "month";
interface QuotaConfig extends PolicyOptions {
  readonly max: number;
  readonly period?: QuotaPeriod;
  readonly timeZone?: string;
  readonly keyBy: RateLimitKey;
  readonly cost?: number | ((c: Context) => MaybePromise<number>);
  readonly store?: RateLimitStore;
  readonly failMode?: FailMode;
  readonly message?: string;
}
declare const quota: PolicyFactory<QuotaConfig>;
type ThreatTarget = "path" | "headers" | "body" | "query";
interface ThreatPattern {
  readonly regex: string;
  readonly targets: readonly ThreatTarget[];
  readonly message?: string;
}
interface RegexThreatProtectionConfig extends PolicyOptions {
  readonly patterns: readonly ThreatPattern[];
  readonly flags?: string;
  readonly contentTypes?: readonly string[];
  readonly maxBodyScanLength?: number;
  readonly oversize?: "reject" | "scan-prefix";
}
declare const regexThreatProtection: PolicyFactory<RegexThreatProtectionConfig>;
interface RequestLimitConfig extends PolicyOptions {
  readonly maxBytes: number;
  readonly message?: string;
}
declare const requestLimit: PolicyFactory<RequestLimitConfig>;
interface ResourceFilterConfig extends PolicyOptions {
  readonly mode: "allow" | "deny";
  readonly fields: readonly string[];
  readonly contentTypes?: readonly string[];
  readonly applyToArrayItems?: boolean;
  readonly onUnparsable?: "pass" | "reject";
}
declare const resourceFilter: PolicyFactory<ResourceFilterConfig>;
interface SslEnforceConfig extends PolicyOptions {
  readonly redirect?: boolean;
  readonly hstsMaxAge?: number;
  readonly includeSubDomains?: boolean;
  readonly preload?: boolean;
}
declare const sslEnforce: PolicyFactory<SslEnforceConfig>;
interface TokenLimitConfig extends PolicyOptions {
  readonly max: number;
  readonly windowSeconds: number;
  readonly keyBy?: RateLimitKey;
  readonly estimate?: number | ((c: Context) => MaybePromise<number>);
  readonly usage?: (response: UsageSource, c: Context) => MaybePromise<number | undefined>;
  readonly store?: RateLimitStore;
  readonly failMode?: FailMode;
  readonly message?: string;
}
interface UsageSource {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly aborted: boolean;
  readonly json: Response["json"];
}
declare const tokenLimit: PolicyFactory<TokenLimitConfig>;
interface TrafficShadowConfig extends PolicyOptions {
  readonly target: string;
  readonly percentage?: number;
  readonly methods?: readonly string[];
  readonly mirrorBody?: boolean;
  readonly timeout?: number;
  readonly onError?: (error: unknown) => void;
  readonly forwardCredentials?: boolean;
  readonly maxBodyBytes?: number;
}
declare const trafficShadow: PolicyFactory<TrafficShadowConfig>;
interface AssignAttributesConfig extends PolicyOptions {
  readonly attributes: Readonly<Record<string, string | ((c: Context) => MaybePromise<unknown>)>>;
}
declare const assignAttributes: PolicyFactory<AssignAttributesConfig>;
type ContentFields = Readonly<Record<string, unknown>>;
interface AssignContentConfig extends PolicyOptions {
  readonly request?: ContentFields;
  readonly response?: ContentFields;
  readonly contentTypes?: readonly string[];
  readonly maxBodyBytes?: number;
}
declare const assignContent: PolicyFactory<AssignContentConfig>;
type CompressionEncoding = "br" | "gzip" | "deflate";
interface CompressionConfig extends PolicyOptions {
  readonly encodings?: readonly CompressionEncoding[];
  readonly thresholdBytes?: number;
  readonly contentTypes?: readonly string[];
}
declare const compression: PolicyFactory<CompressionConfig>;
interface OverrideMethodConfig extends PolicyOptions {
  readonly header?: string;
  readonly allowedMethods?: readonly string[];
}
declare const overrideMethod: PolicyFactory<OverrideMethodConfig>;
interface ProxyConfig extends PolicyOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly stripHeaders?: readonly string[];
  readonly timeout?: number;
  readonly preserveHost?: boolean;
}
declare const proxy: PolicyFactory<ProxyConfig>;
interface RequestTransformConfig extends PolicyOptions {
  readonly renameHeaders?: Readonly<Record<string, string>>;
  readonly setHeaders?: Readonly<Record<string, string>>;
  readonly removeHeaders?: readonly string[];
}
declare const requestTransform: PolicyFactory<RequestTransformConfig>;
interface ResponseTransformConfig extends PolicyOptions {
  readonly renameHeaders?: Readonly<Record<string, string>>;
  readonly setHeaders?: Readonly<Record<string, string>>;
  readonly removeHeaders?: readonly string[];
}
declare const responseTransform: PolicyFactory<ResponseTransformConfig>;
interface SecurityHeadersConfig extends PolicyOptions {
  readonly contentSecurityPolicy?: string | false;
  readonly noSniff?: boolean;
  readonly frameOptions?: "DENY" | "SAMEORIGIN" | false;
  readonly referrerPolicy?: string | false;
  readonly permissionsPolicy?: string | false;
  readonly crossOriginOpenerPolicy?: string | false;
}
declare const securityHeaders: PolicyFactory<SecurityHeadersConfig>;
interface SchemaLike {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => MaybePromise<SchemaResult>;
  };
}
type SchemaResult = {
  readonly value: unknown;
  readonly issues?: undefined;
} | {
  readonly issues: readonly {
    readonly message: string;
    readonly path?: readonly (PropertyKey | {
      readonly key: PropertyKey;
    })[] | undefined;
  }[];
};
interface ValidationIssue {
  readonly path: string;
  readonly message: string;
}
type ValidatorResult = boolean | {
  readonly valid: boolean;
  readonly errors?: readonly (string | ValidationIssue)[] | undefined;
};
interface JsonValidationConfig extends PolicyOptions {
  readonly validate?: (body: unknown, c: Context) => MaybePromise<ValidatorResult>;
  readonly schema?: SchemaLike;
  readonly contentTypes?: readonly string[];
  readonly rejectStatus?: number;
  readonly errorDetail?: boolean;
  readonly requireJson?: boolean;
  readonly maxBodyBytes?: number;
}
declare const jsonValidation: PolicyFactory<JsonValidationConfig>;
interface RequestSchemas {
  readonly body?: SchemaLike;
  readonly query?: SchemaLike;
  readonly params?: SchemaLike;
  readonly headers?: SchemaLike;
}
interface RequestValidationConfig extends PolicyOptions {
  readonly validate?: (body: unknown, c: Context) => ValidatorResult;
  readonly validateAsync?: (body: unknown, c: Context) => MaybePromise<ValidatorResult>;
  readonly schema?: RequestSchemas;
  readonly contentTypes?: readonly string[];
  readonly errorMessage?: string;
  readonly applyOutput?: boolean;
  readonly maxBodyBytes?: number;
}
declare const requestValidation: PolicyFactory<RequestValidationConfig>;
interface ResponseValidationConfig extends PolicyOptions {
  readonly schema: SchemaLike;
  readonly maxBodyBytes?: number;
  readonly onInvalid?: "error" | "log";
  readonly contentTypes?: readonly string[];
}
declare const responseValidation: PolicyFactory<ResponseValidationConfig>;
interface HealthConfig {
  readonly path?: string;
  readonly upstreamProbes?: readonly string[];
  readonly includeUpstreamStatus?: boolean;
  readonly probeTimeoutMs?: number;
  readonly probeMethod?: string;
  readonly unhealthyStatusCode?: number;
  readonly includeStores?: boolean;
  readonly cacheMs?: number;
}
type HealthStatus = "healthy" | "degraded" | "unhealthy";
declare function health(config?: HealthConfig): RouteConfig;
interface OtlpOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly maxBatch?: number;
  readonly delayMs?: number;
  readonly maxQueue?: number;
  readonly clock?: Clock;
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}
interface OTLPSpanExporterOptions extends OtlpOptions {
  readonly endpoint: string;
  readonly serviceName?: string;
  readonly serviceVersion?: string;
}
declare class OTLPSpanExporter implements SpanExporter {
  private readonly queue;
  constructor(options: OTLPSpanExporterOptions);
  get dropped(): number;
  export(spans: readonly ReadableSpan[]): Promise<void>;
  flush(): Promise<void>;
  shutdown(): Promise<void>;
}
type Attributes = Record<string, string | number | boolean>;
interface MeterLike {
  createHistogram(name: string, options?: object): {
    record(value: number, attributes?: Attributes): void;
  };
  createCounter(name: string, options?: object): {
    add(value: number, attributes?: Attributes): void;
  };
}
declare function metricsSink(gateway: string, collector: MetricsCollector): EventSink<GatewayEvent>;
declare function prometheusSink(options?: {
  readonly gateway?: string;
  readonly collector?: MetricsCollector;
}): {
  readonly sink: EventSink<GatewayEvent>;
  readonly text: () => string;
};
declare function consoleSink(options?: {
  readonly write?: (line: string) => void;
  readonly requests?: boolean;
}): EventSink<GatewayEvent>;
declare function openTelemetrySink(meter: MeterLike, options?: {
  readonly scheme?: string;
}): EventSink<GatewayEvent>;
declare function policyTrace(c: Context, policyName: string): TraceReporter;
declare function isTraceRequested(c: Context): boolean;
declare function policyDebug(c: Context, policyName: string): DebugLogger;
declare function timingSafeEqual(a: string | Uint8Array, b: string | Uint8Array): boolean;
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
  reserve(key: string, policy: LimitPolicy, cost: number): LimitDecision;
  settle(key: string, policy: LimitPolicy, ticket: LimitTicket | undefined, actual: number): LimitDecision;
  destroy(): void;
  [Symbol.asyncDispose](): Promise<void>;
}
export { type AdaptiveConcurrencyConfig, type AdminOptions, type ApiKeyAuthConfig, type AssignAttributesConfig, type AssignContentConfig, type AssignMetricsConfig, type Balance, type BalancedTarget, type BalancedUpstream, type BasicAuthConfig, type BoundPolicy, type BulkheadConfig, type CacheConfig, type CacheStore, type CanaryOptions, type CircuitBreakerConfig, type CircuitBreakerSnapshot, type CircuitBreakerStore, type CircuitState, type CompressionConfig, type CompressionEncoding, type ConcurrencyLimitConfig, ConsoleSpanExporter, type ContentFields, type CorsConfig, type CsrfConfig, DEFAULT_IP_HEADERS, type DebugHeadersOptions, type DebugLogger, type DebugRequest, type DynamicRoutingConfig, type EjectionOptions, type ExtractClientIpOptions, type FailMode, type ForwardKeyIdentity, GATEWAY_ERROR_CODES, type GatewayAdapter, type GatewayConfig, GatewayError, type GatewayErrorCode, type GatewayErrorOptions, type GatewayEvent, type GatewayInstance, type GatewayRegistry, type GenerateHttpSignatureConfig, type GenerateJwtConfig, type GeoIpFilterConfig, type HandlerUpstream, type HealthCheckOptions, type HealthConfig, type HealthStatus, type HistogramEntry, type HttpCalloutConfig, type HttpMethod, type IdempotencyConfig, type Identity, InMemoryCacheStore, InMemoryCircuitBreakerStore, InMemoryMetricsCollector, type InMemoryMetricsOptions, InMemoryRateLimitStore, type InterruptConfig, type IpFilterConfig, type JsonThreatProtectionConfig, type JsonValidationConfig, type Jwk, type JwsConfig, type JwtAuthConfig, type JwtClaims, type LatencyInjectionConfig, type LocalStores, type MeterLike, type MetricTags, type MetricsCollector, type MetricsReporterConfig, type MetricsSnapshot, type MockConfig, type Next, type OAuth2Config, OTLPSpanExporter, type OTLPSpanExporterOptions, type OverrideMethodConfig, type PipelineConfig, type Policy, type PolicyContext, type PolicyDefinition, type PolicyFactory, type PolicyHandler, type PolicyOptions, type PolicySite, type PolicyTestHarness, type PolicyTestHarnessOptions, type PolicyTools, type PolicyTrace, type PolicyTraceDetail, type PolicyTraceEntry, Priority, type ProxyConfig, type PurgeTarget, type QuotaConfig, type QuotaPeriod, type RateLimitConfig, type RateLimitStore, type RbacConfig, type ReadableSpan, type RegexThreatProtectionConfig, type RequestLimitConfig, type RequestLogConfig, type RequestLogEntry, type RequestSchemas, type RequestTransformConfig, type RequestValidationConfig, type ResourceFilterConfig, type ResponseTransformConfig, type ResponseValidationConfig, type RetryConfig, type RouteConfig, type RoutingRule, type SafeCallOptions, type SchemaLike, type SchemaResult, type ScopeConfig, type SecurityHeadersConfig, SemConv, type ServerTimingConfig, type ServerTimingVisibility, type ServiceBindingUpstream, type SignatureAlgorithm, type SpanAttribute, SpanBuilder, type SpanEvent, type SpanExporter, type SpanKind, type SpanStatusCode, type SslEnforceConfig, type StoreKind, type StoreKinds, type StoreOptions, type TaggedValue, type ThreatPattern, type ThreatTarget, type TimeoutConfig, type TokenInfo, type TokenLimitConfig, type TraceReporter, type TracingConfig, type TrafficShadowConfig, type TrustProxy, type UpstreamConfig, type UrlUpstream, type UsageSource, type ValidationIssue, type ValidatorResult, type Verdict, type VerificationKey, type VerifyHttpSignatureConfig, adaptiveConcurrency, apiKeyAuth, assignAttributes, assignContent, assignMetrics, basicAuth, bulkhead, cache, circuitBreaker, clearJwksCache, forgetJwks as clearJwsJwksCache, clearOAuth2Cache, compression, concurrencyLimit, consoleSink, cors, createGateway, createPolicyTestHarness, csrf, defaultErrorResponse, definePolicy, dynamicRouting, errorToResponse, extractClientIp, generateHttpSignature, generateJwt, geoIpFilter, getGatewayContext, health, httpCallout, idempotency, interrupt, ipFilter, isDebugRequested, isGatewayError, isTraceRequested, jsonThreatProtection, jsonValidation, jws, jwtAuth, latencyInjection, metricsReporter, metricsSink, mock, noopTraceReporter, oauth2, openTelemetrySink, overrideMethod, parseDebugRequest, policyDebug, policyTrace, prometheusSink, proxy, quota, rateLimit, rbac, regexThreatProtection, requestLimit, requestLog, requestTransform, requestValidation, resolveConfig, resourceFilter, responseTransform, responseValidation, retry, safeCall, scope, securityHeaders, serverTiming, setDebugHeader, sslEnforce, timeout, timingSafeEqual, toPrometheusText, tokenLimit, trafficShadow, verifyHttpSignature, withSkip };
