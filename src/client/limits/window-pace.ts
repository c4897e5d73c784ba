/** Pacing on a store that can only count: windows aligned to the clock, never more than the rate in one of them. */

import type { CursorReply, StitchStore } from "../../state/contracts/key-value.ts";
import type { PaceCommand } from "../store-access.ts";

/** Windows are at least this long, so that one count serves several calls. */
const MIN_WINDOW_MS = 1000;
/** Windows asked in a row: each costs a round trip. */
const MAX_WINDOWS = 64;

/** Best effort within a window: the n-th of a window is told to come n spacings after its start. Refunds and pauses do nothing. */
export async function reserveInWindows(store: StitchStore, key: string, command: PaceCommand, now: number): Promise<CursorReply> {
  if (!("cost" in command)) return { granted: true, waitMs: 0 };
  const { spacingMs, maxWaitMs = Infinity } = command;
  const windowMs = Math.max(MIN_WINDOW_MS, Math.ceil(spacingMs));
  const most = Math.max(1, Math.floor(windowMs / spacingMs));
  const incr = (store.incr ?? store.increment) as StitchStore["incr"];
  const first = Math.floor(now / windowMs);
  for (let i = 0; i < MAX_WINDOWS; i++) {
    const start = (first + i) * windowMs;
    if (start - now > maxWaitMs) return { granted: false, waitMs: start - now };
    let count = 0;
    for (let turn = 0; turn < Math.ceil(command.cost); turn++) count = await incr.call(store, `${key}:${first + i}`, 2 * windowMs + (start - Math.min(start, now)));
    if (count <= most) return { granted: true, waitMs: Math.max(0, start + (count - 1) * spacingMs - now) };
  }
  return { granted: false, waitMs: MAX_WINDOWS * windowMs };
}
