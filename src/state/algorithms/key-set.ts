/** A set of names, each with an end: what a cache must find again to purge it. Pages list the last to end first. */

import { decodeText, encodeText } from "../../core/codec.ts";
import { StoreError } from "../../core/errors.ts";
import type { Algorithm, Step } from "../contracts/driver.ts";
import { defineAlgorithm } from "../define-algorithm.ts";

/** Members by falling end, then by falling name. */
export type KeySetState = readonly (readonly [name: string, endsAt: number])[];

export type KeySetCommand =
  /** A later end replaces an earlier one; an earlier one changes nothing. */
  | { readonly type: "add"; readonly name: string; readonly ttlMs: number }
  | { readonly type: "page"; readonly from: number; readonly limit: number };

export interface KeySetReply {
  /** Of a page; a new name may move others to a later page, none to an earlier one. */
  readonly names: readonly string[];
}

const EMPTY: KeySetReply = Object.freeze({ names: [] });

export const keySet: Algorithm<KeySetState, KeySetCommand, KeySetReply> = /* @__PURE__ */ defineAlgorithm<KeySetState, KeySetCommand, KeySetReply>({
  name: "key-set",
  version: 1,
  maxStateBytes: 2 ** 20,
  step,
  encode: (state) => encodeText(JSON.stringify(state)),
  decode,
});

function step(before: KeySetState | undefined, command: KeySetCommand, now: number): Step<KeySetState, KeySetReply> {
  if (command.type === "page") {
    const live = (before ?? []).filter(([, endsAt]) => endsAt > now);
    return { state: before, reply: { names: live.slice(command.from, command.from + command.limit).map(([name]) => name) }, expiresAt: before?.[0]?.[1] };
  }
  const endsAt = Math.ceil(now) + command.ttlMs;
  const old = before?.find(([name]) => name === command.name);
  if (old !== undefined && old[1] >= endsAt) return { state: before, reply: EMPTY, expiresAt: before?.[0]?.[1] };
  const state = (before ?? []).filter(([name, end]) => end > now && name !== command.name);
  const at = state.findIndex(([name, end]) => end < endsAt || (end === endsAt && name < command.name));
  state.splice(at === -1 ? state.length : at, 0, [command.name, endsAt]);
  return { state, reply: EMPTY, expiresAt: state[0]?.[1] };
}

function decode(bytes: Uint8Array): KeySetState {
  const state: unknown = JSON.parse(decodeText(bytes));
  if (!Array.isArray(state) || !state.every((entry) => Array.isArray(entry) && typeof entry[0] === "string" && Number.isSafeInteger(entry[1]))) throw new StoreError("STORE_CORRUPT", "a set of names is damaged");
  return state as KeySetState;
}
