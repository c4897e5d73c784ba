/** `jsonValidation`: JSON bodies are what they should be. */

import type { Context } from "hono";
import { checkFunction, checkInteger } from "../../../core/check.ts";
import { stackless } from "../../../core/errors.ts";
import type { MaybePromise } from "../../../core/maybe-promise.ts";
import { callback } from "../../callback.ts";
import { boundedRequestBytes, utf8Text } from "../../collect-body.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
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
  async handler(c, next, { config, site }) {
    const { raw } = c.req;
    if (!mediaTypeIn(raw.headers.get("content-type"), config.contentTypes ?? ["application/json"])) {
      if (config.requireJson === true && raw.body !== null) throw stackless(() => new GatewayError(415, "unsupported_media_type", "The body must be JSON"));
      return next();
    }
    if (raw.body === null && !raw.bodyUsed && (raw.method === "GET" || raw.method === "HEAD" || raw.method === "DELETE")) return next();
    const body = parse(await boundedRequestBytes(c, config.maxBodyBytes ?? 1_048_576));
    const issues = await issuesOf(config, body, c, site.policyName);
    if (issues !== undefined) {
      const members = config.errorDetail === false ? undefined : { members: { errors: issues } };
      throw stackless(() => new GatewayError(config.rejectStatus ?? 422, "validation_failed", "The body is not valid", undefined, members));
    }
    await next();
  },
});

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
