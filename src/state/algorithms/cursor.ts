/**
 * Cursor: turns in a queue that needs no queue. Each reservation is told how long to wait, so that turns come at most
 * `p` per `q` ms after a burst.
 *
 * Formula: the drain of the token bucket (one turn is `q` units, a millisecond drains `p`, the burst is `C` units), but
 * what does not fit yet is promised instead of refused: `waitMs = max(0, (owed1 + need - C) / p)`. It is the virtual
 * scheduling form of the generic cell rate algorithm (ITU-T I.371), with the schedule handed out.
 *
 * Bounds: by the instants of the turns, at most `burst + L * p / q` in any interval of length `L`; no turn is idle while
 * somebody waits, except one that was refunded too late to be handed on. A refund is credited only to the newest
 * ticket, which leaves the state as if it had never been reserved; an older turn lies between promised ones. Units are
 * exact: what is owed never passes 2^52, beyond it nothing is granted.
 *
 * A clock behind the last change moves the instant there and keeps what is owed.
 */

import type { Algorithm, RowMachine } from "../contracts/driver.ts";
import type { LimitTicket } from "../contracts/limits.ts";
import type { CursorReply } from "../contracts/key-value.ts";
import { type Row, defineRowAlgorithm } from "../define-algorithm.ts";

/** A compiled pace; `compilePace` makes it and keeps it inside the bounds. */
export interface CursorPolicy {
  /** Turns per `q` ms; also the units that drain in one ms. At least 1. */
  readonly p: number;
  /** Milliseconds per `p` turns; also the units of one turn. */
  readonly q: number;
  /** Units of a full burst; `q` is strict even spacing. */
  readonly capacityUnits: number;
}

export type CursorAlgorithmCommand =
  | { readonly policy: CursorPolicy; /** Turns; @default 1 */ readonly cost?: number; /** @default no limit */ readonly maxWaitMs?: number }
  | { readonly policy: CursorPolicy; readonly refund: LimitTicket }
  /** The next turn comes no earlier than this, those after it one spacing apart. The longest pause wins. */
  | { readonly policy: CursorPolicy; readonly pauseMs: number }
  | { readonly policy: CursorPolicy; readonly reset: true };

const LAST = 0;
const OWED = 1;
const SEQ = 2;

const MAX_OWED: number = 2 ** 52;

const row: RowMachine<CursorAlgorithmCommand, CursorReply> = {
  width: 3,

  apply(cells, at, command, now, reply): boolean {
    const input = command as { policy: CursorPolicy; cost?: number; maxWaitMs?: number; refund?: LimitTicket; pauseMs?: number; reset?: boolean };
    const { p, q, capacityUnits } = input.policy;
    const answer = reply as { granted: boolean; waitMs: number; ticket: LimitTicket | undefined };
    const t = Math.floor(now);
    const last = cells[at + LAST] as number;
    let owed = cells[at + OWED] as number;
    let seq = cells[at + SEQ] as number;
    let changed = false;

    if (seq !== 0 && t < last) {
      seq += 1;
      changed = true;
    } else if (owed > 0) {
      owed = Math.max(0, owed - Math.min(t - last, Math.ceil(owed / p)) * p);
    }

    answer.granted = true;
    answer.waitMs = 0;
    answer.ticket = undefined;
    if (input.refund !== undefined) {
      if (input.refund.era === seq && seq !== 0 && input.refund.need > 0) {
        // As if it had never been reserved. A new number makes a second refund find nothing.
        owed = Math.max(0, owed - input.refund.need);
        seq += 1;
        changed = true;
      }
    } else if (input.pauseMs !== undefined) {
      const paused = Math.min(MAX_OWED, capacityUnits - q + Math.ceil(p * Math.max(0, input.pauseMs)));
      if (paused > owed) {
        owed = paused;
        seq = nextSeq(seq, t);
        changed = true;
      }
    } else if (input.reset === true) {
      if (owed > 0) {
        owed = 0;
        seq = nextSeq(seq, t);
        changed = true;
      }
    } else {
      const cost = input.cost ?? 1;
      const need = cost >= 0 ? Math.ceil(cost * q) : Number.POSITIVE_INFINITY;
      answer.waitMs = Math.max(0, (owed + need - capacityUnits) / p);
      answer.granted = owed + need <= MAX_OWED && (input.maxWaitMs === undefined || answer.waitMs <= input.maxWaitMs);
      if (answer.granted && need > 0) {
        owed += need;
        seq = nextSeq(seq, t);
        changed = true;
        answer.ticket = { era: seq, at: t, need };
      }
    }

    if (changed) {
      cells[at + LAST] = t;
      cells[at + OWED] = owed;
      cells[at + SEQ] = seq;
    }
    return changed;
  },

  /** The whole backlog and one spacing. */
  expiresAt(cells, at, command): number {
    if (cells[at + SEQ] === 0) return 0;
    const { p, q } = command.policy;
    return (cells[at + LAST] as number) + Math.ceil(((cells[at + OWED] as number) + q) / p);
  },

  limiting(cells, at): boolean {
    return (cells[at + OWED] as number) > 0;
  },

  reply(): CursorReply {
    return { granted: true, waitMs: 0, ticket: undefined };
  },
};

export const cursor: Algorithm<Row, CursorAlgorithmCommand, CursorReply> = /* @__PURE__ */ defineRowAlgorithm({ name: "cursor", version: 1, row });

/** Grows with every grant, and by the clock across the loss of the record: up to 1024 grants per ms stay below it. */
function nextSeq(seq: number, t: number): number {
  return Math.max(seq + 1, Math.min(t, 2 ** 42) * 1024, 1);
}
