/** Keys as users write them: a secret, a PEM text or a JWK. What each may be used for is known at construction. */

import { importJWK, importPKCS8, importSPKI } from "jose";
import { encodeText, fromBase64, toBase64 } from "../../../../core/codec.ts";
import { OptionError } from "../../../../core/errors.ts";
import { type KeyKind, readKey, wrapPkcs1 } from "./der.ts";

/** What `jose` takes as a key. */
export type ImportedKey = CryptoKey | Uint8Array;

/** A JSON Web Key (RFC 7517). */
export type Jwk = Readonly<Record<string, unknown>>;

export interface KeyMaterial {
  /** JWS algorithms (RFC 7518, RFC 8037) the key fits. */
  readonly algorithms: readonly string[];
  /** The key for one of them; imported once. Rejects when the platform does not take it. */
  import(algorithm: string): Promise<ImportedKey>;
}

export const HMAC_ALGORITHMS: readonly string[] = Object.freeze(["HS256", "HS384", "HS512"]);
export const PUBLIC_KEY_ALGORITHMS: readonly string[] = Object.freeze(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]);

const FITS: Readonly<Record<KeyKind, readonly string[]>> = {
  rsa: PUBLIC_KEY_ALGORITHMS.slice(0, 6),
  p256: ["ES256"],
  p384: ["ES384"],
  p521: ["ES512"],
  ed25519: ["EdDSA", "Ed25519"],
};

const CURVES: Readonly<Record<string, KeyKind>> = { "P-256": "p256", "P-384": "p384", "P-521": "p521", Ed25519: "ed25519" };

/** A shared secret: bytes, or a text that stands for its UTF-8 form. */
export function secretMaterial(option: string, secret: unknown): KeyMaterial {
  const bytes = secretBytes(option, secret);
  return { algorithms: HMAC_ALGORITHMS, import: () => Promise.resolve(bytes) };
}

export function secretBytes(option: string, secret: unknown): Uint8Array<ArrayBuffer> {
  const bytes = typeof secret === "string" ? new Uint8Array(encodeText(secret)) : secret instanceof Uint8Array ? new Uint8Array(secret) : undefined;
  // The value itself is never quoted.
  if (bytes === undefined || bytes.length === 0) throw new OptionError(option, typeof secret, "a non-empty text or bytes");
  return bytes;
}

export function publicMaterial(option: string, key: unknown): KeyMaterial {
  return asymmetric(option, key, "public");
}

export function privateMaterial(option: string, key: unknown): KeyMaterial {
  return asymmetric(option, key, "private");
}

function asymmetric(option: string, key: unknown, use: "public" | "private"): KeyMaterial {
  if (typeof key === "string") return fromPem(option, key, use);
  if (typeof key === "object" && key !== null && typeof (key as Jwk).kty === "string") return fromJwk(option, key as Jwk, use);
  throw new OptionError(option, typeof key, `a ${use} key as PEM text or JWK`);
}

const PEM = /-----BEGIN (RSA )?(PUBLIC|PRIVATE) KEY-----([A-Za-z0-9+/=\s]+)-----END /;

function fromPem(option: string, pem: string, use: "public" | "private"): KeyMaterial {
  const match = PEM.exec(pem);
  const bytes = match === null || match[2] !== use.toUpperCase() ? undefined : decode(match[3] as string);
  const found = bytes === undefined ? undefined : readKey(match?.[1] === undefined ? bytes : wrapPkcs1(bytes, use), use);
  if (found === undefined) throw new OptionError(option, "a text", `a ${use} key in PEM form: RSA, P-256, P-384, P-521 or Ed25519${use === "private" ? ", PKCS#8" : ""}`);
  const label = use === "public" ? "PUBLIC KEY" : "PRIVATE KEY";
  const text = `-----BEGIN ${label}-----\n${toBase64(found.der)}\n-----END ${label}-----`;
  return once(FITS[found.kind], (algorithm) => (use === "public" ? importSPKI(text, algorithm) : importPKCS8(text, algorithm)));
}

function decode(base64: string): Uint8Array | undefined {
  try {
    return fromBase64(base64.replace(/\s/g, ""));
  } catch {
    return undefined;
  }
}

function fromJwk(option: string, jwk: Jwk, use: "public" | "private"): KeyMaterial {
  const { kty, crv, alg } = jwk as { kty?: string; crv?: string; alg?: string };
  const kind = kty === "RSA" ? "rsa" : kty === "EC" || kty === "OKP" ? CURVES[crv ?? ""] : undefined;
  if (kind === undefined || !Object.hasOwn(jwk, kty === "RSA" ? "n" : "x")) throw new OptionError(option, { kty, crv }, "a JWK of kty RSA, EC or OKP");
  if (use === "private" && typeof jwk.d !== "string") throw new OptionError(option, { kty, crv }, "a private JWK");
  const algorithms = typeof alg === "string" ? FITS[kind].filter((one) => one === alg) : FITS[kind];
  if (algorithms.length === 0) throw new OptionError(`${option}.alg`, alg, `one of ${FITS[kind].join(", ")}`);
  const { kty: type, crv: curve, n, e, x, y, d, p, q, dp, dq, qi } = jwk;
  // Of a private key only the public half verifies; `use`, `key_ops` and the like are the option's place.
  const parts = use === "public" ? { kty: type, crv: curve, n, e, x, y } : { kty: type, crv: curve, n, e, x, y, d, p, q, dp, dq, qi };
  return once(algorithms, (algorithm) => importJWK({ ...parts } as Parameters<typeof importJWK>[0], algorithm) as Promise<ImportedKey>);
}

function once(algorithms: readonly string[], load: (algorithm: string) => Promise<ImportedKey>): KeyMaterial {
  const loaded = new Map<string, Promise<ImportedKey>>();
  return {
    algorithms,
    import(algorithm) {
      let key = loaded.get(algorithm);
      if (key === undefined) loaded.set(algorithm, (key = load(algorithm)));
      return key;
    },
  };
}
