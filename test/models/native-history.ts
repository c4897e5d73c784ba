/** What the random histories of scripts share: how their clock moves, and records as text. */

import fc from "fast-check";
import type { NativeAlgorithm } from "../../src/drivers/redis/native/native.ts";

/** How far the clock moves before a batch: mostly on, sometimes far, sometimes back. */
export const move: fc.Arbitrary<number> = fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 40 }) }, { weight: 2, arbitrary: fc.constantFrom(0.25, 63, 1000, 61_000, 10 ** 7) }, { weight: 1, arbitrary: fc.constantFrom(-0.5, -1, -20, -1000, -86_400_000) });

/** A record as text, whatever way it is kept. */
export function textOf({ rows, head }: NativeAlgorithm, stored: Buffer | null): string | null {
  if (stored === null || rows === undefined) return stored === null ? null : stored.toString();
  if (stored.readUInt16BE() !== rows.tag) return "another tag";
  return head + Array.from({ length: (stored.length - 2) / 8 }, (_, i) => stored.readDoubleBE(2 + 8 * i)).join(" ");
}
