/** The cache of a stitch, opened by its first call. */

import { chain, type MaybePromise } from "../../core/maybe-promise.ts";
import type { Call } from "../call.ts";
import type { Prepared } from "../prepare.ts";
import { equip, type StitchState } from "../run.ts";
import { fetchAnswer } from "../tries.ts";
import { ResponseCache } from "./response-cache.ts";

export function openResponseCache(state: StitchState): MaybePromise<ResponseCache> {
  const { plan } = state;
  const fetching = (call: Call) => chain(equip(state, call), (equipment) => (prepared: Prepared) => fetchAnswer(call, prepared, equipment));
  const authOf = (call: Call) => chain(equip(state, call), ({ auth }) => auth);
  return plan.runtime.store !== undefined ? chain(plan.runtime.access(), (access) => new ResponseCache(plan, access, fetching, authOf)) : new ResponseCache(plan, undefined, fetching, authOf);
}
