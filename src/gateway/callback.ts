/** Calls functions that users have given to a policy or an upstream. */

import { quote } from "../core/errors.ts";
import { isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import { GatewayError, isGatewayError, policyError } from "./errors.ts";

/**
 * What `run` gives. What it throws, now or later, becomes a 500 `policy_error` with the policy's name: a check that failed
 * is never a check that passed. A `GatewayError` stays what it is, so a callback may answer by throwing one.
 */
export function callback<T>(policyName: string, run: () => MaybePromise<T>): MaybePromise<T> {
  return failingAs(run, (error) => policyError(policyName, error));
}

/** The same for a function of an upstream: the message names its option. */
export function upstreamCallback<T>(option: string, run: () => MaybePromise<T>): MaybePromise<T> {
  return failingAs(run, (cause) =>
    isGatewayError(cause) ? cause : new GatewayError(500, "policy_error", `The function ${quote(option)} of the upstream failed`, undefined, { cause }));
}

/** What `run` gives; what it throws, now or later, is what `wrap` makes of it. */
export function failingAs<T>(run: () => MaybePromise<T>, wrap: (error: unknown) => unknown): MaybePromise<T> {
  let result: MaybePromise<T>;
  try {
    result = run();
  } catch (error) {
    throw wrap(error);
  }
  return isPromise(result) ? Promise.resolve(result).catch((error: unknown) => Promise.reject(wrap(error))) : result;
}
