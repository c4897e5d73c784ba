/** A declaration as JSON that anybody may read. */

import type { Plan } from "./plan.ts";
import { isSchema } from "./schema.ts";
import { MASK } from "./redact.ts";

const PORTS: ReadonlySet<string> = /* @__PURE__ */ new Set(["store", "secretStore", "clock", "random", "adapter", "trace", "hooks", "encryption", "extends"]);

export function describeConfig(plan: Plan): Readonly<Record<string, unknown>> {
  const { redactor } = plan;
  const described: Record<string, unknown> = { name: redactor.url(plan.name), kind: plan.kind, method: plan.method };
  for (const [key, value] of Object.entries(plan.config)) {
    if (value === undefined || PORTS.has(key) || key in described) continue;
    if (key === "auth") described[key] = plan.auth?.name;
    else if (key === "url" || key === "baseUrl" || key === "path") described[key] = typeof value === "string" ? redactor.url(value) : "function";
    else if (key === "headers") described[key] = masked(value as object, (name) => redactor.hidesHeader(name.toLowerCase()));
    else if (key === "query") described[key] = masked(value as object, (name) => redactor.hidesQuery(name));
    else described[key] = plain(redactor.value(value));
  }
  return deepFreeze(JSON.parse(JSON.stringify(described)) as Record<string, unknown>);
}

function masked(record: object, hides: (name: string) => boolean): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, hides(name) ? MASK : plain(value)]));
}

/** Functions and schemas by what they are. */
function plain(value: unknown): unknown {
  if (isSchema(value)) return { schema: value["~standard"].vendor };
  if (typeof value === "function") return "function";
  if (value === Infinity) return "Infinity";
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const item of Object.values(value)) deepFreeze(item);
    Object.freeze(value);
  }
  return value;
}
