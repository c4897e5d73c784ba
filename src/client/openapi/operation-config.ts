/** An operation in the terms of a stitch: what both the stitches made at run time and their source text are made of. */

import type { BodyKind, ResponseKind, StitchKind } from "../config.ts";
import type { ArrayFormat } from "../walk.ts";
import type { Json, Operation, Parameter } from "./document.ts";

export interface OperationConfig {
  readonly method: string;
  /** RFC 6570, below the server. */
  readonly path: string;
  readonly kind: StitchKind | undefined;
  readonly decode: "ndjson" | undefined;
  readonly body: BodyKind | undefined;
  readonly response: ResponseKind | undefined;
  readonly arrayFormat: ArrayFormat | undefined;
  readonly acceptStatus: readonly number[] | undefined;
  /** Query parameters whose lists need a form of their own. */
  readonly separators: Readonly<Record<string, string>>;
}

/** A name a URL template can hold. */
export function variableOf(name: string): string {
  return name.replace(/[^A-Za-z0-9_]/g, "_");
}

export function parametersIn(operation: Operation, place: Parameter["in"]): readonly Parameter[] {
  return operation.parameters.filter((parameter) => parameter.in === place);
}

const OPERATORS: Readonly<Record<string, string>> = { label: ".", matrix: ";" };
const SEPARATORS: Readonly<Record<string, string>> = { spaceDelimited: " ", pipeDelimited: "|" };

export function configOf(operation: Operation): OperationConfig {
  const inPath = new Map(parametersIn(operation, "path").map((parameter) => [parameter.name, parameter]));
  const path = operation.path.replace(/\{([^{}]+)\}/g, (_, name: string) => {
    const parameter = inPath.get(name);
    return `{${OPERATORS[parameter?.style ?? ""] ?? ""}${variableOf(name)}${parameter?.explode === true ? "*" : ""}}`;
  });
  const queries = parametersIn(operation, "query");
  const lists = queries.filter(({ style }) => style === "form");
  const commas = lists.filter(({ explode, schema }) => !explode && mayBeList(schema));
  // One format for all where that says it; else those that differ are joined before they are encoded.
  const allComma = commas.length > 0 && commas.length === lists.filter(({ schema }) => mayBeList(schema)).length;
  const separators: Record<string, string> = {};
  for (const { name, style, explode } of queries) if (!explode && SEPARATORS[style] !== undefined) separators[name] = SEPARATORS[style];
  if (!allComma) for (const { name } of commas) separators[name] = ",";
  const { answer } = operation;
  const type = answer?.type ?? "";
  const statuses = operation.statuses.length > 0 && !operation.statuses.includes(200) ? operation.statuses : undefined;
  return {
    method: operation.method, path,
    kind: type === "text/event-stream" ? "sse" : /ndjson|jsonl/.test(type) ? "stream" : undefined,
    decode: /ndjson|jsonl/.test(type) ? "ndjson" : undefined,
    body: operation.body === undefined ? undefined : bodyKind(operation.body.type),
    response: type === "" || /json|event-stream|ndjson|jsonl/.test(type) || type === "*/*" ? undefined : type.startsWith("text/") || /xml/.test(type) ? "text" : "bytes",
    arrayFormat: allComma ? "comma" : undefined,
    acceptStatus: statuses,
    separators,
  };
}

function mayBeList({ type, $ref }: Json): boolean {
  return type === undefined || $ref !== undefined || type === "array" || (Array.isArray(type) && type.includes("array"));
}

function bodyKind(type: string): BodyKind {
  if (/[/+]json$/.test(type)) return "json";
  if (type === "application/x-www-form-urlencoded") return "form";
  if (type === "multipart/form-data") return "multipart";
  return type.startsWith("text/") || /xml/.test(type) ? "text" : "bytes";
}

/** The schema of a slot made of parameters. */
export function slotSchema(parameters: readonly Parameter[], nameOf: (name: string) => string = (name) => name): Json {
  const required = parameters.filter((parameter) => parameter.required).map((parameter) => nameOf(parameter.name));
  return { type: "object", properties: Object.fromEntries(parameters.map((parameter) => [nameOf(parameter.name), parameter.schema])), ...(required.length > 0 ? { required } : {}) };
}
