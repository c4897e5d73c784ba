/** `cors`: which other origins may use a route from a browser (WHATWG Fetch, section 3.3). */

import type { Context } from "hono";
import { checkInteger } from "../../../core/check.ts";
import { OptionError } from "../../../core/errors.ts";
import { isPromise, type MaybePromise } from "../../../core/maybe-promise.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { policyError } from "../../errors.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";

/** True, or the origin to answer with, admits the origin. */
export type CorsOriginFunction = (origin: string, c: Context) => MaybePromise<boolean | string | null | undefined>;

export interface CorsConfig extends PolicyOptions {
  /** `*` for all, an origin, a list of them, or a function. @default "*" */
  readonly origins?: string | readonly string[] | CorsOriginFunction;
  /** Methods a preflight admits. @default all */
  readonly methods?: readonly string[];
  /** Request fields a preflight admits. @default those it asks for */
  readonly allowHeaders?: readonly string[];
  /** Response fields a page may read. */
  readonly exposeHeaders?: readonly string[];
  /** How long a browser may keep a preflight's answer, in seconds. @default 86400 */
  readonly maxAge?: number;
  /** Admits requests with cookies; not together with `*`. @default false */
  readonly credentials?: boolean;
}

interface CorsState {
  /** The one value for everybody, or `undefined` when the answer depends on the origin. */
  readonly everybody: "*" | undefined;
  readonly origins: ReadonlySet<string>;
  readonly decide: CorsOriginFunction | undefined;
  readonly methods: string;
  readonly allowHeaders: string | undefined;
  readonly exposeHeaders: string | undefined;
  readonly maxAge: string;
}

const ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"];
/** Fields of the protocol that only this policy may set. */
const CORS_FIELDS = [
  "access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods", "access-control-allow-headers",
  "access-control-expose-headers", "access-control-max-age", "access-control-allow-private-network",
];
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * Answers preflights with 204, before any policy that could refuse them, and says on every answer, errors included,
 * whether the page may read it. An upstream's own CORS fields are replaced.
 */
export const cors: PolicyFactory<CorsConfig> = /* @__PURE__ */ definePolicy<CorsConfig, CorsState>({
  name: "cors",
  httpOnly: true,
  priority: Priority.EARLY,
  preflight: true,
  validate: (config) => void prepare(config),
  setup: prepare,
  handler(c, next, { config, state, site }) {
    const origin = c.req.header("origin");
    const allowed = allowedOrigin(state, origin, c, site.policyName, config.credentials === true);
    const requested = c.req.method === "OPTIONS" && origin !== undefined ? c.req.header("access-control-request-method") : undefined;
    if (requested !== undefined) {
      const asked = c.req.header("access-control-request-headers");
      return isPromise(allowed) ? allowed.then((found) => preflight(state, config, found, asked)) : preflight(state, config, allowed, asked);
    }
    const pass = (found: string | undefined): Promise<void> => next().then(() => mark(c.res.headers, state, config, found));
    return isPromise(allowed) ? allowed.then(pass) : pass(allowed);
  },
});

/** The value of `access-control-allow-origin` for this caller, or `undefined` for none. */
function allowedOrigin(state: CorsState, origin: string | undefined, c: Context, policyName: string, credentials: boolean): MaybePromise<string | undefined> {
  if (state.everybody !== undefined) return state.everybody;
  if (origin === undefined) return undefined;
  if (state.decide === undefined) return state.origins.has(origin) ? origin : undefined;
  const read = (answer: unknown): string | undefined => {
    if (answer === true) return origin;
    if (answer === false || answer === undefined || answer === null || answer === "") return undefined;
    if (typeof answer !== "string") throw policyError(policyName, new OptionError("origins", answer, "a function that gives true, false or an origin"));
    if (answer === "*" && credentials) throw policyError(policyName, new OptionError("origins", answer, "an origin when credentials is true"));
    return answer;
  };
  let answer: MaybePromise<boolean | string | null | undefined>;
  try {
    answer = state.decide(origin, c);
  } catch (error) {
    throw policyError(policyName, error);
  }
  if (!isPromise(answer)) return read(answer);
  return answer.then(read, (error: unknown) => Promise.reject(policyError(policyName, error)));
}

function preflight(state: CorsState, config: CorsConfig, allowed: string | undefined, asked: string | undefined): Response {
  const headers = new Headers();
  mark(headers, state, config, allowed);
  headers.delete("access-control-expose-headers");
  if (state.allowHeaders === undefined) vary(headers, "Access-Control-Request-Headers");
  if (allowed !== undefined) {
    headers.set("access-control-allow-methods", state.methods);
    const fields = state.allowHeaders ?? tokens(asked);
    if (fields !== "") headers.set("access-control-allow-headers", fields);
    headers.set("access-control-max-age", state.maxAge);
  }
  return new Response(null, { status: 204, headers });
}

function mark(headers: Headers, state: CorsState, config: CorsConfig, allowed: string | undefined): void {
  for (const name of CORS_FIELDS) headers.delete(name);
  if (state.everybody === undefined) vary(headers, "Origin");
  if (allowed === undefined) return;
  headers.set("access-control-allow-origin", allowed);
  if (config.credentials === true) headers.set("access-control-allow-credentials", "true");
  if (state.exposeHeaders !== undefined) headers.set("access-control-expose-headers", state.exposeHeaders);
}

function vary(headers: Headers, name: string): void {
  const present = headers.get("vary");
  if (present === null) headers.set("vary", name);
  else if (!present.split(",").some((one) => one.trim() === "*" || one.trim().toLowerCase() === name.toLowerCase())) headers.set("vary", `${present}, ${name}`);
}

/** Echoes only what is a list of field names. */
function tokens(list: string | undefined): string {
  return (list ?? "").split(",").map((name) => name.trim()).filter((name) => TOKEN.test(name)).join(", ");
}

function prepare(config: CorsConfig): CorsState {
  const { origins = "*" } = config;
  if (typeof origins !== "string" && typeof origins !== "function" && !Array.isArray(origins)) throw new OptionError("origins", origins, "a string, a list of strings or a function");
  const listed = typeof origins === "function" ? [] : typeof origins === "string" ? [origins] : (origins as readonly string[]);
  for (const origin of listed) checkOrigin(origin);
  const everybody = listed.includes("*") ? "*" : undefined;
  if (config.credentials !== undefined && typeof config.credentials !== "boolean") throw new OptionError("credentials", config.credentials, "true or false");
  if (everybody !== undefined && config.credentials === true) throw new OptionError("origins", origins, 'without "*" when credentials is true: a browser would refuse every answer');
  const names = (option: string, list: readonly string[] | undefined): string | undefined => {
    if (list === undefined) return undefined;
    if (!Array.isArray(list)) throw new OptionError(option, list, "a list of names");
    for (const name of list) if (typeof name !== "string" || !TOKEN.test(name)) throw new OptionError(option, name, "a list of names");
    return list.length === 0 ? undefined : list.join(", ");
  };
  return {
    everybody,
    origins: new Set(listed),
    decide: typeof origins === "function" ? origins : undefined,
    methods: names("methods", config.methods) ?? ALL_METHODS.join(", "),
    allowHeaders: config.allowHeaders?.length === 0 ? "" : names("allowHeaders", config.allowHeaders),
    exposeHeaders: names("exposeHeaders", config.exposeHeaders),
    maxAge: String(checkInteger("maxAge", config.maxAge ?? 86_400, 0)),
  };
}

/** A browser's `Origin` has no path, and in lower case; another spelling in the options would never match. */
function checkOrigin(origin: unknown): void {
  if (origin === "*" || origin === "null") return;
  const url = typeof origin === "string" ? parse(origin) : undefined;
  if (url === undefined || (url.origin !== "null" && url.origin !== origin)) {
    throw new OptionError("origins", origin, url === undefined ? 'an origin such as "https://app.example.com"' : `written as ${JSON.stringify(url.origin)}`);
  }
}

function parse(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
