/** Validators of users: functions, and schemas of any library (Standard Schema 1). */

import { OptionError, quote } from "../../../core/errors.ts";
import type { MaybePromise } from "../../../core/maybe-promise.ts";
import { callback } from "../../callback.ts";
import { policyError } from "../../errors.ts";

/** What Zod, Valibot, ArkType and others give. */
export interface SchemaLike {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => MaybePromise<SchemaResult>;
  };
}

export type SchemaResult =
  | { readonly value: unknown; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string; readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined }[] };

/** One thing that is wrong. */
export interface ValidationIssue {
  /** Dot path of the value. */
  readonly path: string;
  readonly message: string;
}

/** Most issues that are reported. */
const MAX_ISSUES = 50;

export function checkSchema(option: string, value: unknown): void {
  const standard = (value as Partial<SchemaLike> | null | undefined)?.["~standard"];
  if (typeof standard?.validate !== "function") throw new OptionError(option, typeof value, "a Standard Schema, such as one of Zod, Valibot or ArkType");
}

/** The value the schema gives, or what is wrong. `part` is put before the paths. */
export async function runSchema(policyName: string, schema: SchemaLike, value: unknown, part = ""): Promise<{ readonly value: unknown } | { readonly issues: readonly ValidationIssue[] }> {
  const result: SchemaResult = await callback(policyName, () => schema["~standard"].validate(value));
  if (result?.issues !== undefined && result.issues !== null) {
    return {
      issues: result.issues.slice(0, MAX_ISSUES).map((issue) => ({
        path: [...(part === "" ? [] : [part]), ...(issue.path ?? []).map((step) => String(typeof step === "object" ? step.key : step))].join("."),
        message: String(issue.message),
      })),
    };
  }
  if (typeof result !== "object" || result === null || !("value" in result)) throw policyError(policyName, new TypeError(`a schema gave ${quote(result)}`));
  return { value: result.value };
}

/** What a validating function may say: whether it is valid, or what is wrong. */
export type ValidatorResult = boolean | { readonly valid: boolean; readonly errors?: readonly (string | ValidationIssue)[] | undefined };

/** The issues a function reports; none when it is satisfied. Nonsense is a fault of the function, not an approval. */
export function readResult(policyName: string, result: unknown): readonly ValidationIssue[] | undefined {
  if (result === true) return undefined;
  if (result === false) return [];
  if (typeof result !== "object" || result === null || typeof (result as { valid?: unknown }).valid !== "boolean") throw policyError(policyName, new TypeError(`validate must give true, false or {valid, errors}, got ${quote(result)}`));
  const { valid, errors } = result as Exclude<ValidatorResult, boolean>;
  if (valid) return undefined;
  return (errors ?? []).slice(0, MAX_ISSUES).map((error) => (typeof error === "string" ? { path: "", message: error } : { path: String(error.path ?? ""), message: String(error.message) }));
}
