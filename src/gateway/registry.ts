/** What a gateway is made of, for people and tools. */

import type { Snapshot } from "./internals.ts";
import type { GatewayRegistry } from "./types.ts";

export function createRegistry(snapshot: Snapshot): GatewayRegistry {
  const policies = new Map<string, { name: string; priority: number; routes: Set<string> }>();
  for (const route of snapshot.routes) {
    for (const { name, priority } of route.policies) {
      const key = `${name}\0${priority}`;
      const known = policies.get(key) ?? { name, priority, routes: new Set<string>() };
      known.routes.add(route.path);
      policies.set(key, known);
    }
  }
  return {
    gatewayName: snapshot.name,
    routes: snapshot.routes.map((route) => ({
      path: route.path,
      methods: route.methods,
      policies: route.policies.map((entry) => entry.name),
      upstream: route.upstreamLabel,
    })),
    policies: [...policies.values()].sort((a, b) => a.priority - b.priority).map((entry) => ({ ...entry, routes: [...entry.routes] })),
  };
}

/** Paths that came, went, or are served differently. */
export function compareRoutes(old: Snapshot, next: Snapshot): { added: string[]; removed: string[]; changed: string[] } {
  const before = signatures(old);
  const after = signatures(next);
  return {
    added: [...after.keys()].filter((path) => !before.has(path)),
    removed: [...before.keys()].filter((path) => !after.has(path)),
    changed: [...after].filter(([path, parts]) => before.has(path) && !sameParts(before.get(path) as unknown[], parts)).map(([path]) => path),
  };
}

/** What makes two versions of a path the same: methods, the configured pipeline objects, metadata. */
function signatures(snapshot: Snapshot): Map<string, unknown[]> {
  const all = new Map<string, unknown[]>();
  for (const { path, methods, configured } of snapshot.routes) {
    const parts = all.get(path) ?? [];
    const { policies = [], upstream } = configured.pipeline;
    parts.push(methods.join(), configured.metadata, policies.length, ...policies, ...Object.entries(upstream).flat());
    all.set(path, parts);
  }
  return all;
}

function sameParts(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((part, index) => part === b[index]);
}
