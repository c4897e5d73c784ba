/** What a received frame says: the envelope, checked before anything else looks at it. */

import type { Codec } from "./codec.ts";
import { DROPPED_META, KNOWN_META, MAX_CORRELATION_LENGTH } from "./names.ts";

export interface Envelope {
  readonly type: string;
  readonly meta: Record<string, unknown>;
  readonly payload: unknown;
  readonly hasPayload: boolean;
  readonly correlationId: string | undefined;
}

/** A frame that is no message. What could be read of it says how it is answered. */
export interface BadFrame {
  readonly bad: string;
  readonly type: string | undefined;
  readonly correlationId: string | undefined;
}

export function isBad(value: Envelope | BadFrame): value is BadFrame {
  return (value as BadFrame).bad !== undefined;
}

/** Decodes and checks a frame. Never throws. */
export function readFrame(data: string | Uint8Array, codec: Codec, maxDepth: number): Envelope | BadFrame {
  const binary = typeof data !== "string";
  if (binary !== codec.binary) return refuse(`${binary ? "a binary" : "a text"} frame, but the codec ${codec.name} has ${codec.binary ? "binary" : "text"} frames`);
  let value: unknown;
  try {
    value = codec.decode(data);
  } catch {
    return refuse(`the frame is not valid ${codec.name}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array) return refuse("the frame is not an object");
  return check(value as Record<string, unknown>, data, maxDepth);
}

function check(root: Record<string, unknown>, data: string | Uint8Array, maxDepth: number): Envelope | BadFrame {
  const type = Object.hasOwn(root, "type") ? root["type"] : undefined;
  const rawMeta = Object.hasOwn(root, "meta") ? root["meta"] : undefined;
  const isObject = typeof rawMeta === "object" && rawMeta !== null && !Array.isArray(rawMeta) && !(rawMeta instanceof Uint8Array);
  const id = isObject && Object.hasOwn(rawMeta, "correlationId") ? (rawMeta as Record<string, unknown>)["correlationId"] : undefined;
  const correlationId = typeof id === "string" && id.length >= 1 && id.length <= MAX_CORRELATION_LENGTH ? id : undefined;
  const bad = (reason: string): BadFrame => ({ bad: reason, type: typeof type === "string" ? type : undefined, correlationId });
  if (typeof type !== "string" || type === "") return bad("the frame has no type");
  for (const key in root) if (key !== "type" && key !== "meta" && key !== "payload") return bad(`unknown key ${JSON.stringify(key.slice(0, 64))} beside type, meta and payload`);
  if (Object.keys(root).length > 3) return bad("unknown key beside type, meta and payload");
  if (rawMeta !== undefined && rawMeta !== null && !isObject) return bad("meta is not an object");
  if (needsWalk(data, maxDepth)) {
    const found = walk(root["payload"], 0, maxDepth) ?? (isObject ? walk(rawMeta, 0, maxDepth) : undefined);
    if (found !== undefined) return bad(found);
    if (Object.hasOwn(root, "__proto__")) return bad("the key __proto__ is not allowed");
  }
  const meta = isObject ? (rawMeta as Record<string, unknown>) : {};
  const wrong = wrongMeta(meta, correlationId);
  if (wrong !== undefined) return bad(wrong);
  return { type, meta, payload: root["payload"], hasPayload: Object.hasOwn(root, "payload"), correlationId };
}

function wrongMeta(meta: Record<string, unknown>, correlationId: string | undefined): string | undefined {
  if (Object.hasOwn(meta, "correlationId") && correlationId === undefined) return `meta.correlationId is not a text of 1 to ${MAX_CORRELATION_LENGTH} characters`;
  if (Object.hasOwn(meta, "timeoutMs") && !(typeof meta["timeoutMs"] === "number" && meta["timeoutMs"] >= 0 && meta["timeoutMs"] < Infinity)) return "meta.timeoutMs is not a number of milliseconds";
  if (Object.hasOwn(meta, "timestamp") && typeof meta["timestamp"] !== "number") return "meta.timestamp is not a number";
  for (const key of ["traceparent", "tracestate"]) if (Object.hasOwn(meta, key) && typeof meta[key] !== "string") return `meta.${key} is not a text`;
  return undefined;
}

/** Each level of nesting takes two characters, and an own `__proto__` is spelled out or escaped: most texts need no look. */
function needsWalk(data: string | Uint8Array, maxDepth: number): boolean {
  if (typeof data !== "string") return true;
  return data.length > 2 * maxDepth || data.includes("__proto__") || data.includes("\\u");
}

/** The reason why a value is refused: too deep, or an own key that could become a prototype. */
function walk(value: unknown, depth: number, maxDepth: number): string | undefined {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return undefined;
  if (depth + 1 > maxDepth) return `nested deeper than ${maxDepth}`;
  if (Array.isArray(value)) {
    for (const item of value) {
      if (typeof item !== "object") continue;
      const found = walk(item, depth + 1, maxDepth);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  for (const key of Object.keys(value)) {
    if (key === "__proto__") return "the key __proto__ is not allowed";
    const member = (value as Record<string, unknown>)[key];
    if (typeof member !== "object") continue;
    const found = walk(member, depth + 1, maxDepth);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The trace a message belongs to, as a member of an event. */
export function traceOf({ traceparent }: Readonly<Record<string, unknown>>): { traceparent?: string } {
  return typeof traceparent === "string" ? { traceparent } : {};
}

/** Meta without what clients may not say, and without what nobody declared. */
export function knownMeta(meta: Record<string, unknown>): Record<string, unknown> {
  const known: Record<string, unknown> = {};
  for (const key of KNOWN_META) if (Object.hasOwn(meta, key)) known[key] = meta[key];
  return known;
}

/** What a schema of meta is shown: everything but dropped keys. */
export function declaredMeta(meta: Record<string, unknown>, hideKnown: boolean): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const key of Object.keys(meta)) if (!DROPPED_META.has(key) && !(hideKnown && KNOWN_META.includes(key))) shown[key] = meta[key];
  return shown;
}

function refuse(bad: string): BadFrame {
  return { bad, type: undefined, correlationId: undefined };
}
