/** Whom a traffic policy counts, as part of a key: what a caller chooses, what auth proved and an address never meet. */

import type { Context } from "hono";
import { OptionError, quote } from "../../../core/errors.ts";
import { boundKey, escapeKeyPart, joinKey } from "../../../core/keys.ts";
import { isPromise, type MaybePromise } from "../../../core/maybe-promise.ts";
import { callback } from "../../callback.ts";
import { policyError } from "../../errors.ts";
import { callerNetwork } from "../../ip-address.ts";
import type { PolicyContext } from "../../types.ts";
import type { RateLimitKey } from "./rate-limit.ts";

/** The caller of `keyBy` under `prefix`; without an answer of it, the client's address: of IPv6 the network, unless it must be `exact`. */
export function callerKey(c: Context, gateway: PolicyContext, policyName: string, prefix: string, keyBy: RateLimitKey | undefined, exact = false): MaybePromise<string> {
  const address = (): string => `${prefix}:a:${escapeKeyPart(exact ? gateway.clientIp : callerNetwork(gateway.clientIp))}`;
  if (keyBy === undefined) return address();
  if (keyBy === "identity") {
    const { identity } = gateway;
    return identity === undefined || identity.id === "" ? address() : boundKey(`${prefix}:i:${joinKey(identity.scheme, identity.id)}`);
  }
  const read = (key: unknown): string => {
    if (key === undefined || key === null || key === "") return address();
    if (typeof key !== "string") throw policyError(policyName, new TypeError(`keyBy must give a string, got ${quote(key)}`));
    return boundKey(`${prefix}:k:${escapeKeyPart(key)}`);
  };
  const key = callback(policyName, () => keyBy(c));
  return isPromise(key) ? key.then(read) : read(key);
}

export function checkKeyBy(keyBy: unknown): void {
  if (keyBy !== undefined && keyBy !== "identity" && typeof keyBy !== "function") throw new OptionError("keyBy", keyBy, 'a function or "identity"');
}

/** A cost, or an amount, a callback gave: a finite number of at least 0. Anything else is a 500, never "allow". */
export function callbackAmount(policyName: string, option: string, value: unknown, integer: boolean): number {
  if (typeof value === "number" && (integer ? Number.isSafeInteger(value) && value <= 2 ** 31 - 1 : Number.isFinite(value)) && value >= 0) return value;
  throw policyError(policyName, new OptionError(option, value, integer ? "a function that gives an integer of at least 0" : "a function that gives a finite number of at least 0"));
}
