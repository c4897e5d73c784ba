/** Where tokens and sessions are kept: a store under its own prefix, encrypted when asked for. */

import { decodeText, encodeText, fromBase64, toBase64 } from "../../core/codec.ts";
import { joinKey } from "../../core/keys.ts";
import { configError } from "../errors.ts";
import type { StoreAccess } from "../store-access.ts";

/** Encrypts values before they reach the store. `aad` is bound to the ciphertext: moved to another key, it does not open. */
export interface Encryption {
  encrypt(bytes: Uint8Array, aad: Uint8Array): Promise<Uint8Array>;
  decrypt(bytes: Uint8Array, aad: Uint8Array): Promise<Uint8Array>;
}

/** Values of one principal's or the application's secrets. What cannot be decrypted counts as missing. */
export interface Vault {
  key(...parts: readonly (string | undefined)[]): string;
  /** The value, and what stands in the store, for {@link replace}. */
  read(key: string): Promise<{ readonly value: unknown; readonly stored: unknown }>;
  write(key: string, value: unknown, ttlMs?: number): Promise<void>;
  /** Writes if the store still holds `stored` (`undefined`: nothing). */
  replace(key: string, stored: unknown, value: unknown, ttlMs?: number): Promise<boolean>;
  delete(key: string): Promise<void>;
  /** Runs `work` in one process of the fleet at a time. `work` is told whether the lock was really had; `lost` aborts when it was lost since. */
  exclusively<T>(key: string, ttlMs: number, signal: AbortSignal, work: (locked: boolean, lost: AbortSignal) => Promise<T>): Promise<T>;
}

export function createVault(access: StoreAccess, encryption: Encryption | undefined): Vault {
  const seal = async (key: string, value: unknown): Promise<unknown> => {
    if (value === undefined || encryption === undefined) return value;
    return { $sealed: toBase64(await encryption.encrypt(encodeText(JSON.stringify(value)), encodeText(key))) };
  };
  const open = async (key: string, stored: unknown): Promise<unknown> => {
    if (encryption === undefined) return stored;
    const sealed = (stored as { $sealed?: unknown } | null | undefined)?.$sealed;
    if (typeof sealed !== "string") return undefined;
    try {
      return JSON.parse(decodeText(await encryption.decrypt(fromBase64(sealed), encodeText(key))));
    } catch {
      return undefined;
    }
  };
  return {
    key: (...parts) => joinKey("vault", ...parts.filter((part) => part !== undefined)),
    async read(key) {
      const stored = await access.get("tokens", key);
      return { value: await open(key, stored), stored };
    },
    async write(key, value, ttlMs) {
      await access.set("tokens", key, await seal(key, value), ttlMs);
    },
    async replace(key, stored, value, ttlMs) {
      return access.compareAndSet("tokens", key, stored, await seal(key, value), ttlMs);
    },
    delete: (key) => access.set("tokens", key, undefined),
    exclusively: (key, ttlMs, signal, work) => access.exclusively(key, ttlMs, signal, work),
  };
}

const IV_BYTES = 12;

/**
 * AES-GCM with 256 bits (NIST SP 800-38D) by WebCrypto. A secret is a text of 16 characters or more, or 32 bytes. With several,
 * `{ id: secret }`, the first encrypts and all decrypt: put a new one first, and take the old one away later.
 *
 * @throws StitchError `CONFIG_INVALID`
 */
export function aesGcm(secretOrKeys: string | Uint8Array | Readonly<Record<string, string | Uint8Array>>): Encryption {
  const single = typeof secretOrKeys === "string" || secretOrKeys instanceof Uint8Array;
  const entries = Object.entries(single ? { k: secretOrKeys } : (secretOrKeys ?? {})) as [string, string | Uint8Array][];
  const first = entries[0];
  if (first === undefined || entries.length > 32) throw configError("aesGcm", undefined, "given a secret, or 1 to 32 of them by id");
  const secrets = new Map(entries);
  for (const [id, secret] of entries) {
    const good = typeof secret === "string" ? secret.length >= 16 : secret instanceof Uint8Array && secret.byteLength === 32;
    if (!good || encodeText(id).length > 255 || id === "") throw configError(`aesGcm(${id})`, undefined, "a text of at least 16 characters or 32 bytes, under an id of 1 to 255 bytes");
  }
  const keys = new Map<string, Promise<CryptoKey>>();
  const keyOf = (id: string): Promise<CryptoKey> => {
    let key = keys.get(id);
    if (key === undefined) keys.set(id, (key = importKey(secrets.get(id) as string | Uint8Array)));
    return key;
  };
  return {
    async encrypt(bytes, aad) {
      const id = encodeText(first[0]);
      const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
      const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: plain(aad) }, await keyOf(first[0]), plain(bytes)));
      const out = new Uint8Array(1 + id.length + IV_BYTES + sealed.length);
      out[0] = id.length;
      out.set(id, 1);
      out.set(iv, 1 + id.length);
      out.set(sealed, 1 + id.length + IV_BYTES);
      return out;
    },
    async decrypt(bytes, aad) {
      const idLength = bytes[0] ?? 0;
      const id = decodeText(bytes.subarray(1, 1 + idLength));
      if (!secrets.has(id)) throw new Error("encrypted with a key that is not known here");
      const at = 1 + idLength;
      const iv = plain(bytes.subarray(at, at + IV_BYTES));
      return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData: plain(aad) }, await keyOf(id), plain(bytes.subarray(at + IV_BYTES))));
    },
  };
}

async function importKey(secret: string | Uint8Array): Promise<CryptoKey> {
  const raw = typeof secret === "string" ? await crypto.subtle.digest("SHA-256", plain(encodeText(secret))) : plain(secret);
  return crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
}

/** The types of WebCrypto want bytes over an `ArrayBuffer`; these are. */
function plain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
