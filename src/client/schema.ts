/** Standard Schema (https://standardschema.dev, 1.1), as far as it is used here, so that no package has to be installed for its types. */

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

/** What a schema gives. */
export type OutputOfSchema<S> = S extends { readonly "~standard": { readonly types?: { readonly output: infer O } | undefined } } ? O : unknown;
