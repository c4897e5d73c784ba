/**
 * What a process keeps for adapters that are made anew with every request: where the platform's bindings come with the
 * request, so does the gateway, and what it keeps in memory must outlive it.
 */

import type { GatewayAdapter } from "./contracts.ts";

/** On an adapter: the state of this process, by name. */
export const ISOLATE: unique symbol = Symbol.for("sluice.isolate") as never;

/** One per process. Bounded by the names of gateways in a program. */
export const isolateState: Map<string, unknown> = /* @__PURE__ */ new Map();

/** The state an adapter says outlives a gateway; `undefined` for most adapters, whose gateways live as long as the process. */
export function isolateOf(adapter: GatewayAdapter | undefined): Map<string, unknown> | undefined {
  return (adapter as { readonly [ISOLATE]?: Map<string, unknown> } | undefined)?.[ISOLATE];
}
