/** `jsonValidation`: JSON bodies are what they should be. */

import type { Context } from "hono";
import { checkFunction, checkInteger } from "../../../core/check.ts";
import { stackless } from "../../../core/errors.ts";
import type { MaybePromise } from "../../../core/maybe-promise.ts";
import { callback } from "../../callback.ts";
import { bodyTooLarge, boundedRequestBytes, utf8Text } from "../../collect-body.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { CONTINUE } from "../../evaluation/protocol.ts";
import { contextOf } from "../../evaluation/skip-input.ts";
import { bodyBytes, orReject } from "../../evaluation/verdicts.ts";
import { GatewayError, configError } from "../../errors.ts";
import { mediaTypeIn } from "../../media-type.ts";
import { checkBoolean, checkNames } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";
import { checkSchema, readResult, runSchema, type SchemaLike, type ValidationIssue, type ValidatorResult } from "./schema.ts";

export interface JsonValidationConfig extends PolicyOptions {
  /** Judges the parsed body. This or `schema` is required. */
  readonly validate?: (body: unknown, c: Context) => MaybePromise<ValidatorResult>;
  /** A Standard Schema of the body: Zod, Valibot, ArkType and others. */
  readonly schema?: SchemaLike;
  /** Media types that are validated; `application/json` also means `*+json`. @default ["application/json"] */
  readonly contentTypes?: readonly string[];
  /** Status of a refusal. @default 422 */
  readonly rejectStatus?: number;
  /** Say what is wrong, as `errors`. @default true */
  readonly errorDetail?: boolean;
  /** Refuse bodies of other types with 415. @default false */
  readonly requireJson?: boolean;
  /** A longer body is refused with 413. @default 1048576 */
  readonly maxBodyBytes?: number;
}

/** Refuses with 422 `validation_failed`, and 400 `invalid_json` for what is none. The body stays readable. */
export const jsonValidation: PolicyFactory<JsonValidationConfig> = /* @__PURE__ */ definePolicy<JsonValidationConfig, undefined>({
  name: "json-validation",
  priority: Priority.AUTH,
  guard: true,
  validate(config) {
    if ((config.validate === undefined) === (config.schema === undefined)) throw configError('exactly one of the options "validate", "schema" of policy "json-validation"', config.schema === undefined ? "none" : "both", "given");
    if (config.validate !== undefined) checkFunction("validate", config.validate);
    if (config.schema !== undefined) checkSchema("schema", config.schema);
    if (config.contentTypes !== undefined) checkNames("contentTypes", config.contentTypes, 1);
    checkInteger("rejectStatus", config.rejectStatus ?? 422, 400, 499);
    checkBoolean("errorDetail", config.errorDetail);
    checkBoolean("requireJson", config.requireJson);
    checkInteger("maxBodyBytes", config.maxBodyBytes ?? 1_048_576, 0);
  },
  evaluate: {
    async onRequest(input, { config, site }) {
      const bytes = bodyBytes(input);
      if (!mediaTypeIn(input.headers.get("content-type"), config.contentTypes ?? ["application/json"])) return orReject(config.requireJson === true && bytes.byteLength > 0 ? notJson() : undefined);
      if (input.body === undefined && /^(?:GET|HEAD|DELETE)$/.test(input.method)) return CONTINUE;
      const { maxBodyBytes = 1_048_576 } = config;
      if (bytes.byteLength > maxBodyBytes) throw bodyTooLarge(maxBodyBytes);
      await check(config, bytes, contextOf(input), site.policyName);
      return CONTINUE;
    },
  },
  phases: ["request-body"],
  async handler(c, next, { config, site }) {
    const { raw } = c.req;
    if (!mediaTypeIn(raw.headers.get("content-type"), config.contentTypes ?? ["application/json"])) {
      if (config.requireJson === true && raw.body !== null) throw notJson();
      return next();
    }
    if (raw.body === null && !raw.bodyUsed && (raw.method === "GET" || raw.method === "HEAD" || raw.method === "DELETE")) return next();
    await check(config, await boundedRequestBytes(c, config.maxBodyBytes ?? 1_048_576), c, site.policyName);
    await next();
  },
});

/** Throws what is wrong with the body. */
async function check(config: JsonValidationConfig, bytes: Uint8Array, c: Context, policyName: string): Promise<void> {
  const issues = await issuesOf(config, parse(bytes), c, policyName);
  if (issues === undefined) return;
  const members = config.errorDetail === false ? undefined : { members: { errors: issues } };
  throw stackless(() => new GatewayError(config.rejectStatus ?? 422, "validation_failed", "The body is not valid", undefined, members));
}

function notJson(): GatewayError {
  return stackless(() => new GatewayError(415, "unsupported_media_type", "The body must be JSON"));
}

async function issuesOf(config: JsonValidationConfig, body: unknown, c: Context, policyName: string): Promise<readonly ValidationIssue[] | undefined> {
  const { schema, validate } = config;
  if (schema !== undefined) {
    const result = await runSchema(policyName, schema, body);
    return "issues" in result ? result.issues : undefined;
  }
  return readResult(policyName, await callback(policyName, () => (validate as NonNullable<typeof validate>)(body, c)));
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8Text(bytes) ?? "");
  } catch {
    throw stackless(() => new GatewayError(400, "invalid_json", "The body is not valid JSON"));
  }
}
