/**
 * A set of names, each with an end: what a cache must find again to purge it. Pages list the last to end first. Where a set is one
 * record it is bounded by `maxBytes`: beyond that the names that end first leave, and whoever added one drops what they stand for.
 */

import { decodeText, encodeText } from "../../core/codec.ts";
import { StoreError } from "../../core/errors.ts";
import type { Algorithm, Step } from "../contracts/driver.ts";
import { defineAlgorithm } from "../define-algorithm.ts";

/** Members by falling end, then by falling name. */
export type KeySetState = readonly (readonly [name: string, endsAt: number])[];

export type KeySetCommand =
  /** A later end replaces an earlier one; an earlier one changes nothing. `maxBytes` bounds the set as it is encoded. */
  | { readonly type: "add"; readonly name: string; readonly ttlMs: number; readonly maxBytes?: number }
  | { readonly type: "page"; readonly from: number; readonly limit: number };

export interface KeySetReply {
  /**
   * Of a page; a new name may move others to a later page, none to an earlier one. Of an `add`: those that left as there is no room
   * for them, or the added name itself, which is not in the set then, when it is larger than the bound alone.
   */
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
  const names = command.maxBytes === undefined ? [] : makeRoom(state, command.name, command.maxBytes);
  if (names[0] === command.name) return { state: before, reply: { names }, expiresAt: before?.[0]?.[1] };
  return { state, reply: names.length === 0 ? EMPTY : { names }, expiresAt: state[0]?.[1] };
}

/** Takes out those that end first, except `added`, until the rest fits; only `added` when that does not fit by itself. */
function makeRoom(state: (readonly [string, number])[], added: string, maxBytes: number): string[] {
  const names: string[] = [];
  let bytes = bytesOf(state);
  for (let i = state.length - 1; i >= 0 && bytes > maxBytes; i--) {
    const entry = state[i] as readonly [string, number];
    if (entry[0] === added) continue;
    // With its comma.
    bytes -= bytesOf(entry) + 1;
    names.push(entry[0]);
    state.splice(i, 1);
  }
  return bytes > maxBytes ? [added] : names;
}

function bytesOf(value: unknown): number {
  return encodeText(JSON.stringify(value)).length;
}

function decode(bytes: Uint8Array): KeySetState {
  const state: unknown = JSON.parse(decodeText(bytes));
  if (!Array.isArray(state) || !state.every((entry) => Array.isArray(entry) && typeof entry[0] === "string" && Number.isSafeInteger(entry[1]))) throw new StoreError("STORE_CORRUPT", "a set of names is damaged");
  return state as KeySetState;
}
