/** Parts of an answer by dot paths. Own properties only: what a prototype holds is no data. */

import { configError } from "./errors.ts";

export type Path = readonly string[];

const MAX_SEGMENTS = 64;

export function parsePath(option: string, path: unknown): Path {
  if (typeof path !== "string" || path === "") throw configError(option, path, 'a dot path such as "data.items"');
  const segments = path.split(".");
  if (segments.length > MAX_SEGMENTS || segments.some((segment) => segment === "" || segment === "__proto__" || segment === "constructor" || segment === "prototype")) {
    throw configError(option, path, `a dot path of at most ${MAX_SEGMENTS} names, none of them empty or of a prototype`);
  }
  return segments;
}

/** What stands at a path, or `undefined`. */
export function at(value: unknown, path: Path): unknown {
  let current = value;
  for (const segment of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, segment)) return undefined;
    current = (current as Record<string, unknown>)[segment];
  }
  return current;
}
