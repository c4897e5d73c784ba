/** A call from beginning to end. */

import { chain, isPromise, kept, type MaybePromise } from "../core/maybe-promise.ts";
import type { Answer } from "./answer.ts";
import { readAnswer } from "./answer.ts";
import type { ResponseCache } from "./cache/response-cache.ts";
import { Call } from "./call.ts";
import type { StitchError } from "./errors.ts";
import { featuresOf } from "./features/features.ts";
import type { Gates } from "./gates.ts";
import type { Latencies } from "./latencies.ts";
import type { Plan } from "./plan.ts";
import { checkCallInput, prepare, type Prepared } from "./prepare.ts";
import { fetchAnswer, type Equipment } from "./tries.ts";

/** What a stitch keeps between its calls. */
export class StitchState {
  readonly plan: Plan;
  gates: MaybePromise<Gates> | undefined;
  cache: MaybePromise<ResponseCache> | undefined;
  latencies: Latencies | undefined;

  constructor(plan: Plan) {
    this.plan = plan;
    plan.auth?.attach?.(async (principal) => {
      const call = new Call(plan, {}, { principal });
      call.scope.limit(60_000);
      const { authContext } = await featuresOf(plan.runtime).guarded();
      return authContext(call, await plan.runtime.vault());
    });
  }

  openCache(): MaybePromise<ResponseCache> | undefined {
    const { plan } = this;
    if (plan.cache === undefined || plan.sensitive) return undefined;
    return (this.cache ??= kept(chain(featuresOf(plan.runtime).cache(), ({ openResponseCache }) => openResponseCache(this)), () => (this.cache = undefined)));
  }
}

/** Receives the items of a stream; the next is not read before it is done. */
export type OnItem = (data: unknown, id: string | undefined, event: string | undefined) => MaybePromise<void>;

/** Runs a call. What it throws is always a complete {@link StitchError}. Events: `start`, then `result` or `error`, then `done`. */
export async function runCall(state: StitchState, call: Call, onItem?: OnItem): Promise<unknown> {
  const { plan, runtime } = call;
  const opening = runtime.openSinks();
  if (isPromise(opening)) await opening;
  try {
    runtime.enter();
  } catch (error) {
    const failure = call.fail(error);
    call.end();
    emitEnd(call, failure);
    throw failure;
  }
  try {
    if (plan.timeout.totalMs !== Infinity) call.scope.limit(plan.timeout.totalMs);
    const data = await work(state, call, onItem);
    call.emit({ type: "result", data, status: call.status ?? 0, source: call.source });
    call.emit({ type: "done", ok: true, attempts: call.attempts });
    return data;
  } catch (error) {
    const failure = call.fail(error);
    emitEnd(call, failure);
    const told: MaybePromise<unknown> = plan.hooks.onError?.(failure);
    if (isPromise(told)) await Promise.resolve(call.scope.bound(told)).then(undefined, () => undefined);
    throw failure;
  } finally {
    call.end();
    runtime.leave();
  }
}

function emitEnd(call: Call, failure: StitchError): void {
  if (!call.watched) return;
  call.emit({ type: "error", code: failure.code, status: failure.status, retryAfterMs: failure.retryAfterMs }, failure);
  call.emit({ type: "done", ok: false, attempts: call.attempts });
}

async function work(state: StitchState, call: Call, onItem: OnItem | undefined): Promise<unknown> {
  const { plan, runtime } = call;
  if (plan.config.paginate !== undefined) {
    start(call, undefined);
    const { collectPages } = await featuresOf(runtime).pages();
    return collectPages(state, call);
  }
  const first = firstRequest(call);
  const prepared = isPromise(first) ? await first : first;
  if (plan.streams) {
    const { runStream } = await featuresOf(runtime).streams();
    return runStream(call, prepared, await equip(state, call), onItem);
  }
  return shaped(state, call, prepared);
}

/** Input to request, the first event on the way. */
function firstRequest(call: Call): MaybePromise<Prepared> {
  const { plan } = call;
  const ready = (prepared: Prepared): Prepared => {
    start(call, prepared);
    return prepared;
  };
  const refused = (error: unknown): never => {
    start(call, undefined);
    throw error;
  };
  let made: MaybePromise<Prepared>;
  try {
    const input = checkCallInput(call.input);
    made = plan.kind === "graphql" ? chain(featuresOf(call.runtime).graphql(), ({ prepareGraphql }) => prepareGraphql(call, input)) : prepare(call, input);
  } catch (error) {
    return refused(error);
  }
  return isPromise(made) ? made.then(ready, refused) : ready(made);
}

/** One request and its answer as data: what a page is, too. */
export async function requestOnce(state: StitchState, call: Call, input: Call["input"]): Promise<{ readonly data: unknown; readonly body: unknown; readonly answer: Answer; readonly prepared: Prepared }> {
  const made = prepare(call, input);
  const prepared = isPromise(made) ? await made : made;
  call.idempotencyKey = prepared.idempotencyKey ?? call.idempotencyKey;
  call.shownUrl = shownUrl(call, prepared);
  const { answer } = await answered(state, call, prepared);
  const body = await readAnswer(answer, bodyKind(call.plan), call.plan.method, call.plan.maxResponseBytes);
  return { data: await shapeBody(call, body, answer), body, answer, prepared };
}

function start(call: Call, prepared: Prepared | undefined): void {
  if (prepared !== undefined) {
    call.idempotencyKey = prepared.idempotencyKey;
    call.shownUrl = shownUrl(call, prepared);
    call.runtime.sinks?.keepRequest(call, prepared.body?.text);
  } else call.shownUrl = call.plan.redactor.url(call.plan.template?.text ?? "");
  call.emit({ type: "start", method: call.plan.method, url: call.shownUrl });
}

function shownUrl(call: Call, { target }: Prepared): string {
  return target.search === "" && !call.plan.redactor.knowsSecrets ? target.origin + target.pathname : call.plan.redactor.url(target.origin + target.pathname + target.search);
}

function bodyKind(plan: Plan): "auto" | "json" | "text" | "bytes" | "blob" {
  return plan.responseKind === "raw" ? "auto" : plan.responseKind;
}

async function shaped(state: StitchState, call: Call, prepared: Prepared, whole = false): Promise<unknown> {
  const { plan } = call;
  const asked = answered(state, call, prepared);
  const { answer, store } = isPromise(asked) ? await asked : asked;
  if (plan.responseKind === "raw") {
    call.status = answer.status;
    const { body } = answer;
    return { status: answer.status, headers: answer.fields, body: body instanceof ReadableStream ? body : new Response(body as BodyInit | null).body ?? new Response(new Uint8Array(0)).body };
  }
  const reading = readAnswer(answer, bodyKind(plan), plan.method, plan.maxResponseBytes);
  const body = isPromise(reading) ? await reading : reading;
  if (plan.config.persisted === true && !whole) {
    const { prepareGraphql, wantsDocument } = await Promise.resolve(featuresOf(call.runtime).graphql());
    if (wantsDocument(body)) return shaped(state, call, await prepareGraphql(call, checkCallInput(call.input), true), true);
  }
  if (call.context.inspect === true) call.last = { status: answer.status, headers: answer.fields, raw: body };
  if (answer.body instanceof Uint8Array) call.runtime.sinks?.keepResponse(call, answer.body);
  const shaping = plan.kind === "graphql" ? chain(featuresOf(call.runtime).graphql(), ({ shapeGraphql }) => shapeGraphql(call, body, answer, (value) => shapeBody(call, value, answer))) : shapeBody(call, body, answer);
  const data = isPromise(shaping) ? await shaping : shaping;
  if (store !== undefined) call.runtime.background(store());
  return data;
}

/** `flag`, `transform`, `pick`, validation: where any of them was declared. */
export function shapeBody(call: Call, body: unknown, answer: { readonly status: number; readonly fields: Answer["fields"] }): MaybePromise<unknown> {
  call.status = answer.status;
  const { flag, transform, pick, output } = call.plan;
  if (flag === undefined && transform === undefined && pick === undefined && output === undefined) return body;
  return chain(featuresOf(call.runtime).checks(), ({ shapeDeclared }) => shapeDeclared(call, body, answer));
}

interface Answered {
  readonly answer: Answer;
  readonly store?: () => Promise<void>;
}

/** An accepted answer, from the cache or the wire, and what stores it once it has proved good. */
function answered(state: StitchState, call: Call, prepared: Prepared): MaybePromise<Answered> {
  const cache = call.context.bypassCache === true ? undefined : state.openCache();
  return cache === undefined ? fetched(state, call, prepared) : chain(cache, (open) => open.answer(call, prepared, async (request) => fetchAnswer(call, request, await equip(state, call))));
}

async function fetched(state: StitchState, call: Call, prepared: Prepared): Promise<Answered> {
  const wiring = equip(state, call);
  const answer = await fetchAnswer(call, prepared, isPromise(wiring) ? await wiring : wiring);
  if (call.runtime.caches.size > 0 && !SAFE.has(prepared.method)) call.runtime.background(Promise.resolve(featuresOf(call.runtime).cache()).then(({ dropChanged }) => dropChanged(call, answer)));
  return { answer };
}

export function equip(state: StitchState, call: Call): MaybePromise<Equipment> {
  return call.plan.guarded ? chain(featuresOf(call.runtime).guarded(), ({ guardedEquipment }) => guardedEquipment(state, call)) : BARE;
}

const SAFE: ReadonlySet<string> = /* @__PURE__ */ new Set(["GET", "HEAD", "OPTIONS", "QUERY"]);

const BARE: Equipment = Object.freeze({ gates: Object.freeze({ throttles: [], circuits: undefined }), auth: undefined, latencies: undefined, attempt: undefined });
