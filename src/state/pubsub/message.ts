/** Messages of pub/sub: copies, whoever carries them. */

import { decodeValue, encodeValue } from "../../core/codec.ts";
import type { SerializedMessage } from "../contracts/pub-sub.ts";

/** Gives a fresh copy each time: no handler sees what another one, or the publisher, does to a message. */
export function copier(message: unknown): () => unknown {
  if (typeof message === "string" || typeof message === "boolean" || message === null) return () => message;
  const text = encodeValue(message);
  return () => decodeValue(text);
}

/** On what routers publish. No value that comes out of JSON has it, whatever its members; the same in two copies of this package. */
const ROUTED: unique symbol = /* @__PURE__ */ Symbol.for("sluice.routed") as never;

/** A message of a router: it goes to routers, and reaches no handler of a channel. */
export function routed(message: SerializedMessage): SerializedMessage {
  return { ...message, [ROUTED]: true } as SerializedMessage;
}

/** Whether a router published it. */
export function isSerialized(message: unknown): message is SerializedMessage {
  return typeof message === "object" && message !== null && (message as { [ROUTED]?: unknown })[ROUTED] === true;
}
