/** Where a call goes: RFC 6570 templates whose variables cannot leave their place. */

import { chain, isPromise, kept, type MaybePromise } from "../core/maybe-promise.ts";
import { StitchError, configError } from "./errors.ts";
import { featuresOf } from "./features/features.ts";
import type { Runtime } from "./runtime.ts";

export interface UrlParts {
  readonly origin: string;
  readonly pathname: string;
  /** With its `?`, or empty. */
  readonly search: string;
}

export interface Expanded {
  readonly pathname: string;
  readonly search: string;
}

export interface UrlTemplate {
  /** As declared. */
  readonly text: string;
  readonly origin: string;
  /** Names of variables, and whether one must be given. */
  readonly variables: ReadonlyMap<string, boolean>;
  /** What the template itself says of the query, in order. */
  readonly query: readonly (readonly [name: string, value: string])[];
  /** Path and the part of the query that variables make (with `?`, or empty). @throws StitchError `INPUT_INVALID` */
  expand(params: Readonly<Record<string, unknown>> | undefined, runtime: Runtime): MaybePromise<Expanded>;
}

const EXPRESSION = /\{([^{}]*)\}/g;
/** Scheme, authority, path, query, fragment. Expressions of a query begin it where they stand. */
const PARTS = /^(https?):\/\/([^/?#{]*)((?:\/(?:\{[^?&{}][^{}]*\}|[^{?#])*)?)((?:\?|\{[?&])[^#]*)?(#.*)?$/is;
const OPERATOR = /^[+#./;?&]/;
const VARIABLE = /^((?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})(?:\.?(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2}))*)(?::[1-9]\d{0,3}|\*)?$/;
const DOT_SEGMENT = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i;
const UNSENDABLE = /[\u0000-\u0020\u007f\\\p{Surrogate}]/u;

/** Compiles a template. @throws StitchError `CONFIG_INVALID` */
export function compileTemplate(option: string, text: string): UrlTemplate {
  if (/[{}]/.test(text.replace(EXPRESSION, ""))) throw configError(option, text, "a template with balanced braces");
  const match = PARTS.exec(text);
  if (match === null) throw configError(option, text, /^https?:\/\/[^/?#]*\{/i.test(text) ? "a URL whose host is fixed: no variable can choose it" : "an absolute http or https URL");
  const [, scheme, authority, path, search, fragment] = match as unknown as [string, string, string, string, string | undefined, string | undefined];
  if (authority.includes("@")) throw new StitchError("CONFIG_INVALID", `${option} holds a user name or password; give credentials with auth`);
  if (authority === "") throw configError(option, text, "an absolute http or https URL");
  if (fragment !== undefined) throw configError(option, text, "a URL without a fragment: it is never sent");
  if (UNSENDABLE.test(path.replace(EXPRESSION, "")) || UNSENDABLE.test((search ?? "").replace(EXPRESSION, ""))) throw configError(option, text, "a URL without spaces, backslashes, control characters and lone surrogates");
  const origin = originOf(option, text, `${scheme.toLowerCase()}://${authority}`);
  const variables = new Map<string, boolean>();
  collect(option, path, variables, true);
  collect(option, search ?? "", variables, false);
  const literalPath = path.replace(EXPRESSION, "x");
  if (DOT_SEGMENT.test(literalPath)) throw configError(option, text, "a URL without dot segments");
  const { pairs, expressions } = splitQuery(option, search ?? "");
  if (variables.size === 0) {
    const fixed = Object.freeze({ pathname: new URL(origin + (path === "" ? "/" : path)).pathname, search: "" });
    return { text, origin, variables, query: pairs, expand: () => fixed };
  }
  const whole = (path === "" ? "/" : path);
  const [pathOf, searchOf] = [simple(whole), simple(expressions)];
  let rare: MaybePromise<Expansion> | undefined;
  return {
    text, origin, variables, query: pairs,
    expand(params = NONE, runtime) {
      const context = checkParams(variables, params);
      const [pathname, search] = [expanded(pathOf, context), expanded(searchOf, context)];
      if (pathname !== undefined && search !== undefined) return inPlace(pathname, search);
      rare ??= kept(chain(featuresOf(runtime).templates(), ({ parseTemplate }) => [parseTemplate(whole), parseTemplate(expressions)] as const), () => (rare = undefined));
      const run = ([first, second]: Expansion): Expanded => inPlace(expanded((values) => first.expand(values), context) as string, expanded((values) => second.expand(values), context) as string);
      return isPromise(rare) ? rare.then(run) : run(rare);
    },
  };
}

type Expand = (context: Record<string, unknown>) => string | undefined;
type Expansion = readonly [path: { expand(context: Record<string, unknown>): string }, search: { expand(context: Record<string, unknown>): string }];

/** What variables made, if it stays in its place. */
function inPlace(pathname: string, search: string): Expanded {
  // Two harmless values side by side can make a dot segment.
  if (DOT_SEGMENT.test(pathname)) throw new StitchError("INPUT_INVALID", "params make a dot segment, which would leave its place in the path");
  if (pathname.search(/[?#]/) !== -1) throw new StitchError("INPUT_INVALID", "params of the path cannot begin a query or a fragment");
  return { pathname: pathname.startsWith("/") ? pathname : `/${pathname}`, search: search.replace(/^&/, "?") };
}

/** Level 1 and the queries of level 3, which is what nearly every API uses; anything else gives `undefined`, and is the library's. */
function simple(text: string): Expand {
  const parts = text.split(/\{([^{}]*)\}/).map((part, i) => {
    if (i % 2 === 0) return literal(part);
    const [, operator, names] = /^([?&]?)([\w.,]+)$/.exec(part) ?? [];
    return names === undefined ? undefined : { operator: operator as string, names: names.split(",") };
  });
  return (context) => {
    let made = "";
    for (const part of parts) {
      if (part === undefined) return undefined;
      if (typeof part === "string") {
        made += part;
        continue;
      }
      let { operator } = part;
      let first = true;
      for (const name of part.names) {
        const value = context[name];
        if (value === undefined || value === null) continue;
        if (typeof value === "object") return undefined;
        made += (operator === "" ? (first ? "" : ",") : `${operator}${name}=`) + unreserved(String(value));
        first = false;
        if (operator !== "") operator = "&";
      }
    }
    return made;
  };
}

/** RFC 6570 3.1: characters that no URL may hold are encoded, what is encoded stays. */
function literal(text: string): string {
  return text.replace(/%[0-9a-f]{2}|[^%]+|%/gi, (part) => (part.length === 3 && part.startsWith("%") ? part : encodeURI(part).replaceAll("%5B", "[").replaceAll("%5D", "]")));
}

function unreserved(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

const NONE: Readonly<Record<string, unknown>> = Object.freeze({});

function expanded(expand: Expand, context: Record<string, unknown>): string | undefined {
  try {
    return expand(context);
  } catch (cause) {
    // Half of a surrogate pair: given as such, or left of a whole one by a prefix such as {name:1}.
    const name = nameOf(/\p{Surrogate}/u, context) ?? nameOf(/[\ud800-\udfff]/, context);
    if (name === undefined) throw new StitchError("INPUT_INVALID", "params hold what no URL can say", { cause });
    throw new StitchError("INPUT_INVALID", `params.${name} holds a lone surrogate, which has no UTF-8 form`, { cause, issues: [{ message: "no UTF-8 form", path: ["params", name] }] });
  }
}

/** The first parameter with such a text in it. */
function nameOf(pattern: RegExp, context: Record<string, unknown>): string | undefined {
  const texts = (value: unknown): unknown[] => (typeof value === "object" ? Object.entries(value as object).flat() : [value]);
  return Object.keys(context).find((name) => texts(context[name]).some((text) => typeof text === "string" && pattern.test(text)));
}

/** Checks values, in a map without prototype so that no inherited name counts as given. */
function checkParams(variables: ReadonlyMap<string, boolean>, params: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const context = Object.create(null) as Record<string, unknown>;
  for (const [name, required] of variables) {
    const value = Object.hasOwn(params, name) ? params[name] : undefined;
    if (value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0)) {
      if (required) throw new StitchError("INPUT_INVALID", `params.${name} is missing: the path needs it`, { issues: [{ message: "required by the URL template", path: ["params", name] }] });
      if (value !== "") continue;
    }
    const plain = value instanceof Date ? value.toISOString() : value;
    if (required) for (const item of typeof plain === "object" && plain !== null ? Object.values(plain) : [plain]) checkSegment(name, item);
    context[name] = plain;
  }
  return context;
}

function checkSegment(name: string, value: unknown): void {
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") {
    throw new StitchError("INPUT_INVALID", `params.${name} must be text, a number or a boolean, or a list or record of them`, { issues: [{ message: "not a value for a path", path: ["params", name] }] });
  }
  if (value === "." || value === "..") throw new StitchError("INPUT_INVALID", `params.${name} is a dot segment, which would leave its place in the path`, { issues: [{ message: "a dot segment", path: ["params", name] }] });
}

function collect(option: string, text: string, variables: Map<string, boolean>, required: boolean): void {
  for (const [, body] of text.matchAll(EXPRESSION)) {
    const operator = OPERATOR.exec(body as string)?.[0];
    const inQuery = operator === "?" || operator === "&";
    if (operator === "#") throw configError(option, text, "a template without fragment expressions");
    for (const part of (operator === undefined ? (body as string) : (body as string).slice(1)).split(",")) {
      const name = VARIABLE.exec(part)?.[1];
      if (name === undefined) throw configError(option, text, `a template of RFC 6570: {${body}} is no expression`);
      variables.set(name, (required && !inQuery) || variables.get(name) === true);
    }
  }
}

/** The literal pairs of a query, and its expressions. A pair may be `name={value}`. */
function splitQuery(option: string, search: string): { pairs: [string, string][]; expressions: string } {
  let expressions = "";
  const literal = search.replace(/\{[?&][^{}]*\}/g, (expression) => {
    expressions += expressions === "" ? expression.replace("{&", "{?") : expression.replace("{?", "{&");
    return "";
  });
  if (literal.includes("{")) throw configError(option, search, "a query whose variables are {?name} or {&name}");
  const pairs = [...new URLSearchParams(literal.startsWith("?") ? literal.slice(1) : literal)] as [string, string][];
  return { pairs, expressions };
}

function originOf(option: string, text: string, base: string): string {
  try {
    return new URL(base).origin;
  } catch {
    throw configError(option, text, "an absolute http or https URL");
  }
}

/** `baseUrl` and `path` with exactly one slash between them. The path cannot name another origin. */
export function joinTemplate(baseUrl: string, path: string): string {
  if (/^[a-z][a-z0-9+.-]*:/i.test(path) || path.startsWith("//") || path.includes("\\")) throw configError("path", path, "a path below baseUrl, not a URL of its own");
  const [base, query] = split(baseUrl);
  const slash = path === "" || path.startsWith("?") || /^\{[?&/]/.test(path) ? "" : "/";
  const joined = (slash === "" ? base : base.replace(/\/+$/, "")) + slash + (slash === "" ? path : path.replace(/^\/+/, ""));
  return query === "" ? joined : joined.includes("?") ? joined.replace("?", `${query}&`) : joined + query;
}

function split(url: string): [string, string] {
  const at = url.indexOf("?");
  return at === -1 ? [url, ""] : [url.slice(0, at), url.slice(at)];
}
