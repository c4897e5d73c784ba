/** Stitches without a network, for tests of code that calls them. */

import type { Adapter } from "../../core/adapter.ts";
import type { Call } from "../call.ts";
import type { CallInput, StitchConfig } from "../config.ts";
import { StitchError, isStitchError, type StitchErrorCode, type StitchErrorFacts } from "../errors.ts";
import { stitch, type Stitch } from "../stitch.ts";

/** A stitch that answers by itself, and remembers what it was asked. */
export type StubStitch<Out, In> = Stitch<Out, In> & {
  /** Inputs of the calls that were sent, in order. */
  readonly calls: readonly In[];
  /** Forgets the calls. */
  reset(): void;
};

export interface StubOptions {
  /** @default "stub" */
  readonly name?: string;
  /** Further options of the stitch: retry, cache, trace and others run as they would on a real one. */
  readonly config?: Partial<StitchConfig>;
}

/**
 * A real stitch whose answer is `answer`, or what it gives for an input and the number of the call, from 1. It may be any value; `config`
 * may add `output`, `retry`, `trace` and so on. An error that it throws is the call's.
 *
 * ```ts
 * const user = stubStitch<{ id: number }, { params: { id: number } }>(({ params }) => ({ id: params.id }));
 * ```
 */
export function stubStitch<Out, In = CallInput>(answer: Out | ((input: In, nth: number) => Out | Promise<Out>), options: StubOptions = {}): StubStitch<Out, In> {
  const { name = "stub", config = {} } = options;
  const calls: In[] = [];
  // An answer may be no JSON: it goes around the wire, beside bytes that stand for it.
  const values = new WeakMap<Uint8Array, unknown>();
  const adapter: Adapter = Object.assign(async (request: Parameters<Adapter>[0]) => {
    const { input } = (request as unknown as { call: Call }).call;
    calls.push(input as In);
    const value = typeof answer === "function" ? await (answer as (input: In, nth: number) => Out | Promise<Out>)(input as In, calls.length) : answer;
    const body = new Uint8Array(1);
    values.set(body, value);
    request.onSending();
    request.onHeaders(200);
    return { status: 200, headers: {}, body };
  }, { capabilities: { stream: false, uploadProgress: false, http2: false, sending: true, redirects: false } });
  const { transform } = config;
  const made = stitch({
    ...config, name, url: "https://stub.invalid/", method: config.method ?? "GET", response: "bytes", adapter,
    transform: (body: Uint8Array, response: unknown) => (transform === undefined ? values.get(body) : (transform as (body: unknown, response: unknown) => unknown)(values.get(body), response)),
  } as unknown as StitchConfig);
  // Any method of a stub takes a body: it stands for stitches of every kind.
  return Object.defineProperties(made as object, {
    calls: { get: () => calls },
    reset: { value: () => void (calls.length = 0) },
  }) as unknown as StubStitch<Out, In>;
}

/** A stitch whose calls fail: with this very error, or with a new one of a code each time. */
export function failStitch<In = CallInput>(error: StitchError | StitchErrorCode, facts: StitchErrorFacts = {}, options: StubOptions = {}): StubStitch<never, In> {
  const unsent = UNSENT.has(isStitchError(error) ? error.code : error);
  return stubStitch<never, In>(() => {
    throw isStitchError(error) ? error : new StitchError(error, "failStitch failed on purpose", { sent: !unsent, ...facts });
  }, options);
}

/** Failures that mean nothing left. */
const UNSENT: ReadonlySet<string> = /* @__PURE__ */ new Set(["THROTTLED", "CIRCUIT_OPEN", "INPUT_INVALID", "CONFIG_INVALID", "CLOSED", "STORE_UNAVAILABLE"]);
