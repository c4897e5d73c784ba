/** Codecs of frames. JSON text is built in; others are plugged in. */

import { OptionError } from "../core/errors.ts";
import { decodeText, encodeText } from "../core/codec.ts";
import { checkFunction } from "../core/check.ts";
import { checkKeys } from "./check.ts";

/** How frames are written. `sluice.v1+<name>` is its subprotocol. */
export interface Codec {
  /** Letters, digits, `.` and `-`. */
  readonly name: string;
  /** Frames are binary messages; else text. */
  readonly binary: boolean;
  /** Throws for what it cannot write. */
  encode(value: unknown): string | Uint8Array;
  /** Throws for what is no frame. */
  decode(data: string | Uint8Array): unknown;
}

/** JSON text (RFC 8259): the default. */
export const jsonCodec: Codec = /* @__PURE__ */ Object.freeze({
  name: "json",
  binary: false,
  encode: (value: unknown): string => JSON.stringify(value),
  decode: (data: string | Uint8Array): unknown => JSON.parse(typeof data === "string" ? data : decodeText(data)),
});

/**
 * MessagePack over the functions of a library, such as `@msgpack/msgpack` or `msgpackr`.
 *
 * ```ts
 * import { decode, encode } from "@msgpack/msgpack";
 * const router = createRouter({ codecs: [jsonCodec, msgpackCodec({ encode, decode })] });
 * ```
 */
export function msgpackCodec(library: { encode(value: unknown): Uint8Array; decode(bytes: Uint8Array): unknown }): Codec {
  const encode = checkFunction("library.encode", library?.encode).bind(library);
  const decode = checkFunction("library.decode", library?.decode).bind(library);
  return Object.freeze({
    name: "msgpack",
    binary: true,
    encode: (value: unknown) => encode(plain(value, 0)),
    decode: (data: string | Uint8Array) => decode(typeof data === "string" ? encodeText(data) : data),
  });
}

/** What JSON would write: `undefined` members are absent, and what JSON refuses is refused. */
function plain(value: unknown, depth: number): unknown {
  if (typeof value === "bigint" || typeof value === "function" || typeof value === "symbol") throw new TypeError(`a ${typeof value} cannot be sent`);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (depth > 1000) throw new TypeError("the value is nested too deeply, or refers to itself");
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") return plain((toJSON as () => unknown).call(value), depth + 1);
  if (Array.isArray(value)) return value.map((item) => (item === undefined ? null : plain(item, depth + 1)));
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[key];
    if (member === undefined) continue;
    const written = plain(member, depth + 1);
    if (key === "__proto__") Object.defineProperty(copy, key, { value: written, enumerable: true });
    else copy[key] = written;
  }
  return copy;
}

/** Checks the list of a router. */
export function checkCodecs(codecs: unknown): readonly Codec[] {
  if (!Array.isArray(codecs) || codecs.length === 0) throw new OptionError("codecs", codecs, "a list of at least one codec");
  const names = new Set<string>();
  for (const [i, codec] of codecs.entries()) {
    checkKeys(`codecs[${i}]`, codec, ["name", "binary", "encode", "decode"]);
    const { name, binary } = codec as Codec;
    if (typeof name !== "string" || !/^[a-z0-9.-]+$/i.test(name) || names.has(name)) throw new OptionError(`codecs[${i}].name`, name, "letters, digits, dots and dashes, used once");
    if (typeof binary !== "boolean") throw new OptionError(`codecs[${i}].binary`, binary, "true or false");
    checkFunction(`codecs[${i}].encode`, (codec as Codec).encode);
    checkFunction(`codecs[${i}].decode`, (codec as Codec).decode);
    names.add(name);
  }
  return codecs as Codec[];
}

export const PROTOCOL_PREFIX = "sluice.v1+";
