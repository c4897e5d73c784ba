/** Descriptors of messages: `message()` for events, `rpc()` for request and answer. */

import { OptionError } from "../core/errors.ts";
import { checkBoolean, checkInteger, checkKeys } from "./check.ts";
import { RESERVED_META, isReservedType } from "./names.ts";
import { type InputOf, type OutputOf, type SchemaOrShape, type Strictness, type Validator, compileSchema, jsonSchemaOf } from "./validate.ts";
import { isStandardSchema } from "../core/standard-schema.ts";

const BRAND = Symbol.for("sluice.sockets.message");

/** Options of a descriptor. */
export interface MessageOptions {
  /** Unknown keys of a raw shape: `true` refuses the message, `"strip"` drops them, `false` keeps them. @default true */
  readonly strict?: Strictness;
}

export interface RpcOptions extends MessageOptions {
  /** Deadline of calls of this type, in ms. @default `rpc.timeoutMs` of the router */
  readonly timeoutMs?: number;
  /** A call may be sent again with the same id after a lost connection. @default false */
  readonly idempotent?: boolean;
}

/** What descriptors have in common. Recognised by a brand, never by shape. */
export interface MessageDescriptor<Type extends string = string> {
  readonly type: Type;
  readonly kind: "event" | "rpc";
  readonly strict: Strictness;
  /** JSON Schemas of `payload` and `meta`, as far as the library of the schemas can give them. */
  toJSONSchema(): MessageJsonSchema;
}

export interface MessageJsonSchema {
  readonly payload?: Record<string, unknown>;
  readonly meta?: Record<string, unknown>;
}

/** An event: a message without an answer. */
export interface EventMessage<Type extends string = string, In = unknown, Out = unknown, MetaIn = unknown, MetaOut = unknown> extends MessageDescriptor<Type> {
  readonly kind: "event";
  /** Types only. */
  readonly "~types"?: { readonly in: In; readonly out: Out; readonly metaIn: MetaIn; readonly metaOut: MetaOut } | undefined;
}

/** A request, its answer and what it may stream in between. */
export interface RpcMessage<
  Type extends string = string, In = unknown, Out = unknown, MetaIn = unknown, MetaOut = unknown,
  Response extends AnyEvent = AnyEvent, ProgressIn = unknown, ProgressOut = unknown,
> extends MessageDescriptor<Type> {
  readonly kind: "rpc";
  readonly response: Response;
  readonly timeoutMs?: number;
  readonly idempotent: boolean;
  readonly "~types"?: {
    readonly in: In; readonly out: Out; readonly metaIn: MetaIn; readonly metaOut: MetaOut;
    readonly progressIn: ProgressIn; readonly progressOut: ProgressOut;
  } | undefined;
}

export type AnyEvent = EventMessage<string, unknown, unknown, unknown, unknown>;
export type AnyRpc = RpcMessage<string, unknown, unknown, unknown, unknown, AnyEvent, unknown, unknown>;
export type AnyMessage = AnyEvent | AnyRpc;

type Types<D> = D extends { readonly "~types"?: infer T } ? NonNullable<T> : never;
type Member<T, K extends string> = T extends { readonly [P in K]: infer V } ? V : undefined;
/** What `send`, `publish` and `request` take. */
export type PayloadInput<D> = Member<Types<D>, "in">;
/** What a handler gets. */
export type PayloadOutput<D> = Member<Types<D>, "out">;
export type MetaInput<D> = Member<Types<D>, "metaIn">;
export type MetaOutput<D> = Member<Types<D>, "metaOut">;
export type ProgressInput<D> = Member<Types<D>, "progressIn">;
export type ProgressOutput<D> = Member<Types<D>, "progressOut">;
export type ResponseOf<D> = D extends { readonly response: infer R } ? R : never;

/** The parts of a descriptor that only this package reads. */
export interface CompiledMessage extends MessageDescriptor {
  /** @internal */ readonly payload: Validator | undefined;
  /** @internal */ readonly meta: Validator | undefined;
  /** Declared keys of a meta shape; `undefined` for a whole schema. @internal */ readonly metaKeys: ReadonlySet<string> | undefined;
  /** @internal */ readonly progress?: Validator;
  /** @internal */ readonly response?: CompiledMessage;
  /** @internal */ readonly timeoutMs?: number;
  /** @internal */ readonly idempotent?: boolean;
  /** The schemas as given, for documents. @internal */ readonly source: { readonly payload: unknown; readonly meta: unknown; readonly progress?: unknown };
}

/** @internal */
export function compiledOf(descriptor: MessageDescriptor): CompiledMessage {
  return descriptor as CompiledMessage;
}

interface EventSpec<T extends string, P, M> {
  readonly type: T;
  readonly payload?: P;
  readonly meta?: M;
  readonly options?: MessageOptions;
}

/**
 * Describes an event.
 *
 * ```ts
 * const Join = message("JOIN", { room: z.string() });
 * const Tick = message({ type: "TICK", payload: z.number(), options: { strict: true } });
 * ```
 *
 * @throws OptionError for an empty or reserved type, a shape member that is no Standard Schema, a reserved meta key.
 */
export function message<const T extends string, P extends SchemaOrShape | undefined = undefined, M extends SchemaOrShape | undefined = undefined>(
  type: T, payload?: P, meta?: M,
): EventMessage<T, InputOf<P>, OutputOf<P>, InputOf<M>, OutputOf<M>>;
export function message<const T extends string, P extends SchemaOrShape | undefined = undefined, M extends SchemaOrShape | undefined = undefined>(
  spec: EventSpec<T, P, M>,
): EventMessage<T, InputOf<P>, OutputOf<P>, InputOf<M>, OutputOf<M>>;
export function message(first: string | EventSpec<string, SchemaOrShape | undefined, SchemaOrShape | undefined>, payload?: SchemaOrShape, meta?: SchemaOrShape): EventMessage {
  if (typeof first === "string") return describe("message", "event", first, payload, meta, {}) as EventMessage;
  if (typeof first !== "object" || first === null) throw new OptionError("message(type)", first, "a type, or an object with one");
  checkKeys("message", first, ["type", "payload", "meta", "options"]);
  return describe("message", "event", first.type, first.payload, first.meta, first.options) as EventMessage;
}

interface RpcSide<T extends string, P, M> {
  readonly type: T;
  readonly payload?: P;
  readonly meta?: M;
}

interface RpcSpec<T extends string, P, M, RT extends string, RP, RM, G> {
  readonly req: RpcSide<T, P, M>;
  readonly res: RpcSide<RT, RP, RM>;
  /** Schema of streamed items. */
  readonly progress?: G;
  readonly options?: RpcOptions;
}

/**
 * Describes a request and its answer.
 *
 * ```ts
 * const GetUser = rpc("GET_USER", { id: z.string() }, "USER", { name: z.string() });
 * const Export = rpc({ req: { type: "EXPORT" }, res: { type: "EXPORTED", payload: { url: z.string() } }, progress: { percent: z.number() } });
 * ```
 *
 * @throws OptionError as {@link message} does, and when request and answer have the same type.
 */
export function rpc<
  const T extends string, P extends SchemaOrShape | undefined, const RT extends string, RP extends SchemaOrShape | undefined = undefined,
>(
  reqType: T, req: P, resType: RT, res?: RP, options?: RpcOptions,
): RpcMessage<T, InputOf<P>, OutputOf<P>, undefined, undefined, EventMessage<RT, InputOf<RP>, OutputOf<RP>, undefined, undefined>, never, never>;
export function rpc<
  const T extends string, const RT extends string,
  P extends SchemaOrShape | undefined = undefined, M extends SchemaOrShape | undefined = undefined,
  RP extends SchemaOrShape | undefined = undefined, RM extends SchemaOrShape | undefined = undefined,
  G extends SchemaOrShape | undefined = undefined,
>(
  spec: RpcSpec<T, P, M, RT, RP, RM, G>,
): RpcMessage<
  T, InputOf<P>, OutputOf<P>, InputOf<M>, OutputOf<M>, EventMessage<RT, InputOf<RP>, OutputOf<RP>, InputOf<RM>, OutputOf<RM>>,
  G extends undefined ? never : InputOf<G>, G extends undefined ? never : OutputOf<G>
>;
export function rpc(first: string | RpcSpec<string, unknown, unknown, string, unknown, unknown, unknown>, req?: unknown, resType?: string, res?: unknown, options?: RpcOptions): RpcMessage<string, never, never, never, never, never, never, never> {
  const spec = typeof first === "string" ? { req: { type: first, payload: req }, res: { type: resType as string, payload: res }, options } : first;
  if (typeof spec !== "object" || spec === null) throw new OptionError("rpc(type)", first, "a type, or an object with req and res");
  if (typeof first !== "string") checkKeys("rpc", spec, ["req", "res", "progress", "options"]);
  for (const side of ["req", "res"] as const) {
    if (typeof spec[side] !== "object" || spec[side] === null) throw new OptionError(`rpc.${side}`, spec[side], "an object with a type");
    checkKeys(`rpc.${side}`, spec[side], ["type", "payload", "meta"]);
  }
  if (spec.req.type === spec.res.type) throw new OptionError("rpc.res.type", spec.res.type, "another type than the request's");
  return describe("rpc", "rpc", spec.req.type, spec.req.payload, spec.req.meta, spec.options ?? {}, spec as RpcSpec<string, unknown, unknown, string, unknown, unknown, unknown>) as never;
}

function describe(
  name: string, kind: "event" | "rpc", type: unknown, payload: unknown, meta: unknown, options: RpcOptions = {},
  spec?: RpcSpec<string, unknown, unknown, string, unknown, unknown, unknown>,
): CompiledMessage {
  const option = kind === "rpc" ? "rpc.req" : name;
  if (typeof type !== "string" || type === "") throw new OptionError(`${option}.type`, type, "a non-empty string");
  if (isReservedType(type)) throw new OptionError(`${option}.type`, type, 'a type that is not reserved ("ERROR", "RPC_ERROR", and what begins with "$" or "__")');
  checkKeys(`${name}.options`, options, kind === "rpc" ? ["strict", "timeoutMs", "idempotent"] : ["strict"]);
  const strict = options.strict ?? true;
  if (strict !== "strip") checkBoolean(`${name}.options.strict`, strict, '"strip"');
  const made: Record<string | symbol, unknown> = {
    type,
    kind,
    strict,
    ...partsOf(option, payload, meta, strict, spec?.progress),
  };
  if (spec !== undefined) {
    const { type: resType, payload: resPayload, meta: resMeta } = spec.res;
    if (typeof resType !== "string" || resType === "") throw new OptionError("rpc.res.type", resType, "a non-empty string");
    if (isReservedType(resType)) throw new OptionError("rpc.res.type", resType, "a type that is not reserved");
    made["response"] = describe("rpc.res", "event", resType, resPayload, resMeta, { strict });
    made["idempotent"] = options.idempotent ?? false;
    if (options.timeoutMs !== undefined) made["timeoutMs"] = checkInteger("rpc.options.timeoutMs", options.timeoutMs, 1);
  }
  return brand(made);
}

function partsOf(option: string, payload: unknown, meta: unknown, strict: Strictness, progress: unknown): Record<string, unknown> {
  const metaShape = meta !== undefined && !isStandardSchema(meta) && typeof meta === "object" && meta !== null ? Object.keys(meta) : undefined;
  for (const key of metaShape ?? []) {
    if (RESERVED_META.includes(key)) throw new OptionError(`${option}.meta.${key}`, key, `another key: ${RESERVED_META.join(", ")} are set by the protocol`);
  }
  return {
    payload: payload === undefined ? undefined : compileSchema(`${option}.payload`, payload, strict),
    meta: meta === undefined ? undefined : compileSchema(`${option}.meta`, meta, "strip"),
    metaKeys: metaShape === undefined ? undefined : new Set(metaShape),
    ...(progress === undefined ? {} : { progress: compileSchema("rpc.progress", progress, strict) }),
    source: { payload, meta, progress },
  };
}

function brand(made: Record<string | symbol, unknown>): CompiledMessage {
  const { source, strict } = made as { source: CompiledMessage["source"]; strict: Strictness };
  made["toJSONSchema"] = (): MessageJsonSchema => ({
    ...(source.payload === undefined ? {} : { payload: jsonSchemaOf(source.payload, strict) }),
    ...(source.meta === undefined ? {} : { meta: jsonSchemaOf(source.meta, "strip") }),
  });
  Object.defineProperty(made, BRAND, { value: true });
  return Object.freeze(made) as unknown as CompiledMessage;
}

/** The same message under another type; used by `mount`. @internal */
export function renamed(descriptor: MessageDescriptor, prefix: string): CompiledMessage {
  const compiled = compiledOf(descriptor);
  return brand({
    ...compiled,
    type: prefix + compiled.type,
    ...(compiled.response === undefined ? {} : { response: renamed(compiled.response, prefix) }),
  });
}

/** True for what `message()` or `rpc()` made, also by another copy of this package. */
export function isMessage(value: unknown): value is AnyMessage {
  return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
}

/** Throws unless `value` is a descriptor of the kind; names the argument. @internal */
export function checkMessage(argument: string, value: unknown, kind?: "event" | "rpc"): CompiledMessage {
  if (!isMessage(value)) throw new OptionError(argument, value, "a descriptor made by message() or rpc()");
  if (kind !== undefined && value.kind !== kind) throw new OptionError(argument, value.type, kind === "rpc" ? "a descriptor made by rpc()" : "a descriptor made by message(); this one was made by rpc()");
  return compiledOf(value);
}
