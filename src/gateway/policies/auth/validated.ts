/** What a user's `validate` says of a credential. */

import { quote, stackless } from "../../../core/errors.ts";
import { isPromise, type MaybePromise } from "../../../core/maybe-promise.ts";
import { callback } from "../../callback.ts";
import { GatewayError, policyError } from "../../errors.ts";
import type { Identity } from "../../types.ts";
import { type AuthDecision, refused } from "./authorize.ts";

/** True, or more about the caller, admits; false, `undefined` and `null` refuse. */
export type Verdict = boolean | Partial<Identity> | null | undefined;

/** Asks `validate`. What is neither of the answers above is a fault of it, not an admission. */
export function askValidate(policyName: string, ask: () => MaybePromise<Verdict>, proven: Identity, no: () => AuthDecision): MaybePromise<AuthDecision> {
  const read = (verdict: unknown): AuthDecision => {
    if (verdict === true) return { allowed: true, identity: proven };
    if (verdict === false || verdict === undefined || verdict === null) return no();
    if (typeof verdict !== "object" || Array.isArray(verdict)) throw policyError(policyName, new TypeError(`validate must give true, false or an identity, got ${quote(verdict)}`));
    const more = verdict as Partial<Identity>;
    return { allowed: true, identity: { ...proven, ...more, id: typeof more.id === "string" && more.id !== "" ? more.id : proven.id } };
  };
  const verdict = callback(policyName, ask);
  return isPromise(verdict) ? verdict.then(read) : read(verdict);
}

/** The answer to a credential that is not valid: 403 unless the option `invalidStatusCode` says otherwise; a 401 carries the challenge. */
export function invalidCredential(config: { readonly invalidStatusCode?: number }, challenge: string): AuthDecision {
  const message = "The credentials are not valid";
  if (config.invalidStatusCode === 401) return refused(stackless(() => new GatewayError(401, "unauthorized", message, { "www-authenticate": challenge })));
  return refused(stackless(() => new GatewayError(config.invalidStatusCode ?? 403, "forbidden", message)));
}
