/** The place of a policy that is evaluated outside any gateway. */

import { systemClock } from "../../core/clock.ts";
import { createEvents } from "../../core/events.ts";
import { joinKey } from "../../core/keys.ts";
import { systemRandom } from "../../core/random.ts";
import type { GatewayAdapter } from "../../state/contracts/adapter.ts";
import { createPrivateStores } from "../local-stores.ts";
import { createProcessState } from "../process-state.ts";
import type { GatewayEvent, PolicySite } from "../types.ts";
import { DEFAULT_STORE_OPTIONS } from "../store-options.ts";

const NAME = "evaluate";

/**
 * A site with its own in-memory stores, which live as long as it does. `scopeKey` names the policy alone: policies that
 * are evaluated outside a gateway on one adapter share their counts when they share their identity.
 */
export function standaloneSite(policyName: string, adapter: GatewayAdapter | undefined): PolicySite {
  const kept = createProcessState();
  return {
    gatewayName: NAME,
    scopeKey: joinKey(NAME, "*", policyName),
    policyName,
    routePath: "*",
    upstream: "*",
    adapter,
    local: createPrivateStores(undefined),
    stores: DEFAULT_STORE_OPTIONS,
    clock: systemClock,
    random: systemRandom,
    events: createEvents<GatewayEvent>(),
    keep: (name, make) => kept.keep(policyName, name, make),
  };
}
