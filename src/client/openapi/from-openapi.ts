/** Stitches made of an OpenAPI document at run time. */

import type { AuthStrategy } from "../auth/strategy.ts";
import { together } from "../auth/together.ts";
import type { CallInput, StitchConfig } from "../config.ts";
import { configError } from "../errors.ts";
import { jsonSchema } from "../json-schema.ts";
import { checkKeys } from "../option-table.ts";
import type { StandardSchema } from "../schema.ts";
import { SEAM_BASE, type PrincipalView } from "../seam.ts";
import type { Stitch } from "../stitch.ts";
import { readDocument, type ApiDocument, type Operation } from "./document.ts";
import { configOf, parametersIn, slotSchema, variableOf } from "./operation-config.ts";

export interface FromOpenApiOptions {
  /** What the stitches belong to. Its `baseUrl` stands in for the document's server. */
  readonly seam: PrincipalView<never> | PrincipalView;
  /** A strategy per security scheme that an operation needs. */
  readonly auth?: Readonly<Record<string, AuthStrategy>>;
  /** Operation ids to make. @default all */
  readonly only?: readonly string[];
  /** Check inputs and answers against the document's schemas. @default true */
  readonly validate?: boolean;
}

/** Types of the stitches, for example those that `sluice types` writes. */
export type OpenApiStitches = Readonly<Record<string, Stitch<unknown, never>>>;

/**
 * A stitch per operation, under its `operationId`, else `method_path`. References stay within the document. Parameters are encoded
 * as their `style` and `explode` say; a variable of a path whose name no template can hold has `_` in place of other characters.
 *
 * @throws StitchError `CONFIG_INVALID`, also when an operation needs a security scheme that `auth` does not have
 */
export function fromOpenApi<T extends OpenApiStitches = Readonly<Record<string, Stitch<unknown, CallInput>>>>(document: unknown, options: FromOpenApiOptions): { readonly stitches: T; readonly warnings: readonly string[] } {
  checkKeys("fromOpenApi", options, ["seam", "auth", "only", "validate"]);
  const { seam, auth = {}, only, validate = true } = options;
  if (typeof seam?.stitch !== "function") throw configError("fromOpenApi.seam", seam, "a seam");
  const api = readDocument(document);
  for (const id of only ?? []) if (!api.operations.some((operation) => operation.id === id)) throw configError("fromOpenApi.only", id, `operations of the document (${api.operations.slice(0, 20).map((each) => each.id).join(", ")})`);
  const base = (seam as { readonly [SEAM_BASE]?: string })[SEAM_BASE];
  if (base === undefined && api.server === undefined) throw configError("fromOpenApi.seam", undefined, "a seam with a baseUrl: the document names no absolute server");
  const stitches = Object.create(null) as Record<string, unknown>;
  for (const operation of api.operations) {
    if (only !== undefined && !only.includes(operation.id)) continue;
    const config = stitchConfig(api, operation, validate, strategyOf(operation, auth));
    stitches[operation.id] = (seam as PrincipalView).stitch(base === undefined ? { ...config, path: undefined, url: `${api.server as string}${config.path as string}` } : config);
  }
  return { stitches: Object.freeze(stitches) as T, warnings: api.warnings };
}

/** The first alternative that `auth` can serve. */
function strategyOf({ id, security }: Operation, auth: Readonly<Record<string, AuthStrategy>>): AuthStrategy | undefined {
  if (security.length === 0) return undefined;
  const served = security.find((names) => names.length > 0 && names.every((name) => auth[name] !== undefined));
  if (served !== undefined) return served.length === 1 ? auth[served[0] as string] : together(served.map((name) => auth[name] as AuthStrategy));
  if (security.some((names) => names.length === 0)) return undefined;
  const missing = (security[0] as readonly string[]).find((name) => auth[name] === undefined) as string;
  throw configError(`fromOpenApi.auth.${missing}`, undefined, `a strategy: ${id} needs it`);
}

function stitchConfig(api: ApiDocument, operation: Operation, validate: boolean, auth: AuthStrategy | undefined): StitchConfig {
  const { method, path, kind, decode, body, response, arrayFormat, acceptStatus, separators } = configOf(operation);
  const schemaOf = (schema: Parameters<typeof jsonSchema>[0]): StandardSchema => jsonSchema(schema, api.root);
  const [params, query, headers] = [parametersIn(operation, "path"), parametersIn(operation, "query"), parametersIn(operation, "header")];
  const input: Record<string, unknown> = {};
  if (validate && params.length > 0) input["params"] = schemaOf(slotSchema(params, variableOf));
  if ((validate && query.length > 0) || Object.keys(separators).length > 0) input["query"] = encoded(validate ? schemaOf(slotSchema(query)) : undefined, separators);
  const needed = headers.filter((parameter) => parameter.required).map((parameter) => parameter.name.toLowerCase());
  if (validate && needed.length > 0) input["headers"] = present(needed);
  if (validate && operation.body?.schema !== undefined && (body === "json" || body === "form")) input["body"] = operation.body.required ? schemaOf(operation.body.schema) : optional(schemaOf(operation.body.schema));
  const answer = validate && operation.answer?.schema !== undefined && (response === undefined || response === "text") ? optional(schemaOf(operation.answer.schema)) : undefined;
  return {
    name: `${api.title}.${operation.id}`, method, path,
    ...defined({ kind, body, response, arrayFormat, acceptStatus, auth, stream: decode === undefined ? undefined : { decode } }),
    ...(Object.keys(input).length === 0 ? {} : { input }),
    ...(answer === undefined ? {} : { output: answer }),
  } as StitchConfig;
}

function defined<T extends object>(record: T): Partial<T> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** `undefined` is good, too: an answer of 204 has no body. */
function optional(schema: StandardSchema): StandardSchema {
  const { validate, ...rest } = schema["~standard"];
  return { "~standard": { ...rest, validate: (value) => (value === undefined ? { value } : validate(value)) } };
}

/** Checks a query, then joins lists whose separator is their own. */
function encoded(schema: StandardSchema | undefined, separators: Readonly<Record<string, string>>): StandardSchema {
  const join = (value: unknown): unknown => {
    const out: Record<string, unknown> = { ...(value as object) };
    for (const [name, separator] of Object.entries(separators)) if (Array.isArray(out[name])) out[name] = (out[name] as unknown[]).map(String).join(separator);
    return out;
  };
  return { "~standard": { version: 1, vendor: "sluice", validate(value) {
    if (schema === undefined) return { value: join(value) };
    const result = schema["~standard"].validate(value);
    const end = (checked: Awaited<typeof result>): Awaited<typeof result> => (checked.issues === undefined ? { value: join(checked.value) } : checked);
    return result instanceof Promise ? result.then(end) : end(result);
  }, ...(schema === undefined ? {} : { jsonSchema: (schema["~standard"] as { jsonSchema?: unknown }).jsonSchema }) } as StandardSchema["~standard"] };
}

function present(names: readonly string[]): StandardSchema {
  return { "~standard": { version: 1, vendor: "sluice", validate(value) {
    const given = new Set([...(value instanceof Headers ? value.keys() : Object.keys(value as object))].map((name) => name.toLowerCase()));
    const missing = names.filter((name) => !given.has(name));
    return missing.length === 0 ? { value } : { issues: missing.map((name) => ({ message: "required by the operation", path: [name] })) };
  } } };
}
