/** JSON Schema as TypeScript source. */

import { pointed, type Json } from "./document.ts";

/** Names that the source text uses or that the platform has: a schema of that name gets another one. */
const TAKEN: ReadonlySet<string> = /* @__PURE__ */ new Set(["Array", "Blob", "Boolean", "Date", "Error", "JsonSchema", "Map", "Number", "Object", "Promise", "Record", "SeamConfig", "Set", "Stitch", "String", "Symbol", "Uint8Array", "any", "boolean", "class", "default", "enum", "export", "function", "import", "interface", "never", "null", "number", "object", "string", "symbol", "type", "undefined", "unknown", "void"]);
const MAX_DEPTH = 12;

export class SchemaTypes {
  readonly #root: Json;
  readonly #names = new Map<string, string>();
  readonly #schemas: Readonly<Record<string, Json>>;

  constructor(root: Json, schemas: Readonly<Record<string, Json>>) {
    this.#root = root;
    this.#schemas = schemas;
    const used = new Set<string>();
    for (const key of Object.keys(schemas)) {
      let name = key.replace(/[^A-Za-z0-9_$]+(.)?/g, (_, next: string | undefined) => (next ?? "").toUpperCase()).replace(/^(?=\d)/, "_");
      if (name === "" || TAKEN.has(name)) name = `${name}Model`;
      while (used.has(name)) name += "_";
      used.add(name);
      this.#names.set(key, name);
    }
  }

  /** A declaration per named schema. */
  declarations(): string {
    return Object.entries(this.#schemas).map(([key, schema]) => {
      const name = this.#names.get(key) as string;
      const body = this.typeOf(schema, "");
      const doc = comment(schema["description"] ?? schema["title"], "");
      return body.startsWith("{") && endsWhole(body) ? `${doc}export interface ${name} ${body}\n` : `${doc}export type ${name} = ${body};\n`;
    }).join("\n");
  }

  /** The type of a schema; `indent` is that of the line it stands in. */
  typeOf(schema: unknown, indent: string, depth = 0): string {
    if (schema === true || typeof schema !== "object" || schema === null || depth > MAX_DEPTH) return schema === false ? "never" : "unknown";
    const { $ref, const: constant, enum: values, allOf, oneOf, anyOf, type } = schema as Json;
    const below = (each: unknown): string => this.typeOf(each, indent, depth + 1);
    if (typeof $ref === "string") return this.#referenced($ref, indent, depth);
    if (constant !== undefined) return JSON.stringify(constant);
    if (Array.isArray(values)) return union(values.map((value) => JSON.stringify(value)));
    const parts: string[] = [];
    if (Array.isArray(oneOf) || Array.isArray(anyOf)) parts.push(union(((oneOf ?? anyOf) as unknown[]).map(below)));
    if (Array.isArray(allOf)) parts.push(...allOf.map(below));
    const own = Array.isArray(type) ? union(type.map((one) => this.#plain({ ...(schema as Json), type: one }, indent, depth))) : type !== undefined || parts.length === 0 || (schema as Json)["properties"] !== undefined ? this.#plain(schema as Json, indent, depth) : undefined;
    if (own !== undefined && (own !== "unknown" || parts.length === 0)) parts.push(own);
    return parts.length === 1 ? (parts[0] as string) : parts.map((part) => (part.includes(" | ") && !part.startsWith("{") ? `(${part})` : part)).join(" & ");
  }

  #referenced(reference: string, indent: string, depth: number): string {
    const key = /^#\/components\/schemas\/([^/]+)$/.exec(reference)?.[1];
    const name = key === undefined ? undefined : this.#names.get(decodeURIComponent(key).replaceAll("~1", "/").replaceAll("~0", "~"));
    return name ?? this.typeOf(pointed(this.#root, reference), indent, depth + 1);
  }

  #plain(schema: Json, indent: string, depth: number): string {
    switch (schema["type"] ?? (schema["properties"] !== undefined || schema["additionalProperties"] !== undefined ? "object" : schema["items"] !== undefined ? "array" : undefined)) {
      case "string":
        return schema["format"] === "binary" ? "Blob" : "string";
      case "integer":
      case "number":
        return "number";
      case "boolean":
        return "boolean";
      case "null":
        return "null";
      case "array": {
        const { prefixItems, items } = schema;
        if (Array.isArray(prefixItems)) return `[${prefixItems.map((each) => this.typeOf(each, indent, depth + 1)).join(", ")}${items === false ? "" : `, ...${list(this.typeOf(items ?? true, indent, depth + 1))}`}]`;
        return list(this.typeOf(items ?? true, indent, depth + 1));
      }
      case "object":
        return this.#record(schema, indent, depth);
      default:
        return "unknown";
    }
  }

  #record({ properties, required, additionalProperties }: Json, indent: string, depth: number): string {
    const names = Object.entries((properties ?? {}) as Json);
    const rest = additionalProperties === false ? undefined : additionalProperties === undefined || additionalProperties === true ? (names.length === 0 ? "unknown" : undefined) : this.typeOf(additionalProperties, indent, depth + 1);
    if (names.length === 0) return rest === undefined ? "Record<string, never>" : `Record<string, ${rest}>`;
    const inner = `${indent}  `;
    const needed = new Set(Array.isArray(required) ? (required as unknown[]) : []);
    const lines = names.map(([name, schema]) => `${comment((schema as Json | null)?.["description"], inner)}${inner}${identifier(name)}${needed.has(name) ? "" : "?"}: ${this.typeOf(schema, inner, depth + 1)};`);
    const body = `{\n${lines.join("\n")}\n${indent}}`;
    return rest === undefined ? body : `${body} & Record<string, ${rest}>`;
  }
}

function list(item: string): string {
  return /[|&]/.test(item) && !endsWhole(item) ? `(${item})[]` : `${item}[]`;
}

/** One pair of braces around all of it. */
function endsWhole(text: string): boolean {
  if (!text.startsWith("{")) return false;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "{") depth++;
    else if (text[i] === "}" && --depth === 0) return i === text.length - 1;
  }
  return false;
}

function union(types: readonly string[]): string {
  const distinct = [...new Set(types)];
  return distinct.length === 0 ? "never" : distinct.includes("unknown") ? "unknown" : distinct.join(" | ");
}

/** A name as a key of an object. */
export function identifier(name: string): string {
  return /^[A-Za-z_$][A-Za-z0-9_$]*$/.test(name) ? name : JSON.stringify(name);
}

/** A docstring in one line; what a document says cannot end it. */
export function comment(text: unknown, indent: string): string {
  if (typeof text !== "string" || text.trim() === "") return "";
  return `${indent}/** ${text.trim().split("\n")[0]?.replaceAll("*/", "* /").slice(0, 200)} */\n`;
}
