/** What only workerd has. Other runtimes get `no-workers.ts` in its place, by the `#workers` import of the package. */

import * as workers from "cloudflare:workers";
import type { DurableObjectBase } from "./no-workers.ts";

/** RPC reaches only classes that extend the platform's own. */
export const DurableObject: DurableObjectBase = workers.DurableObject as DurableObjectBase;

const keepAlive: ((promise: Promise<unknown>) => void) | undefined = workers.waitUntil;

/** Keeps the current event alive until `promise` has settled, also when its client leaves. False where nothing does. */
export function waitUntil(promise: Promise<unknown>): boolean {
  if (keepAlive === undefined) return false;
  try {
    keepAlive(promise);
    return true;
  } catch {
    // Outside an event there is nothing to keep alive.
    return false;
  }
}
