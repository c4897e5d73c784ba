/** `requestValidation`: body, query, path parameters and fields are what they should be. */

import type { Context } from "hono";
import { checkFunction, checkInteger, checkString } from "../../../core/check.ts";
import { OptionError, stackless } from "../../../core/errors.ts";
import type { MaybePromise } from "../../../core/maybe-promise.ts";
import { callback } from "../../callback.ts";
import { boundedRequestBytes, utf8Text } from "../../collect-body.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError, policyError } from "../../errors.ts";
import { mediaTypeIn } from "../../media-type.ts";
import { checkBoolean, checkNames, checkRecord } from "../../option-checks.ts";
import { queryOf } from "../../path.ts";
import { Priority } from "../../priority.ts";
import { editRequestFields, replaceRequestBody, replaceRequestUrl } from "../../request-edit.ts";
import type { PolicyOptions } from "../../types.ts";
import { checkSchema, readResult, runSchema, type SchemaLike, type ValidationIssue, type ValidatorResult } from "./schema.ts";

/** Schemas by the part they are of. */
export interface RequestSchemas {
  /** Of the parsed JSON body. */
  readonly body?: SchemaLike;
  /** Of the query: texts, and lists of them where a name repeats. */
  readonly query?: SchemaLike;
  /** Of the path parameters. */
  readonly params?: SchemaLike;
  /** Of the fields, names in lower case. */
  readonly headers?: SchemaLike;
}

export interface RequestValidationConfig extends PolicyOptions {
  /** Judges the parsed body. */
  readonly validate?: (body: unknown, c: Context) => ValidatorResult;
  /** The same, later; it wins over `validate`. */
  readonly validateAsync?: (body: unknown, c: Context) => MaybePromise<ValidatorResult>;
  /** Standard Schemas of the parts. */
  readonly schema?: RequestSchemas;
  /** Media types of bodies that are validated, as JSON; `application/json` also means `*+json`. Where bodies are validated, those of another type, and of none, are refused with 415. @default ["application/json"] */
  readonly contentTypes?: readonly string[];
  /** Detail of a refusal. @default "The request is not valid" */
  readonly errorMessage?: string;
  /** Put what the schemas gave (defaults, conversions) into the place of body, query and fields. @default false */
  readonly applyOutput?: boolean;
  /** A longer body is refused with 413. @default 1048576 */
  readonly maxBodyBytes?: number;
}

/** Refuses with 400 `validation_failed` and lists what is wrong as `errors`, and with 415 `unsupported_media_type` a body it could not judge. */
export const requestValidation: PolicyFactory<RequestValidationConfig> = /* @__PURE__ */ definePolicy<RequestValidationConfig, undefined>({
  name: "request-validation",
  httpOnly: true,
  priority: Priority.AUTH,
  guard: true,
  validate(config) {
    const { schema, validate, validateAsync } = config;
    if (schema === undefined && validate === undefined && validateAsync === undefined) throw new OptionError("schema", undefined, 'given, or "validate" or "validateAsync"');
    if (validate !== undefined) checkFunction("validate", validate);
    if (validateAsync !== undefined) checkFunction("validateAsync", validateAsync);
    if (schema !== undefined) {
      checkRecord("schema", schema);
      for (const [part, one] of Object.entries(schema)) {
        if (!["body", "query", "params", "headers"].includes(part)) throw new OptionError("schema", part, "made of body, query, params and headers");
        checkSchema(`schema.${part}`, one);
      }
    }
    if (config.contentTypes !== undefined) checkNames("contentTypes", config.contentTypes, 1);
    checkString("errorMessage", config.errorMessage ?? "");
    checkBoolean("applyOutput", config.applyOutput);
    checkInteger("maxBodyBytes", config.maxBodyBytes ?? 1_048_576, 0);
  },
  async handler(c, next, { config, site }) {
    const { policyName } = site;
    const { schema = {} } = config;
    const judge = config.validateAsync ?? config.validate;
    const issues: ValidationIssue[] = [];
    let failed = false;
    const outputs: Partial<Record<keyof RequestSchemas, unknown>> = {};
    const check = async (part: keyof RequestSchemas, value: () => unknown): Promise<void> => {
      const one = schema[part];
      if (one === undefined) return;
      const result = await runSchema(policyName, one, value(), part);
      if ("issues" in result) {
        failed = true;
        issues.push(...result.issues);
      } else outputs[part] = result.value;
    };
    await check("params", () => c.req.param());
    await check("query", () => queryRecord(c));
    await check("headers", () => Object.fromEntries(c.req.raw.headers));
    const given = schema.body === undefined && judge === undefined ? NOT_JUDGED : await bodyOf(c, config);
    if (given !== NOT_JUDGED) {
      const body = given?.json;
      await check("body", () => body);
      const found = judge === undefined ? undefined : readResult(policyName, await callback(policyName, () => judge(body, c)));
      if (found !== undefined) {
        failed = true;
        issues.push(...found);
      }
    }
    if (failed) throw invalid(400, config.errorMessage ?? "The request is not valid", issues);
    if (config.applyOutput === true) apply(c, outputs, policyName);
    await next();
  },
});

function invalid(status: number, message: string, errors: readonly ValidationIssue[]): GatewayError {
  return stackless(() => new GatewayError(status, "validation_failed", message, undefined, { members: { errors } }));
}

const NOT_JUDGED: unique symbol = Symbol("not judged");

/** The parsed body; `undefined` where one should be and is not, which is not valid for lack of it. */
async function bodyOf(c: Context, config: RequestValidationConfig): Promise<{ readonly json: unknown } | undefined | typeof NOT_JUDGED> {
  const { raw, method } = c.req;
  const without = method === "POST" || method === "PUT" || method === "PATCH" ? undefined : NOT_JUDGED;
  if (raw.body === null && !raw.bodyUsed) return without;
  const types = config.contentTypes ?? ["application/json"];
  const judged = mediaTypeIn(raw.headers.get("content-type"), types);
  // A type is the client's word: a body may not get past its schema by another one.
  if (!judged && Number(raw.headers.get("content-length") ?? 0) > 0) throw otherType(types);
  const bytes = await boundedRequestBytes(c, config.maxBodyBytes ?? 1_048_576);
  if (judged) return { json: parse(bytes) };
  if (bytes.byteLength > 0) throw otherType(types);
  return without;
}

function otherType(types: readonly string[]): GatewayError {
  return stackless(() => new GatewayError(415, "unsupported_media_type", `The body must be ${types.join(" or ")}`));
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8Text(bytes) ?? "");
  } catch {
    throw invalid(400, "The body is not valid JSON", [{ path: "body", message: "not valid JSON" }]);
  }
}

function queryRecord(c: Context): Record<string, string | string[]> {
  const record = Object.create(null) as Record<string, string | string[]>;
  for (const [name, value] of new URLSearchParams(queryOf(c.req.raw.url))) {
    const before = record[name];
    record[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  // Schema libraries look for plain objects; the names are own properties either way.
  return Object.defineProperties({}, Object.getOwnPropertyDescriptors(record)) as Record<string, string | string[]>;
}

function apply(c: Context, outputs: Partial<Record<keyof RequestSchemas, unknown>>, policyName: string): void {
  if ("body" in outputs) {
    try {
      replaceRequestBody(c, outputs.body === undefined ? null : JSON.stringify(outputs.body));
    } catch (error) {
      throw policyError(policyName, error);
    }
  }
  if (isRecord(outputs.query)) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(outputs.query)) {
      for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) if (one !== undefined && one !== null) query.append(name, String(one));
    }
    const { url } = c.req.raw;
    const old = queryOf(url);
    const text = query.size === 0 ? "" : `?${query}`;
    replaceRequestUrl(c, old === "" ? url + text : url.replace(old, () => text));
  }
  if (isRecord(outputs.headers)) {
    const fields = outputs.headers;
    editRequestFields(c, (headers) => {
      for (const [name, value] of Object.entries(fields)) if (value !== undefined && value !== null && headers.get(name) !== String(value)) headers.set(name, String(value));
    });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
