/** What a call gives: something to await, to stream, or to take safely. Nothing is sent before it is consumed. */

import type { StitchEvent } from "./events.ts";
import type { StitchError } from "./errors.ts";

export type SafeResult<Out> = { readonly ok: true; readonly data: Out } | { readonly ok: false; readonly error: StitchError };

/** A call that may still lie ahead. However it is consumed, and however often, it is sent at most once. */
export interface StitchResult<Out> extends PromiseLike<Out> {
  stream(): AsyncGenerator<StitchEvent, void, undefined>;
  safe(): Promise<SafeResult<Out>>;
  catch<T = never>(onRejected?: ((error: StitchError) => T | PromiseLike<T>) | null): Promise<Out | T>;
  finally(onFinally?: (() => void) | null): Promise<Out>;
}

/** How a result comes about; made by the stitch. */
export interface ResultSourceOf<Out> {
  start(listener: ((event: StitchEvent) => void) | undefined): Promise<Out>;
  stream(): AsyncGenerator<StitchEvent, void, undefined>;
  abort(reason: unknown): void;
}

export class LazyResult<Out> implements StitchResult<Out> {
  readonly #source: ResultSourceOf<Out>;
  #promise: Promise<Out> | undefined;
  #streamed = false;

  constructor(source: ResultSourceOf<Out>) {
    this.#source = source;
  }

  then<A = Out, B = never>(onFulfilled?: ((value: Out) => A | PromiseLike<A>) | null, onRejected?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<A | B> {
    return this.#run().then(onFulfilled, onRejected);
  }

  catch<T = never>(onRejected?: ((error: StitchError) => T | PromiseLike<T>) | null): Promise<Out | T> {
    return this.#run().catch(onRejected as (error: unknown) => T);
  }

  finally(onFinally?: (() => void) | null): Promise<Out> {
    return this.#run().finally(onFinally);
  }

  safe(): Promise<SafeResult<Out>> {
    return this.#run().then((data) => ({ ok: true as const, data }), (error: unknown) => ({ ok: false as const, error: error as StitchError }));
  }

  stream(): AsyncGenerator<StitchEvent, void, undefined> {
    this.#streamed = true;
    return this.#source.stream();
  }

  /** Ends the call from outside, where it was begun: for compositions. @internal */
  abort(reason: unknown): void {
    if (this.#promise !== undefined || this.#streamed) {
      this.#promise?.catch(() => undefined);
      this.#source.abort(reason);
    }
  }

  #run(): Promise<Out> {
    return (this.#promise ??= this.#source.start(undefined));
  }
}

export function isResult(value: unknown): value is LazyResult<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { abort?: unknown }).abort === "function" && typeof (value as { safe?: unknown }).safe === "function";
}
