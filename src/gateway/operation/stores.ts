/** The stores of an adapter, as the admin pages and health checks show them. */

import { guardOf } from "../../state/guard.ts";
import type { DriverCapabilities } from "../../state/contracts/driver.ts";
import type { GatewayAdapter } from "../../state/contracts/adapter.ts";

export interface StoreStatus {
  readonly store: string;
  /** Class or driver. */
  readonly kind: string;
  /** Other processes see the same. */
  readonly shared: boolean | undefined;
  /** False for a store that counts only about right. */
  readonly exact: boolean | undefined;
  readonly state: "up" | "suspended" | "probing";
  readonly calls: number;
  readonly failures: number;
  readonly timeouts: number;
}

const STORES = ["rateLimitStore", "circuitBreakerStore", "cacheStore"] as const;

export function storesOf(adapter: GatewayAdapter | undefined): StoreStatus[] {
  if (adapter === undefined) return [];
  return STORES.flatMap((store) => {
    const found = adapter[store] as { name?: unknown; capabilities?: Partial<DriverCapabilities>; constructor?: { name?: string } } | undefined | null;
    if (found === undefined || found === null) return [];
    const stats = guardOf(found)?.stats();
    return [{
      store,
      kind: typeof found.name === "string" ? found.name : (found.constructor?.name ?? "store"),
      shared: found.capabilities?.shared,
      exact: found.capabilities?.atomic,
      state: stats?.state ?? "up",
      calls: stats?.calls ?? 0,
      failures: stats?.failures ?? 0,
      timeouts: stats?.timeouts ?? 0,
    }];
  });
}
