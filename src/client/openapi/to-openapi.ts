/** Stitches as an OpenAPI document: what this service calls, for people and tools that review it. */

import type { AuthStrategy } from "../auth/strategy.ts";
import { configError } from "../errors.ts";
import { jsonSchemaOf } from "../json-schema.ts";
import type { InputSlot, Plan } from "../plan.ts";
import { PLAN, isStitch, type Stitch } from "../stitch.ts";

export interface ToOpenApiOptions {
  readonly title: string;
  readonly version: string;
  readonly description?: string;
}

export interface OpenApiResult {
  /** OpenAPI 3.1, in an order that depends on nothing but the stitches. */
  readonly document: Readonly<Record<string, unknown>>;
  /** What the document could not say. */
  readonly warnings: readonly string[];
}

type Json = Record<string, unknown>;
type AnyStitch = Stitch<unknown, never>;

const METHODS: readonly string[] = ["get", "put", "post", "delete", "options", "head", "patch"];

/**
 * Describes stitches as OpenAPI 3.1. Schemas come from validators that can give JSON Schema; secrets never appear.
 *
 * @throws StitchError `CONFIG_INVALID`
 */
export function toOpenApi(stitches: Readonly<Record<string, AnyStitch>> | readonly AnyStitch[], options: ToOpenApiOptions): OpenApiResult {
  if (typeof options?.title !== "string" || typeof options.version !== "string") throw configError("toOpenApi.title", options?.title, "a text, and version one too");
  const named: [string | undefined, AnyStitch][] = Array.isArray(stitches) ? (stitches as readonly AnyStitch[]).map((each) => [undefined, each]) : Object.entries(stitches as Record<string, AnyStitch>);
  const warnings: string[] = [];
  const found: { plan: Plan; id: string; path: string; method: string; origin: string }[] = [];
  const ids = new Set<string>();
  for (const [key, each] of named) {
    if (!isStitch(each)) throw configError("stitches", each, "stitches");
    const plan = each[PLAN];
    const { template } = plan;
    const shown = key ?? plan.redactor.url(plan.name);
    if (template === undefined) {
      warnings.push(`${shown}: left out, its URL is known only when it is called`);
      continue;
    }
    const method = plan.method.toLowerCase();
    if (!METHODS.includes(method)) {
      warnings.push(`${shown}: left out, OpenAPI 3.1 has no method ${plan.method}`);
      continue;
    }
    let id = key ?? plan.name.replace(/https?:\/\/[^/]*/i, "").replace(/[^A-Za-z0-9]+/g, "_").replace(/^_|_$/g, "");
    for (let n = 2; ids.has(id); n++) id = `${id.replace(/_\d+$/, "")}_${n}`;
    ids.add(id);
    found.push({ plan, id, path: pathOf(plan), method, origin: template.origin });
  }
  found.sort((a, b) => compare(a.path, b.path) || METHODS.indexOf(a.method) - METHODS.indexOf(b.method) || compare(a.id, b.id));
  const origins = [...new Set(found.map(({ origin }) => origin))].sort(compare);
  const schemes: Json = {};
  const paths: Record<string, Json> = {};
  for (const { plan, id, path, method, origin } of found) {
    const item = (paths[path] ??= {});
    if (item[method] !== undefined) {
      warnings.push(`${id}: left out, ${method.toUpperCase()} ${path} is taken by ${String((item[method] as Json)["operationId"])}`);
      continue;
    }
    item[method] = { ...operationOf(plan, id, schemes, warnings), ...(origins.length > 1 ? { servers: [{ url: origin }] } : {}) };
  }
  const components = Object.keys(schemes).length === 0 ? {} : { components: { securitySchemes: Object.fromEntries(Object.entries(schemes).sort(([a], [b]) => compare(a, b))) } };
  const info = { title: options.title, version: options.version, ...(options.description === undefined ? {} : { description: options.description }) };
  return { document: { openapi: "3.1.1", info, ...(origins.length === 1 ? { servers: [{ url: origins[0] }] } : {}), paths, ...components }, warnings };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const EXPRESSION = /\{([+./;?&]?)([^{}]*)\}/g;
const modifiers = (name: string): string => name.replace(/\*$|:\d+$/, "");

/** The path with its variables and nothing else of the template. */
function pathOf({ template }: Plan): string {
  const text = (template as { text: string }).text;
  const path = text.slice(text.indexOf("/", text.indexOf("//") + 2) === -1 ? text.length : text.indexOf("/", text.indexOf("//") + 2)).replace(/^([^{?]*(?:\{[^?&{}][^{}]*\}[^{?]*)*)(?:\?|\{[?&]).*$/s, "$1");
  const plain = path.replace(EXPRESSION, (_, operator: string, names: string) => `${operator === "/" || operator === "." ? operator : ""}${names.split(",").map((name) => `{${modifiers(name)}}`).join(operator === "/" ? "/" : operator === "." ? "." : ",")}`);
  return plain === "" ? "/" : plain;
}

function operationOf(plan: Plan, id: string, schemes: Json, warnings: string[]): Json {
  const operation: Json = { operationId: id };
  const parameters = parametersOf(plan, id, warnings);
  if (parameters.length > 0) operation["parameters"] = parameters;
  const body = bodyOf(plan, id, warnings);
  if (body !== undefined) operation["requestBody"] = body;
  operation["responses"] = responsesOf(plan, id, warnings);
  const { auth } = plan;
  if (auth !== undefined) {
    const name = auth.name.replace(/[^A-Za-z0-9._-]+/g, "_").replace(/_$/, "");
    schemes[name] = schemeOf(auth, id, warnings);
    operation["security"] = [{ [name]: [] }];
  }
  return operation;
}

function schemeOf(auth: AuthStrategy, id: string, warnings: string[]): Json {
  if (auth.scheme !== undefined) return { ...auth.scheme };
  warnings.push(`${id}: the strategy ${auth.name} does not say what it is in OpenAPI's terms`);
  const { header, query } = auth.marks ?? {};
  return query !== undefined ? { type: "apiKey", in: "query", name: query } : { type: "apiKey", in: "header", name: header ?? "authorization" };
}

function slotSchema(plan: Plan, slot: InputSlot, id: string, warnings: string[]): Json | undefined {
  const validator = plan.input?.[slot];
  if (validator === undefined) return undefined;
  const schema = jsonSchemaOf(validator, "input");
  if (schema === undefined) warnings.push(`${id}: input.${slot} has no JSON Schema`);
  return schema;
}

function parametersOf(plan: Plan, id: string, warnings: string[]): Json[] {
  const list: Json[] = [];
  const params = slotSchema(plan, "params", id, warnings);
  const query = slotSchema(plan, "query", id, warnings);
  const headers = slotSchema(plan, "headers", id, warnings);
  const properties = (schema: Json | undefined): Json => (schema?.["properties"] ?? {}) as Json;
  const isRequired = (schema: Json | undefined, name: string): boolean => Array.isArray(schema?.["required"]) && (schema["required"] as unknown[]).includes(name);
  for (const [name, inPath] of plan.template?.variables ?? []) list.push({ name, in: inPath ? "path" : "query", ...(inPath ? { required: true } : {}), schema: properties(params)[name] ?? {} });
  for (const [name, schema] of Object.entries(properties(query))) {
    if (list.some((each) => each["name"] === name && each["in"] === "query")) continue;
    list.push({ name, in: "query", ...(isRequired(query, name) ? { required: true } : {}), ...(plan.arrayFormat === "comma" ? { style: "form", explode: false } : {}), schema });
  }
  for (const [name, schema] of Object.entries(properties(headers))) list.push({ name: name.toLowerCase(), in: "header", ...(isRequired(headers, name) ? { required: true } : {}), schema });
  return list;
}

const BODY_TYPES: Readonly<Record<string, string>> = { auto: "application/json", json: "application/json", form: "application/x-www-form-urlencoded", multipart: "multipart/form-data", text: "text/plain", bytes: "application/octet-stream" };

function bodyOf(plan: Plan, id: string, warnings: string[]): Json | undefined {
  if (plan.kind === "graphql") {
    if (plan.method === "GET") return undefined;
    const variables = slotSchema(plan, "variables", id, warnings) ?? { type: "object" };
    return { required: true, content: { "application/json": { schema: { type: "object", required: ["query"], properties: { query: { const: plan.config.document }, operationName: { type: "string" }, variables } } } } };
  }
  const schema = slotSchema(plan, "body", id, warnings);
  if (plan.method === "GET" || plan.method === "HEAD" || (schema === undefined && plan.input?.body === undefined)) return undefined;
  return { required: true, content: { [BODY_TYPES[plan.bodyKind] as string]: { schema: schema ?? {} } } };
}

const RESPONSE_TYPES: Readonly<Record<string, string>> = { auto: "application/json", json: "application/json", text: "text/plain", bytes: "application/octet-stream", blob: "application/octet-stream", raw: "*/*" };

function responsesOf(plan: Plan, id: string, warnings: string[]): Json {
  const type = plan.kind === "sse" ? "text/event-stream" : plan.kind === "stream" ? (plan.config.stream?.decode === "bytes" ? "application/octet-stream" : "application/x-ndjson") : (RESPONSE_TYPES[plan.responseKind] as string);
  let schema: Json | undefined;
  if (plan.output === undefined) {
    if (plan.streams) warnings.push(`${id}: the items of the stream have no schema`);
  } else if (plan.transform !== undefined) warnings.push(`${id}: output describes what transform makes of the answer, not the answer`);
  else {
    schema = jsonSchemaOf(plan.output, "input");
    if (schema === undefined) warnings.push(`${id}: output has no JSON Schema`);
    // What is picked stands below: the answer around it is known by its path alone.
    for (const name of (plan.kind === "graphql" ? ["data", ...(plan.pick ?? []).filter((part, i) => i > 0 || part !== "data")] : (plan.pick ?? [])).toReversed()) if (schema !== undefined) schema = { type: "object", properties: { [name]: schema }, required: [name] };
  }
  const response = { description: "accepted", ...(plan.method === "HEAD" ? {} : { content: { [type]: schema === undefined ? {} : { schema } } }) };
  const accepted = plan.config.acceptStatus;
  const statuses = accepted === undefined ? ["200"] : typeof accepted === "function" ? ["default"] : (typeof accepted === "number" ? [accepted] : [...accepted].sort((a, b) => a - b)).map(String);
  return Object.fromEntries(statuses.map((status) => [status, response]));
}
