/** Schemas made ready: a raw shape or a whole schema becomes one function that stays synchronous as long as its parts do. */

import { OptionError } from "../core/errors.ts";
import { type MaybePromise, isPromise } from "../core/maybe-promise.ts";
import { type SchemaInput, type SchemaOutput, type StandardIssue, type StandardResult, type StandardSchema, isStandardSchema, issuePath } from "../core/standard-schema.ts";

/** A record of schemas, one per key. */
export type RawShape = Readonly<Record<string, StandardSchema>>;
export type SchemaOrShape = StandardSchema | RawShape;

type OptionalKeys<T> = { [K in keyof T]: undefined extends T[K] ? K : never }[keyof T];
type Simplify<T> = { [K in keyof T]: T[K] } & {};
type WithOptional<T> = Simplify<{ [K in Exclude<keyof T, OptionalKeys<T>>]: T[K] } & { [K in OptionalKeys<T>]?: T[K] }>;

/** What a sender gives. */
export type InputOf<S> = S extends StandardSchema ? SchemaInput<S> : S extends RawShape ? WithOptional<{ -readonly [K in keyof S]: SchemaInput<S[K]> }> : undefined;
/** What a handler gets. */
export type OutputOf<S> = S extends StandardSchema ? SchemaOutput<S> : S extends RawShape ? WithOptional<{ -readonly [K in keyof S]: SchemaOutput<S[K]> }> : undefined;

/** Unknown keys of a raw shape: refused, dropped or kept. */
export type Strictness = boolean | "strip";

export interface Issue {
  readonly path: readonly string[];
  readonly message: string;
}

export type Validated = { readonly issues?: undefined; readonly value: unknown } | { readonly issues: readonly Issue[] };
export type Validator = (value: unknown) => MaybePromise<Validated>;

/** Makes the validator of a shape or schema. Throws `OptionError` naming `option` for what is neither. */
export function compileSchema(option: string, schema: unknown, strict: Strictness): Validator {
  if (isStandardSchema(schema)) return wholeSchema(schema);
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) throw new OptionError(option, schema, "a Standard Schema, or a record of Standard Schemas");
  const keys = Object.keys(schema);
  for (const key of keys) {
    const member = (schema as Record<string, unknown>)[key];
    if (key === "__proto__" || !isStandardSchema(member)) throw new OptionError(`${option}.${key}`, member, "a Standard Schema (an object or function with \"~standard\" of version 1)");
  }
  return rawShape(keys, keys.map((key) => (schema as RawShape)[key] as StandardSchema), strict);
}

function wholeSchema(schema: StandardSchema): Validator {
  const props = schema["~standard"];
  return (value) => {
    const result = props.validate(value);
    return isPromise(result) ? result.then(normalise) : normalise(result);
  };
}

function normalise(result: StandardResult<unknown>): Validated {
  return result.issues === undefined ? result : { issues: result.issues.map((issue) => issueOf(issue)) };
}

function issueOf(issue: StandardIssue, key?: string): Issue {
  const path = issuePath(issue);
  return { path: key === undefined ? path : [key, ...path], message: String(issue.message) };
}

function rawShape(keys: readonly string[], schemas: readonly StandardSchema[], strict: Strictness): Validator {
  const known = new Set(keys);
  // Looked up once: some libraries make the member on access.
  const parts = schemas.map((schema) => schema["~standard"]);
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return { issues: [{ path: [], message: "expected an object" }] };
    const source = value as Record<string, unknown>;
    const output: Record<string, unknown> = {};
    let issues: Issue[] | undefined;
    if (strict !== "strip") {
      for (const key in source) {
        if (known.has(key) || !Object.hasOwn(source, key)) continue;
        if (strict) (issues ??= []).push({ path: [key], message: "unknown key" });
        else if (key !== "__proto__") output[key] = source[key];
      }
    }
    let pending: Promise<void>[] | undefined;
    const take = (key: string, result: StandardResult<unknown>): void => {
      if (result.issues !== undefined) for (const issue of result.issues) (issues ??= []).push(issueOf(issue, key));
      else if (result.value !== undefined || Object.hasOwn(source, key)) output[key] = result.value;
    };
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as string;
      const result = (parts[i] as StandardSchema["~standard"]).validate(Object.hasOwn(source, key) ? source[key] : undefined);
      if (isPromise(result)) (pending ??= []).push(result.then((settled) => take(key, settled)));
      else take(key, result);
    }
    const end = (): Validated => (issues === undefined ? { value: output } : { issues });
    return pending === undefined ? end() : Promise.all(pending).then(end);
  };
}

/** JSON Schema of a shape or schema, where its library can give one (`~standard.jsonSchema`); `undefined` where not. */
export function jsonSchemaOf(schema: unknown, strict: Strictness): Record<string, unknown> | undefined {
  if (isStandardSchema(schema)) {
    const json = (schema["~standard"] as { jsonSchema?: { input?: (options: { target: string }) => unknown } }).jsonSchema;
    if (typeof json?.input !== "function") return undefined;
    try {
      return json.input({ target: "draft-2020-12" }) as Record<string, unknown>;
    } catch {
      // What a library cannot express is no schema, and no failure either.
      return undefined;
    }
  }
  const properties: Record<string, unknown> = {};
  const required: string[] = [];
  for (const [key, member] of Object.entries(schema as RawShape)) {
    properties[key] = jsonSchemaOf(member, strict) ?? {};
    const absent = member["~standard"].validate(undefined);
    if (!isPromise(absent) && absent.issues !== undefined) required.push(key);
    else if (isPromise(absent)) absent.catch(() => undefined);
  }
  return { type: "object", properties, ...(required.length > 0 ? { required } : {}), ...(strict === true ? { additionalProperties: false } : {}) };
}
