// sluice/sockets/client

interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": StandardSchemaProps<Input, Output>;
}
interface StandardSchemaProps<Input = unknown, Output = Input> {
  readonly version: 1;
  readonly vendor: string;
  readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
  readonly types?: {
    readonly input: Input;
    readonly output: Output;
  } | undefined;
}
type StandardResult<Output> = {
  readonly value: Output;
  readonly issues?: undefined;
} | {
  readonly issues: readonly StandardIssue[];
};
interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | {
    readonly key: PropertyKey;
  })[] | undefined;
}
type SchemaInput<S extends StandardSchema> = NonNullable<S["~standard"]["types"]>["input"];
type SchemaOutput<S extends StandardSchema> = NonNullable<S["~standard"]["types"]>["output"];
type RawShape = Readonly<Record<string, StandardSchema>>;
type SchemaOrShape = StandardSchema | RawShape;
type OptionalKeys<T> = { [K in keyof T]: undefined extends T[K] ? K : never }[keyof T];
type Simplify<T> = { [K in keyof T]: T[K] } & {};
type WithOptional<T> = Simplify<{ [K in Exclude<keyof T, OptionalKeys<T>>]: T[K] } & { [K in OptionalKeys<T>]?: T[K] }>;
type InputOf<S> = S extends StandardSchema ? SchemaInput<S> : S extends RawShape ? WithOptional<{ -readonly [K in keyof S]: SchemaInput<S[K]> }> : undefined;
type OutputOf<S> = S extends StandardSchema ? SchemaOutput<S> : S extends RawShape ? WithOptional<{ -readonly [K in keyof S]: SchemaOutput<S[K]> }> : undefined;
type Strictness = boolean | "strip";
interface MessageOptions {
  readonly strict?: Strictness;
}
interface RpcOptions extends MessageOptions {
  readonly timeoutMs?: number;
  readonly idempotent?: boolean;
}
interface MessageDescriptor<Type extends string = string> {
  readonly type: Type;
  readonly kind: "event" | "rpc";
  readonly strict: Strictness;
  toJSONSchema(): MessageJsonSchema;
}
interface MessageJsonSchema {
  readonly payload?: Record<string, unknown>;
  readonly meta?: Record<string, unknown>;
}
interface EventMessage<Type extends string = string, In = unknown, Out = unknown, MetaIn = unknown, MetaOut = unknown> extends MessageDescriptor<Type> {
  readonly kind: "event";
  readonly "~types"?: {
    readonly in: In;
    readonly out: Out;
    readonly metaIn: MetaIn;
    readonly metaOut: MetaOut;
  } | undefined;
}
interface RpcMessage<Type extends string = string, In = unknown, Out = unknown, MetaIn = unknown, MetaOut = unknown, Response extends AnyEvent = AnyEvent, ProgressIn = unknown, ProgressOut = unknown> extends MessageDescriptor<Type> {
  readonly kind: "rpc";
  readonly response: Response;
  readonly timeoutMs?: number;
  readonly idempotent: boolean;
  readonly "~types"?: {
    readonly in: In;
    readonly out: Out;
    readonly metaIn: MetaIn;
    readonly metaOut: MetaOut;
    readonly progressIn: ProgressIn;
    readonly progressOut: ProgressOut;
  } | undefined;
}
type AnyEvent = EventMessage<string, unknown, unknown, unknown, unknown>;
type AnyRpc = RpcMessage<string, unknown, unknown, unknown, unknown, AnyEvent, unknown, unknown>;
type Types<D> = D extends {
  readonly "~types"?: infer T;
} ? NonNullable<T> : never;
type Member<T, K extends string> = T extends { readonly [P in K]: infer V } ? V : undefined;
type PayloadInput<D> = Member<Types<D>, "in">;
type PayloadOutput<D> = Member<Types<D>, "out">;
type MetaInput<D> = Member<Types<D>, "metaIn">;
type ProgressOutput<D> = Member<Types<D>, "progressOut">;
type ResponseOf<D> = D extends {
  readonly response: infer R;
} ? R : never;
interface EventSpec<T extends string, P, M> {
  readonly type: T;
  readonly payload?: P;
  readonly meta?: M;
  readonly options?: MessageOptions;
}
declare function message<const T extends string, P extends SchemaOrShape | undefined = undefined, M extends SchemaOrShape | undefined = undefined>(type: T, payload?: P, meta?: M): EventMessage<T, InputOf<P>, OutputOf<P>, InputOf<M>, OutputOf<M>>;
declare function message<const T extends string, P extends SchemaOrShape | undefined = undefined, M extends SchemaOrShape | undefined = undefined>(spec: EventSpec<T, P, M>): EventMessage<T, InputOf<P>, OutputOf<P>, InputOf<M>, OutputOf<M>>;
interface RpcSide<T extends string, P, M> {
  readonly type: T;
  readonly payload?: P;
  readonly meta?: M;
}
interface RpcSpec<T extends string, P, M, RT extends string, RP, RM, G> {
  readonly req: RpcSide<T, P, M>;
  readonly res: RpcSide<RT, RP, RM>;
  readonly progress?: G;
  readonly options?: RpcOptions;
}
declare function rpc<const T extends string, P extends SchemaOrShape | undefined, const RT extends string, RP extends SchemaOrShape | undefined = undefined>(reqType: T, req: P, resType: RT, res?: RP, options?: RpcOptions): RpcMessage<T, InputOf<P>, OutputOf<P>, undefined, undefined, EventMessage<RT, InputOf<RP>, OutputOf<RP>, undefined, undefined>, never, never>;
declare function rpc<const T extends string, const RT extends string, P extends SchemaOrShape | undefined = undefined, M extends SchemaOrShape | undefined = undefined, RP extends SchemaOrShape | undefined = undefined, RM extends SchemaOrShape | undefined = undefined, G extends SchemaOrShape | undefined = undefined>(spec: RpcSpec<T, P, M, RT, RP, RM, G>): RpcMessage<T, InputOf<P>, OutputOf<P>, InputOf<M>, OutputOf<M>, EventMessage<RT, InputOf<RP>, OutputOf<RP>, InputOf<RM>, OutputOf<RM>>, G extends undefined ? never : InputOf<G>, G extends undefined ? never : OutputOf<G>>;
type TimerHandle = unknown;
interface Clock {
  now(): number;
  monotonic(): number;
  setTimeout(callback: () => void, delayMs: number, keepAlive?: boolean): TimerHandle;
  clearTimeout(handle: TimerHandle): void;
}
interface Random {
  next(): number;
  uuid(): string;
}
interface DatedToken {
  readonly token: string;
  readonly expiresAt?: number;
}
interface SendExtras {
  readonly signal?: AbortSignal;
  readonly inheritCorrelationId?: boolean;
}
type NeedsMeta<M> = M extends undefined ? false : {} extends M ? false : true;
type WithMeta<M, Extras> = NeedsMeta<M> extends true ? Extras & {
  readonly meta: M;
} : Extras & {
  readonly meta?: M extends undefined ? Readonly<Record<string, unknown>> : M;
};
type ArgsOf<P, M, Extras> = NeedsMeta<M> extends true ? [payload: P, options: WithMeta<M, Extras>] : undefined extends P ? [payload?: P, options?: WithMeta<M, Extras>] : [payload: P, options?: WithMeta<M, Extras>];
type SendArgs<D, Extras = SendExtras> = ArgsOf<PayloadInput<D>, MetaInput<D>, Extras>;
interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly protocol?: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}
interface ClientOptions {
  readonly url: string | (() => string | Promise<string>);
  readonly protocols?: readonly string[];
  readonly wsFactory?: (url: string, protocols: readonly string[], headers: Readonly<Record<string, string>> | undefined) => WebSocketLike;
  readonly reconnect?: {
    readonly enabled?: boolean;
    readonly maxAttempts?: number;
    readonly initialDelayMs?: number;
    readonly maxDelayMs?: number;
    readonly jitter?: "full" | "none";
  };
  readonly queue?: "drop-newest" | "drop-oldest" | "off";
  readonly queueSize?: number;
  readonly timeoutMs?: number;
  readonly pendingRequestsLimit?: number;
  readonly auth?: {
    readonly getToken: () => string | DatedToken | undefined | Promise<string | DatedToken | undefined>;
    readonly attach?: "query" | "protocol" | "header";
    readonly queryParam?: string;
    readonly protocolPrefix?: string;
    readonly refreshBeforeMs?: number;
  };
  readonly heartbeat?: false | {
    readonly intervalMs?: number;
    readonly timeoutMs?: number;
  };
  readonly autoConnect?: boolean;
  readonly resume?: boolean;
  readonly connectTimeoutMs?: number;
  readonly shouldReconnect?: (event: {
    readonly code: number;
    readonly reason: string;
  }) => boolean;
  readonly clock?: Clock;
  readonly random?: Random;
}
type ClientState = "closed" | "connecting" | "open" | "reconnecting" | "closing";
interface ClientEvents {
  connected: {
    readonly resumed: boolean;
    readonly attempt: number;
  };
  disconnected: {
    readonly code: number;
    readonly reason: string;
  };
  reconnecting: {
    readonly attempt: number;
    readonly delayMs: number;
  };
  closed: {
    readonly code: number;
    readonly reason: string;
    readonly final: boolean;
  };
  error: {
    readonly error: unknown;
  };
  unhandled: {
    readonly type: string;
    readonly payload: unknown;
  };
  gap: {
    readonly topic: string;
  };
  state: {
    readonly state: ClientState;
  };
  auth: {
    readonly error: unknown;
  };
}
interface Incoming<D> {
  readonly type: string;
  readonly payload: PayloadOutput<D>;
  readonly meta: Readonly<Record<string, unknown>>;
}
type ClientSendResult = {
  readonly ok: true;
} | {
  readonly ok: false;
  readonly error: "CLOSED" | "QUEUE_FULL" | "VALIDATION";
};
interface RequestExtras {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly correlationId?: string;
  readonly idempotent?: boolean;
}
interface PendingCall<Answer, Progress> extends Promise<Answer> {
  readonly correlationId: string;
  progress(): AsyncIterable<Progress>;
  cancel(): void;
}
interface SocketClient {
  readonly state: ClientState;
  connect(): Promise<void>;
  close(code?: number, reason?: string): Promise<void>;
  on<D extends AnyEvent>(descriptor: D, handler: (message: Incoming<D>) => void): () => void;
  on<K extends keyof ClientEvents>(name: K, listener: (event: ClientEvents[K]) => void): () => void;
  send<D extends AnyEvent>(descriptor: D, ...args: SendArgs<D, object>): ClientSendResult;
  request<D extends AnyRpc>(descriptor: D, ...args: SendArgs<D, RequestExtras>): PendingCall<PayloadOutput<ResponseOf<D>>, ProgressOutput<D>>;
  request<D extends AnyEvent, A extends AnyEvent>(descriptor: D, payload: unknown, answer: A, options?: RequestExtras): PendingCall<PayloadOutput<A>, never>;
}
declare function createClient(options: ClientOptions): SocketClient;
declare class ClientError extends Error {
  readonly code: string;
  readonly sent: boolean;
  constructor(name: string, code: string, message: string, sent?: boolean);
}
declare class RpcError extends ClientError {
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly details: unknown;
  constructor(payload: {
    readonly code?: unknown;
    readonly message?: unknown;
    readonly retryable?: unknown;
    readonly retryAfterMs?: unknown;
    readonly details?: unknown;
  } | undefined);
}
export { ClientError, type ClientEvents, type ClientOptions, type ClientSendResult, type ClientState, type Incoming, type PendingCall, type RequestExtras, RpcError, type SocketClient, type WebSocketLike, createClient, message, rpc };
