/** Asks the stores of policies that stand next to each other at once, and takes back what turned out not to be needed. */

import { isPromise } from "../core/maybe-promise.ts";
import type { RequestState } from "./context.ts";
import type { BoundEntry } from "./internals.ts";
import type { BoundPolicy, Preparation } from "./types.ts";

/** What has been begun for policies that have not had their turn, by the function that began it. */
export type Preparations = Map<NonNullable<BoundPolicy["prepare"]>, Preparation>;

/**
 * Begins what the policies from `from` on ask of their stores, and gives the index of the first one that is not among
 * them. A policy alone has nobody to share a round trip with: then nothing is begun, and `from` comes back.
 */
export function prepareFrom(state: RequestState, policies: readonly BoundEntry[], from: number): number {
  let end = from + 1;
  while (policies[end]?.prepare !== undefined) end++;
  if (end - from < 2) return from;
  const begun: Preparations = (state.prepared ??= new Map());
  for (let i = from; i < end; i++) {
    const prepare = (policies[i] as BoundEntry).prepare as NonNullable<BoundPolicy["prepare"]>;
    const preparation = prepare(state.c, i === from);
    if (preparation !== undefined) begun.set(prepare, preparation);
  }
  return end;
}

/** What was begun for that policy, once. */
export function takePreparation(state: RequestState, prepare: NonNullable<BoundPolicy["prepare"]>): Preparation | undefined {
  const preparation = state.prepared?.get(prepare);
  if (preparation !== undefined) state.prepared?.delete(prepare);
  return preparation;
}

/** Undoes in the background what was begun for policies of `from` to `end` that the request has not reached. */
export function undoUntaken(state: RequestState, policies: readonly BoundEntry[], from: number, end: number): void {
  if (state.prepared === undefined || state.prepared.size === 0) return;
  for (let i = from; i < end; i++) {
    const preparation = takePreparation(state, (policies[i] as BoundEntry).prepare as NonNullable<BoundPolicy["prepare"]>);
    if (preparation?.undo === undefined) continue;
    const undone = (async () => preparation.undo?.())();
    if (isPromise(undone)) state.waitUntil(undone);
  }
}
