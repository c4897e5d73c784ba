/** The private in-memory stores of a gateway: made when first read, kept across updates. */

import type { GatewayAdapter } from "../state/contracts.ts";
import type { LocalStores } from "./types.ts";

export interface PrivateStores extends LocalStores {
  /** Frees them, if they were ever made. */
  destroy(): Promise<void>;
}

export function createPrivateStores(make: () => GatewayAdapter): PrivateStores {
  let adapter: GatewayAdapter | undefined;
  const stores = (): GatewayAdapter => (adapter ??= make());
  return {
    get rateLimitStore() {
      return stores().rateLimitStore as LocalStores["rateLimitStore"];
    },
    get circuitBreakerStore() {
      return stores().circuitBreakerStore as LocalStores["circuitBreakerStore"];
    },
    get cacheStore() {
      return stores().cacheStore as LocalStores["cacheStore"];
    },
    get store() {
      return stores().store as LocalStores["store"];
    },
    async destroy() {
      const made = adapter;
      adapter = undefined;
      await made?.close?.();
    },
  };
}
