/** The in-process store of each kind. A policy names the kinds it uses, so a bundle carries no others. */

import { createMemoryCacheStore } from "../drivers/memory/cache-store.ts";
import { InMemoryCircuitBreakerStore } from "../drivers/memory/in-memory-circuit-breaker-store.ts";
import { memoryStore } from "../drivers/memory/memory-store.ts";
import { localLimits } from "#local-limits";
import type { StoreKind } from "./types.ts";

export const rateLimits: StoreKind<"rateLimitStore"> = { name: "rateLimitStore", make: localLimits };
export const circuits: StoreKind<"circuitBreakerStore"> = { name: "circuitBreakerStore", make: (clock) => new InMemoryCircuitBreakerStore({ clock }) };
export const responses: StoreKind<"cacheStore"> = { name: "cacheStore", make: (clock) => createMemoryCacheStore({ clock }) };
export const values: StoreKind<"store"> = { name: "store", make: (clock) => memoryStore({ clock }) };
