/** `verifyHttpSignature`: requests that their sender has signed (RFC 9421). */

import type { Context } from "hono";
import { type InnerList, type Parameters, parseDictionary, serializeItem } from "structured-headers";
import { checkInteger, checkNonNegative, checkPositive, checkString } from "../../../core/check.ts";
import { OptionError } from "../../../core/errors.ts";
import { boundKey, escapeKeyPart } from "../../../core/keys.ts";
import type { StitchStore } from "../../../state/contracts/key-value.ts";
import type { GatewayAdapter } from "../../../state/contracts/adapter.ts";
import { boundedRequestBytes } from "../../collect-body.ts";
import { requestState } from "../../context.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { isGatewayError } from "../../errors.ts";
import { judgedFields } from "../../identity.ts";
import { checkBoolean, checkFieldName, checkNames, checkRecord } from "../../option-checks.ts";
import { queryOf } from "../../path.ts";
import { clientHost, clientScheme } from "../../peer-trust.ts";
import { Priority } from "../../priority.ts";
import { values } from "../../local-kinds.ts";
import { StoreFailure, storeSource, storeUnavailable, type StoreSource } from "../../store-call.ts";
import type { PolicyOptions, PolicySite } from "../../types.ts";
import { applyDecision, type AuthDecision, unauthorized } from "./authorize.ts";
import type { Jwk } from "./keys/key-material.ts";
import { type SignatureAlgorithm, type SignatureKey, signatureKey } from "./signatures/algorithms.ts";
import { type Component, parseComponent, signatureBase, type SignedMessage } from "./signatures/components.ts";
import { digestsMatch } from "./signatures/content-digest.ts";

export type { SignatureAlgorithm };

/** A key that signatures may be made with. */
export interface VerificationKey {
  /** The only algorithm the key is used with. */
  readonly algorithm: SignatureAlgorithm;
  /** Shared secret of `hmac-sha256`. */
  readonly secret?: string | Uint8Array;
  /** Public key of the other algorithms: PEM text or a JWK. */
  readonly publicKey?: string | Jwk;
}

export interface VerifyHttpSignatureConfig extends PolicyOptions {
  /** Keys by their `keyid`. */
  readonly keys: Readonly<Record<string, VerificationKey>>;
  /** Components a signature must cover: derived ones, fields, or identifiers with parameters such as `"@query-param";name="id"`. @default ["@method", "@authority", "@path", "@query"] */
  readonly requiredComponents?: readonly string[];
  /** How old a signature may be, in seconds. @default 300 */
  readonly maxAge?: number;
  /** Field with the signature. @default "Signature" */
  readonly signatureHeaderName?: string;
  /** Field that says what is signed. @default "Signature-Input" */
  readonly signatureInputHeaderName?: string;
  /** Which signature of a request counts. @default "sig1" */
  readonly label?: string;
  /** How far the sender's clock may be off. @default 5 */
  readonly clockSkewSeconds?: number;
  /** Take each `nonce` once; it is kept in the adapter's `store` while its signature could be shown again. @default false */
  readonly replayProtection?: boolean;
  /** A longer body is refused with 413 where the signature covers `content-digest`. @default 1048576 */
  readonly maxBodyBytes?: number;
}

interface VerifyState {
  readonly config: VerifyHttpSignatureConfig;
  readonly keys: ReadonlyMap<string, SignatureKey>;
  readonly required: readonly string[];
  readonly nonces: StoreSource<StitchStore> | undefined;
}

/**
 * Admits requests whose signature is valid, fresh and covers the required components, and makes its key the caller's identity.
 * Anything else is a 401 `signature_invalid`.
 */
export const verifyHttpSignature: PolicyFactory<VerifyHttpSignatureConfig> = /* @__PURE__ */ definePolicy<VerifyHttpSignatureConfig, VerifyState>({
  name: "verify-http-signature",
  httpOnly: true,
  priority: Priority.AUTH,
  guard: true,
  validate,
  setup: (config, site) => ({
    config,
    keys: keysOf(config),
    required: requiredOf(config),
    nonces: config.replayProtection === true ? storeSource(site, values, undefined, "closed") : undefined,
  }),
  async handler(c, next, { config, state, site, gateway }) {
    const { headers } = c.req.raw;
    const message = messageOf(c);
    const decision = await decideSignature(state, {
      message,
      signature: headers.get(config.signatureHeaderName ?? "Signature"),
      input: headers.get(config.signatureInputHeaderName ?? "Signature-Input"),
      now: site.clock.now() / 1000,
      body: () => boundedRequestBytes(c, config.maxBodyBytes ?? 1_048_576),
      firstUse: (keyId, nonce, ttlMs) => firstUse(state, site, gateway.adapter, keyId, nonce, ttlMs),
    });
    applyDecision(c, gateway, decision);
    for (const name of [config.signatureHeaderName ?? "Signature", config.signatureInputHeaderName ?? "Signature-Input"]) judgedFields(gateway).add(name.toLowerCase());
    await next();
  },
});

/** The request as its sender saw it. */
function messageOf(c: Context): SignedMessage {
  const state = requestState(c);
  const { url, headers } = c.req.raw;
  const query = queryOf(url);
  const scheme = clientScheme(state);
  return {
    method: c.req.method,
    scheme,
    authority: withoutDefaultPort(clientHost(state), scheme),
    path: pathAsSent(url),
    query,
    field: (name) => {
      const value = headers.get(name);
      return value === null ? [] : [value];
    },
  };
}

export function withoutDefaultPort(host: string, scheme: string): string {
  return host.toLowerCase().replace(scheme === "https" ? /:443$/ : /:80$/, "");
}

/** Not parsed: a signature is over what was written. */
function pathAsSent(url: string): string {
  const authority = url.indexOf("://");
  const start = authority === -1 ? 0 : url.indexOf("/", authority + 3);
  if (start === -1) return "/";
  const end = url.slice(start).search(/[?#]/);
  return end === -1 ? url.slice(start) : url.slice(start, start + end);
}

async function firstUse(state: VerifyState, site: PolicySite, adapter: GatewayAdapter | undefined, keyId: string, nonce: string, ttlMs: number): Promise<boolean> {
  const caller = state.nonces?.of(adapter);
  if (caller === undefined) throw storeUnavailable();
  const key = boundKey(`${site.scopeKey}:nonce:${escapeKeyPart(keyId)}:${escapeKeyPart(nonce)}`);
  const taken = await caller.call("compareAndSet", (store) => store.compareAndSet(key, undefined, 1, ttlMs), (reply) => typeof reply === "boolean");
  if (taken instanceof StoreFailure) throw storeUnavailable(taken.retryAfterMs);
  return taken;
}

export interface SignatureInput {
  readonly message: SignedMessage;
  /** Values of the two fields. */
  readonly signature: string | null;
  readonly input: string | null;
  /** Epoch seconds. */
  readonly now: number;
  readonly body: () => Promise<Uint8Array>;
  readonly firstUse: (keyId: string, nonce: string, ttlMs: number) => Promise<boolean>;
}

const CHALLENGE = 'Signature realm="Restricted"';

/** Decides on a signature. Throws nothing but what `body` and `firstUse` refuse. */
export async function decideSignature(state: VerifyState, input: SignatureInput): Promise<AuthDecision> {
  if (input.signature === null || input.input === null) return unauthorized("signature_invalid", "A signature is required", CHALLENGE);
  const keyId = await verified(state, input).catch((error: unknown) => {
    if (isGatewayError(error)) throw error;
    return undefined;
  });
  if (keyId === undefined) return unauthorized("signature_invalid", "The signature is not valid", CHALLENGE);
  return { allowed: true, identity: { scheme: "http-signature", id: keyId } };
}

/** The id of the key that made the signature; `undefined`, or an exception, when it is not valid. */
async function verified({ config, keys, required }: VerifyState, { message, signature, input, now, body, firstUse }: SignatureInput): Promise<string | undefined> {
  const label = config.label ?? "sig1";
  const member = parseDictionary(input as string).get(label);
  const bytes = parseDictionary(signature as string).get(label)?.[0];
  if (member === undefined || !Array.isArray(member[0]) || !(bytes instanceof ArrayBuffer)) return undefined;
  const [components, parameters] = member as InnerList;
  const keyId = parameters.get("keyid");
  const key = typeof keyId === "string" ? keys.get(keyId) : undefined;
  if (key === undefined || !isTimely(config, parameters, now)) return undefined;
  const alg = parameters.get("alg");
  if (alg !== undefined && alg !== key.algorithm) return undefined;
  const covered = new Set(components.map((component) => serializeItem(component)));
  if (!required.every((id) => covered.has(id))) return undefined;
  if (!(await key.verify(signatureBase(message, components as Component[], parameters), new Uint8Array(bytes)))) return undefined;
  if (components.some(([name]) => name === "content-digest") && !(await digestsMatch(message.field("content-digest").join(", "), await body()))) return undefined;
  if (config.replayProtection === true) {
    const nonce = parameters.get("nonce");
    // For as long as the signature would be believed again.
    const ttlMs = ((config.maxAge ?? 300) + 2 * (config.clockSkewSeconds ?? 5)) * 1000;
    if (typeof nonce !== "string" || nonce === "" || !(await firstUse(keyId as string, nonce, ttlMs))) return undefined;
  }
  return keyId as string;
}

function isTimely(config: VerifyHttpSignatureConfig, parameters: Parameters, now: number): boolean {
  const created = parameters.get("created");
  const expires = parameters.get("expires");
  const skew = config.clockSkewSeconds ?? 5;
  if (typeof created !== "number" || !Number.isInteger(created)) return false;
  if (created > now + skew || now - created > (config.maxAge ?? 300) + skew) return false;
  return expires === undefined || (typeof expires === "number" && Number.isInteger(expires) && now <= expires + skew);
}

function keysOf(config: VerifyHttpSignatureConfig): ReadonlyMap<string, SignatureKey> {
  checkRecord("keys", config.keys);
  const entries = Object.entries(config.keys);
  if (entries.length === 0) throw new OptionError("keys", config.keys, "an object with at least one key");
  return new Map(entries.map(([id, key]) => {
    checkRecord(`keys.${id}`, key);
    return [id, signatureKey(`keys.${id}.`, key, "publicKey")];
  }));
}

function requiredOf(config: VerifyHttpSignatureConfig): readonly string[] {
  return componentsOf("requiredComponents", config.requiredComponents ?? ["@method", "@authority", "@path", "@query"]).map((component) => serializeItem(component));
}

/** Component identifiers of an option. */
export function componentsOf(option: string, names: readonly string[]): Component[] {
  checkNames(option, names);
  return names.map((name) => {
    let component: Component | undefined;
    try {
      component = parseComponent(name.startsWith('"') ? name : name.toLowerCase());
      serializeItem(component);
    } catch {
      component = undefined;
    }
    if (component === undefined || typeof component[0] !== "string") throw new OptionError(option, name, 'made of component identifiers such as "@method", "date" or "\\"@query-param\\";name=\\"id\\""');
    return component;
  });
}

function validate(config: VerifyHttpSignatureConfig): void {
  keysOf(config);
  requiredOf(config);
  checkPositive("maxAge", config.maxAge ?? 300);
  checkNonNegative("clockSkewSeconds", config.clockSkewSeconds ?? 5);
  checkFieldName("signatureHeaderName", config.signatureHeaderName ?? "Signature");
  checkFieldName("signatureInputHeaderName", config.signatureInputHeaderName ?? "Signature-Input");
  if (!/^[a-z*][a-z0-9_\-.*]*$/.test(checkString("label", config.label ?? "sig1"))) throw new OptionError("label", config.label, "a dictionary key such as sig1");
  checkBoolean("replayProtection", config.replayProtection);
  checkInteger("maxBodyBytes", config.maxBodyBytes ?? 1_048_576, 0);
}
