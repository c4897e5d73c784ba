/** Messages of pub/sub: copies, whoever carries them. */

import { decodeValue, encodeValue } from "../../core/codec.ts";
import type { SerializedMessage } from "../contracts/pub-sub.ts";

/** Gives a fresh copy each time: no handler sees what another one, or the publisher, does to a message. */
export function copier(message: unknown): () => unknown {
  if (typeof message === "string" || typeof message === "boolean" || message === null) return () => message;
  const text = encodeValue(message);
  return () => decodeValue(text);
}

/** Whether a router published it. */
export function isSerialized(message: unknown): message is SerializedMessage {
  if (typeof message !== "object" || message === null) return false;
  const { origin, topic, frame } = message as Partial<SerializedMessage>;
  return typeof origin === "string" && typeof topic === "string" && (typeof frame === "string" || frame instanceof Uint8Array);
}
