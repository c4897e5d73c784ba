/** `basicAuth`: callers that show a user name and a password (RFC 7617). */

import type { Context } from "hono";
import { checkFunction, checkInteger, checkString } from "../../../core/check.ts";
import { fromBase64 } from "../../../core/codec.ts";
import type { MaybePromise } from "../../../core/maybe-promise.ts";
import { utf8Text } from "../../collect-body.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { contextOf } from "../../evaluation/skip-input.ts";
import { authVerdict, verdictOf } from "../../evaluation/verdicts.ts";
import { checkBoolean } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";
import { applyDecision, type AuthDecision, credentialOf, quoted, unauthorized } from "./authorize.ts";
import { askValidate, invalidCredential, type Verdict } from "./validated.ts";

export interface BasicAuthConfig extends PolicyOptions {
  /** Whether the two belong together; an identity (`{ id, roles, … }`) instead of `true` says more of the caller. Compare with `timingSafeEqual`. */
  readonly validate: (username: string, password: string, c: Context) => MaybePromise<Verdict>;
  /** What a browser shows when it asks for them. @default "Restricted" */
  readonly realm?: string;
  /** Status for credentials that are not valid; 401 makes a browser ask again. @default 403 */
  readonly invalidStatusCode?: number;
  /** Do not send the credentials on to the upstream. @default false */
  readonly stripCredentials?: boolean;
}

/** Admits requests with valid credentials, and makes the user name the caller's identity. Missing or malformed ones are a 401 `unauthorized`. */
export const basicAuth: PolicyFactory<BasicAuthConfig> = /* @__PURE__ */ definePolicy<BasicAuthConfig, undefined>({
  name: "basic-auth",
  priority: Priority.AUTH,
  guard: true,
  validate(config) {
    checkFunction("validate", config.validate);
    checkString("realm", config.realm ?? "Restricted");
    checkInteger("invalidStatusCode", config.invalidStatusCode ?? 403, 400, 499);
    checkBoolean("stripCredentials", config.stripCredentials);
  },
  evaluate: {
    onRequest: (input, { config, site }) =>
      verdictOf(decideBasic(config, input.headers.get("authorization"), contextOf(input), site.policyName), (decision) => authVerdict(input, decision, [], config.stripCredentials === true ? "authorization" : undefined)),
  },
  phases: ["request-headers"],
  async handler(c, next, { config, site, gateway }) {
    const decision = await decideBasic(config, c.req.raw.headers.get("authorization"), c, site.policyName);
    applyDecision(c, gateway, decision, "authorization", config.stripCredentials === true);
    await next();
  },
});

/** Decides on the value of an `Authorization` field. */
export function decideBasic(config: BasicAuthConfig, field: string | null, c: Context, policyName: string): MaybePromise<AuthDecision> {
  const challenge = `Basic realm=${quoted(config.realm ?? "Restricted")}, charset="UTF-8"`;
  const credential = credentialOf(field, "Basic");
  if (credential === undefined) return unauthorized("unauthorized", "Credentials are required", challenge);
  const pair = pairOf(credential);
  if (pair === undefined) return unauthorized("unauthorized", "The credentials are malformed", challenge);
  const [username, password] = pair;
  return askValidate(policyName, () => config.validate(username, password, c), { scheme: "basic", id: username }, () => invalidCredential(config, challenge));
}

/** The first colon splits; a password may hold more of them. */
function pairOf(credential: string): [username: string, password: string] | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(credential)) return undefined;
  let text: string | undefined;
  try {
    text = utf8Text(fromBase64(credential));
  } catch {
    return undefined;
  }
  const colon = text?.indexOf(":") ?? -1;
  if (text === undefined || colon === -1 || /[\u0000-\u001f\u007f]/.test(text)) return undefined;
  return [text.slice(0, colon), text.slice(colon + 1)];
}
