/** The signature algorithms of RFC 9421, section 3.3, on WebCrypto. */

import { encodeText } from "../../../../core/codec.ts";
import { OptionError } from "../../../../core/errors.ts";
import { checkOneOf } from "../../../../core/check.ts";
import { timingSafeEqual } from "../../../timing-safe-equal.ts";
import { type Jwk, privateMaterial, publicMaterial, secretBytes } from "../keys/key-material.ts";

export type SignatureAlgorithm = "hmac-sha256" | "rsa-v1_5-sha256" | "rsa-pss-sha512" | "ecdsa-p256-sha256" | "ecdsa-p384-sha384" | "ed25519";

interface Details {
  /** The JWS algorithm that imports the same kind of key. */
  readonly jws: string;
  readonly parameters: AlgorithmIdentifier | RsaPssParams | EcdsaParams;
}

const ALGORITHMS: Readonly<Record<SignatureAlgorithm, Details>> = {
  "hmac-sha256": { jws: "HS256", parameters: { name: "HMAC" } },
  "rsa-v1_5-sha256": { jws: "RS256", parameters: { name: "RSASSA-PKCS1-v1_5" } },
  "rsa-pss-sha512": { jws: "PS512", parameters: { name: "RSA-PSS", saltLength: 64 } as RsaPssParams },
  "ecdsa-p256-sha256": { jws: "ES256", parameters: { name: "ECDSA", hash: "SHA-256" } as EcdsaParams },
  "ecdsa-p384-sha384": { jws: "ES384", parameters: { name: "ECDSA", hash: "SHA-384" } as EcdsaParams },
  ed25519: { jws: "EdDSA", parameters: { name: "Ed25519" } },
};

export interface SignatureKeyOptions {
  readonly algorithm: SignatureAlgorithm;
  readonly secret?: string | Uint8Array | undefined;
  readonly publicKey?: string | Jwk | undefined;
  readonly privateKey?: string | Jwk | undefined;
}

/** A key that signs or verifies, by one algorithm only. */
export interface SignatureKey {
  readonly algorithm: SignatureAlgorithm;
  sign(base: string): Promise<Uint8Array>;
  verify(base: string, signature: Uint8Array): Promise<boolean>;
}

/** Checks the options of a key; `where` is what messages call it. */
export function signatureKey(where: string, options: SignatureKeyOptions, use: "publicKey" | "privateKey"): SignatureKey {
  const algorithm = checkOneOf(`${where}algorithm`, options.algorithm, Object.keys(ALGORITHMS) as SignatureAlgorithm[]);
  const details = ALGORITHMS[algorithm];
  if (algorithm === "hmac-sha256") return hmacKey(secretBytes(`${where}secret`, options.secret));
  const material = use === "publicKey" ? publicMaterial(`${where}publicKey`, options.publicKey) : privateMaterial(`${where}privateKey`, options.privateKey);
  if (!material.algorithms.includes(details.jws)) throw new OptionError(`${where}algorithm`, algorithm, "one the key is for");
  const key = (): Promise<CryptoKey> => material.import(details.jws) as Promise<CryptoKey>;
  return {
    algorithm,
    sign: async (base) => new Uint8Array(await crypto.subtle.sign(details.parameters, await key(), bytesOf(base))),
    verify: async (base, signature) => crypto.subtle.verify(details.parameters, await key(), new Uint8Array(signature), bytesOf(base)),
  };
}

function hmacKey(secret: Uint8Array<ArrayBuffer>): SignatureKey {
  const sign = async (base: string): Promise<Uint8Array> => {
    const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    return new Uint8Array(await crypto.subtle.sign("HMAC", key, bytesOf(base)));
  };
  return { algorithm: "hmac-sha256", sign, verify: async (base, signature) => timingSafeEqual(await sign(base), signature) };
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(encodeText(text));
}
