/** Which verbs a store has, and whether a feature can be had on it: known when the stitch is made. */

import type { StitchStore } from "../state/contracts/key-value.ts";
import { StitchError, configError } from "./errors.ts";

export interface StoreVerbs {
  readonly reserve: boolean;
  readonly lease: boolean;
  readonly cas: boolean;
  readonly incr: boolean;
}

export function storeVerbs(store: StitchStore): StoreVerbs {
  const has = (verb: keyof StitchStore): boolean => typeof store[verb] === "function";
  // A store without atomic steps may have the methods all the same: they reject.
  const atomic = store.capabilities?.atomic !== false;
  return { reserve: atomic && has("reserve"), lease: atomic && has("lease") && has("release"), cas: atomic && has("compareAndSet"), incr: atomic && (has("incr") || has("increment")) };
}

/** Other processes see the same data: so unless the store says otherwise. */
export function isShared(store: StitchStore | undefined): boolean {
  return store !== undefined && store.capabilities?.shared !== false;
}

export function checkStoreShape(option: string, store: unknown): void {
  const like = store as Partial<StitchStore> | null;
  if (typeof like !== "object" || like === null || typeof like.get !== "function" || typeof like.set !== "function") throw configError(option, store, "a store with get and set");
}

/** Refuses what a store cannot do. @throws StitchError `STORE_CAPABILITY` */
export function checkCapability(store: StitchStore | undefined, features: { readonly rate: boolean; readonly concurrency: boolean; readonly circuit: boolean; readonly cluster: boolean }): void {
  if (store === undefined) return;
  const { reserve, lease, cas, incr } = storeVerbs(store);
  const refuse = (feature: string, needs: string): never => {
    const name = (store as { name?: unknown }).name;
    throw new StitchError("STORE_CAPABILITY", `the store${typeof name === "string" ? ` "${name}"` : ""} cannot carry ${feature}: it has no atomic ${needs}; use a store with atomic verbs, such as Redis, Postgres or a Durable Object, or leave the feature out`);
  };
  if (features.rate && !reserve && !cas && !incr) refuse("a throttle", "reserve, compareAndSet or incr");
  if (features.concurrency && !lease && !cas) refuse("throttle.concurrency", "lease or compareAndSet");
  if (features.circuit && !cas) refuse("a circuit", "compareAndSet");
  if (features.cluster && !lease && !cas) refuse('cache.coalesce: "cluster"', "lease or compareAndSet");
}

/** What a store is, for `describe()`: which features are the fleet's, and what is approximate. */
export function describeStore(store: StitchStore | undefined): { readonly shared: boolean; readonly name: string; readonly approximate: readonly string[] } {
  if (store === undefined) return { shared: false, name: "memory", approximate: [] };
  const { reserve, cas } = storeVerbs(store);
  const name = (store as { name?: unknown }).name;
  return {
    shared: isShared(store),
    name: typeof name === "string" ? name : (store.constructor?.name ?? "store"),
    approximate: reserve || cas ? [] : ["throttle: paced in clock-aligned windows"],
  };
}
