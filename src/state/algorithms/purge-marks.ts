/**
 * What purges leave on what they purge: their number (`purge-number`). A fill that began before a purge carries a smaller number
 * than the mark and is dropped when it wants to be written.
 *
 * Marks of more prefixes than are kept become one mark on everything: then fills are dropped that need not be, which costs a miss.
 */

import { decodeText, encodeText } from "../../core/codec.ts";
import { StoreError } from "../../core/errors.ts";
import type { Algorithm, Step } from "../contracts/driver.ts";
import { defineAlgorithm } from "../define-algorithm.ts";

export interface PurgeMarksState {
  /** The mark on everything here. */
  readonly last: number;
  readonly prefixes: readonly (readonly [prefix: string, purge: number])[];
  readonly seen: number;
}

export type PurgeMarksCommand =
  | { readonly type: "mark"; readonly purge: number; readonly prefix?: string }
  /** The newest mark that concerns `name`, 0 for none. */
  | { readonly type: "read"; readonly name: string };

const MAX_PREFIXES = 64;
/** Longer than any fill takes. */
const KEEP_MS = 86_400_000;

export const purgeMarks: Algorithm<PurgeMarksState, PurgeMarksCommand, number> = /* @__PURE__ */ defineAlgorithm<PurgeMarksState, PurgeMarksCommand, number>({
  name: "purge-marks",
  version: 1,
  maxStateBytes: 2 ** 18,
  step,
  encode: (state) => encodeText(JSON.stringify([state.last, state.seen, state.prefixes])),
  decode,
});

function step(before: PurgeMarksState | undefined, command: PurgeMarksCommand, now: number): Step<PurgeMarksState, number> {
  const seen = Math.floor(now);
  const same = (reply: number): Step<PurgeMarksState, number> => ({ state: before, reply, expiresAt: before === undefined ? undefined : expiry(before) });
  const next = (state: PurgeMarksState, reply: number): Step<PurgeMarksState, number> => ({ state, reply, expiresAt: expiry(state) });
  const { last, prefixes } = before ?? { last: 0, prefixes: [] };
  switch (command.type) {
    case "mark": {
      const { purge, prefix } = command;
      if (prefix === undefined) return purge <= last ? same(last) : next({ last: purge, prefixes, seen: Math.max(seen, before?.seen ?? 0) }, purge);
      const others = prefixes.filter(([name]) => name !== prefix);
      const own = Math.max(purge, prefixes.find(([name]) => name === prefix)?.[1] ?? 0);
      const all = [...others, [prefix, own] as const];
      const dropped = all.splice(0, Math.max(0, all.length - MAX_PREFIXES));
      return next({ last: dropped.reduce((most, [, mark]) => Math.max(most, mark), last), prefixes: all, seen: Math.max(seen, before?.seen ?? 0) }, own);
    }
    case "read":
      return same(prefixes.reduce((most, [prefix, mark]) => (mark > most && command.name.startsWith(prefix) ? mark : most), last));
  }
}

function expiry(state: PurgeMarksState): number {
  return state.seen + KEEP_MS;
}

function decode(bytes: Uint8Array): PurgeMarksState {
  const [last, seen, prefixes] = JSON.parse(decodeText(bytes)) as [number, number, [string, number][]];
  if (!Number.isSafeInteger(last) || !Number.isSafeInteger(seen) || !Array.isArray(prefixes)) throw new StoreError("STORE_CORRUPT", "purge marks are damaged");
  return { last, seen, prefixes };
}
