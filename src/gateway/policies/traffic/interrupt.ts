/** `interrupt`: answers by itself where a condition says so. */

import type { Context } from "hono";
import { checkFunction, checkInteger } from "../../../core/check.ts";
import { OptionError, quote } from "../../../core/errors.ts";
import { chain, type MaybePromise } from "../../../core/maybe-promise.ts";
import { callback } from "../../callback.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { policyError } from "../../errors.ts";
import { CONTINUE, type PolicyResult } from "../../evaluation/protocol.ts";
import { contextOf } from "../../evaluation/skip-input.ts";
import { checkFields } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import { bodyless } from "../../response.ts";
import type { PolicyOptions } from "../../types.ts";

export interface InterruptConfig extends PolicyOptions {
  /** Whether this request is answered here. */
  readonly condition: (c: Context) => MaybePromise<boolean>;
  /** Status of the answer. @default 200 */
  readonly statusCode?: number;
  /** Text as it is; anything else as JSON. */
  readonly body?: unknown;
  /** Fields of the answer. @default {} */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers instead of the upstream, and instead of any stored response, where `condition` holds. */
export const interrupt: PolicyFactory<InterruptConfig> = /* @__PURE__ */ definePolicy<InterruptConfig, { readonly text: string | null; readonly headers: Headers }>({
  name: "interrupt",
  priority: Priority.DEFAULT,
  guard: true,
  validate(config) {
    checkFunction("condition", config.condition);
    checkInteger("statusCode", config.statusCode ?? 200, 200, 599);
    checkFields("headers", config.headers ?? {});
    answerOf(config);
  },
  setup: answerOf,
  evaluate: {
    onRequest: (input, { config, state, site }) =>
      chain(holds(config, contextOf(input), site.policyName), (yes): PolicyResult => {
        if (!yes) return CONTINUE;
        return { action: "immediate-response", status: config.statusCode ?? 200, headers: Object.fromEntries(state.headers), ...(state.text === null ? undefined : { body: state.text }) };
      }),
  },
  phases: ["request-headers"],
  handler: (c, next, { config, state, site }) =>
    chain(holds(config, c, site.policyName), (yes): MaybePromise<Response | void> => (yes ? new Response(state.text, { status: config.statusCode ?? 200, headers: state.headers }) : next())),
});

function holds(config: InterruptConfig, c: Context, policyName: string): MaybePromise<boolean> {
  return chain(callback<unknown>(policyName, () => config.condition(c)), (given) => {
    if (typeof given === "boolean") return given;
    throw policyError(policyName, new TypeError(`condition must give true or false, got ${quote(given)}`));
  });
}

function answerOf(config: InterruptConfig): { readonly text: string | null; readonly headers: Headers } {
  const headers = new Headers(config.headers);
  const { body } = config;
  if (body === undefined || body === null || bodyless(config.statusCode ?? 200)) return { text: null, headers };
  let text: string | undefined;
  try {
    text = typeof body === "string" ? body : JSON.stringify(body);
  } catch {
    text = undefined;
  }
  if (text === undefined) throw new OptionError("body", body, "a string or a value that JSON can hold");
  if (!headers.has("content-type")) headers.set("content-type", typeof body === "string" ? "text/plain; charset=utf-8" : "application/json");
  return { text, headers };
}
