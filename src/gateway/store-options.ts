/** Deadlines and guard of the stores, with their defaults. */

import type { PolicySite, StoreOptions } from "./types.ts";

/**
 * A request in this long asks a store that is away, so one that is back is used within 2 s, the deadline of a probe included. A
 * probe of a store that hangs costs that one request `timeoutMs`; of one that refuses, nothing.
 */
const MAX_COOLDOWN_MS = 1500;

export function storeOptions(options: StoreOptions = {}): PolicySite["stores"] {
  return Object.freeze({
    timeoutMs: options.timeoutMs ?? 250,
    putTimeoutMs: options.putTimeoutMs ?? 5000,
    guard: Object.freeze({
      threshold: options.guard?.threshold ?? 5,
      cooldownMs: options.guard?.cooldownMs ?? 1000,
      maxCooldownMs: options.guard?.maxCooldownMs ?? MAX_COOLDOWN_MS,
    }),
  });
}

export const DEFAULT_STORE_OPTIONS: PolicySite["stores"] = /* @__PURE__ */ storeOptions();
