/** What an OpenAPI document (3.0 or 3.1) says, read once and in one form for the stitches made of it and for their source text. */

import { StitchError, configError } from "../errors.ts";
import { modern } from "./modern-schema.ts";

export type Json = Record<string, unknown>;

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header" | "cookie";
  readonly required: boolean;
  readonly style: string;
  readonly explode: boolean;
  readonly description: string | undefined;
  /** As it stands, references and all. */
  readonly schema: Json;
}

export interface Content {
  /** Media type without parameters. */
  readonly type: string;
  readonly schema: Json | undefined;
}

export interface Operation {
  readonly id: string;
  /** In upper case. */
  readonly method: string;
  /** As in the document: `/users/{user-id}`. */
  readonly path: string;
  readonly summary: string | undefined;
  readonly deprecated: boolean;
  readonly parameters: readonly Parameter[];
  readonly body: (Content & { readonly required: boolean }) | undefined;
  /** Of the first success. */
  readonly answer: Content | undefined;
  /** Statuses of success, where they are not all of 2xx. */
  readonly statuses: readonly number[];
  /** Alternatives, each a set of schemes that go together. An empty set is no credential. */
  readonly security: readonly (readonly string[])[];
}

export interface ApiDocument {
  readonly title: string;
  readonly version: string;
  readonly description: string | undefined;
  /** The first server that is an absolute URL. */
  readonly server: string | undefined;
  readonly operations: readonly Operation[];
  /** Named schemas, in the words of 2020-12. */
  readonly schemas: Readonly<Record<string, Json>>;
  /** What references point into. */
  readonly root: Json;
  readonly warnings: string[];
}

const METHODS: readonly string[] = ["get", "put", "post", "delete", "options", "head", "patch"];
const MAX_REFS = 32;

/** @throws StitchError `CONFIG_INVALID` */
export function readDocument(document: unknown): ApiDocument {
  const root = recordOf(document, "document");
  if (typeof root["openapi"] !== "string" || !/^3\.[01]\./.test(root["openapi"])) throw configError("document.openapi", root["openapi"], "a version of 3.0 or 3.1");
  refuseRemote(root);
  const whole = (root["openapi"].startsWith("3.0") ? modern(root) : root) as Json;
  const warnings: string[] = [];
  const info = (whole["info"] ?? {}) as Json;
  const operations: Operation[] = [];
  const ids = new Set<string>();
  for (const [path, entry] of Object.entries((whole["paths"] ?? {}) as Json)) {
    const item = resolve(whole, entry);
    for (const method of METHODS) {
      if (item[method] === undefined) continue;
      const operation = operationOf(whole, path, method, item, warnings);
      let id = operation.id;
      for (let n = 2; ids.has(id); n++) id = `${operation.id}_${n}`;
      ids.add(id);
      operations.push({ ...operation, id });
    }
  }
  const servers = (Array.isArray(whole["servers"]) ? whole["servers"] : []) as Json[];
  const server = servers.map(serverUrl).find((url) => url !== undefined);
  const schemas = Object.fromEntries(Object.entries(((whole["components"] as Json | undefined)?.["schemas"] ?? {}) as Json).filter(([, schema]) => typeof schema === "object" && schema !== null)) as Record<string, Json>;
  return { title: text(info["title"]) ?? "API", version: text(info["version"]) ?? "", description: text(info["description"]), server, operations, schemas, root: { components: whole["components"] ?? {}, paths: whole["paths"] ?? {} }, warnings };
}

function serverUrl({ url, variables }: Json): string | undefined {
  if (typeof url !== "string") return undefined;
  const filled = url.replace(/\{([^{}]+)\}/g, (whole, name: string) => text(((variables as Json | undefined)?.[name] as Json | undefined)?.["default"]) ?? whole);
  return /^https?:\/\/[^{}]+$/.test(filled) ? filled.replace(/\/+$/, "") : undefined;
}

function operationOf(root: Json, path: string, method: string, item: Json, warnings: string[]): Operation {
  const operation = recordOf(item[method], `paths.${path}.${method}`);
  const id = text(operation["operationId"]) ?? `${method}_${path.replace(/[^A-Za-z0-9]+/g, "_").replace(/^_|_$/g, "")}`;
  const merged = new Map<string, Parameter>();
  for (const each of [...list(item["parameters"]), ...list(operation["parameters"])]) {
    const parameter = parameterOf(resolve(root, each), `${id}.parameters`);
    if (parameter !== undefined) merged.set(`${parameter.in} ${parameter.name}`, parameter);
  }
  for (const parameter of merged.values()) if (parameter.in === "cookie") warnings.push(`${id}: the cookie parameter ${parameter.name} is left to the Cookie header`);
  const body = operation["requestBody"] === undefined ? undefined : resolve(root, operation["requestBody"]);
  const sent = body === undefined ? undefined : contentOf(body["content"]);
  const responses = Object.entries((operation["responses"] ?? {}) as Json);
  const successes = responses.filter(([status]) => status.startsWith("2"));
  const [first] = successes.length > 0 ? successes : responses.filter(([status]) => status === "default");
  const security = (operation["security"] ?? root["security"] ?? []) as Json[];
  return {
    id, path, method: method.toUpperCase(), summary: text(operation["summary"]) ?? text(operation["description"])?.split("\n")[0], deprecated: operation["deprecated"] === true,
    parameters: [...merged.values()],
    body: sent === undefined ? undefined : { ...sent, required: body?.["required"] === true },
    answer: first === undefined ? undefined : contentOf(resolve(root, first[1])["content"]),
    statuses: successes.map(([status]) => Number(status)).filter((status) => Number.isInteger(status)),
    security: security.map((each) => Object.keys(each)),
  };
}

function parameterOf(parameter: Json, where: string): Parameter | undefined {
  const { name, in: place } = parameter;
  if (typeof name !== "string" || (place !== "path" && place !== "query" && place !== "header" && place !== "cookie")) throw configError(where, parameter, "parameters with a name and a place");
  const style = text(parameter["style"]) ?? (place === "path" || place === "header" ? "simple" : "form");
  // OpenAPI has `content` in place of `schema` for values that are a document of their own.
  const content = parameter["schema"] === undefined ? contentOf(parameter["content"]) : undefined;
  return { name, in: place, required: place === "path" || parameter["required"] === true, style, explode: parameter["explode"] === undefined ? style === "form" : parameter["explode"] === true, description: text(parameter["description"]), schema: (parameter["schema"] ?? content?.schema ?? {}) as Json };
}

/** The content to use: JSON where there is some. */
function contentOf(content: unknown): Content | undefined {
  const types = Object.entries((content ?? {}) as Record<string, Json>);
  const rank = (type: string): number => (/[/+]json\b/.test(type) ? 0 : /event-stream|ndjson|jsonl/.test(type) ? 1 : /form/.test(type) ? 2 : 3);
  const [best] = types.sort(([a], [b]) => rank(a) - rank(b));
  if (best === undefined) return undefined;
  const schema = (best[1] as Json | undefined)?.["schema"];
  return { type: (best[0].split(";")[0] as string).trim().toLowerCase(), schema: typeof schema === "object" && schema !== null ? (schema as Json) : undefined };
}

/** Follows references of things that are no schemas. Schemas keep theirs: they may be circular. */
export function resolve(root: Json, value: unknown): Json {
  let current = recordOf(value, "document");
  for (let hops = 0; typeof current["$ref"] === "string"; hops++) {
    if (hops > MAX_REFS) throw configError("$ref", current["$ref"], "a reference that ends somewhere");
    current = recordOf(pointed(root, current["$ref"]), current["$ref"]);
  }
  return current;
}

export function pointed(root: Json, reference: string): unknown {
  let current: unknown = root;
  for (const part of reference.replace(/^#\/?/, "").split("/").filter((each) => each !== "")) {
    const name = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, name)) throw configError("$ref", reference, "a reference to something in the document");
    current = (current as Json)[name];
  }
  return current;
}

/** Nothing is loaded from elsewhere: a document must not decide what this process fetches. */
function refuseRemote(root: Json): void {
  const seen = new Set<object>();
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null || seen.has(value)) return;
    seen.add(value);
    const reference = (value as Json)["$ref"];
    if (typeof reference === "string" && !reference.startsWith("#")) throw new StitchError("CONFIG_INVALID", `$ref "${reference.slice(0, 200)}" points outside of the document: bundle it first`);
    for (const each of Object.values(value)) walk(each);
  };
  walk(root);
}

function recordOf(value: unknown, where: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw configError(where, value, "an object");
  return value as Json;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
