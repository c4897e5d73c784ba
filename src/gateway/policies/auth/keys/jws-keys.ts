/** The options with which `jwtAuth` and `jws` say whose signatures count, and the keys that follow from them. */

import { OptionError } from "../../../../core/errors.ts";
import { checkNonNegative, checkPositive } from "../../../../core/check.ts";
import { configError } from "../../../errors.ts";
import { checkHttpUrl, checkNames } from "../../../option-checks.ts";
import type { PolicySite } from "../../../types.ts";
import { jwksSource } from "./jwks-source.ts";
import { HMAC_ALGORITHMS, PUBLIC_KEY_ALGORITHMS, type ImportedKey, type Jwk, type KeyMaterial, publicMaterial, secretMaterial } from "./key-material.ts";

/** Where keys come from. */
export interface JwsKeyOptions {
  readonly secret?: string;
  readonly jwksUrl?: string;
  readonly publicKey?: string | Jwk;
  readonly algorithms?: readonly string[];
  readonly jwksCacheTtlMs?: number;
  readonly jwksTimeoutMs?: number;
  readonly jwksCooldownMs?: number;
}

export interface JwsKeys {
  /** What a token's `alg` may be. */
  readonly algorithms: readonly string[];
  /** The keys for a token with this header; none when nothing fits. */
  find(header: { readonly alg: string; readonly kid?: unknown }, site: PolicySite): Promise<readonly ImportedKey[]>;
}

/**
 * Checks the options. A secret allows HMAC only, and a public key or a key set never does: otherwise a public key, which
 * everybody knows, would pass for a secret (RFC 8725 3.1). `sources` are the names of the options of which one is required.
 */
export function jwsKeys(policy: string, options: JwsKeyOptions, sources: readonly ("secret" | "jwksUrl" | "publicKey")[]): JwsKeys {
  const given = sources.filter((name) => options[name] !== undefined);
  if (given.length !== 1) throw configError(`exactly one of the options ${sources.map((name) => `"${name}"`).join(", ")} of policy "${policy}"`, given.length === 0 ? "none" : given, "given");
  checkPositive("jwksCacheTtlMs", options.jwksCacheTtlMs ?? 300_000);
  checkPositive("jwksTimeoutMs", options.jwksTimeoutMs ?? 10_000);
  checkNonNegative("jwksCooldownMs", options.jwksCooldownMs ?? 30_000);
  if (options.jwksUrl !== undefined) {
    const url = checkHttpUrl("jwksUrl", options.jwksUrl);
    return {
      algorithms: allowed(options.algorithms, PUBLIC_KEY_ALGORITHMS, "a key set"),
      find: (header, { clock }) => jwksSource(url, clock).keys(header, { clock, ttlMs: options.jwksCacheTtlMs ?? 300_000, cooldownMs: options.jwksCooldownMs ?? 30_000, timeoutMs: options.jwksTimeoutMs ?? 10_000 }),
    };
  }
  const material: KeyMaterial = options.secret !== undefined ? secretMaterial("secret", options.secret) : publicMaterial("publicKey", options.publicKey);
  const algorithms = allowed(options.algorithms, material.algorithms, options.secret !== undefined ? "a secret" : "this key");
  return {
    algorithms,
    find: async ({ alg }) => [await material.import(alg)],
  };
}

function allowed(wanted: readonly string[] | undefined, fitting: readonly string[], what: string): readonly string[] {
  if (wanted === undefined) return fitting;
  checkNames("algorithms", wanted, 1);
  for (const name of wanted) {
    if (!fitting.includes(name)) throw new OptionError("algorithms", name, `made of ${fitting.join(", ")} with ${what}${HMAC_ALGORITHMS.includes(name) ? ", since whoever can verify with it could sign with it" : ""}`);
  }
  return [...wanted];
}
