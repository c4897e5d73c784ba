/**
 * The encoding of stored values: JSON plus `Uint8Array`, text-safe, versioned by one leading byte.
 *
 * Layout: U+0001 (version 1; no JSON text starts with it), one kind character, payload. Kinds: `j` plain JSON, `x`
 * JSON in which `{"$bytes": "<base64>"}` stands for bytes and keys that begin with `$` carry one more `$`, `b` one
 * base64 byte string. Text without the version byte was not written by Sluice: it reads as the JSON it parses to, else
 * as itself.
 */

import { StoreError, quote } from "./errors.ts";

export { decodeText, encodeText } from "./utf8.ts";

const VERSION = "\u0001";

/** Encodes a value. Throws `STORE_UNSERIALIZABLE` for what cannot come back as it was: functions, symbols, bigints, NaN, infinities, cycles, and objects that are not plain and have no `toJSON`. */
export function encodeValue(value: unknown): string {
  if (value instanceof Uint8Array) return `${VERSION}b${toBase64(value)}`;
  const state = { tagged: false, path: new Set<object>() };
  const plain = toJson(value, state, "value");
  return state.tagged ? `${VERSION}x${JSON.stringify(plain)}` : `${VERSION}j${JSON.stringify(plain)}`;
}

/** Decodes what {@link encodeValue} gave, or foreign text. Throws `STORE_CORRUPT` for a version or kind it does not know. */
export function decodeValue(text: string): unknown {
  if (text[0] !== VERSION) {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  const kind = text[1];
  try {
    if (kind === "j") return JSON.parse(text.slice(2));
    if (kind === "x") return fromTagged(JSON.parse(text.slice(2)));
    if (kind === "b") return fromBase64(text.slice(2));
  } catch (cause) {
    throw new StoreError("STORE_CORRUPT", "a stored value is damaged and cannot be decoded", { cause });
  }
  throw new StoreError("STORE_CORRUPT", `a stored value has the unknown kind ${quote(kind)}; was it written by a newer version?`);
}

/** What platforms have for it natively: an order of magnitude faster than `btoa` on strings of bytes. */
interface NativeBase64 {
  readonly Buffer?: {
    from(bytes: ArrayBufferLike, at: number, length: number): { toString(encoding: "base64"): string };
    from(text: string, encoding: "base64"): Uint8Array;
  };
}

/** Text that Node's decoder, which skips what it does not know, takes as `atob` would. */
const BASE64: RegExp = /^[A-Za-z0-9+/]*={0,2}$/;

export function toBase64(bytes: Uint8Array): string {
  const { Buffer } = globalThis as NativeBase64;
  if (Buffer !== undefined) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
  let binary = "";
  for (let i = 0; i < bytes.length; i += 0x8000) binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(binary);
}

export function fromBase64(text: string): Uint8Array {
  const { Buffer } = globalThis as NativeBase64;
  if (Buffer !== undefined && text.length % 4 === 0 && BASE64.test(text)) {
    const bytes = Buffer.from(text, "base64");
    // A small one lies in a pool that others share.
    return bytes.byteLength < bytes.buffer.byteLength ? new Uint8Array(bytes) : new Uint8Array(bytes.buffer);
  }
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

interface Walk {
  tagged: boolean;
  readonly path: Set<object>;
}

/** A copy in plain JSON. Once a tag is needed the walk keeps going, and keys are escaped everywhere. */
function toJson(value: unknown, walk: Walk, where: string): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      if (Number.isFinite(value)) return value;
      return refuse(where, value);
    case "undefined":
      return where === "value" ? refuse(where, value) : undefined;
    case "object":
      break;
    default:
      return refuse(where, value);
  }
  if (value === null) return null;
  if (value instanceof Uint8Array) {
    walk.tagged = true;
    return { $bytes: toBase64(value) };
  }
  if (walk.path.has(value)) return refuse(where, "a cycle");
  walk.path.add(value);
  const copy = copyObject(value, walk, where);
  walk.path.delete(value);
  return copy;
}

function copyObject(value: object, walk: Walk, where: string): unknown {
  if (Array.isArray(value)) return value.map((item, i) => toJson(item === undefined ? null : item, walk, `${where}[${i}]`));
  const json = (value as { toJSON?: unknown }).toJSON;
  if (typeof json === "function") return toJson((json as () => unknown).call(value), walk, `${where}.toJSON()`);
  if (!isPlain(value)) return refuse(where, `a ${nameOf(value)}`);
  const copy: Record<string, unknown> = Object.create(null);
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue;
    if (key.startsWith("$")) walk.tagged = true;
    copy[key.startsWith("$") ? `$${key}` : key] = toJson(item, walk, `${where}.${key}`);
  }
  return copy;
}

/** Plain objects of another realm have a prototype of their own, and that one has none. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

function nameOf(value: object): string {
  const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
  return typeof name === "string" && name !== "" ? name : "object with a prototype";
}

function fromTagged(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(fromTagged);
  const bytes = (value as { $bytes?: unknown }).$bytes;
  if (typeof bytes === "string") return fromBase64(bytes);
  const copy: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    // `__proto__` is a plain key here: assignment would set the prototype instead.
    Object.defineProperty(copy, key.startsWith("$$") ? key.slice(1) : key, { value: fromTagged(item), writable: true, enumerable: true, configurable: true });
  }
  return copy;
}

function refuse(where: string, value: unknown): never {
  throw new StoreError("STORE_UNSERIALIZABLE", `${where} cannot be stored: ${quote(value)} has no JSON form (JSON values and Uint8Array do)`, { outcome: "not-applied" });
}
