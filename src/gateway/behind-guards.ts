/** Policies that answer with what an earlier request got. */

import { Priority } from "./priority.ts";
import type { Policy, PolicyOptions } from "./types.ts";

/** The same factory, whose policies never stand before a guard, whatever their option `priority` says: a stored answer passes none. */
export function behindGuards<Options extends PolicyOptions>(define: (options?: Options) => Policy): (options?: Options) => Policy {
  return (options) => define(typeof options?.priority === "number" && options.priority < Priority.CACHE ? { ...options, priority: Priority.CACHE } : options);
}
