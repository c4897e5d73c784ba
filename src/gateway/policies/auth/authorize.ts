/** What all auth policies do with what they decide. */

import type { Context } from "hono";
import { stackless } from "../../../core/errors.ts";
import { GatewayError } from "../../errors.ts";
import { establishIdentity } from "../../identity.ts";
import { dropRequestFields, editRequestFields } from "../../request-edit.ts";
import type { Identity, PolicyContext } from "../../types.ts";

/** The outcome of checking a credential: an expected value, which the surface turns into an answer. */
export type AuthDecision =
  | { readonly allowed: true; readonly identity?: Identity; readonly forward?: readonly (readonly [name: string, value: string])[] }
  | { readonly allowed: false; readonly error: GatewayError };

/** Nothing was shown, and nothing is asked for. */
export const ANONYMOUS: AuthDecision = Object.freeze({ allowed: true });

/** A 401, with the challenge every one must carry (RFC 9110 15.5.2). */
export function unauthorized(code: "unauthorized" | "jws_missing" | "jws_invalid" | "signature_invalid", message: string, challenge: string): AuthDecision {
  return refused(stackless(() => new GatewayError(401, code, message, { "www-authenticate": challenge })));
}

export function refused(error: GatewayError): AuthDecision {
  return { allowed: false, error };
}

/** Makes the decision so: throws the refusal, or names the caller and sets what is forwarded. `field` is the credential's, which `strip` takes out. */
export function applyDecision(c: Context, gateway: PolicyContext, decision: AuthDecision, field?: string, strip = false): void {
  if (!decision.allowed) throw decision.error;
  if (decision.identity !== undefined) establishIdentity(gateway, decision.identity, field);
  if (strip && field !== undefined) dropRequestFields(c, [field]);
  const { forward } = decision;
  if (forward === undefined || forward.length === 0) return;
  editRequestFields(c, (headers) => {
    for (const [name, value] of forward) headers.set(name, value);
  });
}

/** A quoted string of a challenge (RFC 9110 5.6.4): what it cannot hold is left out. */
export function quoted(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, "").replace(/["\\]/g, "\\$&")}"`;
}

/** The credential behind a scheme name, which is compared without regard to case; `undefined` when the field has another one. */
export function credentialOf(field: string | null | undefined, scheme: string): string | undefined {
  if (field === null || field === undefined) return undefined;
  if (scheme === "") return field.trim() === "" ? undefined : field.trim();
  if (field.slice(0, scheme.length).toLowerCase() !== scheme.toLowerCase()) return undefined;
  const rest = field.slice(scheme.length);
  if (rest !== "" && !/^[ \t]/.test(rest)) return undefined;
  return rest.trim();
}
