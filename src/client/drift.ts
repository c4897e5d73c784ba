/** Differences between what came and what a schema made of it: warnings before a field that is relied on goes away. */

import { configError } from "./errors.ts";
import type { Finding } from "./events.ts";
import { DRIFT, isSchema, type DriftReport, type OutputOfSchema, type StandardSchema, type Validated } from "./schema.ts";

export interface DriftOptions {
  /** Paths that are not looked at: `a.b`, lists as `[]`, `*` for one name; a path covers all below it. */
  readonly ignore?: readonly string[];
  /** Severities in place of the usual ones. */
  readonly severity?: Readonly<Partial<Record<Finding["kind"], Finding["severity"]>>>;
}

interface DriftRules {
  readonly ignore: readonly (readonly string[])[];
  readonly severity: Readonly<Record<string, Finding["severity"]>>;
}

const SEVERITY: Readonly<Record<Finding["kind"], Finding["severity"]>> = { undeclared: "info", coerced: "warn", defaulted: "verbose", missing: "error", invalid: "error", flag: "info" };
/** Findings of one answer; a changed upstream would else fill every log. */
const MAX_FINDINGS = 100;
const MAX_DEPTH = 32;

/**
 * The same schema, and findings about every answer it sees: `undeclared` fields, values that were `coerced`, `defaulted` ones,
 * and with them what was `missing` or `invalid`. Findings are in `drift` events and in `.inspect()`, with paths and never with values.
 *
 * @throws StitchError `CONFIG_INVALID`
 */
export function drift<S extends StandardSchema>(schema: S, options: DriftOptions = {}): StandardSchema<unknown, OutputOfSchema<S>> {
  if (!isSchema(schema)) throw configError("schema", schema, "a Standard Schema");
  const { ignore = [], severity = {} } = options;
  if (!Array.isArray(ignore) || ignore.some((path) => typeof path !== "string")) throw configError("drift.ignore", ignore, "a list of paths");
  const rules: DriftRules = { ignore: (ignore as string[]).map((path) => path.replaceAll("[]", ".[]").split(".").filter((part) => part !== "")), severity: { ...SEVERITY, ...severity } };
  const watched = {
    "~standard": { ...schema["~standard"], validate: (value: unknown) => schema["~standard"].validate(value) },
    [DRIFT]: ((call, raw, checked) => reportDrift(call, rules, raw, checked)) satisfies DriftReport,
  };
  return watched as StandardSchema<unknown, OutputOfSchema<S>>;
}

function reportDrift(call: Parameters<DriftReport>[0], rules: DriftRules, raw: unknown, checked: Validated): void {
  const found = new Map<string, Finding>();
  const add = (kind: Finding["kind"], path: readonly (string | number)[]): void => {
    const parts = path.map((part) => (typeof part === "number" ? "[]" : part));
    if (found.size >= MAX_FINDINGS || rules.ignore.some((ignored) => covers(ignored, parts))) return;
    const shown = pathText(parts);
    const concrete = pathText(path);
    const key = `${kind} ${shown}`;
    if (!found.has(key)) found.set(key, { kind, severity: rules.severity[kind] as Finding["severity"], path: shown, ...(concrete === shown ? {} : { sample: concrete }) });
  };
  if (checked.ok) compare(raw, checked.value, [], add, 0);
  else for (const issue of checked.issues) add(has(raw, issue.path) ? "invalid" : "missing", issue.path);
  for (const finding of found.values()) call.find(finding);
}

function compare(raw: unknown, parsed: unknown, path: readonly (string | number)[], add: (kind: Finding["kind"], path: readonly (string | number)[]) => void, depth: number): void {
  if (depth > MAX_DEPTH || Object.is(raw, parsed)) return;
  if (Array.isArray(raw) && Array.isArray(parsed)) {
    for (let i = 0; i < Math.min(raw.length, parsed.length, 1000); i++) compare(raw[i], parsed[i], [...path, i], add, depth + 1);
    return;
  }
  if (isRecord(raw) && isRecord(parsed)) {
    for (const key of Object.keys(raw)) {
      if (!Object.hasOwn(parsed, key)) add("undeclared", [...path, key]);
      else compare(raw[key], parsed[key], [...path, key], add, depth + 1);
    }
    for (const key of Object.keys(parsed)) if (!Object.hasOwn(raw, key) && parsed[key] !== undefined) add("defaulted", [...path, key]);
    return;
  }
  add(raw === undefined ? "defaulted" : "coerced", path);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function has(value: unknown, path: readonly (string | number)[]): boolean {
  let current = value;
  for (const part of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, part)) return false;
    current = (current as Record<string | number, unknown>)[part];
  }
  return current !== undefined;
}

function covers(ignored: readonly string[], path: readonly string[]): boolean {
  return ignored.length <= path.length && ignored.every((part, i) => part === "*" || part === path[i]);
}

function pathText(path: readonly (string | number)[]): string {
  let text = "";
  for (const part of path) text += part === "[]" ? "[]" : typeof part === "number" ? `[${part}]` : text === "" ? part : `.${part}`;
  return text;
}
