/** Routes from an OpenAPI description (3.0 and 3.1). Nothing is fetched. */

import { type GatewayError, configError } from "../errors.ts";
import { mediaTypeIn } from "../media-type.ts";
import { requestValidation, type RequestSchemas } from "../policies/validation/request-validation.ts";
import type { SchemaLike } from "../policies/validation/schema.ts";
import type { HttpMethod, Policy, RouteConfig, UpstreamConfig } from "../types.ts";

export interface OpenApiOptions {
  /** Upstream of every route, or of one operation. @default a `url` upstream of the first entry of `servers` */
  readonly upstream?: UpstreamConfig | ((operation: OpenApiOperation) => UpstreamConfig);
  /** Policies in front of every operation. */
  readonly policies?: readonly Policy[];
  /** The policy that stands for a security scheme, by the scheme's name; every scheme an operation asks for must be here. */
  readonly security?: Readonly<Record<string, Policy>>;
  /** Makes a check of a JSON Schema: gives what is wrong, or nothing. With it a `requestValidation` policy checks parameters and JSON bodies. */
  readonly validator?: (schema: unknown) => (value: unknown) => string | undefined | null;
}

/** One operation, its references resolved. */
export interface OpenApiOperation {
  readonly path: string;
  readonly method: HttpMethod;
  readonly operationId: string | undefined;
  readonly tags: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch"] as const;

/**
 * One route per operation: `{id}` becomes `:id`; operationId and tags go to `metadata`. Throws a `GatewayError`
 * (`config_error`) with the JSON pointer of what it cannot take, such as a dangling `$ref`.
 *
 * ```ts
 * createGateway({ routes: routesFromOpenApi(description, { security: { key: apiKeyAuth({ validate }) } }) });
 * ```
 */
export function routesFromOpenApi(doc: unknown, options: OpenApiOptions = {}): RouteConfig[] {
  const root = objectAt(doc, "");
  if (!/^3\.[012]\./.test(String(root["openapi"]))) throw at("/openapi", root["openapi"], "a version 3.0 to 3.2");
  const routes: RouteConfig[] = [];
  for (const [template, value] of Object.entries(objectAt(root["paths"] ?? {}, "/paths"))) {
    const pointer = `/paths/${escapePointer(template)}`;
    if (!template.startsWith("/")) throw at(pointer, template, `a path starting with "/"`);
    const item = resolve(root, objectAt(value, pointer), pointer);
    for (const name of METHODS) {
      if (item[name] === undefined) continue;
      const where = `${pointer}/${name}`;
      routes.push(routeOf(root, template, name.toUpperCase() as HttpMethod, item, resolve(root, objectAt(item[name], where), where), where, options));
    }
  }
  if (routes.length === 0) throw at("/paths", root["paths"], "an object with at least one operation");
  return routes;
}

function routeOf(root: Json, template: string, method: HttpMethod, item: Json, operation: Json, where: string, options: OpenApiOptions): RouteConfig {
  const tags = Array.isArray(operation["tags"]) ? operation["tags"].map(String) : [];
  const operationId = typeof operation["operationId"] === "string" ? operation["operationId"] : undefined;
  const shown: OpenApiOperation = { path: template, method, operationId, tags };
  const policies = [...(options.policies ?? []), ...securityOf(root, operation, where, options)];
  if (options.validator !== undefined) {
    policies.push(...checksOf(root, item, operation, where, options.validator));
  }
  return {
    path: honoPath(template, where),
    methods: [method],
    pipeline: { policies, upstream: typeof options.upstream === "function" ? options.upstream(shown) : (options.upstream ?? serverOf(root)) },
    metadata: { ...(operationId === undefined ? undefined : { operationId }), tags },
  };
}

function honoPath(template: string, where: string): string {
  return template.replace(/\{([^}]*)\}/g, (_whole, name: string) => {
    if (!/^[A-Za-z_][\w-]*$/.test(name)) throw at(where, name, "the name of a path parameter");
    return `:${name.replaceAll("-", "_")}`;
  });
}

function serverOf(root: Json): UpstreamConfig {
  const servers = root["servers"];
  const first: unknown = Array.isArray(servers) ? (servers[0] as { url?: unknown } | undefined)?.url : undefined;
  if (typeof first !== "string" || !URL.canParse(first)) throw at("/servers/0/url", first, `an absolute URL, or give the option "upstream"`);
  return { type: "url", target: first };
}

/** Every requirement of the first alternative (OpenAPI 3.1, 4.8.30); an empty alternative asks for nothing. */
function securityOf(root: Json, operation: Json, where: string, options: OpenApiOptions): Policy[] {
  const asked = operation["security"] ?? root["security"];
  if (!Array.isArray(asked) || asked.length === 0 || asked.some((one) => Object.keys(objectAt(one, `${where}/security`)).length === 0)) return [];
  if (asked.length > 1) throw at(`${where}/security`, asked.length, "one alternative: which of several a caller takes is not decided here");
  return Object.keys(objectAt(asked[0], `${where}/security/0`)).map((name) => {
    const policy = options.security !== undefined && Object.hasOwn(options.security, name) ? options.security[name] : undefined;
    if (policy === undefined) throw at(`${where}/security/0/${escapePointer(name)}`, name, `a scheme for which the option "security" has a policy`);
    return policy;
  });
}

type Check = (value: unknown) => string | undefined | null;

/** The `requestValidation` of an operation: of its parameters, and of its JSON body where it is of no other type that is declared. */
function checksOf(root: Json, item: Json, operation: Json, where: string, validator: NonNullable<OpenApiOptions["validator"]>): Policy[] {
  const parameters = new Map<string, Parameter>();
  for (const [list, pointer] of [[item["parameters"], `${where}/..`], [operation["parameters"], where]] as const) {
    if (!Array.isArray(list)) continue;
    list.forEach((one, i) => {
      const spot = `${pointer}/parameters/${i}`;
      const parameter = resolve(root, objectAt(one, spot), spot);
      const place = String(parameter["in"]);
      const name = String(parameter["name"]);
      const schema = parameter["schema"] === undefined ? {} : inlined(root, parameter["schema"], `${spot}/schema`);
      parameters.set(`${place} ${name}`, { place, name, required: parameter["required"] === true, check: validator(schema) });
    });
  }
  const body = operation["requestBody"] === undefined ? undefined : resolve(root, objectAt(operation["requestBody"], `${where}/requestBody`), `${where}/requestBody`);
  const content = body === undefined ? {} : objectAt(body["content"] ?? {}, `${where}/requestBody/content`);
  const media = content["application/json"] as Json | undefined;
  const checkBody = media?.["schema"] === undefined ? undefined : validator(inlined(root, media["schema"], `${where}/requestBody/content/application~1json/schema`));
  const parts: { -readonly [Part in keyof RequestSchemas]?: SchemaLike } = {};
  for (const [part, place] of [["params", "path"], ["query", "query"], ["headers", "header"]] as const) {
    const own = [...parameters.values()].filter((parameter) => parameter.place === place);
    if (own.length > 0) parts[part] = schemaOf((values) => issuesOf(own, values as Readonly<Record<string, unknown>>));
  }
  const others = Object.keys(content).filter((type) => !mediaTypeIn(type, JSON_TYPES));
  const policies: Policy[] = [];
  if (checkBody !== undefined) {
    const schema = schemaOf((value) => {
      if (value === undefined) return body?.["required"] === true ? [{ path: [], message: "is required" }] : [];
      const wrong = checkBody(value);
      return wrong === undefined || wrong === null ? [] : [{ path: [], message: wrong }];
    });
    if (others.length === 0) parts.body = schema;
    else policies.push(requestValidation({ name: "body", schema: { body: schema }, skip: (c) => isOfType(c.req.header("content-type"), others) }));
  }
  if (Object.keys(parts).length > 0) policies.unshift(requestValidation({ schema: parts }));
  return policies;
}

const JSON_TYPES: readonly string[] = ["application/json"];

function isOfType(type: string | undefined, types: readonly string[]): boolean {
  return mediaTypeIn(type, types) && !mediaTypeIn(type, JSON_TYPES);
}

interface Parameter {
  readonly place: string;
  readonly name: string;
  readonly required: boolean;
  readonly check: Check;
}

interface Issue {
  readonly path: readonly string[];
  readonly message: string;
}

function issuesOf(parameters: readonly Parameter[], values: Readonly<Record<string, unknown>>): Issue[] {
  return parameters.flatMap(({ place, name, required, check }) => {
    const key = place === "path" ? name.replaceAll("-", "_") : place === "header" ? name.toLowerCase() : name;
    const value = Object.hasOwn(values, key) ? values[key] : undefined;
    const wrong = value === undefined ? (required ? "is required" : undefined) : failing(check, value);
    return wrong === undefined ? [] : [{ path: [name], message: wrong }];
  });
}

/** A check in the shape of a Standard Schema: it changes no value. */
function schemaOf(check: (value: unknown) => readonly Issue[]): SchemaLike {
  return {
    "~standard": {
      version: 1,
      vendor: "openapi",
      validate: (value) => {
        const issues = check(value);
        return issues.length === 0 ? { value } : { issues };
      },
    },
  };
}

/** Values in parameters are text; a number or boolean that reads as one is tried as such, too. */
function failing(check: Check, value: unknown): string | undefined {
  const wrong = check(value);
  if (wrong === undefined || wrong === null || typeof value !== "string") return wrong ?? undefined;
  const other = parse(value);
  return typeof other === "number" || typeof other === "boolean" ? (check(other) ?? undefined) : wrong;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Follows one `$ref` after another within the document. */
function resolve(root: Json, value: Json, pointer: string): Json {
  let at_ = value;
  for (let hops = 0; typeof at_["$ref"] === "string"; hops++) {
    if (hops > 32) throw at(`${pointer}/$ref`, at_["$ref"], "a reference that ends");
    at_ = objectAt(find(root, at_["$ref"], `${pointer}/$ref`), pointer);
  }
  return at_;
}

function find(root: Json, ref: string, pointer: string): unknown {
  if (!ref.startsWith("#/")) throw at(pointer, ref, "a reference within the document");
  let found: unknown = root;
  for (const part of ref.slice(2).split("/")) {
    const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    found = typeof found === "object" && found !== null && Object.hasOwn(found, key) ? (found as Json)[key] : undefined;
  }
  if (found === undefined) throw at(pointer, ref, "a reference to something that is there");
  return found;
}

/** A schema with its references in place, so that a validator needs nothing else. A recursive one is refused. */
function inlined(root: Json, schema: unknown, pointer: string, open: readonly string[] = []): unknown {
  if (Array.isArray(schema)) return schema.map((one, i) => inlined(root, one, `${pointer}/${i}`, open));
  if (typeof schema !== "object" || schema === null) return schema;
  const ref = (schema as Json)["$ref"];
  if (typeof ref === "string") {
    if (open.includes(ref)) throw at(`${pointer}/$ref`, ref, "a schema that does not contain itself");
    return inlined(root, find(root, ref, `${pointer}/$ref`), pointer, [...open, ref]);
  }
  return Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, inlined(root, value, `${pointer}/${escapePointer(name)}`, open)]));
}

function objectAt(value: unknown, pointer: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw at(pointer, value, "an object");
  return value as Json;
}

function at(pointer: string, value: unknown, expected: string): GatewayError {
  return configError(`OpenAPI #${pointer}`, value, expected);
}

function escapePointer(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
