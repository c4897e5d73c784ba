/** The gateway as the admin pages and the dashboard see it. */

import type { Core, Snapshot } from "../internals.ts";
import type { GatewayRegistry, PurgeTarget } from "../types.ts";

export interface AdminHost {
  readonly core: Core;
  /** The configuration that new requests run on. */
  readonly snapshot: () => Snapshot;
  readonly registry: () => GatewayRegistry;
  readonly purge: (target: PurgeTarget) => Promise<{ purged: number }>;
}

/** Targets of every balanced upstream, by route. */
export function upstreamsOf(snapshot: Snapshot): { route: string; upstream: string; targets: unknown[] }[] {
  return snapshot.routes.map((route) => ({ route: route.path, upstream: route.upstreamLabel, targets: [...(route.upstream.status?.() ?? [])] }));
}
