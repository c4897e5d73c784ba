/** `assignContent`: adds fields to JSON bodies. */

import type { Context } from "hono";
import { checkInteger } from "../../../core/check.ts";
import { OptionError } from "../../../core/errors.ts";
import type { MaybePromise } from "../../../core/maybe-promise.ts";
import { callback } from "../../callback.ts";
import { requestBytes, utf8Text } from "../../collect-body.ts";
import { askForPlainAnswer, readAnswer } from "../../content-coding.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { policyError } from "../../errors.ts";
import { mediaTypeIn } from "../../media-type.ts";
import { checkNames, checkRecord } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import { replaceRequestBody } from "../../request-edit.ts";
import type { PolicyOptions } from "../../types.ts";
import { describeRewritten } from "../traffic/rewritten-body.ts";

/** Fields and their values, or functions of the request that give them. */
export type ContentFields = Readonly<Record<string, unknown>>;

export interface AssignContentConfig extends PolicyOptions {
  /** Top-level fields of the request's body; a value may be a function of the request. */
  readonly request?: ContentFields;
  /** Top-level fields of the response's body; a value may be a function of the request. */
  readonly response?: ContentFields;
  /** Media types that are changed; `application/json` also means `*+json`. @default ["application/json"] */
  readonly contentTypes?: readonly string[];
  /** Longer bodies pass unchanged. @default 1048576 */
  readonly maxBodyBytes?: number;
}

/**
 * Merges fields into JSON objects. Any other JSON value and what cannot be parsed pass unchanged. With `response` the upstream is asked for
 * whole answers without content coding; gzip and deflate are undone, and an answer that cannot be read is told in an event.
 */
export const assignContent: PolicyFactory<AssignContentConfig> = /* @__PURE__ */ definePolicy<AssignContentConfig, undefined>({
  name: "assign-content",
  httpOnly: true,
  priority: Priority.REQUEST_TRANSFORM,
  validate(config) {
    if (config.request === undefined && config.response === undefined) throw new OptionError("request", undefined, 'given, or "response"');
    for (const option of ["request", "response"] as const) if (config[option] !== undefined) checkRecord(option, config[option]);
    if (config.contentTypes !== undefined) checkNames("contentTypes", config.contentTypes, 1);
    checkInteger("maxBodyBytes", config.maxBodyBytes ?? 1_048_576, 0);
  },
  async handler(c, next, { config, site }) {
    const types = config.contentTypes ?? ["application/json"];
    const limit = config.maxBodyBytes ?? 1_048_576;
    if (config.request !== undefined && mediaTypeIn(c.req.raw.headers.get("content-type"), types)) {
      const bytes = await requestBytes(c, limit);
      const changed = bytes === undefined ? undefined : await merged(bytes, config.request, c, site.policyName);
      if (changed !== undefined) replaceRequestBody(c, changed);
    }
    if (config.response === undefined) return next();
    askForPlainAnswer(c);
    await next();
    const { res } = c;
    if (res.body === null || !mediaTypeIn(res.headers.get("content-type"), types)) return;
    const { bytes, raw, why } = await readAnswer(res, limit);
    if (bytes === undefined) site.events.emit({ type: "policy.warning", policy: site.policyName, message: `An answer passed unchanged: ${why}` });
    const changed = bytes === undefined ? undefined : await merged(bytes, config.response, c, site.policyName);
    const headers = changed === undefined ? res.headers : describeRewritten(res.headers);
    return new Response(changed ?? raw, { status: res.status, statusText: res.statusText, headers });
  },
});

async function merged(bytes: Uint8Array, fields: ContentFields, c: Context, policyName: string): Promise<string | undefined> {
  let value: unknown;
  try {
    value = JSON.parse(utf8Text(bytes) ?? "");
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const object = Object.assign(Object.create(null) as Record<string, unknown>, value);
  for (const [name, given] of Object.entries(fields)) {
    object[name] = typeof given === "function" ? await callback(policyName, () => (given as (c: Context) => MaybePromise<unknown>)(c)) : given;
  }
  try {
    return JSON.stringify(object);
  } catch (error) {
    throw policyError(policyName, error);
  }
}
