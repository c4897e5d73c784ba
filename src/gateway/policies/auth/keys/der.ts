/** The little of DER (X.690) that keys need: which algorithm a key is for, and one spelling of it. */

import { concatBytes } from "../../../../core/concat-bytes.ts";

const SEQUENCE = 0x30;
const OBJECT_ID = 0x06;

/** Object identifiers in hex, and the kind of key they name. */
const KINDS: Readonly<Record<string, KeyKind>> = {
  "2a864886f70d010101": "rsa",
  "2a864886f70d01010a": "rsa",
  "2a8648ce3d030107": "p256",
  "2b81040022": "p384",
  "2b81040023": "p521",
  "2b6570": "ed25519",
};
const RSA_PSS = "2a864886f70d01010a";
/** `rsaEncryption` with its NULL parameter. */
const RSA_ALGORITHM: readonly number[] = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

export type KeyKind = "rsa" | "p256" | "p384" | "p521" | "ed25519";

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  /** With its header. */
  readonly whole: Uint8Array;
}

/** A key in the form that WebCrypto imports (`spki` or `pkcs8`), and what it is for; `undefined` when it is none. */
export function readKey(der: Uint8Array, kind: "public" | "private"): { readonly der: Uint8Array; readonly kind: KeyKind } | undefined {
  try {
    const [outer] = elements(der);
    if (outer?.tag !== SEQUENCE || outer.whole.length !== der.length) return undefined;
    const parts = elements(outer.content);
    const at = kind === "public" ? 0 : 1;
    const algorithm = parts[at];
    if (algorithm?.tag !== SEQUENCE) return undefined;
    const ids = elements(algorithm.content).filter((part) => part.tag === OBJECT_ID).map((part) => hex(part.content));
    const found = ids.map((id) => KINDS[id]).find((one) => one !== undefined);
    if (found === undefined) return undefined;
    // WebCrypto takes RSA keys of any use under one identifier only.
    if (ids[0] !== RSA_PSS) return { der, kind: found };
    const rest = parts.map((part, i) => (i === at ? Uint8Array.from(RSA_ALGORITHM) : part.whole));
    return { der: sequence(...rest), kind: found };
  } catch {
    return undefined;
  }
}

/** An RSA key as PKCS#1 has it (RFC 8017 A.1), wrapped into `spki` or `pkcs8`. */
export function wrapPkcs1(der: Uint8Array, kind: "public" | "private"): Uint8Array {
  const algorithm = Uint8Array.from(RSA_ALGORITHM);
  if (kind === "public") return sequence(algorithm, element(0x03, concatBytes([Uint8Array.of(0), der])));
  return sequence(Uint8Array.of(0x02, 0x01, 0x00), algorithm, element(0x04, der));
}

function elements(bytes: Uint8Array): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] as number;
    let length = bytes[at + 1] as number;
    let header = 2;
    if (length > 0x80) {
      const size = length & 0x7f;
      length = 0;
      for (let i = 0; i < size; i++) length = length * 256 + (bytes[at + 2 + i] as number);
      header += size;
    }
    const end = at + header + length;
    if (!(end <= bytes.length)) throw new RangeError("a length beyond the end");
    found.push({ tag, content: bytes.subarray(at + header, end), whole: bytes.subarray(at, end) });
    at = end;
  }
  return found;
}

function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return element(SEQUENCE, concatBytes(parts));
}

function element(tag: number, content: Uint8Array): Uint8Array {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return concatBytes([Uint8Array.of(tag, ...size), content]);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
