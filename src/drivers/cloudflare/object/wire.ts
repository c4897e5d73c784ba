/** What travels between a Worker and an object: names of algorithms in the place of the algorithms, errors as plain data. */

import { StoreError, SluiceError, isSluiceError, type Outcome, type StateErrorCode } from "../../../core/errors.ts";
import type { Algorithm, Operation, Reply } from "../../../state/contracts/driver.ts";

/** An algorithm by its name; a composite by the names of its members. */
export interface WireAlgorithm {
  readonly name: string;
  readonly version: number;
  readonly members?: readonly WireAlgorithm[];
}

export interface WireOperation {
  readonly algorithm: WireAlgorithm;
  readonly key: string;
  readonly commands: readonly unknown[];
}

/**
 * The replies of one operation. An error that crosses the wire as an exception loses all but its text, so errors are data:
 * `error` is that of the whole operation, `errors` those of single commands by their index.
 */
export type WireReply =
  | { readonly replies: readonly unknown[]; readonly errors?: readonly (readonly [index: number, error: WireError])[] }
  | { readonly error: WireError };

export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly outcome?: Outcome;
  /** It was about the arguments, not about the store. */
  readonly range?: boolean;
}

export function toWire({ algorithm, key, commands }: Operation): WireOperation {
  return { algorithm: nameOf(algorithm), key, commands };
}

const names: WeakMap<Algorithm, WireAlgorithm> = /* @__PURE__ */ new WeakMap();

function nameOf(algorithm: Algorithm): WireAlgorithm {
  let known = names.get(algorithm);
  if (known === undefined) {
    const { name, version, members } = algorithm;
    known = { name, version, ...(members === undefined ? {} : { members: members.map(nameOf) }) };
    names.set(algorithm, known);
  }
  return known;
}

export function toWireError(error: unknown): WireError {
  if (isSluiceError(error)) {
    const { code, message, outcome } = error;
    return { code, message, ...(outcome === undefined ? {} : { outcome }), ...(error instanceof RangeError ? { range: true } : {}) };
  }
  if (error instanceof RangeError) return { code: "CONFIG_INVALID", message: error.message, range: true };
  return { code: "STORE_UNAVAILABLE", message: error instanceof Error ? error.message : String(error), outcome: "unknown" };
}

export function fromWireError({ code, message, outcome, range }: WireError): Error {
  if (range === true) return Object.assign(new RangeError(message), { code });
  if (code.startsWith("STORE_")) return new StoreError(code as StateErrorCode, message, { outcome });
  return new SluiceError(code, message, { outcome });
}

/** What steps gave: errors among the replies are those of one command. */
export function toWireReply(replies: unknown[]): WireReply {
  let errors: [number, WireError][] | undefined;
  for (let i = 0; i < replies.length; i++) {
    const reply = replies[i];
    if (typeof reply !== "object" || reply === null || !(reply instanceof Error || isSluiceError(reply))) continue;
    (errors ??= []).push([i, toWireError(reply)]);
    replies[i] = null;
  }
  return errors === undefined ? { replies } : { replies, errors };
}

/** The replies of one operation, in the shape of `StateDriver.run`. */
export function fromWire(reply: WireReply, { commands }: Operation): Reply[] {
  if ("error" in reply) {
    const error = fromWireError(reply.error);
    return commands.map(() => error);
  }
  const { replies, errors } = reply;
  if (errors === undefined) return replies as Reply[];
  const all = [...replies];
  for (const [index, error] of errors) all[index] = fromWireError(error);
  return all;
}

/** Whether an answer has the shape of replies to so many operations: anything else is a failure of the store. */
export function areReplies(answer: unknown, count: number): answer is WireReply[] {
  return Array.isArray(answer) && answer.length === count && answer.every((reply: unknown) => {
    if (typeof reply !== "object" || reply === null) return false;
    const { replies, error } = reply as { replies?: unknown; error?: unknown };
    return Array.isArray(replies) || (typeof error === "object" && error !== null && typeof (error as { code?: unknown }).code === "string");
  });
}
