/** The contract of pub/sub, as a suite that any implementation can be put through. */

import type { MaybePromise } from "../core/maybe-promise.ts";
import type { PubSub } from "../state/contracts/pub-sub.ts";
import { runContract, type ContractReport, type Rule } from "./report.ts";
import { pubSubAdapterRules } from "./rules/pubsub-adapter.ts";
import { pubSubChannelRules } from "./rules/pubsub-channels.ts";
import type { PubSubContext, PubSubContractOptions } from "./rules/pubsub-context.ts";
import { subjects } from "./subjects.ts";

export type { PubSubContractOptions } from "./rules/pubsub-context.ts";

const rules: readonly Rule<PubSubContext>[] = [...pubSubChannelRules, ...pubSubAdapterRules];

/** The names of the rules, as `skip` and the report use them. */
export const pubSubContractRules: readonly string[] = /* @__PURE__ */ rules.map(({ rule }) => rule);

/** How long one try takes to see that two objects do not hear each other. */
const PROBE_MS = 300;

/**
 * Puts pub/sub through every rule of its contract; an object that is a `PubSubAdapter` as well is checked as both. Never
 * rejects and needs no test framework. Whether two objects share a backend is tried once, unless `shared` says so.
 */
export function verifyPubSubContract(makePubSub: () => MaybePromise<PubSub>, options: PubSubContractOptions = {}): Promise<ContractReport> {
  let shared = options.shared;
  return runContract("pub/sub", rules, options, (base) => ({
    ...base,
    options,
    ...subjects(base, {
      make: makePubSub,
      declared: () => shared,
      probe: async (first, second) => {
        const channel = base.key("probe");
        let heard = false;
        const remove = await first.subscribe(channel, () => void (heard = true));
        await second.publish(channel, "probe");
        for (let waited = 0; !heard && waited < PROBE_MS; waited += 10) await base.time.pass(10);
        await remove();
        return (shared = heard);
      },
      free: (pubsub) => pubsub.close?.(),
    }),
  }));
}
