/** `apiKeyAuth`: callers that show a key. */

import type { Context } from "hono";
import { checkFunction, checkInteger } from "../../../core/check.ts";
import { sha256Hex } from "../../../core/digest.ts";
import { OptionError } from "../../../core/errors.ts";
import type { MaybePromise } from "../../../core/maybe-promise.ts";
import { callback } from "../../callback.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { contextOf } from "../../evaluation/skip-input.ts";
import { authVerdict, queryValue, verdictOf } from "../../evaluation/verdicts.ts";
import { claimText } from "../../field-text.ts";
import { checkBoolean, checkFieldName, checkForwardName, checkRecord } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";
import { applyDecision, type AuthDecision, unauthorized } from "./authorize.ts";
import { takeQueryCredential } from "./query-credential.ts";
import { askValidate, invalidCredential, type Verdict } from "./validated.ts";

/** What the upstream is told of a key's owner. */
export interface ForwardKeyIdentity {
  /** Field it is sent in; a client's own copy is removed. */
  readonly headerName: string;
  /** Gives the value; nothing sends no field. */
  readonly identityFn: (key: string, c: Context) => MaybePromise<string | null | undefined>;
}

export interface ApiKeyAuthConfig extends PolicyOptions {
  /** Whether a key is valid; an identity (`{ id, roles, … }`) instead of `true` names its owner. Compare with `timingSafeEqual`, or look a digest up. */
  readonly validate: (key: string, c: Context) => MaybePromise<Verdict>;
  /** Field with the key. @default "x-api-key" */
  readonly headerName?: string;
  /** Query parameter that may hold the key where the field is missing; it is taken out of the URL. */
  readonly queryParam?: string;
  /** What the upstream is told of the owner. */
  readonly forwardKeyIdentity?: ForwardKeyIdentity;
  /** Status for a key that is not valid. @default 403 */
  readonly invalidStatusCode?: number;
  /** Do not send the key on to the upstream. @default false */
  readonly stripCredentials?: boolean;
}

/**
 * Admits requests with a valid key. A missing one is a 401 `unauthorized`, one that is not valid a 403 `forbidden`. The caller's
 * identity is what `validate` gives, else a digest of the key.
 */
export const apiKeyAuth: PolicyFactory<ApiKeyAuthConfig> = /* @__PURE__ */ definePolicy<ApiKeyAuthConfig, undefined>({
  name: "api-key-auth",
  priority: Priority.AUTH,
  guard: true,
  ownedFields: (config) => (config.forwardKeyIdentity === undefined ? [] : [config.forwardKeyIdentity.headerName]),
  validate(config) {
    checkFunction("validate", config.validate);
    checkFieldName("headerName", config.headerName ?? "x-api-key");
    if (config.queryParam !== undefined && (typeof config.queryParam !== "string" || config.queryParam === "")) throw new OptionError("queryParam", config.queryParam, "a non-empty string");
    checkInteger("invalidStatusCode", config.invalidStatusCode ?? 403, 400, 499);
    checkBoolean("stripCredentials", config.stripCredentials);
    if (config.forwardKeyIdentity !== undefined) {
      checkRecord("forwardKeyIdentity", config.forwardKeyIdentity);
      checkForwardName("forwardKeyIdentity.headerName", config.forwardKeyIdentity.headerName);
      checkFunction("forwardKeyIdentity.identityFn", config.forwardKeyIdentity.identityFn);
    }
  },
  // A key in the query is read there; whoever sends the message on removes it.
  evaluate: {
    onRequest(input, { config, site }) {
      const headerName = config.headerName ?? "x-api-key";
      const key = input.headers.get(headerName) ?? (config.queryParam === undefined ? undefined : queryValue(input, config.queryParam));
      const owned = config.forwardKeyIdentity === undefined ? [] : [config.forwardKeyIdentity.headerName];
      return verdictOf(decideApiKey(config, key, contextOf(input), site.policyName), (decision) => authVerdict(input, decision, owned, config.stripCredentials === true ? headerName : undefined));
    },
  },
  phases: ["request-headers"],
  async handler(c, next, { config, site, gateway }) {
    const headerName = config.headerName ?? "x-api-key";
    // Taken out of the URL also when the field decides: it is a secret either way.
    const inQuery = config.queryParam === undefined ? undefined : takeQueryCredential(c, config.queryParam);
    const key = c.req.raw.headers.get(headerName) ?? inQuery;
    const decision = await decideApiKey(config, key, c, site.policyName);
    applyDecision(c, gateway, decision, headerName, config.stripCredentials === true);
    await next();
  },
});

/** Decides on a key; `undefined`, `null` and an empty text are none. */
export async function decideApiKey(config: ApiKeyAuthConfig, key: string | null | undefined, c: Context, policyName: string): Promise<AuthDecision> {
  const challenge = `ApiKey realm="Restricted", header="${config.headerName ?? "x-api-key"}"`;
  if (key === undefined || key === null || key === "") return unauthorized("unauthorized", "An API key is required", challenge);
  const decision = await askValidate(policyName, () => config.validate(key, c), { scheme: "api-key", id: sha256Hex(key) }, () => invalidCredential(config, challenge));
  const { forwardKeyIdentity } = config;
  if (!decision.allowed || forwardKeyIdentity === undefined) return decision;
  const text = claimText(await callback(policyName, () => forwardKeyIdentity.identityFn(key, c)));
  return text === undefined ? decision : { ...decision, forward: [[forwardKeyIdentity.headerName, text]] };
}
