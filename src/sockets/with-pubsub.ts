/** Pub/sub as a plugin and as middleware: the adapter, and the policy of topics. */

import { OptionError } from "../core/errors.ts";
import type { PubSub, PubSubAdapter } from "../state/contracts/pub-sub.ts";
import { checkKeys } from "./check.ts";
import type { Plugin } from "./plugin.ts";
import { coreOf } from "./router-core.ts";
import type { TopicOptions } from "./topics/policy.ts";
import type { ConnectionData, Middleware } from "./types.ts";

export interface WithPubSubOptions<Data = ConnectionData> extends TopicOptions<Data> {
  /** Carries messages between processes; replaces the one of `createRouter`. */
  readonly adapter: PubSub | PubSubAdapter;
}

/**
 * Gives a router its adapter and its policy of topics.
 *
 * ```ts
 * const router = createRouter().plugin(withPubSub({ adapter: memoryPubSub() }));
 * ```
 */
export function withPubSub<Data = ConnectionData>(options: WithPubSubOptions<Data>): Plugin {
  if (typeof options !== "object" || options === null) throw new OptionError("options", options, "an object with an adapter");
  const { adapter, ...policy } = options;
  if (adapter === undefined) throw new OptionError("adapter", adapter, "a PubSub or a PubSubAdapter");
  return {
    name: "sluice.pubsub",
    setup(router) {
      const core = coreOf(router);
      core.setPubSub(adapter);
      core.mergePolicy(policy as TopicOptions);
    },
  };
}

/** The policy of topics as middleware: hooks for messages and for lifecycle hooks alike. */
export function usePubSub<Data = ConnectionData>(options: { readonly hooks: Pick<TopicOptions<Data>, "normalize" | "validate" | "authorize"> }): Middleware<Data> {
  checkKeys("usePubSub", options, ["hooks"]);
  checkKeys("usePubSub.hooks", options.hooks, ["normalize", "validate", "authorize"]);
  const middleware: Middleware<Data> = (_ctx, next) => next();
  return Object.assign(middleware, { "~topics": options.hooks });
}
