/** Deadlines and guard of the stores, with their defaults. */

import type { PolicySite, StoreOptions } from "./types.ts";

export function storeOptions(options: StoreOptions = {}): PolicySite["stores"] {
  return Object.freeze({
    timeoutMs: options.timeoutMs ?? 250,
    putTimeoutMs: options.putTimeoutMs ?? 5000,
    guard: Object.freeze({
      threshold: options.guard?.threshold ?? 5,
      cooldownMs: options.guard?.cooldownMs ?? 1000,
      maxCooldownMs: options.guard?.maxCooldownMs ?? 30_000,
    }),
  });
}

export const DEFAULT_STORE_OPTIONS: PolicySite["stores"] = /* @__PURE__ */ storeOptions();
