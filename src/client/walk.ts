/** Nested values as flat fields: one walker for queries and forms. */

import { StitchError } from "./errors.ts";

export type ArrayFormat = "repeat" | "indices" | "brackets" | "comma";

/** Deeper structures are a mistake or an attack on whoever parses them. */
const MAX_DEPTH = 32;

/**
 * `{a: {b: 1}, c: [1, 2]}` as `a[b]=1`, `c=1`, `c=2`. `undefined` is left out, `null` is empty, a date is ISO 8601.
 * `emit` gets names and values unescaped; with `comma`, the items of a list at once.
 */
export function walkFields(value: object, format: ArrayFormat, emit: (name: string, value: string | readonly string[]) => void): void {
  for (const key of Object.keys(value)) visit(key, (value as Record<string, unknown>)[key], format, emit, 0);
}

function visit(name: string, value: unknown, format: ArrayFormat, emit: (name: string, value: string | readonly string[]) => void, depth: number): void {
  if (value === undefined) return;
  if (value === null || typeof value !== "object" || value instanceof Date) {
    emit(name, text(name, value));
    return;
  }
  if (depth >= MAX_DEPTH) throw new StitchError("INPUT_INVALID", `${name}: nested deeper than ${MAX_DEPTH} levels`);
  if (!Array.isArray(value)) {
    for (const key of Object.keys(value)) visit(`${name}[${key}]`, (value as Record<string, unknown>)[key], format, emit, depth + 1);
    return;
  }
  if (format === "comma" && value.every((item) => item === null || typeof item !== "object" || item instanceof Date)) {
    const items = value.filter((item) => item !== undefined);
    if (items.length > 0) emit(name, items.map((item) => text(name, item)));
    return;
  }
  value.forEach((item: unknown, i) => {
    const nested = typeof item === "object" && item !== null && !(item instanceof Date);
    // Without an index the fields of two objects in a list would run into one another.
    const itemName = format === "indices" || (nested && format !== "brackets") ? `${name}[${i}]` : format === "brackets" ? `${name}[]` : name;
    visit(itemName, item, format, emit, depth + 1);
  });
}

function text(name: string, value: unknown): string {
  if (value === null) return "";
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw new StitchError("INPUT_INVALID", `${name} is an invalid date`);
    return value.toISOString();
  }
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  throw new StitchError("INPUT_INVALID", `${name} cannot be a field: it is a ${typeof value}`);
}

/** `encodeURIComponent` without its exception: a lone surrogate is refused by name. */
export function encodeComponent(value: string, what: string): string {
  try {
    return encodeURIComponent(value);
  } catch {
    throw new StitchError("INPUT_INVALID", `${what} holds a lone surrogate, which has no UTF-8 form`);
  }
}

/** A query string without `?`. Spaces are `%20`. */
export function encodeQuery(value: object, format: ArrayFormat): string {
  let query = "";
  walkFields(value, format, (name, field) => {
    const encoded = typeof field === "string" ? encodeComponent(field, name) : field.map((item) => encodeComponent(item, name)).join(",");
    query += `${query === "" ? "" : "&"}${encodeComponent(name, "a query name")}=${encoded}`;
  });
  return query;
}

/** `application/x-www-form-urlencoded`: spaces are `+` (WHATWG URL 5.2). */
export function encodeForm(value: object, format: ArrayFormat): string {
  const form = new URLSearchParams();
  walkFields(value, format, (name, field) => form.append(name, typeof field === "string" ? field : field.join(",")));
  return form.toString();
}
