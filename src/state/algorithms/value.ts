/**
 * Value: one key of a key-value store. Encoded text or a counter, with a deadline that is checked on every read, whatever
 * the backend does about its own expiry.
 *
 * A plain write replaces value and deadline. A counter gets its deadline from the `add` that creates it, and no later
 * `add` moves it. `compareAndSet` compares encoded text, so what was read always matches while nothing changed; when it says
 * false it changed nothing. `rev` grows with every write, and by starting at `floor(now) * 1024` also over a deletion of
 * more than a millisecond.
 *
 * Counters are exact up to 2^53 - 1; beyond, `STORE_OVERFLOW` and no change. Commands that cannot be done answer with an
 * error as their reply. A clock that steps back moves the deadline back with it.
 */

import { decodeText, encodeText, encodeValue } from "../../core/codec.ts";
import { StoreError } from "../../core/errors.ts";
import type { Algorithm, Step } from "../contracts/driver.ts";
import { defineAlgorithm } from "../define-algorithm.ts";

export interface ValueState {
  /** What was written, as `encodeValue` gives it; absent for a counter. */
  readonly text?: string;
  readonly count?: number;
  readonly expiresAt?: number;
  readonly rev: number;
  /** The instant of the last write. */
  readonly seen: number;
}

/** Texts are those of `encodeValue`, TTLs whole ms as `checkTtlMs` gives them. */
export type ValueCommand =
  | { readonly type: "get" }
  /** `text: undefined` deletes. */
  | { readonly type: "set"; readonly text: string | undefined; readonly ttlMs?: number }
  | { readonly type: "delete" }
  /** `expected: undefined` is "absent", `text: undefined` is "delete". */
  | { readonly type: "compareAndSet"; readonly expected: string | undefined; readonly text: string | undefined; readonly ttlMs?: number }
  | { readonly type: "add"; readonly by: number; readonly ttlMs?: number };

export interface ValueReply {
  /** `get`: it is there. `delete`: it was there. `compareAndSet`: it matched and was written. Else true. */
  readonly ok: boolean;
  /** What is there after a `get`; a counter as `encodeValue` of its number. */
  readonly text?: string;
  /** What a counter shows after the command. */
  readonly count?: number;
  /** Of what is there after the command, 0 for nothing. */
  readonly rev: number;
}

/** Longest text of one value, in UTF-8 bytes. Backends may allow less and say so in their capabilities. */
export const MAX_VALUE_TEXT_BYTES = 1_048_576;
/** The text and its envelope. Written out: a sum would keep bundlers from leaving the algorithm out. */
const MAX_STATE_BYTES = 1_048_640;

const REVS_PER_MS = 1024;

export const value: Algorithm<ValueState, ValueCommand, ValueReply | StoreError> = /* @__PURE__ */ defineAlgorithm<ValueState, ValueCommand, ValueReply | StoreError>({
  name: "value",
  version: 1,
  maxStateBytes: MAX_STATE_BYTES,
  // A full store drops values that were not used for long, never a counter.
  limiting: (state) => state.count !== undefined,
  step,
  encode,
  decode,
});

type Result = Step<ValueState, ValueReply | StoreError>;

function step(state: ValueState | undefined, command: ValueCommand, now: number): Result {
  const kept = state === undefined ? undefined : reanchored(state, now);
  const live = kept !== undefined && (kept.expiresAt === undefined || now < kept.expiresAt) ? kept : undefined;
  switch (command.type) {
    case "get":
      return unchanged(kept, { ok: live !== undefined, text: textOf(live), count: live?.count, rev: live?.rev ?? 0 });
    case "set":
      return command.text === undefined ? removed(kept, live) : put(kept, command.text, command.ttlMs, now);
    case "delete":
      return removed(kept, live);
    case "compareAndSet":
      if (textOf(live) !== command.expected) return unchanged(kept, { ok: false, rev: live?.rev ?? 0 });
      if (command.text !== undefined) return put(kept, command.text, command.ttlMs, now);
      return live === undefined ? unchanged(kept, { ok: true, rev: 0 }) : { state: undefined, reply: { ok: true, rev: 0 }, expiresAt: undefined };
    case "add":
      return add(kept, live, command.by, command.ttlMs, now);
  }
}

function add(kept: ValueState | undefined, live: ValueState | undefined, by: number, ttlMs: number | undefined, now: number): Result {
  if (live !== undefined && live.count === undefined) {
    return refused(kept, new StoreError("STORE_WRONG_TYPE", "the key holds a value that is no counter, so nothing can be added to it", { outcome: "not-applied" }));
  }
  const count = (live?.count ?? 0) + by;
  if (!Number.isSafeInteger(count)) {
    return refused(kept, new StoreError("STORE_OVERFLOW", "the counter would leave the integers that are exact (2^53 - 1)", { outcome: "not-applied" }));
  }
  const expiresAt = live === undefined ? deadline(ttlMs, now) : live.expiresAt;
  const next = { count, expiresAt, rev: nextRev(kept, now), seen: Math.floor(now) };
  return { state: next, reply: { ok: true, count, rev: next.rev }, expiresAt };
}

function put(kept: ValueState | undefined, text: string, ttlMs: number | undefined, now: number): Result {
  // A UTF-16 unit takes at most three bytes, so short texts need no measuring.
  if (text.length * 3 > MAX_VALUE_TEXT_BYTES && encodeText(text).length > MAX_VALUE_TEXT_BYTES) {
    return refused(kept, new StoreError("STORE_VALUE_TOO_LARGE", `the value takes more than ${MAX_VALUE_TEXT_BYTES} bytes`, { outcome: "not-applied" }));
  }
  const next = { text, expiresAt: deadline(ttlMs, now), rev: nextRev(kept, now), seen: Math.floor(now) };
  return { state: next, reply: { ok: true, rev: next.rev }, expiresAt: next.expiresAt };
}

/** Something to delete that has expired is dropped, too, but was not there. */
function removed(kept: ValueState | undefined, live: ValueState | undefined): Result {
  if (live === undefined) return unchanged(kept, { ok: false, rev: 0 });
  return { state: undefined, reply: { ok: true, rev: 0 }, expiresAt: undefined };
}

function unchanged(kept: ValueState | undefined, reply: ValueReply): Result {
  return { state: kept, reply, expiresAt: kept?.expiresAt };
}

function refused(kept: ValueState | undefined, reply: StoreError): Result {
  return { state: kept, reply, expiresAt: kept?.expiresAt };
}

function textOf(live: ValueState | undefined): string | undefined {
  return live === undefined || live.text !== undefined ? live?.text : encodeValue(live.count);
}

function deadline(ttlMs: number | undefined, now: number): number | undefined {
  return ttlMs === undefined ? undefined : Math.min(Math.ceil(now) + ttlMs, Number.MAX_SAFE_INTEGER);
}

function nextRev(kept: ValueState | undefined, now: number): number {
  return Math.max((kept?.rev ?? 0) + 1, Math.floor(now) * REVS_PER_MS);
}

/** The same object unless the clock is behind a deadline's beginning: then the deadline moves back with it. */
function reanchored(state: ValueState, now: number): ValueState {
  const behind = state.seen - Math.floor(now);
  if (behind <= 0 || state.expiresAt === undefined) return state;
  return { ...state, expiresAt: state.expiresAt - behind, seen: state.seen - behind };
}

/** `rev,seen,deadline` in base 36 (no deadline: nothing), then `#count` or `=text`. */
function encode({ rev, seen, expiresAt, count, text }: ValueState): Uint8Array {
  const head = `${rev.toString(36)},${seen.toString(36)},${expiresAt === undefined ? "" : expiresAt.toString(36)}`;
  return encodeText(count === undefined ? `${head}=${text}` : `${head}#${count}`);
}

const FORM: RegExp = /^([0-9a-z]+),([0-9a-z]+),([0-9a-z]*)(?:#(-?\d+)|=([^]*))$/;

function decode(bytes: Uint8Array): ValueState {
  const match = FORM.exec(decodeText(bytes));
  if (match === null) throw corrupt();
  const [, rev, seen, expiresAt, count, text] = match as unknown as [string, string, string, string, string?, string?];
  return {
    ...(count === undefined ? { text: text as string } : { count: integer(count, 10) }),
    expiresAt: expiresAt === "" ? undefined : integer(expiresAt, 36),
    rev: integer(rev, 36),
    seen: integer(seen, 36),
  };
}

function integer(text: string, radix: number): number {
  const number = parseInt(text, radix);
  if (!Number.isSafeInteger(number) || number.toString(radix) !== text) throw corrupt();
  return number;
}

function corrupt(): StoreError {
  return new StoreError("STORE_CORRUPT", "a stored value is damaged and cannot be decoded");
}
