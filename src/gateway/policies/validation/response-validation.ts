/** `responseValidation`: the upstream's JSON answers are what they should be. */

import { checkInteger, checkOneOf } from "../../../core/check.ts";
import { utf8Text } from "../../collect-body.ts";
import { type AnswerBody, askForPlainAnswer, readAnswer } from "../../content-coding.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { mediaTypeIn } from "../../media-type.ts";
import { checkNames } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import { discard } from "../../response.ts";
import type { PolicyOptions } from "../../types.ts";
import { checkSchema, runSchema, type SchemaLike, type ValidationIssue } from "./schema.ts";

export interface ResponseValidationConfig extends PolicyOptions {
  /** A Standard Schema of the parsed body. */
  readonly schema: SchemaLike;
  /** A longer body cannot be judged, which is not valid. @default 1048576 */
  readonly maxBodyBytes?: number;
  /** What an answer that is not valid becomes: a 502, or itself and a line in the log. @default "error" */
  readonly onInvalid?: "error" | "log";
  /** Media types that are validated; `application/json` also means `*+json`. @default ["application/json"] */
  readonly contentTypes?: readonly string[];
}

/**
 * Judges successful answers. One that is not valid, or cannot be read, is a 502 `invalid_upstream_response`; what is wrong with it is said
 * in an event only. The upstream is asked for whole answers without content coding; gzip and deflate are undone.
 */
export const responseValidation: PolicyFactory<ResponseValidationConfig> = /* @__PURE__ */ definePolicy<ResponseValidationConfig, undefined>({
  name: "response-validation",
  httpOnly: true,
  priority: Priority.RESPONSE_TRANSFORM,
  validate(config) {
    checkSchema("schema", config.schema);
    checkInteger("maxBodyBytes", config.maxBodyBytes ?? 1_048_576, 0);
    checkOneOf("onInvalid", config.onInvalid ?? "error", ["error", "log"]);
    if (config.contentTypes !== undefined) checkNames("contentTypes", config.contentTypes, 1);
  },
  async handler(c, next, { config, site }) {
    askForPlainAnswer(c);
    await next();
    const { res } = c;
    if (res.status < 200 || res.status > 299 || res.body === null || !mediaTypeIn(res.headers.get("content-type"), config.contentTypes ?? ["application/json"])) return;
    const body = await readAnswer(res, config.maxBodyBytes ?? 1_048_576);
    const issues = await issuesOf(config, body, site.policyName);
    if (issues !== undefined) {
      const message = `The upstream's answer is not valid: ${issues.map((issue) => `${issue.path}: ${issue.message}`).join("; ")}`;
      site.events.emit({ type: "policy.warning", policy: site.policyName, message });
      if (config.onInvalid !== "log") {
        discard(new Response(body.raw));
        throw new GatewayError(502, "invalid_upstream_response", body.bytes === undefined ? "The upstream's answer could not be read, and so not be validated" : "The upstream gave no valid response");
      }
    }
    return new Response(body.raw, { status: res.status, statusText: res.statusText, headers: res.headers });
  },
});

async function issuesOf(config: ResponseValidationConfig, { bytes, why }: AnswerBody, policyName: string): Promise<readonly ValidationIssue[] | undefined> {
  if (bytes === undefined) return [{ path: "", message: why }];
  let value: unknown;
  try {
    value = JSON.parse(utf8Text(bytes) ?? "");
  } catch {
    return [{ path: "", message: "not valid JSON" }];
  }
  const result = await runSchema(policyName, config.schema, value);
  return "issues" in result ? result.issues : undefined;
}
