/** `generateJwt`: tells the upstream, with a signature, what this gateway knows. */

import type { Context } from "hono";
import { SignJWT } from "jose";
import { checkOneOf, checkPositive, checkString } from "../../../core/check.ts";
import { OptionError, quote } from "../../../core/errors.ts";
import type { MaybePromise } from "../../../core/maybe-promise.ts";
import { callback } from "../../callback.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { contextOf } from "../../evaluation/skip-input.ts";
import { configError, policyError } from "../../errors.ts";
import { checkForwardName, checkNames } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import { editRequestFields } from "../../request-edit.ts";
import type { PolicyOptions, PolicySite } from "../../types.ts";
import { HMAC_ALGORITHMS, PUBLIC_KEY_ALGORITHMS, type Jwk, type KeyMaterial, privateMaterial, secretMaterial } from "./keys/key-material.ts";

export type JwtClaims = Readonly<Record<string, unknown>>;

export interface GenerateJwtConfig extends PolicyOptions {
  /** How the token is signed: HS256 to HS512 with `secret`; RS*, PS*, ES*, EdDSA with `privateKey`. */
  readonly algorithm: string;
  /** Shared secret of an HS* algorithm. */
  readonly secret?: string;
  /** Private key of the other algorithms: PEM text (PKCS#8) or a JWK. */
  readonly privateKey?: string | Jwk;
  /** `kid` of the token's header. */
  readonly keyId?: string;
  /** What the token says, or a function of the request that gives it. */
  readonly claims?: JwtClaims | ((c: Context) => MaybePromise<JwtClaims>);
  /** How long the token is valid, in seconds. @default 3600 */
  readonly expiresIn?: number;
  /** `iss` of the token. */
  readonly issuer?: string;
  /** `aud` of the token. */
  readonly audience?: string | readonly string[];
  /** Field the token is sent in, in the place of a client's own. @default "Authorization" */
  readonly headerName?: string;
  /** Scheme before the token; empty sends the token alone. @default "Bearer" */
  readonly tokenPrefix?: string;
}

/** Sets a signed token on the request to the upstream. `iat`, `exp`, `iss` and `aud` that the options give win over those of `claims`. */
export const generateJwt: PolicyFactory<GenerateJwtConfig> = /* @__PURE__ */ definePolicy<GenerateJwtConfig, KeyMaterial>({
  name: "generate-jwt",
  priority: Priority.REQUEST_TRANSFORM,
  validate(config) {
    materialOf(config);
    const { claims, audience } = config;
    if (claims !== undefined && typeof claims !== "function" && (typeof claims !== "object" || claims === null || Array.isArray(claims))) throw new OptionError("claims", claims, "an object or a function");
    checkPositive("expiresIn", config.expiresIn ?? 3600);
    for (const option of ["issuer", "keyId"] as const) if (config[option] !== undefined) checkString(option, config[option]);
    if (audience !== undefined && typeof audience !== "string") checkNames("audience", audience, 1);
    checkForwardName("headerName", config.headerName ?? "Authorization");
    checkString("tokenPrefix", config.tokenPrefix ?? "Bearer");
  },
  setup: materialOf,
  evaluate: {
    async onRequest(input, { config, state, site }) {
      const [name, value] = await fieldOf(config, state, contextOf(input), site);
      return { action: "continue", mutations: [{ type: "header", op: "set", name: name.toLowerCase(), value }] };
    },
  },
  phases: ["request-headers"],
  async handler(c, next, { config, state, site }) {
    const [name, value] = await fieldOf(config, state, c, site);
    editRequestFields(c, (headers) => headers.set(name, value));
    await next();
  },
});

async function fieldOf(config: GenerateJwtConfig, state: KeyMaterial, c: Context, site: PolicySite): Promise<[name: string, value: string]> {
  const token = await sign(config, state, c, site);
  const prefix = config.tokenPrefix ?? "Bearer";
  return [config.headerName ?? "Authorization", prefix === "" ? token : `${prefix} ${token}`];
}

function materialOf(config: GenerateJwtConfig): KeyMaterial {
  const algorithm = checkOneOf("algorithm", config.algorithm, [...HMAC_ALGORITHMS, ...PUBLIC_KEY_ALGORITHMS]);
  const symmetric = HMAC_ALGORITHMS.includes(algorithm);
  const [needed, other] = symmetric ? (["secret", "privateKey"] as const) : (["privateKey", "secret"] as const);
  if (config[needed] === undefined || config[other] !== undefined) throw configError(`the options of policy "generate-jwt" with algorithm ${algorithm}`, Object.keys(config), `with "${needed}" and without "${other}"`);
  const material = symmetric ? secretMaterial("secret", config.secret) : privateMaterial("privateKey", config.privateKey);
  if (!material.algorithms.includes(algorithm)) throw new OptionError("algorithm", algorithm, `one the key is for: ${material.algorithms.join(", ")}`);
  return material;
}

async function sign(config: GenerateJwtConfig, material: KeyMaterial, c: Context, site: PolicySite): Promise<string> {
  const { algorithm, claims, issuer, audience, keyId } = config;
  const given: unknown = typeof claims === "function" ? await callback(site.policyName, () => claims(c)) : (claims ?? {});
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw policyError(site.policyName, new TypeError(`claims must give an object, got ${quote(given)}`));
  const iat = Math.floor(site.clock.now() / 1000);
  const payload = { ...given, iat, exp: iat + Math.ceil(config.expiresIn ?? 3600), ...(issuer === undefined ? undefined : { iss: issuer }), ...(audience === undefined ? undefined : { aud: audience }) };
  try {
    const header = { alg: algorithm, typ: "JWT", ...(keyId === undefined ? undefined : { kid: keyId }) };
    return await new SignJWT(payload as Record<string, unknown>).setProtectedHeader(header).sign(await material.import(algorithm));
  } catch (error) {
    // Claims that JSON has no form for, or a key the platform does not take.
    throw policyError(site.policyName, error);
  }
}
