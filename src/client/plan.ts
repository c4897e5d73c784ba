/** A declaration, checked and complete: what a call reads instead of its configuration. */

import type { Adapter } from "../core/adapter.ts";
import { checkString } from "../core/check.ts";
import { createRetryBudget, type RetryBudget } from "../resilience/retry-budget.ts";
import type { AuthStrategy } from "./auth/strategy.ts";
import type { BodyKind, Hooks, ResponseKind, StitchConfig, StitchKind } from "./config.ts";
import { StitchError, checked, configError } from "./errors.ts";
import { mergeFields, newFields, type Fields } from "./fields.ts";
import { cacheRules, circuitRules, throttleRules, type CacheRules, type CircuitRules, type ThrottleRules } from "./limit-options.ts";
import { callback, checkKeys, flag, integer, oneOf, readOptions, statusSet } from "./option-table.ts";
import { hedgeRules, idempotencyRules, retryRules, timeoutRules, type HedgeRules, type IdempotencyRules, type RetryRules, type TimeoutRules } from "./options.ts";
import { isMutation } from "./graphql-document.ts";
import { Redactor } from "./redact.ts";
import type { Runtime } from "./runtime.ts";
import { isValidator, type Validator } from "./schema.ts";
import { parsePath, type Path } from "./shape.ts";
import { checkCapability, checkStoreShape } from "./store-verbs.ts";
import { compileTemplate, joinTemplate, type UrlTemplate } from "./template.ts";
import { encodeQuery, type ArrayFormat } from "./walk.ts";

export type InputSlot = "params" | "query" | "body" | "headers" | "variables";
export const INPUT_SLOTS: readonly InputSlot[] = ["params", "query", "body", "headers", "variables"];
export const CALL_KEYS: readonly string[] = [...INPUT_SLOTS, "signal", "onProgress", "idempotencyKey", "cost", "resume"];

export interface Plan {
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
  /** The query string of a call that gives none, with its `?`. */
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
  readonly redirect: { readonly max: number; readonly crossOrigin: "strip" | "refuse" };
  readonly propagate: false | "same-seam" | ((url: string) => boolean);
  readonly hooks: Hooks;
  readonly auth: AuthStrategy | undefined;
  readonly redactor: Redactor;
  readonly streams: boolean;
  /** May be sent twice by its method, or because it is a GraphQL query. */
  readonly repeatable: boolean;
  /** Limits, credentials or hedging: more than asking. */
  readonly guarded: boolean;
}

const KEYS: readonly string[] = [
  "name", "kind", "method", "url", "baseUrl", "path", "headers", "query", "body", "response", "arrayFormat", "input", "output", "transform", "pick", "paginate",
  "document", "operationName", "partial", "persisted", "useGet", "sse", "stream", "auth", "throttle", "retry", "timeout", "circuit", "hedge", "idempotency", "cache",
  "acceptStatus", "flag", "sensitive", "maxResponseBytes", "redirect", "trace", "propagate", "hooks", "extends", "adapter", "store", "clock", "random", "redact",
];
export const SEAM_KEYS: readonly string[] = [
  ...KEYS.filter((key) => !["url", "path", "method", "document", "input", "output", "pick", "transform", "paginate"].includes(key)),
  "secretStore", "encryption", "failMode", "storeTimeoutMs", "allowHosts", "denyPrivate",
];

/** Options a member may give without a seam of its own. */
export const STITCH_KEYS: readonly string[] = KEYS;

/** Compiles a merged configuration. @throws StitchError `CONFIG_INVALID`, `STORE_CAPABILITY` */
export function compilePlan(config: StitchConfig, runtime: Runtime, own: StitchConfig): Plan {
  const kind = checked("", () => oneOf<StitchKind>("http", "graphql", "sse", "stream")("kind", config.kind));
  const method = methodOf(config.method ?? (kind === "graphql" && config.useGet !== true ? "POST" : "GET"));
  const { template, urlOf } = target(config);
  if (config.name !== undefined) checked("", () => checkString("name", config.name));
  if (config.name === "") throw configError("name", config.name, "a text that is not empty");
  if (urlOf !== undefined && config.name === undefined) throw configError("name", config.name, "set when url is a function: it is the identity of every shared key");
  const headers = newFields();
  mergeFields(headers, config.headers, "CONFIG_INVALID");
  const query = checkQuery(config.query);
  const streams = kind === "sse" || kind === "stream";
  const { arrayFormat, response, body, sensitive, maxResponseBytes, transform } = checked("", () => readOnly(config, streams));
  const retry = retryRules(config.retry);
  const cache = cacheRules(config.cache);
  const circuit = circuitRules(config.circuit);
  const throttle = throttleRules(own.throttle);
  const auth = checkAuth(config.auth, method, streams);
  const redactor = new Redactor(config.redact);
  if (auth?.marks?.header !== undefined) redactor.hide("header", auth.marks.header);
  if (auth?.marks?.query !== undefined) redactor.hide("query", auth.marks.query);
  checkCapability(config.store, { rate: throttle?.spacingMs !== undefined, concurrency: throttle?.concurrency !== undefined, circuit: circuit !== undefined, cluster: cache?.coalesce === "cluster" });
  const accept = acceptOf(config.acceptStatus);
  const hooks = checkHooks(config.hooks);
  if (streams && config.paginate !== undefined) throw configError("paginate", kind, "left out for streams");
  checkRest(config, kind);
  const plan: Plan = {
    config, runtime, adapter: config.adapter ?? runtime.adapter, kind, method, template, urlOf, headers, query, arrayFormat, sensitive, maxResponseBytes, transform, retry, cache, circuit, throttle, auth, redactor, accept, hooks, streams,
    name: config.name ?? `${method} ${template?.text ?? ""}`,
    staticSearch: template === undefined ? "" : searchOf(template, query, undefined, arrayFormat),
    responseKind: response,
    bodyKind: body,
    input: checkInput(config.input),
    output: checkValidator("output", config.output),
    pick: config.pick === undefined ? undefined : parsePath("pick", config.pick),
    flag: config.flag === undefined ? undefined : parsePath("flag", config.flag),
    budget: (retry.attempts === 1 && config.hedge === undefined) || retry.budget === false ? undefined
      : retry.budget.scope === "seam" ? runtime.budget(retry.budget) : createRetryBudget({ ratio: retry.budget.ratio, minPerSecond: retry.budget.minPerSecond, clock: runtime.clock }),
    timeout: timeoutRules(config.timeout),
    hedge: streams ? undefined : hedgeRules(config.hedge),
    idempotency: idempotencyRules(config.idempotency),
    explicitAccept: config.acceptStatus !== undefined,
    redirect: checkRedirect(config.redirect),
    propagate: checkPropagate(config.propagate),
    repeatable: retry.methods.has(method) || (kind === "graphql" && !isMutation(config.document as string)),
    guarded: throttle !== undefined || runtime.throttleRules !== undefined || circuit !== undefined || auth !== undefined || (config.hedge !== undefined && config.hedge !== false && !streams),
  };
  return Object.freeze(plan);
}

/** Options that need no more than a look. */
function readOnly(config: StitchConfig, streams: boolean): Pick<Plan, "arrayFormat" | "sensitive" | "maxResponseBytes" | "transform"> & { readonly response: ResponseKind; readonly body: BodyKind } {
  return {
    arrayFormat: oneOf<ArrayFormat>("repeat", "indices", "brackets", "comma")("arrayFormat", config.arrayFormat),
    response: oneOf<ResponseKind>("auto", "json", "text", "bytes", "blob", "raw")("response", config.response),
    body: oneOf<BodyKind>("auto", "json", "form", "multipart", "text", "bytes")("body", config.body),
    sensitive: flag(false)("sensitive", config.sensitive),
    maxResponseBytes: integer(streams ? 1_048_576 : 10_485_760, 1)("maxResponseBytes", config.maxResponseBytes),
    transform: callback<NonNullable<StitchConfig["transform"]>>()("transform", config.transform),
  };
}

const NO_HOOKS: Hooks = Object.freeze({});

function methodOf(method: unknown): string {
  if (typeof method !== "string" || !/^[A-Za-z][A-Za-z-]*$/.test(method)) throw configError("method", method, "a method name");
  const upper = method.toUpperCase();
  if (upper === "CONNECT" || upper === "TRACE" || upper === "TRACK") throw configError("method", method, "a method a client may send: not CONNECT, TRACE or TRACK");
  return upper;
}

function target(config: StitchConfig): { template: UrlTemplate | undefined; urlOf: (() => string) | undefined } {
  const { url, baseUrl, path } = config;
  if (url !== undefined && path !== undefined) throw configError("path", path, "left out beside url");
  if (typeof url === "function") return { template: undefined, urlOf: url };
  if (url !== undefined) return { template: compileTemplate("url", checked("", () => checkString("url", url))), urlOf: undefined };
  if (baseUrl === undefined) throw configError("url", url, "set, or baseUrl and path");
  compileTemplate("baseUrl", checked("", () => checkString("baseUrl", baseUrl)));
  return { template: compileTemplate("path", path === undefined ? baseUrl : joinTemplate(baseUrl, checked("", () => checkString("path", path)))), urlOf: undefined };
}

/** The query of a call: what the template says, under the defaults, under what the call gives. With its `?`, or empty. */
export function searchOf(template: UrlTemplate, defaults: Readonly<Record<string, unknown>>, given: Readonly<Record<string, unknown>> | undefined, format: ArrayFormat): string {
  const own = given === undefined ? defaults : { ...defaults, ...given };
  let search = "";
  for (const [name, value] of template.query) if (!Object.hasOwn(own, name)) search += `&${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
  const rest = encodeQuery(own, format);
  if (rest !== "") search += `&${rest}`;
  return search === "" ? "" : `?${search.slice(1)}`;
}

function checkQuery(query: unknown): Readonly<Record<string, unknown>> {
  if (query === undefined) return Object.freeze({});
  if (typeof query !== "object" || query === null || Array.isArray(query)) throw configError("query", query, "a record");
  return query as Record<string, unknown>;
}

function acceptOf(option: StitchConfig["acceptStatus"]): (status: number) => boolean {
  if (option === undefined) return (status) => status >= 200 && status < 300;
  if (typeof option === "function") return option;
  const set = checked("", () => statusSet()("acceptStatus", typeof option === "number" ? [option] : option));
  return (status) => set.has(status);
}

function checkInput(input: unknown): Plan["input"] {
  if (input === undefined) return undefined;
  checkKeys("input", input, INPUT_SLOTS);
  for (const slot of INPUT_SLOTS) checkValidator(`input.${slot}`, (input as Record<string, unknown>)[slot]);
  return input as Plan["input"];
}

function checkValidator(option: string, value: unknown): Validator | undefined {
  if (value === undefined) return undefined;
  if (!isValidator(value)) throw configError(option, value, "a Standard Schema or a function");
  return value;
}

function checkHooks(hooks: unknown): Hooks {
  if (hooks === undefined) return NO_HOOKS;
  checkKeys("hooks", hooks, ["onRequest", "onResponse", "onRetry", "onError"]);
  for (const [name, hook] of Object.entries(hooks as object)) if (hook !== undefined && typeof hook !== "function") throw configError(`hooks.${name}`, hook, "a function");
  return hooks as Hooks;
}

function checkAuth(auth: unknown, method: string, streams: boolean): AuthStrategy | undefined {
  if (auth === undefined) return undefined;
  const strategy = auth as AuthStrategy;
  if (typeof auth !== "object" || auth === null || typeof strategy.name !== "string" || typeof strategy.apply !== "function") throw configError("auth", auth, "a strategy with name and apply");
  strategy.check?.({ method, streams });
  return strategy;
}

function checkRedirect(option: unknown): Plan["redirect"] {
  return readOptions<Plan["redirect"]>("redirect", (option ?? {}) as object, { max: integer(10, 0, 100), crossOrigin: oneOf("strip", "refuse") });
}

function checkPropagate(option: unknown): Plan["propagate"] {
  if (option === undefined) return "same-seam";
  if (option !== false && option !== "same-seam" && typeof option !== "function") throw configError("propagate", option, 'false, "same-seam" or a function');
  return option as Plan["propagate"];
}

function checkRest(config: StitchConfig, kind: StitchKind): void {
  if (config.store !== undefined) checkStoreShape("store", config.store);
  if (config.adapter !== undefined && typeof config.adapter !== "function") throw configError("adapter", config.adapter, "a function");
  if (kind === "graphql" && (typeof config.document !== "string" || config.document === "")) throw configError("document", config.document, "a GraphQL document");
  if (kind !== "graphql" && config.document !== undefined) throw configError("document", config.document, 'left out unless kind is "graphql"');
  // What reads them has defaults of its own.
  if (config.sse !== undefined) readOptions<object>("sse", config.sse, { reconnect: any, attempts: integer(5, 0), delayMs: any, lastEventId: any, parse: oneOf("auto", "json", "text") } as object);
  if (config.stream !== undefined) readOptions<object>("stream", config.stream, { decode: oneOf("ndjson", "lines", "bytes", "json"), resume: any } as object);
  if (config.paginate !== undefined && typeof (config.paginate as { next?: unknown }).next !== "function") throw configError("paginate", config.paginate, "a preset or an object with next(page, state)");
  const { cost } = config as { cost?: unknown };
  if (cost !== undefined) throw new StitchError("CONFIG_INVALID", "cost is an option of throttle, and an input of a call");
}

const any = (): undefined => undefined;
