/** Bodies as a log may hold them: whole, parsed and redacted, or as their size. */

/** A body that is not shown. */
export interface BodySize {
  readonly bytes: number;
}

export const REDACTED = "[REDACTED]";

/** Nothing deeper is logged: a hostile body must not exhaust the stack of whoever prints it. */
const MAX_DEPTH = 32;

/**
 * What the log says of a body. Only JSON and forms can be redacted; a body that is neither, or that was cut or cannot be
 * parsed, is its size when there is something to redact.
 */
export function loggedBody(bytes: Uint8Array, whole: boolean, size: number, contentType: string | null, encoded: boolean, paths: readonly (readonly string[])[]): unknown {
  const hidden: BodySize = { bytes: size };
  if (!whole || encoded) return size === 0 ? undefined : hidden;
  if (size === 0) return undefined;
  const type = (contentType ?? "").split(";")[0]!.trim().toLowerCase();
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return hidden;
  }
  if (type === "application/json" || type.endsWith("+json")) {
    try {
      const parsed: unknown = JSON.parse(text);
      return depthOf(parsed) > MAX_DEPTH ? hidden : redact(parsed, paths);
    } catch {
      return hidden;
    }
  }
  if (type === "application/x-www-form-urlencoded") {
    const fields = Object.create(null) as Record<string, unknown>;
    for (const [name, value] of new URLSearchParams(text)) {
      const before = fields[name];
      fields[name] = before === undefined ? value : Array.isArray(before) ? [...(before as string[]), value] : [before, value];
    }
    return redact(fields, paths);
  }
  return paths.length === 0 && type.startsWith("text/") ? text : hidden;
}

/** `a.b.*.c` as its parts; `*` is any one name. */
export function redactPath(path: string): readonly string[] {
  return path.split(".");
}

/** Replaces, in place, what lies at the paths. Lists are walked through at every level. */
export function redact(value: unknown, paths: readonly (readonly string[])[]): unknown {
  for (const path of paths) hide(value, path, 0);
  return value;
}

function hide(value: unknown, path: readonly string[], at: number): void {
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    // An index in a path is a name like any other; without one every element is meant.
    for (const element of value) hide(element, path, at);
  }
  const name = path[at] as string;
  const names = name === "*" ? Object.keys(value) : Object.hasOwn(value, name) ? [name] : [];
  const fields = value as Record<string, unknown>;
  for (const own of names) {
    if (at === path.length - 1) fields[own] = REDACTED;
    else hide(fields[own], path, at + 1);
  }
}

/** Depth of a parsed value, counted without recursion and no further than needed. */
function depthOf(value: unknown): number {
  let level: unknown[] = [value];
  let depth = 0;
  while (level.length > 0 && depth <= MAX_DEPTH) {
    const below: unknown[] = [];
    for (const one of level) if (typeof one === "object" && one !== null) for (const inner of Object.values(one)) below.push(inner);
    level = below;
    depth++;
  }
  return depth;
}
