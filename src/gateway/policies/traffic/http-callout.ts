/** `httpCallout`: asks another service before the request goes on. */

import type { Context } from "hono";
import { checkFunction, checkPositive, checkString } from "../../../core/check.ts";
import { OptionError, isSluiceError, stackless } from "../../../core/errors.ts";
import type { MaybePromise } from "../../../core/maybe-promise.ts";
import { callback } from "../../callback.ts";
import { definePolicy, type PolicyFactory, type PolicyTools } from "../../define-policy.ts";
import { GatewayError, isGatewayError, policyError } from "../../errors.ts";
import { fetchText } from "../../fetch-within.ts";
import { checkBoolean, checkFields, checkHttpUrl } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import { isResponse } from "../../response.ts";
import type { PolicyOptions } from "../../types.ts";

export interface HttpCalloutConfig extends PolicyOptions {
  /** What is asked: an absolute URL, or a function of the request that gives one. */
  readonly url: string | ((c: Context) => MaybePromise<string>);
  /** How. @default "GET" */
  readonly method?: string;
  /** Fields of the question, or a function that gives them. The client's own are not sent. */
  readonly headers?: Readonly<Record<string, string>> | ((c: Context) => MaybePromise<Readonly<Record<string, string>>>);
  /** Its body: text as it is, anything else as JSON; or a function that gives it. */
  readonly body?: unknown;
  /** Deadline, in ms, until the whole answer is there. @default 5000 */
  readonly timeout?: number;
  /** Judges the answer: what it throws, or a `Response` it gives, is this request's answer; else the request goes on. */
  readonly onResponse: (response: Response, c: Context) => MaybePromise<Response | void>;
  /** Called when there is no answer; it may give one to this request. */
  readonly onError?: (error: unknown, c: Context) => MaybePromise<Response | void>;
  /** Without an answer, refuse with 502; `false` goes on. @default true */
  readonly abortOnFailure?: boolean;
}

type Tools = PolicyTools<HttpCalloutConfig, undefined>;

/** Asks before any stored response is served. No answer within `timeout` is a 502 `callout_failed`. */
export const httpCallout: PolicyFactory<HttpCalloutConfig> = /* @__PURE__ */ definePolicy<HttpCalloutConfig, undefined>({
  name: "http-callout",
  httpOnly: true,
  priority: Priority.REQUEST_TRANSFORM,
  guard: true,
  validate(config) {
    if (typeof config.url !== "function") checkHttpUrl("url", config.url);
    if (!/^[A-Za-z]+$/.test(checkString("method", config.method ?? "GET"))) throw new OptionError("method", config.method, "a method");
    if (config.headers !== undefined && typeof config.headers !== "function") checkFields("headers", config.headers);
    checkPositive("timeout", config.timeout ?? 5000);
    checkFunction("onResponse", config.onResponse);
    if (config.onError !== undefined) checkFunction("onError", config.onError);
    checkBoolean("abortOnFailure", config.abortOnFailure);
  },
  async handler(c, next, tools) {
    const { config, site } = tools;
    const init = await question(c, tools);
    const asked = await ask(init, tools).then((response) => ({ response }), (error: unknown) => ({ error }));
    let answer: unknown;
    if ("response" in asked) answer = await callback(site.policyName, () => config.onResponse(asked.response, c));
    else {
      const { onError } = config;
      if (onError !== undefined) answer = await callback(site.policyName, () => onError(asked.error, c));
      if (!isResponse(answer) && config.abortOnFailure !== false) throw stackless(() => new GatewayError(502, "callout_failed", "A service this request depends on gave no answer", undefined, { cause: asked.error }));
    }
    if (isResponse(answer)) return answer;
    await next();
  },
});

interface Question {
  readonly url: string;
  readonly init: RequestInit;
}

async function question(c: Context, { config, site }: Tools): Promise<Question> {
  const { url, headers, body, method = "GET" } = config;
  const name = site.policyName;
  const target: unknown = typeof url === "function" ? await callback(name, () => url(c)) : url;
  const fields = new Headers(typeof headers === "function" ? await callback(name, () => headers(c)) : headers);
  const content: unknown = typeof body === "function" ? await callback(name, () => (body as (c: Context) => unknown)(c)) : body;
  try {
    const isText = typeof content === "string" || content instanceof Uint8Array;
    if (content !== undefined && content !== null && !isText && !fields.has("content-type")) fields.set("content-type", "application/json");
    const sent = content === undefined || content === null ? undefined : isText ? (content as BodyInit) : JSON.stringify(content);
    return { url: checkHttpUrl("url", target), init: { method: method.toUpperCase(), headers: fields, ...(sent === undefined ? undefined : { body: sent }) } };
  } catch (error) {
    throw isGatewayError(error) ? error : policyError(name, isSluiceError(error) ? error : new TypeError("body must have a JSON form"));
  }
}

async function ask({ url, init }: Question, { config, site, gateway }: Tools): Promise<Response> {
  const { status, headers, text } = await fetchText(url, init, { clock: site.clock, timeoutMs: config.timeout ?? 5000, signal: gateway.signal });
  const bodyless = status === 204 || status === 205 || status === 304;
  // The text is decoded already.
  for (const field of ["content-encoding", "content-length", "transfer-encoding"]) if (headers.has(field)) return new Response(bodyless ? null : text, { status, headers: without(headers) });
  return new Response(bodyless ? null : text, { status, headers });
}

function without(headers: Headers): Headers {
  const copy = new Headers(headers);
  for (const field of ["content-encoding", "content-length", "transfer-encoding"]) copy.delete(field);
  return copy;
}
