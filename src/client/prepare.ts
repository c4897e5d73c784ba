/** From input to a request: validated, frozen in the form in which it will leave. */

import { chain, isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import type { TransportTarget } from "../core/transport.ts";
import { encodeBody, type EncodedBody } from "./body.ts";
import type { Call } from "./call.ts";
import type { CallInput } from "./config.ts";
import { StitchError, configError } from "./errors.ts";
import { featuresOf } from "./features/features.ts";
import { mergeFields, newFields, setField, type Fields } from "./fields.ts";
import { CALL_KEYS, searchOf, type Plan } from "./plan.ts";
import { isJson } from "./answer.ts";
import { compileTemplate, type Expanded, type UrlTemplate } from "./template.ts";

/** Of an input: path and query of a page, whole. */
export const NEXT_URL: unique symbol = Symbol.for("sluice.next-url");

/** A request ready to be sent, any number of times. */
export interface Prepared {
  readonly input: CallInput;
  readonly target: TransportTarget;
  readonly method: string;
  /** To be copied by every try. */
  readonly headers: Fields;
  readonly body: EncodedBody | undefined;
  readonly idempotencyKey: string | undefined;
  /** It asks whether something stored is still good: 304 is an answer. */
  readonly conditional?: boolean;
}

const NO_INPUT: CallInput = Object.freeze({});

export function checkCallInput(input: unknown): CallInput {
  if (input === undefined) return NO_INPUT;
  if (typeof input !== "object" || input === null || Array.isArray(input)) throw new StitchError("INPUT_INVALID", "the input of a call must be an object of slots");
  for (const key of Object.keys(input)) if (!CALL_KEYS.includes(key)) throw new StitchError("INPUT_INVALID", `${key} is no slot of a call's input (known: ${CALL_KEYS.join(", ")})`, { issues: [{ message: "unknown slot", path: [key] }] });
  return input;
}

/** Validates, encodes and addresses. Synchronous as far as validators and bodies are. */
export function prepare(call: Call, input: CallInput): MaybePromise<Prepared> {
  const { plan } = call;
  if (plan.input === undefined) return build(call, input);
  const parsed = chain(featuresOf(call.runtime).checks(), ({ validateSlots }) => validateSlots(plan, input));
  return isPromise(parsed) ? (call.scope.bound(parsed) as Promise<CallInput>).then((late) => build(call, late)) : build(call, parsed);
}

function build(call: Call, input: CallInput): MaybePromise<Prepared> {
  const { plan } = call;
  const target = targetOf(plan, input);
  return isPromise(target) ? (call.scope.bound(target) as Promise<TransportTarget>).then((ready) => address(call, input, ready)) : address(call, input, target);
}

function address(call: Call, input: CallInput, target: TransportTarget): MaybePromise<Prepared> {
  const { plan } = call;
  const headers = newFields(plan.headers);
  if (input.headers !== undefined) mergeFields(headers, input.headers, "INPUT_INVALID");
  headers["accept"] ??= plan.kind === "sse" ? "text/event-stream" : plan.kind === "graphql" ? "application/graphql-response+json, application/json" : "application/json, */*;q=0.5";
  headers["accept-encoding"] ??= plan.streams ? "identity" : "gzip, deflate, br";
  headers["user-agent"] ??= "sluice";
  if (input.body === undefined) return finish(call, plan, input, target, headers, undefined);
  if (plan.method === "GET" || plan.method === "HEAD") throw configError("body", plan.method, "left out: a GET or HEAD request carries none");
  const encoded = encodeBody(input.body, plan.bodyKind, plan.arrayFormat, headers["content-type"] !== undefined && isJson(headers["content-type"]), call.runtime);
  return isPromise(encoded) ? (call.scope.bound(encoded) as Promise<EncodedBody>).then((body) => finish(call, plan, input, target, headers, body)) : finish(call, plan, input, target, headers, encoded);
}

function finish(call: Call, plan: Plan, input: CallInput, target: TransportTarget, headers: Fields, body: EncodedBody | undefined): Prepared {
  if (body?.contentType !== undefined) headers["content-type"] ??= body.contentType;
  let idempotencyKey: string | undefined;
  const { idempotency } = plan;
  if (input.idempotencyKey !== undefined || (idempotency !== undefined && idempotency.methods.has(plan.method))) {
    const header = idempotency?.header ?? "idempotency-key";
    const given = input.idempotencyKey ?? headers[header] ?? idempotency?.key?.(input);
    if (given !== undefined && (typeof given !== "string" || given === "")) throw new StitchError("INPUT_INVALID", "the idempotency key must be a text that is not empty");
    idempotencyKey = given ?? call.runtime.random.uuid();
    setField(headers, header, idempotencyKey, "INPUT_INVALID");
    call.plan.redactor.hide("header", header);
  }
  return { input, target, method: plan.method, headers, body, idempotencyKey };
}

function targetOf(plan: Plan, input: CallInput): MaybePromise<TransportTarget> {
  const template = plan.template ?? dynamicTemplate(plan);
  const next = (input as Record<symbol, unknown>)[NEXT_URL];
  if (typeof next === "string") {
    const at = next.indexOf("?");
    return { origin: template.origin, pathname: at === -1 ? next : next.slice(0, at), search: at === -1 ? "" : next.slice(at) };
  }
  const expanded = template.expand(input.params, plan.runtime);
  return isPromise(expanded) ? expanded.then((late) => joined(plan, template, input, late)) : joined(plan, template, input, expanded);
}

function joined(plan: Plan, template: UrlTemplate, input: CallInput, { pathname, search }: Expanded): TransportTarget {
  const rest = input.query === undefined && plan.template !== undefined ? plan.staticSearch : searchOf(template, plan.query, checkQuery(input.query), plan.arrayFormat);
  return { origin: template.origin, pathname, search: search === "" ? rest : rest === "" ? search : `${search}&${rest.slice(1)}` };
}

function checkQuery(query: unknown): Readonly<Record<string, unknown>> | undefined {
  if (query === undefined) return undefined;
  if (query instanceof URLSearchParams) {
    const record: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
    for (const [name, value] of query) (record[name] ??= []).push(value);
    return record;
  }
  if (typeof query !== "object" || query === null || Array.isArray(query)) throw new StitchError("INPUT_INVALID", "query must be a record", { issues: [{ message: "not a record", path: ["query"] }] });
  return query as Record<string, unknown>;
}

/** The template of a URL that a function gives, compiled once per text. */
const compiled: Map<string, UrlTemplate> = /* @__PURE__ */ new Map<string, UrlTemplate>();
const MAX_COMPILED = 1000;

function dynamicTemplate(plan: Plan): UrlTemplate {
  const text = plan.urlOf?.();
  if (typeof text !== "string") throw configError("url", text, "a function that gives a text");
  let template = compiled.get(text);
  if (template === undefined) {
    if (compiled.size >= MAX_COMPILED) compiled.delete(compiled.keys().next().value as string);
    compiled.set(text, (template = compileTemplate("url", text)));
  }
  return template;
}
