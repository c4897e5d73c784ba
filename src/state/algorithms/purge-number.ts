/**
 * The number of a cache's latest purge. Every purge gets the next one and leaves it on what it purges (`purge-marks`); a fill carries
 * the number that was current when it began.
 *
 * Numbers grow across the loss of the record, as they begin at `max(1, floor(now)) * 1024`.
 */

import type { Algorithm } from "../contracts/driver.ts";
import { type Row, defineRowAlgorithm } from "../define-algorithm.ts";

export type PurgeNumberCommand =
  | { readonly type: "next" }
  /** The number as it is now; without a record one below what `next` would give, so that a purge in this very millisecond is a later one. */
  | { readonly type: "current" };

/** Longer than any fill takes, and than any mark is kept. */
export const PURGE_NUMBER_KEEP_MS: number = 2 * 86_400_000;

/** Name and version, as a record of text begins with them. */
export const PURGE_NUMBER_NAME = "purge-number/1";

export const purgeNumber: Algorithm<Row, PurgeNumberCommand, { last: number }> = /* @__PURE__ */ defineRowAlgorithm<PurgeNumberCommand, { last: number }>({
  name: "purge-number",
  version: 1,
  row: {
    width: 2,
    apply(cells, at, { type }, now, reply) {
      const last = cells[at] as number;
      const seen = Math.floor(now);
      const first = Math.max(1, seen) * 1024;
      if (type === "current" && last > 0) {
        reply.last = last;
        return false;
      }
      reply.last = cells[at] = type === "current" ? first - 1 : Math.max(last + 1, first);
      cells[at + 1] = Math.max(seen, cells[at + 1] as number);
      return true;
    },
    expiresAt: (cells, at) => (cells[at] === 0 ? 0 : (cells[at + 1] as number) + PURGE_NUMBER_KEEP_MS),
    limiting: () => true,
    reply: () => ({ last: 0 }),
  },
});
