/** `oauth2`: callers that show an access token which somebody else can judge (RFC 6750, RFC 7662). */

import type { Context } from "hono";
import { checkFunction, checkInteger, checkNonNegative, checkOneOf, checkPositive, checkString } from "../../../core/check.ts";
import { sha256Hex } from "../../../core/digest.ts";
import { quote, stackless } from "../../../core/errors.ts";
import type { MaybePromise } from "../../../core/maybe-promise.ts";
import { callback } from "../../callback.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { contextOf } from "../../evaluation/skip-input.ts";
import { authVerdict, queryValue, verdictOf } from "../../evaluation/verdicts.ts";
import { GatewayError, configError, policyError } from "../../errors.ts";
import { claimText } from "../../field-text.ts";
import { checkBoolean, checkFieldName, checkHttpUrl, checkNames } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import type { Identity, PolicyOptions, PolicySite } from "../../types.ts";
import { applyDecision, type AuthDecision, credentialOf, refused, unauthorized } from "./authorize.ts";
import { checkForwards, claimAt, textList } from "./jwt-auth.ts";
import { Introspection, forgetIntrospections } from "./oauth2/introspection.ts";
import { takeQueryCredential } from "./query-credential.ts";

/** What is known of a token (RFC 7662 2.2). */
export interface TokenInfo {
  readonly active?: boolean;
  readonly scope?: string | readonly string[];
  readonly sub?: string;
  readonly client_id?: string;
  readonly username?: string;
  /** Seconds since 1970. */
  readonly exp?: number;
  readonly [member: string]: unknown;
}

export interface OAuth2Config extends PolicyOptions {
  /** Where tokens are introspected. This or `localValidate` is required. */
  readonly introspectionUrl?: string;
  /** Judges tokens here: false, true, or what is known of the token, whose scopes then count. */
  readonly localValidate?: (token: string, c: Context) => MaybePromise<boolean | TokenInfo | null | undefined>;
  /** This gateway's name at the authorization server. */
  readonly clientId?: string;
  /** And its secret. */
  readonly clientSecret?: string;
  /** Where the token is looked for. @default "header" */
  readonly tokenLocation?: "header" | "query";
  /** Field with the token. @default "authorization" */
  readonly headerName?: string;
  /** Scheme before the token; empty when the field is the token alone. @default "Bearer" */
  readonly headerPrefix?: string;
  /** Query parameter with the token, with `tokenLocation: "query"`; it is taken out of the URL. @default "access_token" */
  readonly queryParam?: string;
  /** Members of the introspection answer the upstream gets, and under which field: `{ sub: "x-user-id" }`. A client's own copies of these fields are removed. */
  readonly forwardTokenInfo?: Readonly<Record<string, string>>;
  /** How long an active token is believed without asking again, never beyond its own end; 0 asks every time. @default 0 */
  readonly cacheTtlSeconds?: number;
  /** Most tokens remembered; the ones used least recently go first. @default 100 */
  readonly cacheMaxEntries?: number;
  /** Scopes a token must have, all of them. */
  readonly requiredScopes?: readonly string[];
  /** Deadline for an introspection. @default 5000 */
  readonly introspectionTimeoutMs?: number;
  /** Do not send the token on to the upstream. @default false */
  readonly stripCredentials?: boolean;
}

interface OAuth2State {
  readonly config: OAuth2Config;
  readonly introspection: Introspection | undefined;
  readonly forward: readonly (readonly [member: string, field: string])[];
}

/**
 * Admits requests with an active token. A missing or inactive one is a 401 `unauthorized`, missing scopes are a 403
 * `insufficient_scope`, and an authorization server that gives no answer is a 502 `introspection_error`.
 */
export const oauth2: PolicyFactory<OAuth2Config> = /* @__PURE__ */ definePolicy<OAuth2Config, OAuth2State>({
  name: "oauth2",
  priority: Priority.AUTH,
  guard: true,
  ownedFields: (config) => Object.values(config.forwardTokenInfo ?? {}),
  validate,
  setup: (config, site) => ({
    config,
    introspection: config.introspectionUrl === undefined ? undefined : new Introspection(config.introspectionUrl, config, site.clock),
    forward: Object.entries(config.forwardTokenInfo ?? {}),
  }),
  // A token in the query is read there; whoever sends the message on removes it.
  evaluate: {
    onRequest(input, { config, state, site }) {
      const headerName = config.headerName ?? "authorization";
      const inQuery = config.tokenLocation === "query";
      const token = inQuery ? queryValue(input, config.queryParam ?? "access_token") : credentialOf(input.headers.get(headerName), config.headerPrefix ?? "Bearer");
      const strip = config.stripCredentials === true && !inQuery ? headerName : undefined;
      return verdictOf(decideOAuth2(state, token, contextOf(input), site), (decision) => authVerdict(input, decision, Object.values(config.forwardTokenInfo ?? {}), strip));
    },
  },
  phases: ["request-headers"],
  async handler(c, next, { config, state, site, gateway }) {
    const headerName = config.headerName ?? "authorization";
    const inQuery = config.tokenLocation === "query";
    const token = inQuery ? takeQueryCredential(c, config.queryParam ?? "access_token") : credentialOf(c.req.raw.headers.get(headerName), config.headerPrefix ?? "Bearer");
    const decision = await decideOAuth2(state, token, c, site);
    applyDecision(c, gateway, decision, inQuery ? undefined : headerName, config.stripCredentials === true);
    await next();
  },
});

/** Forgets every introspected token of this process. */
export function clearOAuth2Cache(): void {
  forgetIntrospections();
}

const CHALLENGE = 'Bearer realm="Restricted"';

/** Decides on a token; `undefined` and an empty text are none. */
export async function decideOAuth2(state: OAuth2State, token: string | undefined, c: Context, site: PolicySite): Promise<AuthDecision> {
  const { config, forward } = state;
  if (token === undefined || token === "") return unauthorized("unauthorized", "An access token is required", CHALLENGE);
  const info = await infoOf(state, token, c, site);
  if (info === undefined || !isCurrent(info, site.clock.now() / 1000)) return unauthorized("unauthorized", "The access token is not valid", `${CHALLENGE}, error="invalid_token"`);
  const identity = identityOf(info, token);
  const missing = (config.requiredScopes ?? []).filter((scope) => identity.scopes?.includes(scope) !== true);
  if (missing.length > 0) {
    const challenge = `${CHALLENGE}, error="insufficient_scope", scope="${(config.requiredScopes ?? []).join(" ")}"`;
    return refused(stackless(() => new GatewayError(403, "insufficient_scope", "The access token lacks a required scope", { "www-authenticate": challenge })));
  }
  return {
    allowed: true,
    identity,
    forward: forward.flatMap(([member, field]) => {
      const text = claimText(claimAt(info, member));
      return text === undefined ? [] : [[field, text] as const];
    }),
  };
}

/** What is known of an active token; `undefined` of any other. */
async function infoOf(state: OAuth2State, token: string, c: Context, site: PolicySite): Promise<TokenInfo | undefined> {
  const { localValidate } = state.config;
  if (localValidate === undefined) return (state.introspection as Introspection).ask(token);
  const verdict: unknown = await callback(site.policyName, () => localValidate(token, c));
  if (verdict === true) return {};
  if (verdict === false || verdict === undefined || verdict === null) return undefined;
  if (typeof verdict !== "object" || Array.isArray(verdict)) throw policyError(site.policyName, new TypeError(`localValidate must give true, false or token info, got ${quote(verdict)}`));
  const info = verdict as TokenInfo;
  return info.active === false ? undefined : info;
}

/** `exp` and `nbf` must be dates where they are present at all. */
function isCurrent(info: TokenInfo, nowSeconds: number): boolean {
  const { exp, nbf } = info;
  if (exp !== undefined && exp !== null && !(typeof exp === "number" && Number.isFinite(exp) && exp > nowSeconds)) return false;
  return nbf === undefined || nbf === null || (typeof nbf === "number" && nbf <= nowSeconds);
}

function identityOf(info: TokenInfo, token: string): Identity {
  const id = [info.sub, info.username, info.client_id].find((one) => typeof one === "string" && one !== "");
  return { scheme: "oauth2", id: id ?? sha256Hex(token), claims: info, scopes: textList(info.scope), roles: textList(claimAt(info, "roles")), permissions: textList(claimAt(info, "permissions")) };
}

function validate(config: OAuth2Config): void {
  if ((config.introspectionUrl === undefined) === (config.localValidate === undefined)) {
    throw configError('exactly one of the options "introspectionUrl", "localValidate" of policy "oauth2"', config.introspectionUrl === undefined ? "none" : "both", "given");
  }
  if (config.introspectionUrl !== undefined) checkHttpUrl("introspectionUrl", config.introspectionUrl);
  if (config.localValidate !== undefined) checkFunction("localValidate", config.localValidate);
  checkString("clientId", config.clientId ?? "");
  checkString("clientSecret", config.clientSecret ?? "");
  checkOneOf("tokenLocation", config.tokenLocation ?? "header", ["header", "query"]);
  checkFieldName("headerName", config.headerName ?? "authorization");
  checkString("headerPrefix", config.headerPrefix ?? "Bearer");
  checkString("queryParam", config.queryParam ?? "access_token");
  checkForwards("forwardTokenInfo", config.forwardTokenInfo);
  checkNonNegative("cacheTtlSeconds", config.cacheTtlSeconds ?? 0);
  checkInteger("cacheMaxEntries", config.cacheMaxEntries ?? 100, 1);
  checkNames("requiredScopes", config.requiredScopes);
  // RFC 6750 3: a scope token cannot leave the quotes of the challenge.
  for (const scope of config.requiredScopes ?? []) if (!/^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope)) throw configError('"requiredScopes" of policy "oauth2"', scope, "made of scope tokens (RFC 6749 3.3)");
  checkPositive("introspectionTimeoutMs", config.introspectionTimeoutMs ?? 5000);
  checkBoolean("stripCredentials", config.stripCredentials);
}
