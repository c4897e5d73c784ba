// sluice/client

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
declare function isSluiceError(error: unknown): error is SluiceError;
type AdapterBody = string | Uint8Array | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | null;
interface AdapterRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AdapterBody;
  readonly signal: AbortSignal;
  onCancel(listener: (reason: unknown) => void): () => void;
  readonly stream: boolean;
  readonly maxResponseBytes: number | undefined;
  readonly connectTimeoutMs: number | undefined;
  readonly idleTimeoutMs: number | undefined;
  readonly publicOnly: boolean;
  readonly mayFollow: boolean;
  onSending(): void;
  onHeaders(status: number): void;
}
type AdapterHeaders = Readonly<Record<string, string | readonly string[] | undefined>> | Headers | readonly string[];
interface AdapterResponse {
  readonly status: number;
  readonly headers?: AdapterHeaders;
  readonly body?: Uint8Array | ReadableStream<Uint8Array> | string | null;
  readonly url?: string | undefined;
}
interface AdapterCapabilities {
  readonly stream: boolean;
  readonly uploadProgress: boolean;
  readonly http2: boolean;
  readonly sending: boolean;
  readonly redirects: boolean;
}
interface Adapter {
  (request: AdapterRequest): Promise<AdapterResponse>;
  readonly capabilities?: Partial<AdapterCapabilities>;
  close?(): Promise<void>;
}
declare function fetchAdapter(options?: {
  readonly fetch?: typeof globalThis.fetch;
}): Adapter;
type TimerHandle = unknown;
interface Clock {
  now(): number;
  monotonic(): number;
  setTimeout(callback: () => void, delayMs: number, keepAlive?: boolean): TimerHandle;
  clearTimeout(handle: TimerHandle): void;
}
type MaybePromise<T> = T | Promise<T>;
type Fields = Record<string, string>;
type ResponseFields = Readonly<Record<string, string | readonly string[]>>;
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
interface LimitTicket {
  readonly era: number;
  readonly at: number;
  readonly need: number;
}
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
declare const STITCH_ERROR_CODES: readonly ["CONFIG_INVALID", "INPUT_INVALID", "OUTPUT_INVALID", "HTTP_STATUS", "RESPONSE_REJECTED", "RATE_LIMITED", "THROTTLED", "TIMEOUT", "ABORTED", "NETWORK", "TLS", "BODY_TRUNCATED", "PROTOCOL_ERROR", "REDIRECT_REFUSED", "TOO_MANY_REDIRECTS", "RESPONSE_TOO_LARGE", "PARSE_FAILED", "BODY_NOT_REPLAYABLE", "CIRCUIT_OPEN", "ALL_FAILED", "PAGINATION_LOOP", "GRAPHQL_ERRORS", "AUTH_FAILED", "LOAD_FAILED", "STORE_UNAVAILABLE", "STORE_CAPABILITY", "STORE_WRONG_TYPE", "STORE_UNSERIALIZABLE", "STORE_VALUE_TOO_LARGE", "STORE_CONTENTION", "STORE_FULL", "CLOSED"];
type StitchErrorCode = (typeof STITCH_ERROR_CODES)[number];
type TimeoutPhase = "total" | "attempt" | "idle" | "connect" | "auth" | "throttle" | "store";
type AuthFailure = "invalid-credentials" | "rate-limited" | "network" | "protocol";
interface Issue {
  readonly message: string;
  readonly path: readonly (string | number)[];
}
interface StitchErrorFacts {
  readonly stitch?: string;
  readonly method?: string;
  readonly url?: string;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: unknown;
  readonly attempts?: number;
  readonly elapsedMs?: number;
  readonly sent?: boolean | "unknown";
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
  readonly phase?: TimeoutPhase;
  readonly issues?: readonly Issue[];
  readonly errors?: readonly unknown[];
  readonly data?: unknown;
  readonly category?: AuthFailure;
  readonly step?: "apply" | "refresh";
  readonly budgetExhausted?: boolean;
  readonly idempotencyKey?: string;
  readonly traceId?: string;
  readonly spanId?: string;
  readonly cause?: unknown;
}
interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
}
declare class StitchError extends SluiceError<StitchErrorCode> {
  readonly stitch: string | undefined;
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[]>> | undefined;
  readonly body: unknown;
  readonly attempts: number;
  readonly elapsedMs: number;
  readonly sent: boolean | "unknown";
  readonly retryable: boolean;
  readonly phase: TimeoutPhase | undefined;
  readonly issues: readonly Issue[] | undefined;
  readonly errors: readonly unknown[] | undefined;
  readonly data: unknown;
  readonly category: AuthFailure | undefined;
  readonly step: "apply" | "refresh" | undefined;
  readonly budgetExhausted: boolean | undefined;
  readonly idempotencyKey: string | undefined;
  readonly traceId: string | undefined;
  readonly spanId: string | undefined;
  constructor(code: StitchErrorCode, message: string, facts?: StitchErrorFacts);
  get name(): string;
  toJSON(): Record<string, unknown>;
  toProblem(): Problem;
}
declare function isStitchError(error: unknown): error is StitchError;
interface EventBase {
  readonly at: number;
  readonly elapsedMs: number;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attempt: number;
}
type ProgressPhase = "cache" | "throttled" | "auth" | "request" | "response" | "retry" | "hedge" | "reconnect" | "paginate" | "circuit";
interface Finding {
  readonly kind: "undeclared" | "coerced" | "defaulted" | "missing" | "invalid" | "flag";
  readonly severity: "verbose" | "info" | "warn" | "error";
  readonly path: string;
  readonly sample?: string;
}
type ResultSource = "live" | "cache" | "stale" | "revalidated" | "shared";
type EventFacts = {
  readonly type: "start";
  readonly method: string;
  readonly url: string;
} | {
  readonly type: "progress";
  readonly phase: ProgressPhase;
  readonly waitedMs?: number;
  readonly delayMs?: number;
  readonly status?: number;
  readonly detail?: string;
  readonly direction?: "upload" | "download";
  readonly loadedBytes?: number;
  readonly totalBytes?: number;
} | {
  readonly type: "info";
  readonly topic: string;
  readonly detail: string;
} | {
  readonly type: "drift";
  readonly finding: Finding;
} | {
  readonly type: "delta";
  readonly data: unknown;
  readonly id?: string;
  readonly event?: string;
} | {
  readonly type: "result";
  readonly data: unknown;
  readonly status: number;
  readonly source: ResultSource;
} | {
  readonly type: "error";
  readonly code: StitchErrorCode;
  readonly status?: number;
  readonly retryAfterMs?: number;
} | {
  readonly type: "done";
  readonly ok: boolean;
  readonly attempts: number;
};
type StitchEvent = EventBase & EventFacts;
interface SinkContext {
  readonly method: string;
  readonly template: string;
  readonly url: string;
  readonly principal: boolean;
  readonly requestBody?: string;
  readonly responseBody?: string;
  readonly error?: unknown;
}
interface TraceSink {
  handle(event: StitchEvent, context: SinkContext): void | Promise<void>;
  flush?(): void | Promise<void>;
  close?(): void | Promise<void>;
  readonly payloads?: boolean;
  readonly maxBodyBytes?: number;
}
interface PageFacts {
  readonly data: unknown;
  readonly body: unknown;
  readonly status: number;
  readonly headers: ResponseFields;
  readonly url: string;
}
interface PageState {
  readonly index: number;
  readonly items: number;
  readonly input: CallInput;
  readonly first: CallInput;
}
interface Paginator {
  readonly next: (page: PageFacts, state: PageState) => CallInput | undefined | Promise<CallInput | undefined>;
  readonly items?: (page: PageFacts) => readonly unknown[];
  readonly begin?: (input: CallInput) => CallInput;
  readonly maxPages?: number;
  readonly maxItems?: number;
}
interface Page<Out = unknown> {
  readonly data: Out;
  readonly items: readonly unknown[];
  readonly index: number;
  readonly resume: unknown;
}
interface PageLimits {
  readonly maxPages?: number;
  readonly maxItems?: number;
  readonly itemsPath?: string;
}
declare function linkHeader(options?: PageLimits): Paginator;
declare function cursor(options: PageLimits & {
  readonly path: string;
  readonly param?: string;
}): Paginator;
declare function offset(options: PageLimits & {
  readonly limit: number;
  readonly param?: string;
  readonly limitParam?: string;
  readonly totalPath?: string;
}): Paginator;
declare function page(options?: PageLimits & {
  readonly param?: string;
  readonly start?: number;
}): Paginator;
interface RedactOptions {
  readonly headers?: readonly string[];
  readonly query?: readonly string[];
  readonly fields?: readonly string[];
}
declare class Redactor {
  #private;
  constructor(options: RedactOptions | undefined);
  hide(where: "header" | "query", name: string): void;
  learn(secret: string): void;
  get knowsSecrets(): boolean;
  hidesHeader(name: string): boolean;
  hidesQuery(name: string): boolean;
  hidesField(name: string): boolean;
  text(text: string, ofCall?: readonly string[]): string;
  url(url: string): string;
  value(value: unknown, depth?: number): unknown;
  under(kind: "header" | "query" | "field", record: unknown): string[];
  cause(cause: unknown, ofCall?: readonly string[]): unknown;
}
type Backoff = "exponential" | "linear" | "constant";
type Jitter = "full" | "equal" | "none";
interface RetryContext {
  readonly status?: number;
  readonly error?: unknown;
  readonly attempt: number;
  readonly method: string;
  readonly elapsedMs: number;
}
interface RetryOptions {
  readonly attempts?: number;
  readonly on?: readonly number[] | ((context: RetryContext) => boolean);
  readonly methods?: readonly string[];
  readonly baseDelayMs?: number;
  readonly maxDelayMs?: number;
  readonly jitter?: Jitter;
  readonly respectRetryAfter?: boolean;
  readonly maxRetryAfterMs?: number;
  readonly budget?: false | {
    readonly ratio?: number;
    readonly minPerSecond?: number;
    readonly scope?: "stitch" | "seam";
  };
}
interface TimeoutOptions {
  readonly totalMs?: number | false;
  readonly attemptMs?: number | false;
  readonly idleMs?: number | false;
  readonly connectMs?: number;
}
interface ThrottleOptions {
  readonly rate?: string;
  readonly burst?: number;
  readonly concurrency?: number;
  readonly leaseMs?: number;
  readonly pool?: "stitch" | "host";
  readonly cost?: (input: CallInput) => number;
  readonly key?: (input: CallInput) => string;
  readonly maxWaitMs?: number;
  readonly maxQueue?: number;
  readonly feedback?: false | {
    readonly on?: readonly number[];
    readonly rateLimitFields?: boolean;
    readonly maxPauseMs?: number;
  };
  readonly mode?: "wait" | "reject";
}
interface CircuitOptions {
  readonly failureThreshold?: number;
  readonly windowMs?: number;
  readonly cooldownMs?: number;
  readonly halfOpenMax?: number;
  readonly failureRate?: number;
  readonly minimumThroughput?: number;
  readonly slowMs?: number;
  readonly key?: string;
  readonly pool?: "stitch" | "host";
  readonly isFailure?: (outcome: {
    readonly status?: number;
    readonly error?: unknown;
  }) => boolean;
}
interface HedgeOptions {
  readonly delayMs: number | "p95";
  readonly max?: number;
}
interface IdempotencyOptions {
  readonly header?: string;
  readonly key?: (input: CallInput) => string;
  readonly methods?: readonly string[];
}
interface CacheOptions {
  readonly ttlMs?: number;
  readonly mode?: "http" | "ttl";
  readonly methods?: readonly string[];
  readonly tenancy?: "principal" | "app";
  readonly staleWhileRevalidateMs?: number;
  readonly staleIfErrorMs?: number;
  readonly coalesce?: "process" | "cluster" | false;
  readonly negativeTtlMs?: number;
  readonly version?: string | number;
  readonly maxBodyBytes?: number;
  readonly maxEntries?: number;
}
type FailMode = "local" | "open" | "closed";
interface FailModes {
  readonly throttle?: FailMode;
  readonly circuit?: FailMode;
  readonly cache?: "open" | "closed";
  readonly tokens?: "local" | "closed";
  readonly lock?: "open" | "closed";
}
interface RetryRules {
  readonly attempts: number;
  readonly on: ReadonlySet<number> | ((context: RetryContext) => boolean);
  readonly methods: ReadonlySet<string>;
  readonly backoff: {
    readonly backoff: Backoff;
    readonly baseDelayMs: number;
    readonly maxDelayMs: number;
    readonly jitter: Jitter;
  };
  readonly respectRetryAfter: boolean;
  readonly maxRetryAfterMs: number;
  readonly budget: false | {
    readonly ratio: number;
    readonly minPerSecond: number;
    readonly scope: "stitch" | "seam";
  };
}
interface TimeoutRules {
  readonly totalMs: number;
  readonly attemptMs: number;
  readonly idleMs: number;
  readonly connectMs: number | undefined;
  readonly explicitTotal: boolean;
}
interface IdempotencyRules {
  readonly header: string;
  readonly key: ((input: CallInput) => string) | undefined;
  readonly methods: ReadonlySet<string>;
}
interface HedgeRules {
  readonly delayMs: number | "p95";
  readonly max: number;
}
interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: {
      readonly input: Input;
      readonly output: Output;
    } | undefined;
  };
}
type SchemaResult<Output> = {
  readonly value: Output;
  readonly issues?: undefined;
} | {
  readonly issues: readonly SchemaIssue[];
};
interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | {
    readonly key: PropertyKey;
  })[] | undefined;
}
type Validator<T = unknown> = StandardSchema<unknown, T> | ((value: unknown) => boolean) | ((value: unknown) => value is T);
type OutputOfSchema<S> = S extends {
  readonly "~standard": {
    readonly types?: {
      readonly output: infer O;
    } | undefined;
  };
} ? O : unknown;
interface GuardEvent {
  readonly type: "store.down" | "store.up" | "store.error";
  readonly store: string;
  readonly code: string;
  readonly suppressed: number;
}
type StoreFeature = "throttle" | "circuit" | "cache" | "tokens" | "lock";
interface StoreAccessOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly timeoutMs: number;
  readonly failMode: FailModes;
  readonly onChange: (event: GuardEvent) => void;
}
type PaceCommand = {
  readonly spacingMs: number;
  readonly burst: number;
  readonly cost: number;
  readonly maxWaitMs: number | undefined;
} | {
  readonly refund: LimitTicket;
  readonly spacingMs: number;
  readonly burst: number;
} | {
  readonly pauseMs: number;
  readonly spacingMs: number;
  readonly burst: number;
};
declare class StoreAccess {
  #private;
  readonly shared: boolean;
  readonly store: StitchStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly modes: Required<FailModes>;
  constructor(store: StitchStore | undefined, options: StoreAccessOptions);
  get(feature: StoreFeature, key: string): Promise<unknown>;
  set(feature: StoreFeature, key: string, value: unknown, ttlMs?: number): Promise<void>;
  compareAndSet(feature: StoreFeature, key: string, expected: unknown, next: unknown, ttlMs?: number): Promise<boolean>;
  reserve(key: string, command: PaceCommand): Promise<CursorReply>;
  get paces(): boolean;
  lease(key: string, token: string, limit: number, ttlMs: number): Promise<LeaseReply>;
  release(key: string, token: string): Promise<boolean>;
  run<R>(algorithm: Algorithm<unknown, unknown, R>, key: string, command: unknown): Promise<R>;
  guarded<T>(operation: string, run: () => MaybePromise<T>): Promise<T>;
  use<T>(feature: StoreFeature, operation: string, run: (store: StitchStore) => MaybePromise<T>, without: () => T): Promise<T>;
  exclusively<T>(key: string, ttlMs: number, signal: AbortSignal, work: (locked: boolean, lost: AbortSignal) => Promise<T>): Promise<T>;
  close(): Promise<void>;
  get timeoutMs(): number;
}
interface Encryption {
  encrypt(bytes: Uint8Array, aad: Uint8Array): Promise<Uint8Array>;
  decrypt(bytes: Uint8Array, aad: Uint8Array): Promise<Uint8Array>;
}
interface Vault {
  key(...parts: readonly (string | undefined)[]): string;
  read(key: string): Promise<{
    readonly value: unknown;
    readonly stored: unknown;
  }>;
  write(key: string, value: unknown, ttlMs?: number): Promise<void>;
  replace(key: string, stored: unknown, value: unknown, ttlMs?: number): Promise<boolean>;
  delete(key: string): Promise<void>;
  exclusively<T>(key: string, ttlMs: number, signal: AbortSignal, work: (locked: boolean, lost: AbortSignal) => Promise<T>): Promise<T>;
}
declare function aesGcm(secretOrKeys: string | Uint8Array | Readonly<Record<string, string | Uint8Array>>): Encryption;
type ArrayFormat = "repeat" | "indices" | "brackets" | "comma";
type StitchKind = "http" | "graphql" | "sse" | "stream";
type BodyKind = "json" | "form" | "multipart" | "text" | "bytes" | "auto";
type ResponseKind = "auto" | "json" | "text" | "bytes" | "blob" | "raw";
interface CallInput {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | undefined>> | Headers | readonly (readonly [string, string])[];
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: {
    readonly direction: "upload" | "download";
    readonly loadedBytes: number;
    readonly totalBytes?: number;
  }) => void;
  readonly idempotencyKey?: string;
  readonly cost?: number;
  readonly resume?: unknown;
}
interface HookRequest {
  url: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: unknown;
  readonly attempt: number;
}
interface HookResponse {
  readonly status: number;
  readonly headers: ResponseFields;
  readonly url: string;
}
interface Hooks {
  readonly onRequest?: (request: HookRequest) => unknown;
  readonly onResponse?: (response: HookResponse, request: HookRequest) => unknown;
  readonly onRetry?: (info: {
    readonly attempt: number;
    readonly delayMs: number;
    readonly status?: number;
    readonly error?: unknown;
  }) => unknown;
  readonly onError?: (error: StitchError) => unknown;
}
interface SseOptions {
  readonly reconnect?: boolean;
  readonly attempts?: number;
  readonly delayMs?: number;
  readonly lastEventId?: string;
  readonly parse?: "auto" | "json" | "text";
}
interface StreamOptions {
  readonly decode?: "ndjson" | "lines" | "bytes" | "json";
  readonly resume?: boolean;
}
interface SharedConfig {
  readonly name?: string;
  readonly kind?: StitchKind;
  readonly baseUrl?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: BodyKind;
  readonly response?: ResponseKind;
  readonly arrayFormat?: ArrayFormat;
  readonly operationName?: string;
  readonly partial?: boolean;
  readonly persisted?: boolean;
  readonly useGet?: boolean;
  readonly sse?: SseOptions;
  readonly stream?: StreamOptions;
  readonly auth?: AuthStrategy;
  readonly throttle?: string | ThrottleOptions | false;
  readonly retry?: number | RetryOptions | false;
  readonly timeout?: number | TimeoutOptions | false;
  readonly circuit?: CircuitOptions | true | false;
  readonly hedge?: HedgeOptions | false;
  readonly idempotency?: true | IdempotencyOptions | false;
  readonly cache?: number | CacheOptions | false;
  readonly acceptStatus?: number | readonly number[] | ((status: number) => boolean);
  readonly flag?: string;
  readonly sensitive?: boolean;
  readonly maxResponseBytes?: number;
  readonly redirect?: {
    readonly max?: number;
    readonly crossOrigin?: "strip" | "refuse";
  };
  readonly trace?: TraceSink | readonly TraceSink[] | false;
  readonly propagate?: false | "same-seam" | ((url: string) => boolean);
  readonly hooks?: Hooks;
  readonly extends?: readonly Partial<StitchConfig>[];
  readonly adapter?: Adapter;
  readonly store?: StitchStore;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly redact?: RedactOptions;
}
interface StitchConfig extends SharedConfig {
  readonly method?: string;
  readonly url?: string | (() => string);
  readonly path?: string;
  readonly document?: string;
  readonly input?: { readonly [Slot in "params" | "query" | "body" | "headers" | "variables"]?: Validator };
  readonly output?: Validator;
  readonly transform?: (body: never, response: {
    readonly status: number;
    readonly headers: ResponseFields;
  }) => unknown;
  readonly pick?: string;
  readonly paginate?: Paginator;
}
interface SeamConfig extends SharedConfig {
  readonly secretStore?: StitchStore;
  readonly encryption?: Encryption;
  readonly failMode?: FailModes;
  readonly storeTimeoutMs?: number;
  readonly allowHosts?: readonly string[];
  readonly denyPrivate?: boolean;
}
type Secret = string | ((context: SecretContext) => string | undefined | Promise<string | undefined>);
interface SecretContext {
  readonly signal: AbortSignal;
  readonly principal: string | undefined;
}
interface AuthContext extends SecretContext {
  readonly vault: Vault;
  readonly clock: Clock;
  readonly adapter: Adapter;
  readonly stitch: string;
  hide(secret: string): void;
  info(topic: string, detail: string): void;
  memo: unknown;
  readonly random: {
    next(): number;
    uuid(): string;
  };
  background(work: Promise<unknown>): void;
}
interface AuthResponse {
  readonly status: number;
  readonly headers: ResponseFields;
  readonly url: string;
}
interface AuthStrategy {
  readonly name: string;
  readonly origins?: readonly string[];
  readonly marks?: {
    readonly header?: string;
    readonly query?: string;
    readonly cookie?: string;
  };
  readonly scheme?: Readonly<Record<string, unknown>>;
  apply(request: HookRequest, context: AuthContext): MaybePromise<void>;
  learn?(response: AuthResponse, context: AuthContext): MaybePromise<void>;
  shouldRefresh?(response: AuthResponse, context: AuthContext): boolean;
  refresh?(context: AuthContext): MaybePromise<void>;
  attach?(open: (principal: string | undefined) => Promise<AuthContext>): void;
  check?(facts: {
    readonly method: string;
    readonly streams: boolean;
  }): void;
}
declare function env(name: string): Secret;
declare function optionalEnv(name: string): Secret;
declare function secretFrom(source: {
  get(name: string, context: SecretContext): string | undefined | Promise<string | undefined>;
}, name: string, options?: {
  readonly ttlMs?: number;
  readonly clock?: Clock;
}): Secret;
interface DriftOptions {
  readonly ignore?: readonly string[];
  readonly severity?: Readonly<Partial<Record<Finding["kind"], Finding["severity"]>>>;
}
declare function drift<S extends StandardSchema>(schema: S, options?: DriftOptions): StandardSchema<unknown, OutputOfSchema<S>>;
type Trimmed<S extends string> = S extends `${infer Name}*` ? Name : S extends `${infer Name}:${string}` ? Name : S;
type Listed<S extends string> = S extends `${infer First},${infer Rest}` ? Trimmed<First> | Listed<Rest> : Trimmed<S>;
type PathNames<Body extends string> = Body extends `?${string}` | `&${string}` ? never : Body extends `${"+" | "." | "/" | ";"}${infer Rest}` ? Listed<Rest> : Listed<Body>;
type QueryNames<Body extends string> = Body extends `${"?" | "&"}${infer Rest}` ? Listed<Rest> : never;
type Bodies<S extends string> = S extends `${string}{${infer Body}}${infer Rest}` ? Body | Bodies<Rest> : never;
type ParamValue = string | number | boolean | Date | readonly (string | number | boolean)[] | Readonly<Record<string, string | number | boolean>>;
type RequiredNames<S extends string> = { [B in Bodies<S>]: PathNames<B> }[Bodies<S>];
type OptionalNames<S extends string> = { [B in Bodies<S>]: QueryNames<B> }[Bodies<S>];
type ParamsOf<S> = S extends string ? string extends S ? Readonly<Record<string, ParamValue | undefined>> : { readonly [Name in RequiredNames<S>]: ParamValue } & { readonly [Name in Exclude<OptionalNames<S>, RequiredNames<S>>]?: ParamValue | undefined } : Readonly<Record<string, ParamValue | undefined>>;
type Text<C, K extends string> = C extends { readonly [P in K]: infer S extends string } ? S : "";
type TemplateOf<C> = C extends string ? C extends `${string} ${infer Url}` ? Url : C : C extends {
  readonly url: infer U;
} ? (U extends string ? U : string) : `${Text<C, "baseUrl">}${Text<C, "path">}`;
type InputOf<V> = V extends StandardSchema<infer I, unknown> ? I : V extends {
  readonly "~standard": {
    readonly types?: {
      readonly input: infer I;
    } | undefined;
  };
} ? I : V extends ((value: unknown) => value is infer T) ? T : unknown;
type OutputOf<V> = V extends {
  readonly "~standard": {
    readonly types?: {
      readonly output: infer O;
    } | undefined;
  };
} ? O : V extends ((value: unknown) => value is infer T) ? T : unknown;
type Slot<C, K extends string> = C extends {
  readonly input: { readonly [P in K]: infer V };
} ? V : undefined;
type MaybeOptional<K extends string, T> = undefined extends T ? { readonly [P in K]?: T } : Record<never, never> extends T ? { readonly [P in K]?: T } : { readonly [P in K]: T };
type SlotOf<C, K extends string, Fallback> = Slot<C, K> extends undefined ? { readonly [P in K]?: Fallback } : MaybeOptional<K, InputOf<Slot<C, K>>>;
type ParamsSlot<C> = Slot<C, "params"> extends undefined ? MaybeOptional<"params", ParamsOf<TemplateOf<C>>> : MaybeOptional<"params", InputOf<Slot<C, "params">>>;
interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: {
    readonly direction: "upload" | "download";
    readonly loadedBytes: number;
    readonly totalBytes?: number;
  }) => void;
  readonly idempotencyKey?: string;
  readonly cost?: number;
  readonly resume?: unknown;
}
type InOf<C> = ParamsSlot<C> & SlotOf<C, "query", Readonly<Record<string, unknown>>> & SlotOf<C, "body", unknown> & SlotOf<C, "headers", Readonly<Record<string, string | undefined>> | Headers> & SlotOf<C, "variables", Readonly<Record<string, unknown>>> & CallOptions;
type OutOf<C> = C extends {
  readonly output: infer V;
} ? (C extends {
  readonly kind: "sse" | "stream";
} | {
  readonly paginate: object;
} ? OutputOf<V>[] : OutputOf<V>) : C extends {
  readonly pick: string;
} ? unknown : C extends {
  readonly transform: (...args: never[]) => infer R;
} ? Awaited<R> : C extends {
  readonly response: "text";
} ? string : C extends {
  readonly response: "bytes";
} ? Uint8Array : C extends {
  readonly response: "blob";
} ? Blob : C extends {
  readonly response: "raw";
} ? RawResult : C extends {
  readonly kind: "sse" | "stream";
} ? unknown[] : unknown;
interface RawResult {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: ReadableStream<Uint8Array>;
}
type Args<In> = Record<never, never> extends In ? [input?: In] : [input: In];
type SafeResult<Out> = {
  readonly ok: true;
  readonly data: Out;
} | {
  readonly ok: false;
  readonly error: StitchError;
};
interface StitchResult<Out> extends PromiseLike<Out> {
  stream(): AsyncGenerator<StitchEvent, void, undefined>;
  safe(): Promise<SafeResult<Out>>;
  catch<T = never>(onRejected?: ((error: StitchError) => T | PromiseLike<T>) | null): Promise<Out | T>;
  finally(onFinally?: (() => void) | null): Promise<Out>;
}
interface RetryBudget {
  first(): void;
  take(): boolean;
}
interface ThrottleRules {
  readonly spacingMs: number | undefined;
  readonly burst: number;
  readonly concurrency: number | undefined;
  readonly leaseMs: number;
  readonly pool: "stitch" | "host";
  readonly cost: ((input: CallInput) => number) | undefined;
  readonly key: ((input: CallInput) => string) | undefined;
  readonly maxWaitMs: number;
  readonly maxQueue: number;
  readonly feedback: {
    readonly on: ReadonlySet<number>;
    readonly rateLimitFields: boolean;
    readonly maxPauseMs: number;
  } | undefined;
  readonly mode: "wait" | "reject";
}
interface CircuitRules {
  readonly failureThreshold: number;
  readonly windowMs: number;
  readonly resetTimeoutMs: number;
  readonly halfOpenMax: number;
  readonly failureRate: number | undefined;
  readonly minimumThroughput: number;
  readonly slowMs: number | undefined;
  readonly key: string | undefined;
  readonly pool: "stitch" | "host";
  readonly isFailure: CircuitOptions["isFailure"];
}
interface CacheRules {
  readonly ttlMs: number | undefined;
  readonly mode: "http" | "ttl";
  readonly methods: ReadonlySet<string>;
  readonly tenancy: "principal" | "app";
  readonly explicitTenancy: boolean;
  readonly staleWhileRevalidateMs: number | undefined;
  readonly staleIfErrorMs: number | undefined;
  readonly coalesce: "process" | "cluster" | false;
  readonly negativeTtlMs: number | undefined;
  readonly version: string;
  readonly maxBodyBytes: number;
  readonly maxEntries: number;
}
declare abstract class Deadline {
  dueAt: number;
  slot: number;
  before: Deadline | undefined;
  after: Deadline | undefined;
  abstract expire(): void;
}
interface Deadlines {
  arm(entry: Deadline, afterMs: number, now?: number): void;
  disarm(entry: Deadline): void;
}
declare class SinkLines {
  #private;
  readonly payloads: boolean;
  readonly maxBodyBytes: number;
  constructor(sinks: readonly TraceSink[]);
  get dropped(): number;
  keepRequest(call: Call, text: string | undefined): void;
  keepResponse(call: Call, bytes: Uint8Array): void;
  send(call: Call, told: StitchEvent, error: unknown): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}
declare class Scope extends Deadline {
  #private;
  cancelled: {
    readonly reason: unknown;
  } | undefined;
  constructor(deadlines: Deadlines, clock: Clock, onExpire: () => unknown, parent?: Scope);
  limit(ms: number): void;
  unlimit(): void;
  get remainingMs(): number;
  expire(): void;
  cancel(reason: unknown): void;
  end(): void;
  onCancel(listener: (reason: unknown) => void): () => void;
  get signal(): AbortSignal;
  throwIfCancelled(): void;
  bound<T>(value: MaybePromise<T>): MaybePromise<T>;
  sleep(ms: number): Promise<void>;
}
interface FeedbackResponse {
  readonly status: number;
  get(name: string): string | undefined;
}
interface Place {
  release(): void;
}
interface Turn {
  readonly waitedMs: number;
  refund(): void;
}
declare class Throttle {
  #private;
  readonly rules: ThrottleRules;
  constructor(name: string, rules: ThrottleRules, access: StoreAccess | undefined, clock: Clock, random: Random);
  keyOf(input: CallInput, host: string): string;
  costOf(input: CallInput): number;
  turn(key: string, cost: number, scope: Scope, onWait: (waitMs: number) => void): MaybePromise<Turn>;
  tryTurn(key: string, cost: number): MaybePromise<boolean>;
  place(key: string, scope: Scope, onWait: () => void): MaybePromise<Place>;
  heard(key: string, response: FeedbackResponse): number;
}
interface Member$1 {
  readonly name: string;
  readonly stitch: unknown;
  invalidate(principal: string | undefined): Promise<void>;
}
declare class Runtime {
  #private;
  private readonly features;
  readonly adapter: Adapter;
  readonly clock: Clock;
  readonly random: Random;
  readonly deadlines: Deadlines;
  readonly store: StitchStore | undefined;
  sinks: SinkLines | undefined;
  readonly config: SeamConfig;
  readonly seamName: string | undefined;
  readonly origin: string | undefined;
  readonly throttleRules: ThrottleRules | undefined;
  readonly members: Member$1[];
  readonly caches: Set<{
    dropUrl(call: Call, url: string): Promise<void>;
  }>;
  readonly onStoreChange: Set<(event: GuardEvent) => void>;
  constructor(config: SeamConfig, facts: {
    readonly seamName?: string;
    readonly origin?: string;
    readonly throttle?: ThrottleRules;
  });
  openSinks(): MaybePromise<void>;
  get closed(): boolean;
  join(member: Member$1): void;
  enter(): void;
  leave(): void;
  background(work: Promise<unknown>): void;
  access(): MaybePromise<StoreAccess>;
  vault(encryption?: Encryption | undefined): MaybePromise<Vault>;
  throttle(): MaybePromise<Throttle> | undefined;
  makeThrottle(name: string | undefined, rules: ThrottleRules): MaybePromise<Throttle>;
  budget(rules: Exclude<RetryRules["budget"], false>): RetryBudget;
  owns(adapter: Adapter): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}
type Path = readonly string[];
interface Expanded {
  readonly pathname: string;
  readonly search: string;
}
interface UrlTemplate {
  readonly text: string;
  readonly origin: string;
  readonly variables: ReadonlyMap<string, boolean>;
  readonly query: readonly (readonly [name: string, value: string])[];
  expand(params: Readonly<Record<string, unknown>> | undefined, runtime: Runtime): MaybePromise<Expanded>;
}
type InputSlot = "params" | "query" | "body" | "headers" | "variables";
interface Plan {
  readonly config: StitchConfig;
  readonly runtime: Runtime;
  readonly adapter: Adapter;
  readonly name: string;
  readonly kind: StitchKind;
  readonly method: string;
  readonly template: UrlTemplate | undefined;
  readonly urlOf: (() => string) | undefined;
  readonly headers: Fields;
  readonly query: Readonly<Record<string, unknown>>;
  readonly staticSearch: string;
  readonly bodyKind: BodyKind;
  readonly responseKind: ResponseKind;
  readonly arrayFormat: ArrayFormat;
  readonly input: Readonly<Partial<Record<InputSlot, Validator>>> | undefined;
  readonly output: Validator | undefined;
  readonly transform: StitchConfig["transform"];
  readonly pick: Path | undefined;
  readonly flag: Path | undefined;
  readonly retry: RetryRules;
  readonly budget: RetryBudget | undefined;
  readonly timeout: TimeoutRules;
  readonly throttle: ThrottleRules | undefined;
  readonly circuit: CircuitRules | undefined;
  readonly hedge: HedgeRules | undefined;
  readonly idempotency: IdempotencyRules | undefined;
  readonly cache: CacheRules | undefined;
  readonly accept: (status: number) => boolean;
  readonly explicitAccept: boolean;
  readonly sensitive: boolean;
  readonly maxResponseBytes: number;
  readonly redirect: {
    readonly max: number;
    readonly crossOrigin: "strip" | "refuse";
  };
  readonly propagate: false | "same-seam" | ((url: string) => boolean);
  readonly hooks: Hooks;
  readonly auth: AuthStrategy | undefined;
  readonly redactor: Redactor;
  readonly streams: boolean;
  readonly repeatable: boolean;
  readonly guarded: boolean;
}
interface TraceParent {
  readonly traceId: string;
  readonly spanId: string | undefined;
  readonly flags: number;
  readonly tracestate: string | undefined;
}
interface CallContext {
  readonly principal?: string;
  readonly parent?: TraceParent;
  readonly scope?: Scope;
  readonly bypassCache?: boolean;
  readonly inspect?: boolean;
  readonly onAnswer?: (response: {
    readonly status: number;
    readonly headers: ResponseFields;
    readonly url: string;
  }) => void;
}
declare class Call {
  #private;
  readonly plan: Plan;
  readonly runtime: Runtime;
  readonly input: CallInput;
  readonly context: CallContext;
  readonly scope: Scope;
  readonly startedAt: number;
  attempts: number;
  waitedMs: number;
  sent: boolean | "unknown";
  phase: TimeoutPhase;
  source: ResultSource;
  findings: Finding[] | undefined;
  status: number | undefined;
  shownUrl: string | undefined;
  idempotencyKey: string | undefined;
  requestBody: string | undefined;
  responseBody: string | undefined;
  listener: ((event: StitchEvent) => void) | undefined;
  last: {
    status: number;
    headers: unknown;
    raw: unknown;
  } | undefined;
  truncated: boolean;
  constructor(plan: Plan, input: CallInput, context: CallContext);
  get principal(): string | undefined;
  get traceId(): string;
  get spanId(): string;
  get elapsedMs(): number;
  get watched(): boolean;
  emit(facts: EventFacts, error?: unknown): void;
  find(finding: Finding): void;
  timeout(phase: TimeoutPhase): StitchError;
  fail(error: unknown): StitchError;
  end(): void;
}
interface Inspection<Out> {
  readonly ok: boolean;
  readonly data?: Out;
  readonly raw?: unknown;
  readonly status?: number;
  readonly headers?: ResponseFields;
  readonly error?: StitchError;
  readonly findings: readonly Finding[];
  readonly attempts: number;
  readonly elapsedMs: number;
  readonly waitedMs: number;
  readonly source: ResultSource;
  readonly truncated?: boolean;
}
declare const INVOKE: unique symbol;
declare const PLAN: unique symbol;
interface Stitch<Out = unknown, In = CallInput> {
  (...input: Args<In>): StitchResult<Out>;
  stream(...input: Args<In>): AsyncGenerator<StitchEvent, void, undefined>;
  safe(...input: Args<In>): Promise<SafeResult<Out>>;
  inspect(input?: In, options?: {
    readonly cache?: boolean;
  }): Promise<Inspection<Out>>;
  pages(...input: Args<In>): AsyncGenerator<Page<Out>, void, undefined>;
  with<const P extends Partial<In>>(input: P & Record<Exclude<keyof P, keyof In>, never>): Stitch<Out, Omit<In, keyof P> & Partial<Pick<In, keyof P & keyof In>>>;
  invalidate(input?: In): Promise<void>;
  readonly config: Readonly<Record<string, unknown>>;
  readonly [INVOKE]: (input: CallInput | undefined, context: CallContext) => StitchResult<Out>;
  readonly [PLAN]: Plan;
}
declare function stitch<const C extends string | StitchConfig>(config: C): Stitch<OutOf<C>, InOf<C>>;
declare function isStitch(value: unknown): value is Stitch;
type MemberOf<B, C> = C extends string ? C : C extends {
  readonly url: unknown;
} ? C : B extends {
  readonly baseUrl: infer U extends string;
} ? C & {
  readonly baseUrl: U;
} : C;
interface PrincipalView<B = SeamConfig> {
  stitch<const C extends string | StitchConfig>(config: C): Stitch<OutOf<C>, InOf<MemberOf<B, C>>>;
  graphql<const C extends StitchConfig>(config: C): Stitch<OutOf<C>, InOf<MemberOf<B, C>>>;
  invalidate(stitch?: Stitch<unknown, never>): Promise<void>;
}
interface Seam<B = SeamConfig> extends PrincipalView<B> {
  as(principal: string): PrincipalView<B>;
  flush(): Promise<void>;
  close(): Promise<void>;
  describe(): Readonly<Record<string, unknown>>;
  [Symbol.asyncDispose](): Promise<void>;
}
declare function seam<const B extends SeamConfig>(config: B): Seam<B>;
declare function isSeam(value: unknown): value is Seam;
declare function bearer(secret: Secret): AuthStrategy;
interface ApiKeyOptions {
  readonly in?: "header" | "query" | "cookie";
  readonly name?: string;
  readonly value: Secret;
}
declare function apiKey(options: ApiKeyOptions): AuthStrategy;
declare function basic(options: {
  readonly user: Secret;
  readonly pass: Secret;
}): AuthStrategy;
type Member<T = unknown> = Stitch<T, never> | StitchResult<T> | (() => PromiseLike<T> | T);
type ValueOf<M> = M extends StitchResult<infer T> ? T : M extends Stitch<infer T, never> ? T : M extends (() => infer R) ? Awaited<R> : never;
interface AllOptions {
  readonly settle?: boolean;
  readonly concurrency?: number;
}
type Values<M> = { -readonly [K in keyof M]: ValueOf<M[K]> };
type Outcomes<M> = { -readonly [K in keyof M]: SafeResult<ValueOf<M[K]>> };
declare function all<const M extends readonly Member[] | Readonly<Record<string, Member>>>(members: M, options: AllOptions & {
  readonly settle: true;
}): Promise<Outcomes<M>>;
declare function all<const M extends readonly Member[] | Readonly<Record<string, Member>>>(members: M, options?: AllOptions): Promise<Values<M>>;
declare function any<const M extends readonly Member[]>(members: M): Promise<ValueOf<M[number]>>;
declare function race<const M extends readonly Member[]>(members: M): Promise<ValueOf<M[number]>>;
type RunStep = <Out, In>(stitch: Stitch<Out, In>, ...input: Args<In>) => StitchResult<Out>;
interface LinkedOptions {
  readonly traceparent?: string | null;
  readonly tracestate?: string | null;
}
declare function linked<T>(work: (run: RunStep) => Promise<T> | T, options?: LinkedOptions): Promise<T>;
type SinkLevel = "debug" | "info" | "warn" | "error";
declare function consoleSink(options?: {
  readonly level?: SinkLevel;
  readonly write?: (line: string) => void;
}): TraceSink;
interface LoggerLike {
  debug(facts: object, message?: string): void;
  info(facts: object, message?: string): void;
  warn(facts: object, message?: string): void;
  error(facts: object, message?: string): void;
}
interface LoggerSinkOptions {
  readonly levels?: Readonly<Partial<Record<StitchEvent["type"], SinkLevel | false>>>;
}
declare function loggerSink(logger: LoggerLike, options?: LoggerSinkOptions): TraceSink;
declare function multiplex(...sinks: readonly TraceSink[]): TraceSink;
interface SentryLike {
  addBreadcrumb(breadcrumb: {
    category: string;
    level: "debug" | "info" | "warning" | "error";
    message: string;
    data?: Record<string, unknown>;
  }): void;
  captureException(error: unknown, hint?: {
    tags?: Record<string, string>;
    fingerprint?: string[];
    contexts?: Record<string, Record<string, unknown>>;
  }): unknown;
}
interface SentrySinkOptions {
  readonly captureErrors?: boolean;
  readonly captureDrift?: boolean;
  readonly lifecycle?: boolean;
}
declare function sentrySink(sentry: SentryLike, options?: SentrySinkOptions): TraceSink;
interface OAuth2Options {
  readonly grant?: "client_credentials" | "refresh_token" | "authorization_code";
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret?: Secret;
  readonly clientAuth?: "basic" | "post" | "none";
  readonly scope?: string | readonly string[];
  readonly audience?: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly refreshToken?: Secret;
  readonly skewMs?: number;
  readonly refreshOn?: readonly number[];
  readonly key?: string;
  readonly tenancy?: "app" | "principal";
  readonly origins?: readonly string[];
}
declare function oauth2(options: OAuth2Options): AuthStrategy;
interface AuthorizationCodeOptions extends Omit<OAuth2Options, "grant"> {
  readonly authorizeUrl: string;
  readonly redirectUri: string;
  readonly issuer?: string;
}
interface AuthorizationCode extends AuthStrategy {
  start(): Promise<{
    readonly url: string;
    readonly state: string;
    readonly verifier: string;
  }>;
  finish(answer: {
    readonly url?: string;
    readonly code?: string;
    readonly principal?: string;
    readonly state: string;
    readonly verifier: string;
  }): Promise<void>;
}
declare function authorizationCode(options: AuthorizationCodeOptions): AuthorizationCode;
type CookieSessionOptions<In = CallInput> = CookieSessionBase<In> & ({
  readonly tenancy?: "principal" | undefined;
  readonly credentials: (principal: string) => NoInfer<In> | Promise<NoInfer<In>>;
} | {
  readonly tenancy: "app";
  readonly credentials: (principal: string | undefined) => NoInfer<In> | Promise<NoInfer<In>>;
});
interface CookieSessionBase<In> {
  readonly login: Stitch<unknown, In>;
  readonly cookies?: readonly string[];
  readonly refreshOn?: readonly number[];
  readonly refreshWhen?: (response: AuthResponse) => boolean;
  readonly ttlMs?: number;
  readonly key?: string;
}
declare function cookieSession<In>(options: CookieSessionOptions<In>): AuthStrategy;
interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}
interface AwsSigV4Options {
  readonly region: string;
  readonly service: string;
  readonly credentials: AwsCredentials | ((context: {
    readonly signal: AbortSignal;
    readonly principal: string | undefined;
  }) => AwsCredentials | Promise<AwsCredentials>);
  readonly signBody?: boolean;
  readonly sessionToken?: string;
  readonly signedHeaders?: readonly string[];
}
declare function awsSigV4(options: AwsSigV4Options): AuthStrategy;
interface Download {
  readonly stream: ReadableStream<Uint8Array>;
  readonly filename: string | undefined;
  readonly totalBytes: number | undefined;
}
declare function download<In>(stitch: Stitch<unknown, In>, ...input: Args<In>): Promise<Download>;
declare function fileSink(path: string, options?: {
  readonly maxBytes?: number;
}): TraceSink;
type Attributes = Record<string, string | number | boolean>;
interface SpanLike {
  setAttributes(attributes: Attributes): unknown;
  setStatus(status: {
    code: number;
    message?: string;
  }): unknown;
  end(endTime?: number): void;
}
interface TracerLike {
  startSpan(name: string, options?: {
    kind?: number;
    attributes?: Attributes;
    startTime?: number;
    root?: boolean;
  }, context?: unknown): SpanLike;
}
interface MeterLike {
  createHistogram(name: string, options?: object): {
    record(value: number, attributes?: Attributes): void;
  };
  createCounter(name: string, options?: object): {
    add(value: number, attributes?: Attributes): void;
  };
}
interface OtelSinkOptions {
  readonly tracer: TracerLike;
  readonly meter?: MeterLike;
  readonly contextOf?: (span: SpanLike) => unknown;
}
declare function otelSink(options: OtelSinkOptions): TraceSink;
interface OtlpOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly maxBatch?: number;
  readonly delayMs?: number;
  readonly maxQueue?: number;
  readonly clock?: Clock;
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}
interface OtlpSinkOptions extends OtlpOptions {
  readonly endpoint: string;
  readonly serviceName?: string;
  readonly serviceVersion?: string;
  readonly metricsIntervalMs?: number | false;
}
interface OtlpSink extends TraceSink {
  readonly dropped: number;
}
declare function otlpSink(options: OtlpSinkOptions): OtlpSink;
type JsonSchema = boolean | {
  readonly [keyword: string]: unknown;
};
declare function jsonSchema<T = unknown>(schema: JsonSchema, root?: Readonly<Record<string, unknown>>): StandardSchema<T, T>;
interface ToOpenApiOptions {
  readonly title: string;
  readonly version: string;
  readonly description?: string;
}
interface OpenApiResult {
  readonly document: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
}
type AnyStitch = Stitch<unknown, never>;
declare function toOpenApi(stitches: Readonly<Record<string, AnyStitch>> | readonly AnyStitch[], options: ToOpenApiOptions): OpenApiResult;
interface FromOpenApiOptions {
  readonly seam: PrincipalView<never> | PrincipalView;
  readonly auth?: Readonly<Record<string, AuthStrategy>>;
  readonly only?: readonly string[];
  readonly validate?: boolean;
}
type OpenApiStitches = Readonly<Record<string, Stitch<unknown, never>>>;
declare function fromOpenApi<T extends OpenApiStitches = Readonly<Record<string, Stitch<unknown, CallInput>>>>(document: unknown, options: FromOpenApiOptions): {
  readonly stitches: T;
  readonly warnings: readonly string[];
};
interface OpenApiSourceOptions {
  readonly name?: string;
  readonly validate?: boolean;
}
interface OpenApiSource {
  readonly source: string;
  readonly warnings: readonly string[];
}
declare function openApiSource(document: unknown, options?: OpenApiSourceOptions): OpenApiSource;
declare function openApiTypes(document: unknown): OpenApiSource;
declare function together(strategies: readonly AuthStrategy[]): AuthStrategy;
export { type Adapter, type AdapterBody, type AdapterCapabilities, type AdapterHeaders, type AdapterRequest, type AdapterResponse, type AllOptions, type ApiKeyOptions, type Args, type AuthContext, type AuthFailure, type AuthResponse, type AuthStrategy, type AuthorizationCode, type AuthorizationCodeOptions, type AwsCredentials, type AwsSigV4Options, BodyKind, type CacheOptions, CallInput, type CallOptions, type CircuitOptions, type CookieSessionOptions, type Download, type DriftOptions, type Encryption, type EventBase, type EventFacts, type FailMode, type FailModes, type Finding, type FromOpenApiOptions, type HedgeOptions, HookRequest, HookResponse, Hooks, type IdempotencyOptions, type InOf, type InputOf, type Inspection, type Issue, type JsonSchema, type LinkedOptions, type LoggerLike, type LoggerSinkOptions, type Member, type MeterLike, type OAuth2Options, type OpenApiResult, type OpenApiSource, type OpenApiSourceOptions, type OpenApiStitches, type OtelSinkOptions, type OtlpOptions, type OtlpSink, type OtlpSinkOptions, type OutOf, type OutputOf, type Page, type PageFacts, type PageLimits, type PageState, type Paginator, type ParamValue, type ParamsOf, type PrincipalView, type Problem, type ProgressPhase, type RawResult, ResponseKind, type ResultSource, type RetryContext, type RetryOptions, type RunStep, STITCH_ERROR_CODES, type SafeResult, type Seam, SeamConfig, type Secret, type SecretContext, type SentryLike, type SentrySinkOptions, SharedConfig, type SinkContext, type SinkLevel, type SpanLike, SseOptions, type StandardSchema, type Stitch, StitchConfig, StitchError, type StitchErrorCode, type StitchErrorFacts, type StitchEvent, StitchKind, type StitchResult, StreamOptions, type ThrottleOptions, type TimeoutOptions, type TimeoutPhase, type ToOpenApiOptions, type TraceSink, type TracerLike, type Validator, type Vault, aesGcm, all, any, apiKey, authorizationCode, awsSigV4, basic, bearer, consoleSink, cookieSession, cursor, download, drift, env, fetchAdapter, fileSink, fromOpenApi, isSeam, isSluiceError, isStitch, isStitchError, jsonSchema, linkHeader, linked, loggerSink, multiplex, oauth2, offset, openApiSource, openApiTypes, optionalEnv, otelSink, otlpSink, page, race, seam, secretFrom, sentrySink, stitch, toOpenApi, together };
