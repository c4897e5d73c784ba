/** Calls functions that users have given to a policy. */

import { isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import { policyError } from "./errors.ts";

/**
 * What `run` gives. What it throws, now or later, becomes a 500 `policy_error` with the policy's name: a check that failed
 * is never a check that passed. A `GatewayError` stays what it is, so a callback may answer by throwing one.
 */
export function callback<T>(policyName: string, run: () => MaybePromise<T>): MaybePromise<T> {
  let result: MaybePromise<T>;
  try {
    result = run();
  } catch (error) {
    throw policyError(policyName, error);
  }
  return isPromise(result) ? Promise.resolve(result).catch((error: unknown) => Promise.reject(policyError(policyName, error))) : result;
}
