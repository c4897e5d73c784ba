/** `jws`: requests whose sender has signed them, or a part of them, as a JSON Web Signature (RFC 7515). */

import { base64url, decodeProtectedHeader, flattenedVerify } from "jose";
import { checkInteger, checkOneOf } from "../../../core/check.ts";
import { sha256Hex } from "../../../core/digest.ts";
import { boundedRequestBytes, utf8Text } from "../../collect-body.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { isGatewayError } from "../../errors.ts";
import { fieldText } from "../../field-text.ts";
import { checkBoolean, checkFieldName, checkForwardName } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions, PolicySite } from "../../types.ts";
import { applyDecision, type AuthDecision, unauthorized } from "./authorize.ts";
import { type JwsKeys, jwsKeys } from "./keys/jws-keys.ts";

export interface JwsConfig extends PolicyOptions {
  /** Shared secret of HS256, HS384 and HS512 signatures. This or `jwksUrl` is required. */
  readonly secret?: string;
  /** Where the sender's key set is. It never serves HS* signatures. */
  readonly jwksUrl?: string;
  /** Algorithms a signature may be made with. @default all that fit the key; never `none` */
  readonly algorithms?: readonly string[];
  /** Field with the signature in compact form. @default "X-JWS-Signature" */
  readonly headerName?: string;
  /** What is signed: the payload inside the signature, or the raw bytes of the body (detached, RFC 7515 appendix F). @default "embedded" */
  readonly payloadSource?: "embedded" | "body";
  /** Send the verified payload on in a field. @default false */
  readonly forwardPayload?: boolean;
  /** That field; a client's own copy is removed. @default "X-JWS-Payload" */
  readonly forwardHeaderName?: string;
  /** A longer body is refused with 413, with `payloadSource: "body"`. @default 1048576 */
  readonly maxBodyBytes?: number;
  /** How long a key set is used without asking again. @default 300000 */
  readonly jwksCacheTtlMs?: number;
  /** Deadline for fetching a key set. @default 10000 */
  readonly jwksTimeoutMs?: number;
  /** Least time between two requests that an unknown key or a failed refresh causes. @default 30000 */
  readonly jwksCooldownMs?: number;
  /** Do not send the signature on to the upstream. @default false */
  readonly stripCredentials?: boolean;
}

interface JwsState {
  readonly config: JwsConfig;
  readonly keys: JwsKeys;
}

/** Admits requests with a valid signature. A missing one is a 401 `jws_missing`, anything wrong with it a 401 `jws_invalid`. */
export const jws: PolicyFactory<JwsConfig> = /* @__PURE__ */ definePolicy<JwsConfig, JwsState>({
  name: "jws",
  httpOnly: true,
  priority: Priority.AUTH,
  guard: true,
  ownedFields: (config) => [config.forwardHeaderName ?? "X-JWS-Payload"],
  validate(config) {
    keysOf(config);
    checkFieldName("headerName", config.headerName ?? "X-JWS-Signature");
    checkForwardName("forwardHeaderName", config.forwardHeaderName ?? "X-JWS-Payload");
    checkOneOf("payloadSource", config.payloadSource ?? "embedded", ["embedded", "body"]);
    checkInteger("maxBodyBytes", config.maxBodyBytes ?? 1_048_576, 0);
    checkBoolean("forwardPayload", config.forwardPayload);
    checkBoolean("stripCredentials", config.stripCredentials);
  },
  setup: (config) => ({ config, keys: keysOf(config) }),
  async handler(c, next, { config, state, site, gateway }) {
    const headerName = config.headerName ?? "X-JWS-Signature";
    const token = c.req.raw.headers.get(headerName) ?? undefined;
    const body = token !== undefined && config.payloadSource === "body" ? await boundedRequestBytes(c, config.maxBodyBytes ?? 1_048_576) : undefined;
    const decision = await decideJws(state, token, body, site);
    applyDecision(c, gateway, decision, headerName, config.stripCredentials === true);
    await next();
  },
});

function keysOf(config: JwsConfig): JwsKeys {
  return jwsKeys("jws", config, ["secret", "jwksUrl"]);
}

const CHALLENGE = 'JWS realm="Restricted"';

/** Decides on a signature; `body` is what it is over, unless that is inside of it. Throws nothing but the 502 of a key set. */
export async function decideJws(state: JwsState, token: string | undefined, body: Uint8Array | undefined, site: PolicySite): Promise<AuthDecision> {
  if (token === undefined || token === "") return unauthorized("jws_missing", "A signature is required", CHALLENGE);
  const payload = await verify(state.keys, token, body, site);
  if (payload === undefined) return unauthorized("jws_invalid", "The signature is not valid", CHALLENGE);
  const { config } = state;
  return {
    allowed: true,
    // A payload belongs to its sender, whoever that is: two signatures are two callers.
    identity: { scheme: "jws", id: sha256Hex(token) },
    ...(config.forwardPayload === true ? { forward: [[config.forwardHeaderName ?? "X-JWS-Payload", shown(payload)]] } : undefined),
  };
}

async function verify(keys: JwsKeys, token: string, body: Uint8Array | undefined, site: PolicySite): Promise<Uint8Array | undefined> {
  const parts = token.split(".");
  const [head, embedded, signature] = parts as [string, string, string];
  if (parts.length !== 3 || !parts.every((part) => /^[\w-]*$/.test(part))) return undefined;
  try {
    const header = decodeProtectedHeader({ protected: head });
    const { alg } = header;
    if (typeof alg !== "string" || !keys.algorithms.includes(alg)) return undefined;
    // With `b64: false` (RFC 7797) the signature is over the bytes themselves, else over their base64url form.
    const payload = body === undefined ? embedded : header.b64 === false ? body : base64url.encode(body);
    for (const key of await keys.find({ alg, kid: header.kid }, site)) {
      const verified = await flattenedVerify({ protected: head, payload, signature }, key, { algorithms: [...keys.algorithms] }).then((result) => result.payload, () => undefined);
      if (verified !== undefined) return body ?? verified;
    }
    return undefined;
  } catch (error) {
    if (isGatewayError(error)) throw error;
    return undefined;
  }
}

/** A payload in a field: its text, or base64url where it is none. */
function shown(payload: Uint8Array): string {
  const text = utf8Text(payload);
  return text === undefined ? base64url.encode(payload) : fieldText(text);
}

export { forgetJwks as clearJwsJwksCache } from "./keys/jwks-source.ts";
