/** `jwtAuth`: callers that show a signed token (RFC 7519, with the rules of RFC 8725). */

import type { Context } from "hono";
import { jwtVerify, decodeProtectedHeader, type JWTPayload } from "jose";
import { checkNonNegative, checkString } from "../../../core/check.ts";
import { sha256Hex } from "../../../core/digest.ts";
import { OptionError } from "../../../core/errors.ts";
import { joinKey } from "../../../core/keys.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { authVerdict, verdictOf } from "../../evaluation/verdicts.ts";
import { isGatewayError } from "../../errors.ts";
import { claimText } from "../../field-text.ts";
import { checkBoolean, checkFieldName, checkForwardName, checkNames, checkRecord } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import type { Identity, PolicyOptions, PolicySite } from "../../types.ts";
import { ANONYMOUS, applyDecision, type AuthDecision, credentialOf, unauthorized } from "./authorize.ts";
import { forgetJwks } from "./keys/jwks-source.ts";
import { type JwsKeys, jwsKeys } from "./keys/jws-keys.ts";
import type { Jwk } from "./keys/key-material.ts";

export type { Jwk };

export interface JwtAuthConfig extends PolicyOptions {
  /** Shared secret of HS256, HS384 and HS512 tokens. One of `secret`, `jwksUrl` and `publicKey` is required. */
  readonly secret?: string;
  /** Where the issuer's key set is. It never serves HS* tokens. */
  readonly jwksUrl?: string;
  /** The issuer's public key: PEM text or a JWK. */
  readonly publicKey?: string | Jwk;
  /** Algorithms a token may be signed with. @default all that fit the key; never `none` */
  readonly algorithms?: readonly string[];
  /** What `iss` must be, or be one of. */
  readonly issuer?: string | readonly string[];
  /** What `aud` must be or contain, or one of several. */
  readonly audience?: string | readonly string[];
  /** Field with the token. @default "authorization" */
  readonly headerName?: string;
  /** Scheme before the token; empty when the field is the token alone. @default "Bearer" */
  readonly tokenPrefix?: string;
  /** Claims the upstream gets, and under which field: `{ sub: "x-user-id", "realm.name": "x-realm" }`. A client's own copies of these fields are removed. */
  readonly forwardClaims?: Readonly<Record<string, string>>;
  /** How long a key set is used without asking again. @default 300000 */
  readonly jwksCacheTtlMs?: number;
  /** Deadline for fetching a key set. @default 10000 */
  readonly jwksTimeoutMs?: number;
  /** Least time between two requests that an unknown key or a failed refresh causes. @default 30000 */
  readonly jwksCooldownMs?: number;
  /** How far `exp` and `nbf` may be off. @default 0 */
  readonly clockSkewSeconds?: number;
  /** Refuse tokens without `exp`. @default false */
  readonly requireExp?: boolean;
  /** What the header's `typ` must be, such as `at+jwt`. */
  readonly typ?: string;
  /** Claims a token must have. */
  readonly requiredClaims?: readonly string[];
  /** Let requests without a token pass, unnamed; a bad token is refused all the same. @default false */
  readonly optional?: boolean;
  /** Do not send the token on to the upstream. @default false */
  readonly stripCredentials?: boolean;
}

interface JwtState {
  readonly config: JwtAuthConfig;
  readonly keys: JwsKeys;
  readonly forward: readonly (readonly [claim: string, field: string])[];
}

/**
 * Admits requests with a valid token and makes its claims the caller's identity: `sub` is the id, `roles`, `permissions` and
 * `scope` are read where they are. Anything wrong with a token is a 401 `unauthorized` with `error="invalid_token"`; a key
 * set that cannot be had is a 502 `jwks_error`.
 */
export const jwtAuth: PolicyFactory<JwtAuthConfig> = /* @__PURE__ */ definePolicy<JwtAuthConfig, JwtState>({
  name: "jwt-auth",
  priority: Priority.AUTH,
  guard: true,
  ownedFields: (config) => Object.values(config.forwardClaims ?? {}),
  validate,
  setup: (config) => ({ config, keys: keysOf(config), forward: Object.entries(config.forwardClaims ?? {}) }),
  evaluate: {
    onRequest(input, { config, state, site }) {
      const headerName = config.headerName ?? "authorization";
      const token = credentialOf(input.headers.get(headerName), config.tokenPrefix ?? "Bearer");
      return verdictOf(decideJwt(state, token, site), (decision) => authVerdict(input, decision, Object.values(config.forwardClaims ?? {}), config.stripCredentials === true ? headerName : undefined));
    },
  },
  phases: ["request-headers"],
  async handler(c, next, { config, state, site, gateway }) {
    const headerName = config.headerName ?? "authorization";
    const decision = await decideJwt(state, tokenOf(c, config, headerName), site);
    applyDecision(c, gateway, decision, headerName, config.stripCredentials === true);
    await next();
  },
});

/** Forgets every fetched key set of this process, those of `jws` too. */
export function clearJwksCache(): void {
  forgetJwks();
}

function tokenOf(c: Context, config: JwtAuthConfig, headerName: string): string | undefined {
  return credentialOf(c.req.raw.headers.get(headerName), config.tokenPrefix ?? "Bearer");
}

const CHALLENGE = 'Bearer realm="Restricted"';

function invalid(): AuthDecision {
  return unauthorized("unauthorized", "The token is not valid", `${CHALLENGE}, error="invalid_token"`);
}

/** Decides on a token; `undefined` is none. Throws nothing but the 502 of a key set that cannot be had. */
export async function decideJwt(state: JwtState, token: string | undefined, site: PolicySite): Promise<AuthDecision> {
  const { config, keys, forward } = state;
  if (token === undefined) return config.optional === true ? ANONYMOUS : unauthorized("unauthorized", "A token is required", CHALLENGE);
  const claims = await verify(config, keys, token, site);
  if (claims === undefined) return invalid();
  return {
    allowed: true,
    identity: identityOf(config, claims, token),
    forward: forward.flatMap(([claim, field]) => {
      const text = claimText(claimAt(claims, claim));
      return text === undefined ? [] : [[field, text] as const];
    }),
  };
}

async function verify(config: JwtAuthConfig, keys: JwsKeys, token: string, site: PolicySite): Promise<JWTPayload | undefined> {
  // Padding and blanks are no base64url (RFC 7515 2), though decoders take them: one token must not have many spellings.
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return undefined;
  try {
    const header = decodeProtectedHeader(token);
    const { alg } = header;
    if (typeof alg !== "string" || !keys.algorithms.includes(alg)) return undefined;
    const options = {
      algorithms: [...keys.algorithms],
      currentDate: new Date(site.clock.now()),
      clockTolerance: config.clockSkewSeconds ?? 0,
      requiredClaims: [...(config.requiredClaims ?? []), ...(config.requireExp === true ? ["exp"] : [])],
      ...(config.issuer === undefined ? undefined : { issuer: listOf(config.issuer) }),
      ...(config.audience === undefined ? undefined : { audience: listOf(config.audience) }),
      ...(config.typ === undefined ? undefined : { typ: config.typ }),
    };
    for (const key of await keys.find({ alg, kid: header.kid }, site)) {
      const payload = await jwtVerify(token, key, options).then((result) => result.payload, () => undefined);
      // A number that JSON can write and no date can be, such as 1e400.
      if (payload !== undefined) return [payload.exp, payload.nbf, payload.iat].every((at) => at === undefined || Number.isFinite(at)) ? payload : undefined;
    }
    return undefined;
  } catch (error) {
    if (isGatewayError(error)) throw error;
    return undefined;
  }
}

function listOf(value: string | readonly string[]): string[] {
  return typeof value === "string" ? [value] : [...value];
}

/** The caller a token speaks of. Without a subject it is the token itself; with several issuers, each has its own subjects. */
function identityOf(config: JwtAuthConfig, claims: JWTPayload, token: string): Identity {
  const { sub, iss } = claims;
  const several = config.issuer !== undefined && typeof config.issuer !== "string" && config.issuer.length > 1;
  const id = typeof sub !== "string" || sub === "" ? sha256Hex(token) : several && typeof iss === "string" ? joinKey(iss, sub) : sub;
  return {
    scheme: "jwt",
    id,
    claims,
    roles: textList(own(claims, "roles") ?? own(claims, "role")),
    permissions: textList(own(claims, "permissions")),
    scopes: textList(own(claims, "scope") ?? own(claims, "scp") ?? own(claims, "scopes")),
  };
}

/** A list of texts, or the words of one (RFC 8693 4.2 for `scope`). */
export function textList(value: unknown): readonly string[] | undefined {
  if (typeof value === "string") return value.split(/\s+/).filter((word) => word !== "");
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : undefined;
}

function own(object: unknown, name: string): unknown {
  return typeof object === "object" && object !== null && Object.hasOwn(object, name) ? (object as Record<string, unknown>)[name] : undefined;
}

/** A claim by its name, else by its dot path: names may hold dots themselves. */
export function claimAt(claims: unknown, path: string): unknown {
  return own(claims, path) ?? path.split(".").reduce(own, claims);
}

function keysOf(config: JwtAuthConfig): JwsKeys {
  return jwsKeys("jwt-auth", config, ["secret", "jwksUrl", "publicKey"]);
}

function validate(config: JwtAuthConfig): void {
  keysOf(config);
  for (const option of ["issuer", "audience"] as const) {
    const value = config[option];
    if (value !== undefined && typeof value !== "string") checkNames(option, value, 1);
    if (value === "") throw new OptionError(option, value, "a non-empty string or a list of them");
  }
  checkFieldName("headerName", config.headerName ?? "authorization");
  checkString("tokenPrefix", config.tokenPrefix ?? "Bearer");
  checkForwards("forwardClaims", config.forwardClaims);
  checkNonNegative("clockSkewSeconds", config.clockSkewSeconds ?? 0);
  checkNames("requiredClaims", config.requiredClaims);
  if (config.typ !== undefined) checkString("typ", config.typ);
  for (const option of ["requireExp", "optional", "stripCredentials"] as const) checkBoolean(option, config[option]);
}

/** `{what: field}` options. */
export function checkForwards(option: string, value: unknown): void {
  if (value === undefined) return;
  checkRecord(option, value);
  for (const [name, field] of Object.entries(value as object)) checkForwardName(`${option}.${name}`, field);
}
