/** `generateHttpSignature`: signs the request to the upstream (RFC 9421). */

import type { Context } from "hono";
import { serializeDictionary, serializeInnerList, type BareItem } from "structured-headers";
import { checkPositive, checkString } from "../../../core/check.ts";
import { toBase64 } from "../../../core/codec.ts";
import { OptionError } from "../../../core/errors.ts";
import { boundedRequestBytes } from "../../collect-body.ts";
import { requestState } from "../../context.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { policyError } from "../../errors.ts";
import { checkBoolean, checkForwardName } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import { editRequestFields } from "../../request-edit.ts";
import type { PolicyOptions, PolicySite } from "../../types.ts";
import { outgoingPlan, type SentRequest } from "../../upstreams/outgoing-plan.ts";
import type { Jwk } from "./keys/key-material.ts";
import { type SignatureAlgorithm, type SignatureKey, signatureKey } from "./signatures/algorithms.ts";
import { type Component, signatureBase } from "./signatures/components.ts";
import { componentsOf, withoutDefaultPort } from "./verify-http-signature.ts";

export interface GenerateHttpSignatureConfig extends PolicyOptions {
  /** By which the receiver knows the key. */
  readonly keyId: string;
  /** How the request is signed. */
  readonly algorithm: SignatureAlgorithm;
  /** Shared secret of `hmac-sha256`. */
  readonly secret?: string | Uint8Array;
  /** Private key of the other algorithms: PEM text (PKCS#8) or a JWK. */
  readonly privateKey?: string | Jwk;
  /** What is signed. `content-digest` is made where the request has none. @default ["@method", "@authority", "@path", "@query"] */
  readonly components?: readonly string[];
  /** Field with the signature. @default "Signature" */
  readonly signatureHeaderName?: string;
  /** Field that says what is signed. @default "Signature-Input" */
  readonly signatureInputHeaderName?: string;
  /** Name of the signature in both fields. @default "sig1" */
  readonly label?: string;
  /** How long the signature is valid, in seconds; without it the receiver decides. */
  readonly expires?: number;
  /** Add a random `nonce`, for receivers that take each once. @default false */
  readonly nonce?: boolean;
}

interface GenerateState {
  readonly key: SignatureKey;
  readonly components: readonly Component[];
}

/** Signs the request as the upstream will see it: with the final URL, host and fields, for each attempt anew. */
export const generateHttpSignature: PolicyFactory<GenerateHttpSignatureConfig> = /* @__PURE__ */ definePolicy<GenerateHttpSignatureConfig, GenerateState>({
  name: "generate-http-signature",
  httpOnly: true,
  priority: Priority.PROXY,
  validate(config) {
    if (checkString("keyId", config.keyId) === "" || !/^[\x20-\x7e]+$/.test(config.keyId)) throw new OptionError("keyId", config.keyId, "a non-empty string of printable ASCII");
    stateOf(config);
    checkForwardName("signatureHeaderName", config.signatureHeaderName ?? "Signature");
    checkForwardName("signatureInputHeaderName", config.signatureInputHeaderName ?? "Signature-Input");
    if (!/^[a-z*][a-z0-9_\-.*]*$/.test(checkString("label", config.label ?? "sig1"))) throw new OptionError("label", config.label, "a dictionary key such as sig1");
    if (config.expires !== undefined) checkPositive("expires", config.expires);
    checkBoolean("nonce", config.nonce);
  },
  setup: stateOf,
  async handler(c, next, { config, state, site, gateway }) {
    if (state.components.some(([name]) => name === "content-digest")) await addDigest(c);
    const sign = (request: SentRequest): Promise<readonly (readonly [string, string])[]> => signatureFields(config, state, request, site);
    if (sendsItself(gateway.upstream)) outgoingPlan(requestState(c)).sign.set(site.policyName, sign);
    else await signInPlace(c, sign);
    await next();
  },
});

/** Upstreams that make the request to send themselves; to any other, the request as it stands is what it gets. */
function sendsItself(upstream: string): boolean {
  return !upstream.startsWith("handler") && !upstream.startsWith("service-binding");
}

async function signInPlace(c: Context, sign: (request: SentRequest) => Promise<readonly (readonly [string, string])[]>): Promise<void> {
  const url = new URL(c.req.raw.url);
  const headers = [...c.req.raw.headers];
  if (!c.req.raw.headers.has("host")) headers.push(["host", url.host]);
  const fields = await sign({ method: c.req.method, origin: url.origin, target: url.pathname + url.search, headers });
  editRequestFields(c, (own) => {
    for (const [name, value] of fields) own.set(name, value);
  });
}

async function addDigest(c: Context): Promise<void> {
  if (c.req.raw.headers.has("content-digest")) return;
  const digest = await crypto.subtle.digest("SHA-256", await boundedRequestBytes(c, 1_048_576));
  editRequestFields(c, (headers) => headers.set("content-digest", `sha-256=:${toBase64(new Uint8Array(digest))}:`));
}

async function signatureFields(config: GenerateHttpSignatureConfig, { key, components }: GenerateState, request: SentRequest, site: PolicySite): Promise<readonly (readonly [string, string])[]> {
  const created = Math.floor(site.clock.now() / 1000);
  const parameters = new Map<string, BareItem>([["created", created]]);
  if (config.expires !== undefined) parameters.set("expires", created + Math.ceil(config.expires));
  if (config.nonce === true) parameters.set("nonce", site.random.uuid());
  parameters.set("keyid", config.keyId);
  parameters.set("alg", config.algorithm);
  const scheme = request.origin.startsWith("https:") ? "https" : "http";
  const values = (name: string): string[] => request.headers.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value);
  const mark = request.target.indexOf("?");
  try {
    const base = signatureBase(
      {
        method: request.method,
        scheme,
        authority: withoutDefaultPort(values("host")[0] ?? new URL(request.origin).host, scheme),
        path: mark === -1 ? request.target : request.target.slice(0, mark),
        query: mark === -1 ? "" : request.target.slice(mark),
        field: values,
      },
      components,
      parameters,
    );
    const label = config.label ?? "sig1";
    const signature = await key.sign(base);
    return [
      [(config.signatureInputHeaderName ?? "Signature-Input").toLowerCase(), `${label}=${serializeInnerList([[...components], parameters])}`],
      [(config.signatureHeaderName ?? "Signature").toLowerCase(), serializeDictionary(new Map([[label, [new Uint8Array(signature).buffer, new Map()]]]))],
    ];
  } catch (error) {
    // A component the request does not have, or a key the platform does not take.
    throw policyError(site.policyName, error);
  }
}

function stateOf(config: GenerateHttpSignatureConfig): GenerateState {
  return { key: signatureKey("", config, "privateKey"), components: componentsOf("components", config.components ?? ["@method", "@authority", "@path", "@query"]) };
}
