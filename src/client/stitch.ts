/** A stitch: one remote call, declared once and made any number of times. */

import { isPromise } from "../core/maybe-promise.ts";
import { aborted, Call, type CallContext } from "./call.ts";
import type { CallInput, StitchConfig } from "./config.ts";
import { describeConfig } from "./describe.ts";
import { configError, type StitchError } from "./errors.ts";
import type { Finding, ResultSource, StitchEvent } from "./events.ts";
import { featuresOf, type Features } from "./features/features.ts";
import type { ResponseFields } from "./fields.ts";
import type { Args, InOf, OutOf } from "./infer.ts";
import { isPlain, withFragments } from "./merge.ts";
import { checkKeys } from "./option-table.ts";
import type { Page } from "./paginate.ts";
import { STITCH_KEYS, compilePlan, type Plan } from "./plan.ts";
import { LazyResult, type ResultSourceOf, type SafeResult, type StitchResult } from "./result.ts";
import { StitchState, runCall } from "./run.ts";
import { Runtime } from "./runtime.ts";

/** What came of a call, and how. */
export interface Inspection<Out> {
  readonly ok: boolean;
  readonly data?: Out;
  /** The answer as it came, before `transform` and validation. Not enumerable. */
  readonly raw?: unknown;
  readonly status?: number;
  readonly headers?: ResponseFields;
  readonly error?: StitchError;
  readonly findings: readonly Finding[];
  readonly attempts: number;
  readonly elapsedMs: number;
  /** Of it, waiting for turns. */
  readonly waitedMs: number;
  readonly source: ResultSource;
  /** Pages were left out because of a cap. */
  readonly truncated?: boolean;
}

const BRAND = Symbol.for("sluice.stitch");
/** Runs a stitch inside of something else: a composition, a trace. */
export const INVOKE: unique symbol = Symbol.for("sluice.stitch.invoke");
/** The compiled declaration, for tools such as `toOpenApi`. */
export const PLAN: unique symbol = Symbol.for("sluice.stitch.plan");

/** A remote call. Nothing is sent before its result is consumed. */
export interface Stitch<Out = unknown, In = CallInput> {
  (...input: Args<In>): StitchResult<Out>;
  /** Live events. Leaving the loop aborts the request and frees everything it holds. */
  stream(...input: Args<In>): AsyncGenerator<StitchEvent, void, undefined>;
  /** Never rejects. */
  safe(...input: Args<In>): Promise<SafeResult<Out>>;
  /** Never rejects, and tells how it went. Leaves the cache alone unless `cache` says otherwise. */
  inspect(input?: In, options?: { readonly cache?: boolean }): Promise<Inspection<Out>>;
  /** One page at a time; the next is asked for when it is wanted. */
  pages(...input: Args<In>): AsyncGenerator<Page<Out>, void, undefined>;
  /** The same stitch with some input bound. Slots merge one level deep; the call's input wins. */
  with<const P extends Partial<In>>(input: P & Record<Exclude<keyof P, keyof In>, never>): Stitch<Out, Omit<In, keyof P> & Partial<Pick<In, keyof P & keyof In>>>;
  /** Forgets what is cached: of one input with all its variants, or of the whole stitch, for the fleet. */
  invalidate(input?: In): Promise<void>;
  /** The declaration as JSON, without secrets. */
  readonly config: Readonly<Record<string, unknown>>;
  /** @internal */
  readonly [INVOKE]: (input: CallInput | undefined, context: CallContext) => StitchResult<Out>;
  /** @internal */
  readonly [PLAN]: Plan;
}

/**
 * Declares a remote call.
 *
 * ```ts
 * const user = stitch("GET https://api.example.com/users/{id}");
 * const data = await user({ params: { id: 7 } });
 * ```
 *
 * @throws StitchError `CONFIG_INVALID`, `STORE_CAPABILITY`
 */
export function stitch<const C extends string | StitchConfig>(config: C): Stitch<OutOf<C>, InOf<C>> {
  const parsed = withFragments(parseConfig(config)) as StitchConfig;
  checkKeys("", parsed, STITCH_KEYS);
  const runtime = new Runtime(parsed, {});
  const state = new StitchState(compilePlan(parsed, runtime, parsed));
  return makeStitch(state, {}, {}) as unknown as Stitch<OutOf<C>, InOf<C>>;
}

/** `"GET https://…"`, a bare URL, or an object. */
export function parseConfig(config: unknown): Record<string, unknown> {
  if (typeof config === "string") {
    const match = /^\s*(?:([A-Za-z-]+)\s+)?(\S+)\s*$/.exec(config);
    if (match === null) throw configError("the configuration", config, '"METHOD url" or a URL');
    return match[1] === undefined ? { url: match[2] } : { method: match[1], url: match[2] };
  }
  if (!isPlain(config)) throw configError("the configuration", config, "a text or an object");
  return config;
}

export function makeStitch(state: StitchState, bound: CallInput, context: CallContext): Stitch {
  const withBound = (input: CallInput | undefined): CallInput => (input === undefined ? bound : bound === NOTHING ? input : mergeInput(bound, input));
  const result = (input: CallInput | undefined, outer: CallContext = context): LazyResult<unknown> => new LazyResult(new Source(state, withBound(input), outer));
  const call = (input?: CallInput): LazyResult<unknown> => result(input);
  let described: Readonly<Record<string, unknown>> | undefined;
  const members = {
    stream: (input?: CallInput) => result(input).stream(),
    safe: (input?: CallInput) => result(input).safe(),
    async inspect(input?: CallInput, options?: { readonly cache?: boolean }): Promise<Inspection<never>> {
      try {
        return await (await featuresOf(state.plan.runtime).views()).inspect(state, withBound(input), context, options?.cache === true);
      } catch (error) {
        return { ok: false, error: error as StitchError, findings: [], attempts: 0, elapsedMs: 0, waitedMs: 0, source: "live" };
      }
    },
    async *pages(input?: CallInput) {
      const { iteratePages } = await featuresOf(state.plan.runtime).pages();
      yield* iteratePages(state, withBound(input), context);
    },
    with(more: CallInput) {
      if (!isPlain(more)) throw configError("with(input)", more, "an object of slots");
      return makeStitch(state, mergeInput(bound, more), context);
    },
    async invalidate(input?: CallInput) {
      const cache = await state.openCache();
      await cache?.invalidate(input === undefined ? undefined : new Call(state.plan, withBound(input), context), context.principal);
    },
    [INVOKE]: (input: CallInput | undefined, outer: CallContext) => result(input, { ...context, ...outer }),
    [PLAN]: state.plan,
    [BRAND]: true,
  };
  // Assignments, one by one: `name` and `length` of a function stay as they are.
  for (const key of Reflect.ownKeys(members)) Object.defineProperty(call, key, { value: (members as Record<PropertyKey, unknown>)[key], enumerable: typeof key === "string" });
  Object.defineProperty(call, "config", { get: () => (described ??= describeConfig(state.plan)), enumerable: true });
  return call as unknown as Stitch;
}

const NOTHING: CallInput = Object.freeze({});
const MERGED: readonly (keyof CallInput)[] = ["params", "query", "headers", "variables", "body"];

/** Slots one level deep, `over` wins. */
export function mergeInput(base: CallInput, over: CallInput): CallInput {
  const merged: Record<string, unknown> = { ...base };
  for (const key of Object.keys(over) as (keyof CallInput)[]) {
    const value = over[key];
    if (value === undefined) continue;
    const below = merged[key];
    merged[key] = MERGED.includes(key) && isPlain(below) && isPlain(value) ? { ...below, ...value } : value;
  }
  return merged;
}

/** One call, started by whoever consumes it first. */
export class Source implements ResultSourceOf<unknown> {
  readonly #state: StitchState;
  readonly #input: CallInput;
  readonly #context: CallContext;
  call: Call | undefined;
  running: Promise<unknown> | undefined;

  constructor(state: StitchState, input: CallInput, context: CallContext) {
    this.#state = state;
    this.#input = input;
    this.#context = context;
  }

  start(): Promise<unknown> {
    return (this.running ??= this.begin(undefined, undefined));
  }

  abort(reason: unknown): void {
    this.call?.scope.cancel(aborted(reason));
  }

  stream(): AsyncGenerator<StitchEvent, void, undefined> {
    const loaded = featuresOf(this.#state.plan.runtime).views();
    return isPromise(loaded) ? this.#late(loaded) : loaded.streamOf(this);
  }

  async *#late(loaded: ReturnType<Features["views"]>): AsyncGenerator<StitchEvent, void, undefined> {
    yield* (await loaded).streamOf(this);
  }

  begin(listener: ((event: StitchEvent) => void) | undefined, onItem: Parameters<typeof runCall>[2]): Promise<unknown> {
    let call: Call;
    try {
      call = new Call(this.#state.plan, this.#input, this.#context);
    } catch (error) {
      return Promise.reject(error);
    }
    this.call = call;
    call.listener = listener;
    return runCall(this.#state, call, this.#state.plan.streams ? onItem : undefined);
  }
}

/** True for a stitch, also of another copy of this package. */
export function isStitch(value: unknown): value is Stitch {
  return typeof value === "function" && (value as unknown as Record<symbol, unknown>)[BRAND] === true;
}

