/**
 * One entry of a response cache with its fill lock, in one record: whoever writes under a token writes and frees the lock
 * in one step, and a purge drops the entry and voids the token in one step, so it is never undone by an older fill.
 *
 * The token is a fence, `max(last + 1, floor(now) * 1024)`: unique for the key, and growing. The store's clock decides
 * when entry and lock end; time that steps back moves both ends back with it.
 */

import { decodeText, encodeText } from "../../core/codec.ts";
import { StoreError } from "../../core/errors.ts";
import type { Algorithm, Step } from "../contracts/driver.ts";
import { defineAlgorithm } from "../define-algorithm.ts";

export interface CacheEntryState {
  readonly fence: number;
  /** When the fill under way ends, 0 when nobody fills. */
  readonly lockedUntil: number;
  /** The instant of the last change. */
  readonly seen: number;
  /** When the entry ends, 0 when there is none. */
  readonly endsAt: number;
  /** Names the chunks of a body that is kept beside the record. */
  readonly write: number;
  readonly chunks: number;
  /** HTTP status, 0 for a note that is no response. */
  readonly status: number;
  /** Tags between colons, each escaped: `:a:b:`, or nothing. */
  readonly tags: string;
  readonly text: string;
}

export type CacheEntryCommand =
  /** With `lockMs`: where no entry is live it is also `open`, in the same step. */
  | { readonly type: "view"; readonly lockMs?: number }
  | { readonly type: "open"; readonly lockMs: number }
  | { readonly type: "check"; readonly token: number }
  | { readonly type: "close"; readonly token: number }
  /** With a token: only while it is live, which ends it. `ttlMs` of 0 or less leaves nothing. */
  | { readonly type: "put"; readonly token?: number; readonly ttlMs: number; readonly write: number; readonly chunks: number; readonly status: number; readonly tags: string; readonly text: string; readonly fill?: CacheFillParts }
  /** Drops the entry if it carries `tag` (absent: in any case), and voids the token. */
  | { readonly type: "drop"; readonly tag?: string }
  /** Drops the entry if it is still that of `write`. */
  | { readonly type: "undo"; readonly write: number };

/**
 * What else a `put` does in the same step where the driver has `cacheFills`: the name goes into its sets (`key-set`), and the entry is
 * refused with `purged` when `purge` is not the current number (`purge-number`) any more. To `step`, which knows one key, it is nothing.
 */
export interface CacheFillParts {
  readonly name: string;
  readonly sets: readonly string[];
  /** Key of the purge number. */
  readonly purges: string;
  /** Absent: nobody's purge is in the way of a response that was not fetched before. */
  readonly purge?: number;
}

export interface CacheEntryReply {
  /** `view`, `drop`: a live entry was there (and dropped). Else: done. A lock that came with a `view` shows in `token`. */
  readonly ok: boolean;
  readonly token: number;
  readonly waitMs: number;
  readonly status: number;
  /** Of the entry viewed, or of the one that a command replaced or dropped. */
  readonly write: number;
  readonly chunks: number;
  readonly text?: string;
  /** Of a `put`: nothing was done, as there was a purge since the fill began; whether it concerns this entry is not known. */
  readonly purged?: true;
}

const FENCES_PER_MS = 1024;
/** A freed record is kept this long: a fence of the same millisecond would else be given twice. */
const KEEP_MS = 1000;
const NONE: CacheEntryState = Object.freeze({ fence: 0, lockedUntil: 0, seen: 0, endsAt: 0, write: 0, chunks: 0, status: 0, tags: "", text: "" });
const NO = Object.freeze({ ok: false, token: 0, waitMs: 0, status: 0, write: 0, chunks: 0 });

export const cacheEntry: Algorithm<CacheEntryState, CacheEntryCommand, CacheEntryReply> = /* @__PURE__ */ defineAlgorithm<CacheEntryState, CacheEntryCommand, CacheEntryReply>({
  name: "cache-entry",
  version: 1,
  maxStateBytes: 2 ** 20,
  limiting: (state, now) => state.lockedUntil > now,
  step,
  encode,
  decode,
});

type Result = Step<CacheEntryState, CacheEntryReply>;

function step(before: CacheEntryState | undefined, command: CacheEntryCommand, now: number): Result {
  const kept = before === undefined ? undefined : reanchored(before, now);
  const state = kept ?? NONE;
  const live = state.endsAt > now;
  const locked = state.lockedUntil > now;
  const old = live ? { status: state.status, write: state.write, chunks: state.chunks } : {};
  const same = (reply: Partial<CacheEntryReply>): Result => ({ state: kept, reply: { ...NO, ...reply }, expiresAt: kept === undefined ? undefined : expiry(kept) });
  const next = (changes: Partial<CacheEntryState>, reply: Partial<CacheEntryReply>): Result => {
    const changed = { ...state, ...changes, seen: Math.floor(now) };
    return { state: changed, reply: { ...NO, ok: true, ...reply }, expiresAt: expiry(changed) };
  };
  const open = (lockMs: number, reply: Partial<CacheEntryReply>): Result => {
    if (locked) return same({ waitMs: Math.ceil(state.lockedUntil - now) });
    const fence = Math.max(state.fence + 1, Math.floor(now) * FENCES_PER_MS);
    // What has ended need not be carried along until it is replaced.
    return next({ ...(live ? undefined : blank), fence, lockedUntil: Math.floor(now) + lockMs }, { token: fence, ...reply });
  };
  switch (command.type) {
    case "view":
      if (live) return same({ ok: true, ...old, text: state.text });
      return command.lockMs === undefined ? same({}) : open(command.lockMs, { ok: false });
    case "open":
      return open(command.lockMs, {});
    case "check":
      return same({ ok: locked && command.token === state.fence });
    case "close":
      return locked && command.token === state.fence ? next({ lockedUntil: 0 }, {}) : same({});
    case "put": {
      const { token, ttlMs, write, chunks, status, tags, text } = command;
      if (token !== undefined && !(locked && token === state.fence)) return same({});
      const lockedUntil = token === undefined ? state.lockedUntil : 0;
      if (ttlMs <= 0) return next({ ...blank, lockedUntil }, old);
      return next({ lockedUntil, endsAt: Math.ceil(now) + ttlMs, write, chunks, status, tags, text }, old);
    }
    case "drop": {
      if (kept === undefined) return same({});
      const hit = live && (command.tag === undefined || state.tags.includes(`:${command.tag}:`));
      if (!hit && !locked) return same({});
      return next({ ...(hit ? blank : undefined), lockedUntil: 0 }, hit ? old : { ok: false });
    }
    case "undo":
      return live && state.write === command.write ? next(blank, old) : same({});
  }
}

const blank = Object.freeze({ endsAt: 0, write: 0, chunks: 0, status: 0, tags: "", text: "" });

function expiry(state: CacheEntryState): number {
  return Math.max(state.endsAt, state.lockedUntil, state.seen) + KEEP_MS;
}

/** The same object unless the clock is behind: then every end moves back with it. */
function reanchored(state: CacheEntryState, now: number): CacheEntryState {
  const behind = state.seen - Math.floor(now);
  if (behind <= 0) return state;
  const back = (at: number): number => (at === 0 ? 0 : Math.max(1, at - behind));
  return { ...state, seen: Math.floor(now), lockedUntil: back(state.lockedUntil), endsAt: back(state.endsAt) };
}

/** The numbers and the tags on the first line, then the text. */
function encode(state: CacheEntryState): Uint8Array {
  return encodeText(cacheEntryText(state));
}

function decode(bytes: Uint8Array): CacheEntryState {
  return cacheEntryState(decodeText(bytes));
}

export function cacheEntryText({ fence, lockedUntil, seen, endsAt, write, chunks, status, tags, text }: CacheEntryState): string {
  return `${fence} ${lockedUntil} ${seen} ${endsAt} ${write} ${chunks} ${status} ${tags}\n${text}`;
}

const FORM: RegExp = /^(\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) ([^\n]*)\n/;

export function cacheEntryState(record: string): CacheEntryState {
  const match = FORM.exec(record);
  const [fence, lockedUntil, seen, endsAt, write, chunks, status] = (match ?? []).slice(1, 8).map(Number) as [number, number, number, number, number, number, number];
  if (match === null || ![fence, lockedUntil, seen, endsAt, write, chunks, status].every(Number.isSafeInteger)) throw new StoreError("STORE_CORRUPT", "a cache entry is damaged");
  return { fence, lockedUntil, seen, endsAt, write, chunks, status, tags: match[8] as string, text: record.slice(match[0].length) };
}
