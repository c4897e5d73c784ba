/** Standard Schema (https://standardschema.dev, 1.1), as far as it is used here, so that no package has to be installed for its types. */

import { isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import type { Issue } from "./errors.ts";
import type { Finding } from "./events.ts";

/** Any library's schema: zod, valibot, arktype and others implement it. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

export type SchemaResult<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** A schema, or a plain test. A type guard gives its type to what it lets pass. */
export type Validator<T = unknown> = StandardSchema<unknown, T> | ((value: unknown) => boolean) | ((value: unknown) => value is T);

/** On a schema that `drift` made: looks for differences. So only who imports `drift` loads what finds them. */
export const DRIFT: unique symbol = Symbol.for("sluice.drift");
export type DriftReport = (call: { find(finding: Finding): void }, raw: unknown, checked: Validated) => void;

export type Validated = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly issues: readonly Issue[] };

export function isSchema(value: unknown): value is StandardSchema {
  return (typeof value === "object" || typeof value === "function") && value !== null && typeof (value as { "~standard"?: { validate?: unknown } })["~standard"]?.validate === "function";
}

export function isValidator(value: unknown): value is Validator {
  return typeof value === "function" || isSchema(value);
}

/** Runs a validator. A promise only where the schema is asynchronous. What it throws counts as an issue of the whole value. */
export function validate(validator: Validator, value: unknown, prefix: readonly (string | number)[] = []): MaybePromise<Validated> {
  try {
    if (!isSchema(validator)) {
      const passed = (validator as (value: unknown) => unknown)(value);
      return passed === true || (passed !== false && Boolean(passed)) ? { ok: true, value } : { ok: false, issues: [{ message: "the validator refused the value", path: prefix }] };
    }
    const result = validator["~standard"].validate(value);
    if (isPromise(result)) return result.then((late) => settled(late, prefix), (error: unknown) => thrown(error, prefix));
    return settled(result, prefix);
  } catch (error) {
    return thrown(error, prefix);
  }
}

function settled(result: SchemaResult<unknown>, prefix: readonly (string | number)[]): Validated {
  if (result.issues === undefined) return { ok: true, value: (result as { value: unknown }).value };
  return { ok: false, issues: result.issues.map(({ message, path = [] }) => ({ message, path: [...prefix, ...path.map(segment)] })) };
}

function thrown(error: unknown, prefix: readonly (string | number)[]): Validated {
  return { ok: false, issues: [{ message: `the validator threw: ${error instanceof Error ? error.message : String(error)}`, path: prefix }] };
}

function segment(part: PropertyKey | { readonly key: PropertyKey }): string | number {
  const key = typeof part === "object" ? part.key : part;
  return typeof key === "number" ? key : String(key);
}

/** What a schema gives. */
export type OutputOfSchema<S> = S extends { readonly "~standard": { readonly types?: { readonly output: infer O } | undefined } } ? O : unknown;
