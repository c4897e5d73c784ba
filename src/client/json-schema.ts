/** JSON Schema as a validator, and validators as JSON Schema. */

import { Validator as JsonValidator, type Schema } from "@cfworker/json-schema";
import { configError } from "./errors.ts";
import { isSchema, type SchemaIssue, type StandardSchema } from "./schema.ts";

/** A JSON Schema: `true`, `false` or an object of keywords. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

/** Issues of one value; a list in which every item is wrong would else fill every log. */
const MAX_ISSUES = 50;

/**
 * A JSON Schema (draft 2020-12) as a validator. `T` is what you say the schema describes: nothing derives it. References are
 * looked up in `root`, an OpenAPI document for example, and in the schema itself without one.
 *
 * ```ts
 * const user = jsonSchema<{ id: number }>({ type: "object", properties: { id: { type: "integer" } }, required: ["id"] });
 * ```
 *
 * @throws StitchError `CONFIG_INVALID`
 */
export function jsonSchema<T = unknown>(schema: JsonSchema, root?: Readonly<Record<string, unknown>>): StandardSchema<T, T> {
  if (typeof schema !== "boolean" && (typeof schema !== "object" || schema === null || Array.isArray(schema))) throw configError("schema", schema, "a JSON Schema: an object or a boolean");
  let validator: JsonValidator | undefined;
  const validate = (value: unknown): { readonly value: T } | { readonly issues: readonly SchemaIssue[] } => {
    // The draft's own root stands above: references such as `#/components/schemas/User` are pointers into it.
    validator ??= new JsonValidator((root === undefined || typeof schema === "boolean" ? (typeof schema === "boolean" ? (schema ? {} : { not: {} }) : schema) : { ...root, ...schema }) as Schema, "2020-12", false);
    const result = validator.validate(value);
    if (result.valid) return { value: value as T };
    // What contains the failing keyword fails with it: the innermost say why.
    const inner = result.errors.filter(({ keyword }) => !CONTAINERS.has(keyword));
    return { issues: (inner.length > 0 ? inner : result.errors).slice(0, MAX_ISSUES).map(({ instanceLocation, keyword }) => ({ message: `${keyword} does not hold`, path: pathOf(instanceLocation) })) };
  };
  return { "~standard": { version: 1, vendor: "sluice", validate, jsonSchema: { input: () => schema, output: () => schema } } as StandardSchema<T, T>["~standard"] };
}

/** Keywords that fail because something below them did. */
const CONTAINERS: ReadonlySet<string> = /* @__PURE__ */ new Set(["properties", "items", "prefixItems", "additionalProperties", "patternProperties", "$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas"]);

/** `#/a/0` as a path. */
function pathOf(pointer: string): (string | number)[] {
  return pointer.split("/").slice(1).map((part) => {
    const name = decodePart(part).replaceAll("~1", "/").replaceAll("~0", "~");
    return /^(?:0|[1-9]\d{0,9})$/.test(name) ? Number(name) : name;
  });
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

interface JsonCapable {
  readonly jsonSchema?: { readonly input?: (options: { readonly target: string }) => unknown; readonly output?: (options: { readonly target: string }) => unknown };
}

/** What a validator says as JSON Schema (Standard JSON Schema 1.0), or nothing where it cannot. */
export function jsonSchemaOf(validator: unknown, side: "input" | "output"): Record<string, unknown> | undefined {
  if (!isSchema(validator)) return undefined;
  const made = (validator["~standard"] as JsonCapable).jsonSchema?.[side];
  try {
    const schema = typeof made === "function" ? made({ target: "draft-2020-12" }) : (validator as { toJsonSchema?: () => unknown }).toJsonSchema?.();
    if (schema === true) return {};
    if (typeof schema !== "object" || schema === null) return undefined;
    const { $schema: _, ...rest } = schema as Record<string, unknown>;
    return rest;
  } catch {
    // What a library cannot express is no schema, and no failure either.
    return undefined;
  }
}
