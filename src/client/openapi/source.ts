/** TypeScript source of stitches for an OpenAPI document. */

import { configError } from "../errors.ts";
import { readDocument, type ApiDocument, type Json, type Operation, type Parameter } from "./document.ts";
import { configOf, parametersIn, slotSchema, variableOf } from "./operation-config.ts";
import { SchemaTypes, comment, identifier } from "./schema-types.ts";

export interface OpenApiSourceOptions {
  /** Name of the function that makes the stitches. @default the document's title */
  readonly name?: string;
  /** Check inputs and answers against the document's schemas when the stitches run. @default true */
  readonly validate?: boolean;
}

export interface OpenApiSource {
  readonly source: string;
  readonly warnings: readonly string[];
}

/**
 * A module that declares a stitch per operation, to be kept and read like code written by hand.
 *
 * @throws StitchError `CONFIG_INVALID`
 */
export function openApiSource(document: unknown, options: OpenApiSourceOptions = {}): OpenApiSource {
  const { validate = true } = options;
  const api = readDocument(document);
  const name = options.name ?? functionName(api.title);
  if (!/^[A-Za-z_$][A-Za-z0-9_$]*$/.test(name)) throw configError("openApiSource.name", options.name, "a name of a function");
  const types = new SchemaTypes(api.root, api.schemas);
  const stitches = api.operations.map((operation) => stitchSource(operation, types, validate));
  const checks = stitches.some((text) => text.includes("check<"));
  const schemas = Object.keys(api.schemas).length > 0;
  const typed = `const check = <T>(schema: JsonSchema) => jsonSchema<T>(schema${schemas ? ", document" : ""});`;
  const untyped = "const typed = <T>() => (_value: unknown): _value is T => true;";
  const uses = stitches.some((text) => text.includes("typed<"));
  const parts = [
    `/** ${oneLine(`${api.title} ${api.version}`)}: made by \`sluice generate client\`. Options of the seam (auth, store, throttle, retry) go to \`${name}()\`. */`,
    `import { ${checks ? "jsonSchema, " : ""}seam${checks ? ", type JsonSchema" : ""}, type SeamConfig } from "sluice/client";`,
    types.declarations().trimEnd(),
    `${comment(api.description, "")}export function ${name}(config: SeamConfig = {}) {
  const api = seam({ name: ${JSON.stringify(name)}${api.server === undefined ? "" : `, baseUrl: ${JSON.stringify(api.server)}`}, ...config });
  return {
    /** What the stitches share: \`api.as(principal)\`, \`api.close()\`. */
    api,
${stitches.join("\n")}
  };
}`,
    ...(checks ? [typed] : []),
    ...(uses ? [untyped] : []),
    ...(checks && schemas ? [`/** What references of the schemas point to. */\nconst document = ${literal({ components: { schemas: api.schemas } }, "")};`] : []),
  ];
  return { source: `${parts.filter((part) => part !== "").join("\n\n")}\n`, warnings: [...api.warnings, ...unsaid(api)] };
}

/** Declarations for `fromOpenApi<Stitches>(document, …)`. @throws StitchError `CONFIG_INVALID` */
export function openApiTypes(document: unknown): OpenApiSource {
  const api = readDocument(document);
  const types = new SchemaTypes(api.root, api.schemas);
  const members = api.operations.map((operation) => {
    const { kind } = configOf(operation);
    const answer = answerType(operation, types, "    ");
    const slots = slotsOf(operation).map(([slot, schema, needed]) => `${slot}${needed ? "" : "?"}: ${types.typeOf(schema, "    ")}`);
    return `${comment(operation.summary, "  ")}  readonly ${identifier(operation.id)}: Stitch<${kind === undefined ? answer : `(${answer})[]`}, { ${slots.join("; ")}${slots.length === 0 ? "" : "; "}headers?: Record<string, string | undefined> } & CallOptions>;`;
  });
  const source = [
    `/** ${oneLine(`${api.title} ${api.version}`)}: made by \`sluice types\`, for \`fromOpenApi<Stitches>(document, options)\`. */`,
    'import type { CallOptions, Stitch } from "sluice/client";',
    types.declarations().trimEnd(),
    `export type Stitches = {\n${members.join("\n")}\n};`,
  ].filter((part) => part !== "").join("\n\n");
  return { source: `${source}\n`, warnings: api.warnings };
}

/** Slots of an operation's input, with the schema and whether it must be given. */
function slotsOf(operation: Operation): readonly (readonly [slot: string, schema: Json, needed: boolean])[] {
  const slot = (name: string, parameters: readonly Parameter[], nameOf?: (name: string) => string): [string, Json, boolean][] =>
    parameters.length === 0 ? [] : [[name, slotSchema(parameters, nameOf), parameters.some((parameter) => parameter.required)]];
  const { body } = operation;
  return [
    ...slot("params", parametersIn(operation, "path"), variableOf),
    ...slot("query", parametersIn(operation, "query")),
    ...(body === undefined ? [] : [["body", body.schema ?? {}, body.required] as const]),
  ];
}

function stitchSource(operation: Operation, types: SchemaTypes, validate: boolean): string {
  const { method, path, kind, decode, body, response, arrayFormat, acceptStatus } = configOf(operation);
  const indent = "      ";
  const lines = [`method: ${JSON.stringify(method)}`, `path: ${JSON.stringify(path)}`];
  if (kind !== undefined) lines.push(`kind: ${JSON.stringify(kind)}`);
  if (decode !== undefined) lines.push(`stream: { decode: ${JSON.stringify(decode)} }`);
  if (body !== undefined) lines.push(`body: ${JSON.stringify(body)}`);
  if (response !== undefined) lines.push(`response: ${JSON.stringify(response)}`);
  if (arrayFormat !== undefined) lines.push(`arrayFormat: ${JSON.stringify(arrayFormat)}`);
  if (acceptStatus !== undefined) lines.push(`acceptStatus: ${JSON.stringify(acceptStatus)}`);
  const checked = (schema: Json, type: string, plain: boolean, at: string): string => (validate && plain ? `check<${type}>(${literal(schema, at)})` : `typed<${type}>()`);
  const slots = slotsOf(operation).map(([slot, schema, needed]) => {
    const at = `${indent}    `;
    const type = types.typeOf(schema, at);
    // A body of files or text has no JSON form to check, and one that may be left out is checked as nothing.
    const plain = slot !== "body" || (needed && (body === "json" || body === "form"));
    return `${at}${slot}: ${checked(schema, slot === "body" && !needed ? `${type} | undefined` : type, plain, at)},`;
  });
  if (slots.length > 0) lines.push(`input: {\n${slots.join("\n")}\n${indent}  }`);
  if (operation.answer?.schema !== undefined && response !== "bytes") lines.push(`output: ${checked(operation.answer.schema, answerType(operation, types, `${indent}  `), true, `${indent}  `)}`);
  const summary = oneLine(`${operation.summary === undefined ? "" : `${operation.summary.replace(/\.?$/, ".")} `}\`${method} ${operation.path}\`${operation.deprecated ? " Deprecated." : ""}`);
  return `    /** ${summary.replaceAll("*/", "* /")} */\n    ${identifier(operation.id)}: api.stitch({\n${lines.map((line) => `${indent}  ${line},`).join("\n")}\n    }),`;
}

function answerType({ answer, ...operation }: Operation, types: SchemaTypes, indent: string): string {
  if (answer === undefined) return "undefined";
  const { response } = configOf({ ...operation, answer });
  if (response === "bytes") return "Uint8Array";
  return answer.schema === undefined ? (response === "text" ? "string" : "unknown") : types.typeOf(answer.schema, indent);
}

/** What the source cannot say and `fromOpenApi` can. */
function unsaid(api: ApiDocument): string[] {
  const warnings: string[] = [];
  if (api.server === undefined) warnings.push("the document names no absolute server: give a baseUrl");
  for (const operation of api.operations) {
    for (const name of Object.keys(configOf(operation).separators)) warnings.push(`${operation.id}: join the list in query.${name} yourself, its separator is not that of the others`);
    const header = parametersIn(operation, "header").filter((parameter) => parameter.required).map((parameter) => parameter.name);
    if (header.length > 0) warnings.push(`${operation.id}: give the header${header.length === 1 ? "" : "s"} ${header.join(", ")} with each call`);
  }
  return warnings;
}

function functionName(title: string): string {
  const words = title.replace(/[^A-Za-z0-9]+/g, " ").trim().split(" ");
  const name = words.map((word, i) => (i === 0 ? word.charAt(0).toLowerCase() : word.charAt(0).toUpperCase()) + word.slice(1)).join("");
  return name === "" || /^\d/.test(name) ? `api${name}` : name;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

/** A value as source, short ones on one line. */
function literal(value: unknown, indent: string): string {
  const flat = print(value, undefined);
  return flat.length <= 110 ? flat : print(value, indent);
}

function print(value: unknown, indent: string | undefined): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = indent === undefined ? undefined : `${indent}  `;
  const parts = Array.isArray(value) ? value.map((item) => inner === undefined ? print(item, undefined) : literal(item, inner)) : Object.entries(value).map(([key, item]) => `${key === "__proto__" ? '["__proto__"]' : identifier(key)}: ${inner === undefined ? print(item, undefined) : literal(item, inner)}`);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (parts.length === 0) return open + close;
  return inner === undefined ? `${open}${Array.isArray(value) ? "" : " "}${parts.join(", ")}${Array.isArray(value) ? "" : " "}${close}` : `${open}\n${parts.map((part) => `${inner}${part},`).join("\n")}\n${indent as string}${close}`;
}
