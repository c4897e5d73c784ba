/** Frames the server sends: written once per codec, whoever gets them. */

import { type Codec, jsonCodec } from "./codec.ts";
import { SERVER_META } from "./names.ts";
import type { SlowConsumerPolicy } from "./options.ts";

/** A frame ready for the wire. A platform keeps its own form of it in `wire`, so that it is made once for all receivers. */
export class Frame {
  readonly data: string | Uint8Array;
  readonly codec: Codec;
  /** On the wire, without framing. Exact for binary; for text an upper bound is refined when asked for. */
  readonly bytes: number;
  /** A topic's frame may be dropped or replaced by policy; a direct one may not. */
  droppable = false;
  /** What happens to this frame when its receiver is too slow; the connection's own where undefined. */
  policy: SlowConsumerPolicy | undefined = undefined;
  /** What a newer frame of the same key may replace. */
  coalesceKey: string | undefined = undefined;
  /** @internal */ wire: unknown = undefined;

  constructor(data: string | Uint8Array, codec: Codec) {
    this.data = data;
    this.codec = codec;
    this.bytes = typeof data === "string" ? textBytes(data) : data.length;
  }
}

/** UTF-8 length, without encoding what is plain ASCII. */
export function textBytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    if (code < 0x800) bytes++;
    else if (code >= 0xd800 && code < 0xdc00 && i + 1 < text.length) {
      bytes += 2;
      i++;
    } else bytes += 2;
  }
  return bytes;
}

/** Meta of an outgoing frame. Undefined members are not written. */
export interface OutMeta {
  timestamp: number;
  correlationId?: string | undefined;
  topic?: string | undefined;
  offset?: string | undefined;
  seq?: number | undefined;
  [key: string]: unknown;
}

/** User's meta below the server's: what only the server sets is dropped from it. */
export function mergeMeta(own: OutMeta, user: Readonly<Record<string, unknown>> | undefined): OutMeta {
  if (user === undefined) return own;
  const merged: OutMeta = { timestamp: own.timestamp };
  for (const key of Object.keys(user)) if (!SERVER_META.has(key) && key !== "__proto__") merged[key] = user[key];
  return Object.assign(merged, own);
}

const quoted = new Map<string, string>();

/** `JSON.stringify` of a type, remembered: types are few. */
function quote(type: string): string {
  let text = quoted.get(type);
  if (text === undefined) {
    if (quoted.size > 10_000) quoted.clear();
    quoted.set(type, (text = JSON.stringify(type)));
  }
  return text;
}

/** Encodes an envelope. Throws what the codec throws for a value that cannot be sent. */
export function encodeFrame(codec: Codec, type: string, meta: Readonly<Record<string, unknown>>, payload: unknown): Frame {
  if (codec !== jsonCodec) return new Frame(codec.encode(payload === undefined ? { type, meta } : { type, meta, payload }), codec);
  const head = `{"type":${quote(type)},"meta":${JSON.stringify(meta)}`;
  if (payload === undefined) return new Frame(`${head}}`, codec);
  const text = JSON.stringify(payload);
  if (text === undefined) throw new TypeError(`a ${typeof payload} cannot be sent`);
  return new Frame(`${head},"payload":${text}}`, codec);
}

/** The frame of a control message that is the same text in every codec of text. */
export function fixedFrame(codec: Codec, text: string): Frame {
  return new Frame(codec.binary ? codec.encode(JSON.parse(text)) : text, codec);
}

/** Bytes of a received message. */
export function sizeOf(data: string | Uint8Array): number {
  return typeof data === "string" ? textBytes(data) : data.byteLength;
}

