/**
 * Fill lock: of all who find an entry missing or stale, one fills it and the others wait.
 *
 * The filler's token is a fence, `max(last + 1, floor(now) * 1024)`: unique for the key, and growing. It ends after `lockMs` unless
 * it is renewed, so a filler that dies costs its waiters that time. What is written under a token must be checked with
 * `close`, which says whether the token was still good and frees the lock; a purge sends `void`, after which nothing that was
 * being filled can be written: a purge is never undone by an older fill.
 *
 * Exact: at most one live token per key at any instant. Time that steps back moves the token's end back with it.
 */

import type { Algorithm, RowMachine } from "../contracts/driver.ts";
import { defineRowAlgorithm, type Row } from "../define-algorithm.ts";

export type FillLockCommand =
  | { readonly type: "open"; readonly lockMs: number }
  | { readonly type: "renew"; readonly token: number; readonly lockMs: number }
  /** Ends the fill, before its result is made visible or because there is none. */
  | { readonly type: "close"; readonly token: number }
  | { readonly type: "void" };

export interface FillLockReply {
  /** `open`: fill it. `renew`, `close`: the token was live. `void`: there was a token. */
  ok: boolean;
  /** The token after an `open` that was granted, else 0. */
  token: number;
  /** After an `open` that was not: whole ms until the token out there ends. */
  waitMs: number;
}

const FENCE = 0;
/** 0 when nobody fills. */
const UNTIL = 1;
const SEEN = 2;

const FENCES_PER_MS = 1024;
/** A freed record is kept this long: a fence of the same millisecond would else be given twice. */
const KEEP_MS = 1000;

const row: RowMachine<FillLockCommand, FillLockReply> = {
  width: 3,
  apply,
  expiresAt: (cells, at) => (cells[at + FENCE] === 0 ? 0 : Math.max(cells[at + UNTIL] as number, cells[at + SEEN] as number) + KEEP_MS),
  limiting: (cells, at, now) => (cells[at + UNTIL] as number) > now,
  reply: () => ({ ok: false, token: 0, waitMs: 0 }),
};

export const fillLock: Algorithm<Row, FillLockCommand, FillLockReply> = /* @__PURE__ */ defineRowAlgorithm<FillLockCommand, FillLockReply>({ name: "fill-lock", version: 1, row });

function apply(cells: Float64Array, at: number, command: FillLockCommand, now: number, reply: FillLockReply): boolean {
  const moved = reanchor(cells, at, now);
  const until = cells[at + UNTIL] as number;
  const live = until > now;
  reply.token = 0;
  reply.waitMs = 0;
  reply.ok = command.type === "open" ? !live : live && (command.type === "void" || command.token === cells[at + FENCE]);
  if (!reply.ok) {
    if (command.type === "open") reply.waitMs = Math.ceil(until - now);
    return moved;
  }
  cells[at + SEEN] = Math.floor(now);
  if (command.type === "open") {
    reply.token = Math.max((cells[at + FENCE] as number) + 1, Math.floor(now) * FENCES_PER_MS);
    cells[at + FENCE] = reply.token;
  }
  cells[at + UNTIL] = command.type === "open" || command.type === "renew" ? Math.ceil(now) + command.lockMs : 0;
  return true;
}

function reanchor(cells: Float64Array, at: number, now: number): boolean {
  const behind = (cells[at + SEEN] as number) - Math.floor(now);
  if (behind <= 0) return false;
  cells[at + SEEN] = Math.floor(now);
  if (cells[at + UNTIL] !== 0) cells[at + UNTIL] = Math.max(1, (cells[at + UNTIL] as number) - behind);
  return true;
}
