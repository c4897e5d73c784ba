/**
 * Counter: a whole number with a lifetime that is set by the call that creates it.
 *
 * Formula: `n + by` while the counter lives, `by` when it does not. The TTL of later calls is ignored, so the lifetime
 * neither slides nor vanishes; a counter that was created without one lives until it is reset.
 *
 * Bounds: exact from -(2^53 - 1) to 2^53 - 1; beyond, the counter stays as it is and the reply says `overflow`
 * ({@link counterValue} turns that into `STORE_OVERFLOW`). A clock that steps back behind the creation moves the lifetime
 * there, so that no counter outlives its TTL by more than the step.
 */

import { StoreError } from "../../core/errors.ts";
import type { Algorithm, RowMachine } from "../contracts/driver.ts";
import { type Row, defineRowAlgorithm } from "../define-algorithm.ts";

export type CounterCommand =
  /** `by`: a safe integer; 0 reads and creates nothing. `ttlMs`: whole ms above 0; absent for no expiry. */
  | { readonly by: number; readonly ttlMs?: number }
  | { readonly reset: true };

export interface CounterReply {
  /** The number after this command, unchanged when it overflowed; 0 when there is no counter. */
  value: number;
  exists: boolean;
  overflow: boolean;
  /** End of its life, epoch ms; `undefined` for never. */
  expiresAt: number | undefined;
}

const VALUE = 0;
const CREATED = 1;
/** Lifetime, 0 for none. */
const TTL = 2;
/** 1 for a counter: its value and its lifetime may both be 0. */
const EXISTS = 3;

const row: RowMachine<CounterCommand, CounterReply> = {
  width: 4,

  apply(cells, at, command, now, reply): boolean {
    const input = command as { readonly by?: number; readonly ttlMs?: number; readonly reset?: boolean };
    let value = cells[at + VALUE] as number;
    let created = cells[at + CREATED] as number;
    let ttlMs = cells[at + TTL] as number;
    let exists = cells[at + EXISTS] === 1;
    let changed = false;

    if (exists && ttlMs > 0) {
      if (now >= created + ttlMs) exists = false;
      else if (Math.ceil(now) < created) {
        created = Math.ceil(now);
        changed = true;
      }
    }
    if (!exists) value = 0;

    reply.overflow = false;
    if (input.reset === true) {
      if (exists) {
        cells.fill(0, at, at + 4);
        fill(reply, 0, false, 0, 0);
        return true;
      }
    } else {
      const by = input.by as number;
      const next = value + by;
      if (!Number.isSafeInteger(by) || !Number.isSafeInteger(next)) reply.overflow = true;
      else if (by !== 0) {
        value = next;
        changed = true;
        if (!exists) {
          exists = true;
          created = Math.ceil(now);
          ttlMs = input.ttlMs ?? 0;
        }
      }
    }

    fill(reply, value, exists, created, ttlMs);
    if (changed) {
      cells[at + VALUE] = value;
      cells[at + CREATED] = created;
      cells[at + TTL] = ttlMs;
      cells[at + EXISTS] = 1;
    }
    return changed;
  },

  expiresAt(cells, at): number | undefined {
    if (cells[at + EXISTS] !== 1) return 0;
    const ttlMs = cells[at + TTL] as number;
    return ttlMs === 0 ? undefined : (cells[at + CREATED] as number) + ttlMs;
  },

  limiting(cells, at): boolean {
    return cells[at + EXISTS] === 1;
  },

  reply(): CounterReply {
    return { value: 0, exists: false, overflow: false, expiresAt: undefined };
  },
};

export const counter: Algorithm<Row, CounterCommand, CounterReply> = /* @__PURE__ */ defineRowAlgorithm({ name: "counter", version: 1, row });

/** The number of a reply. @throws StoreError `STORE_OVERFLOW` when it left the safe integers; the counter is unchanged. */
export function counterValue(reply: CounterReply): number {
  if (!reply.overflow) return reply.value;
  throw new StoreError("STORE_OVERFLOW", `a counter at ${reply.value} cannot take this step: it would leave the safe integers`, { outcome: "not-applied" });
}

function fill(reply: CounterReply, value: number, exists: boolean, created: number, ttlMs: number): void {
  reply.value = value;
  reply.exists = exists;
  reply.expiresAt = exists && ttlMs > 0 ? created + ttlMs : undefined;
}
