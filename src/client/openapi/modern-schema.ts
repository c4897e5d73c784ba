/** Schemas of OpenAPI 3.0 in the words of JSON Schema 2020-12, which 3.1 uses. */

/** A copy of a document in which `nullable` and boolean bounds are what 2020-12 has for them. Cycles by reference stay as they are. */
export function modern(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(modern);
  if (typeof value !== "object" || value === null) return value;
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) Object.defineProperty(out, key, { value: key === "example" || key === "examples" || key === "default" || key === "enum" ? item : modern(item), enumerable: true, writable: true, configurable: true });
  if (out["nullable"] === true) {
    delete out["nullable"];
    if (typeof out["type"] === "string") {
      out["type"] = [out["type"], "null"];
      if (Array.isArray(out["enum"]) && !out["enum"].includes(null)) out["enum"] = [...(out["enum"] as unknown[]), null];
    } else if (typeof out["$ref"] === "string" || out["allOf"] !== undefined) return { anyOf: [out, { type: "null" }] };
  }
  for (const [bound, exclusive] of [["minimum", "exclusiveMinimum"], ["maximum", "exclusiveMaximum"]] as const) {
    if (typeof out[exclusive] !== "boolean") continue;
    if (out[exclusive] === true && typeof out[bound] === "number") {
      out[exclusive] = out[bound];
      delete out[bound];
    } else delete out[exclusive];
  }
  return out;
}
