/** Charges made before it is certain that they are due: of a limit that stands behind another one. */

import { chain, isPromise, type MaybePromise } from "../../../../core/maybe-promise.ts";
import type { LimitDecision, LimitPolicy, RateLimitStore } from "../../../../state/contracts/limits.ts";
import { StoreFailure, type StoreCaller } from "../../../store-call.ts";
import { decide } from "./decide.ts";

/**
 * Whether the store can take a charge of one limit back at no extra cost. Several limits at once are charged by `checkAll`, which gives
 * no tickets; one that is leased is charged through its lease, mostly without a round trip.
 */
export function takesBack(store: RateLimitStore | undefined, limits: number): boolean {
  return limits === 1 && store?.reserve !== undefined && store.settle !== undefined && store.leased !== true;
}

/** As {@link decide}; with `returnable` the decision has a ticket. */
export function decideFor(store: RateLimitStore, key: string, policies: readonly LimitPolicy[], cost: number, now: () => number, returnable: boolean): MaybePromise<LimitDecision[]> {
  if (!returnable || cost === 0) return decide(store, key, policies, cost, now);
  return chain((store.reserve as NonNullable<RateLimitStore["reserve"]>).call(store, key, policies[0] as LimitPolicy, cost), (decision) => [decision]);
}

export interface Returnable {
  readonly caller: StoreCaller<RateLimitStore>;
  readonly key: string;
  readonly policies: readonly LimitPolicy[];
  readonly decisions: MaybePromise<LimitDecision[] | StoreFailure>;
}

/** Gives back what was charged. What failed charged nothing, and a refund that fails leaves the charge to its window. */
export async function giveBack(charging: MaybePromise<Returnable>): Promise<void> {
  let charged: Returnable;
  let decisions: LimitDecision[] | StoreFailure;
  try {
    charged = isPromise(charging) ? await charging : charging;
    decisions = await charged.decisions;
  } catch {
    return;
  }
  if (decisions instanceof StoreFailure) return;
  const { caller, key, policies } = charged;
  const ticket = decisions[0]?.ticket;
  if (ticket === undefined) return;
  await caller.call("settle", (store) => (store.settle as NonNullable<RateLimitStore["settle"]>)(key, policies[0] as LimitPolicy, ticket, 0));
}
