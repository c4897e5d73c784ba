/** The debug logger of a policy that was made without `definePolicy`. */

import type { Context } from "hono";
import { getGatewayContext } from "../context.ts";
import { noopDebug } from "../debug.ts";
import type { DebugLogger } from "../types.ts";

/** Logger of `sluice:policy:<name>`; does nothing outside a gateway and while debug is off. */
export function policyDebug(c: Context, policyName: string): DebugLogger {
  return getGatewayContext(c)?.debug(`sluice:policy:${policyName}`) ?? noopDebug;
}
