/** Makes one configuration of several partial ones. */

import type { GatewayConfig, Policy } from "../types.ts";

/** Fields that are merged member by member, one level deep. */
const SHALLOW = ["stores", "admin", "debugHeaders", "tracing", "metrics"] as const satisfies readonly (keyof GatewayConfig)[];
/** Fields that are lists of policies. */
const POLICIES = ["policies", "unmatchedPolicies"] as const satisfies readonly (keyof GatewayConfig)[];

/**
 * Routes are appended in order; policies are merged by identity, a later one taking the place of the earlier; options
 * that are plain objects (`stores`, `admin`, `debugHeaders`, `tracing`) are merged member by member; of everything else the last one
 * that is not `undefined` counts. The result may still lack routes: `createGateway` says so.
 *
 * ```ts
 * createGateway(mergeConfigs(defaults, { routes }, process.env.DEBUG ? { debug: true } : {}));
 * ```
 */
export function mergeConfigs(...partials: readonly (Partial<GatewayConfig> | undefined)[]): GatewayConfig {
  const merged: Record<string, unknown> = { routes: [] };
  for (const partial of partials) {
    for (const [name, value] of Object.entries(partial ?? {})) {
      if (value === undefined) continue;
      const before = Object.hasOwn(merged, name) ? merged[name] : undefined;
      if (name === "routes") merged[name] = [...(before as unknown[]), ...(value as unknown[])];
      else if ((POLICIES as readonly string[]).includes(name)) merged[name] = mergePolicies((before ?? []) as readonly Policy[], value as readonly Policy[]);
      else if ((SHALLOW as readonly string[]).includes(name) && isPlain(before) && isPlain(value)) merged[name] = { ...before, ...value };
      else Object.defineProperty(merged, name, { value, enumerable: true, writable: true, configurable: true });
    }
  }
  return merged as unknown as GatewayConfig;
}

function mergePolicies(before: readonly Policy[], after: readonly Policy[]): Policy[] {
  const later = new Map(after.map((policy) => [policy.name, policy]));
  const kept = before.map((policy) => later.get(policy.name) ?? policy);
  const known = new Set(before.map((policy) => policy.name));
  return [...kept, ...after.filter((policy) => !known.has(policy.name))];
}

/** A collector or an exporter is an object with a class of its own: it is replaced, never taken apart. */
function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value) as object | null);
}
