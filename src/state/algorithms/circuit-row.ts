/** The row of a circuit: where each number stands, and the ring of its rolling window. Instants are whole epoch ms. */

export const CLOSED = 0;
export const OPEN = 1;
export const HALF_OPEN = 2;
/** Held open, or held closed, by an administrator. */
export const ISOLATED = 3;
export const DISABLED = 4;

/** The current slot and the ten whole ones before it. */
export const SLOTS = 11;
/** Most probes at once, and so the largest `halfOpenMax`. */
export const PROBES = 16;
/** Reporters whose last report is remembered. */
export const INSTANCES = 8;
/** Epochs a record can use up per millisecond of its age before a lost record could begin with an epoch used already. */
export const EPOCHS_PER_MS = 1024;

export const PHASE = 0;
export const EPOCH = 1;
/** The epoch the record began with. */
export const BASE = 2;
/** Latest instant written: the clock is behind when it shows less. */
export const SEEN = 3;
export const CHANGED_AT = 4;
export const LAST_FAILURE_AT = 5;
export const OPEN_UNTIL = 6;
/** Openings since it was last closed. */
export const ATTEMPT = 7;
export const WINDOW_MS = 8;
/** Number of the newest slot, and its place in the ring. */
export const HEAD = 9;
export const POSITION = 10;
/** Sums over the ring. */
export const GOOD = 11;
export const FAILS = 12;
export const SLOW = 13;
export const PROBE_GOOD = 14;
export const PROBE_SEQ = 15;
export const INSTANCE_NEXT = 16;
/** Follow from the others, and are kept so that a call costs two comparisons: see {@link settle}. */
export const LIVE_UNTIL = 17;
const SLOT_END = 18;
export const RING = 19;
/** Pairs of token and instant it ends; a free place is a pair of zeros or one that ended. */
export const PROBE: number = RING + 3 * SLOTS;
/** Pairs of reporter and its latest sequence number. */
export const INSTANCE: number = PROBE + 2 * PROBES;
export const WIDTH: number = INSTANCE + 2 * INSTANCES;

/** A record whose circuit changed phase is kept this long, so that reports of the calls before are recognised as such. */
const KEEP_MS = 86_400_000;

export function slotOf(now: number, windowMs: number): number {
  return Math.floor((now * 10) / windowMs);
}

/**
 * To be called when a phase, an instant of one, or the newest slot changed. `LIVE_UNTIL`: from then on the row is as good as none,
 * as its window is empty and no phase is left to remember. `SLOT_END`: before it the newest slot is the current one.
 */
export function settle(cells: Float64Array, at: number): void {
  const windowMs = cells[at + WINDOW_MS] as number;
  const head = cells[at + HEAD] as number;
  const ring = Math.ceil(((head + SLOTS) * windowMs) / 10);
  const changed = cells[at + EPOCH] !== cells[at + BASE];
  cells[at + LIVE_UNTIL] = changed ? Math.max(ring, KEEP_MS + Math.max(cells[at + CHANGED_AT] as number, cells[at + OPEN_UNTIL] as number)) : ring;
  cells[at + SLOT_END] = Math.floor(((head + 1) * windowMs) / 10);
}

/** Moves every instant back by as much as the clock is behind: ages and remaining times stay what they were. */
export function reanchor(cells: Float64Array, at: number, now: number): boolean {
  const behind = (cells[at + SEEN] as number) - Math.floor(now);
  if (behind <= 0) return false;
  for (const cell of [SEEN, CHANGED_AT, LAST_FAILURE_AT, OPEN_UNTIL]) shift(cells, at + cell, behind);
  for (let i = at + PROBE + 1; i < at + INSTANCE; i += 2) shift(cells, i, behind);
  cells[at + HEAD] = Math.min(cells[at + HEAD] as number, slotOf(now, cells[at + WINDOW_MS] as number));
  settle(cells, at);
  return true;
}

function shift(cells: Float64Array, i: number, by: number): void {
  const instant = cells[i] as number;
  if (instant !== 0) cells[i] = Math.max(1, instant - by);
}

/** Brings the ring to the slot of `now`: slots that fell out of the window leave the sums. At most 11 steps. */
export function advance(cells: Float64Array, at: number, now: number): void {
  if (now < (cells[at + SLOT_END] as number)) return;
  const slot = slotOf(now, cells[at + WINDOW_MS] as number);
  let steps = slot - (cells[at + HEAD] as number);
  if (steps <= 0) return;
  cells[at + HEAD] = slot;
  settle(cells, at);
  if (steps >= SLOTS) {
    clearRing(cells, at);
    return;
  }
  let position = cells[at + POSITION] as number;
  for (; steps > 0; steps--) {
    position = position + 1 === SLOTS ? 0 : position + 1;
    const i = at + RING + 3 * position;
    for (let kind = 0; kind < 3; kind++) {
      cells[at + GOOD + kind] = (cells[at + GOOD + kind] as number) - (cells[i + kind] as number);
      cells[i + kind] = 0;
    }
  }
  cells[at + POSITION] = position;
}

/** Adds to the newest slot and the sums. */
export function count(cells: Float64Array, at: number, ok: number, fail: number, slow: number): void {
  const i = at + RING + 3 * (cells[at + POSITION] as number);
  cells[i] = (cells[i] as number) + ok;
  cells[i + 1] = (cells[i + 1] as number) + fail;
  cells[i + 2] = (cells[i + 2] as number) + slow;
  cells[at + GOOD] = (cells[at + GOOD] as number) + ok;
  cells[at + FAILS] = (cells[at + FAILS] as number) + fail;
  cells[at + SLOW] = (cells[at + SLOW] as number) + slow;
}

/** An empty ring whose newest slot is that of `now`. */
export function restart(cells: Float64Array, at: number, now: number): void {
  clearRing(cells, at);
  cells[at + HEAD] = slotOf(now, cells[at + WINDOW_MS] as number);
}

/**
 * Brings the ring to slots of another width: policies with different windows may use one circuit, as old and new ones do while a
 * fleet is restarted. Counts go to the slot around the middle of theirs where slots get wider, and to the last one whose middle is in
 * theirs where they get narrower: there and back again is the same slot, so nothing is lost, and nothing stays for longer each time.
 */
export function resize(cells: Float64Array, at: number, windowMs: number, now: number): void {
  advance(cells, at, now);
  const width = cells[at + WINDOW_MS] as number;
  const head = cells[at + HEAD] as number;
  const position = cells[at + POSITION] as number;
  const old = cells.slice(at + RING, at + RING + 3 * SLOTS);
  cells[at + WINDOW_MS] = windowMs;
  restart(cells, at, now);
  for (let age = 0; age < SLOTS; age++) {
    const slot = head - age;
    const to = windowMs > width ? Math.floor(((2 * slot + 1) * width) / (2 * windowMs)) : Math.ceil((2 * (slot + 1) * width - windowMs) / (2 * windowMs)) - 1;
    const gone = Math.max(0, (cells[at + HEAD] as number) - to);
    if (gone >= SLOTS) break;
    const from = 3 * ((position - age + SLOTS) % SLOTS);
    const i = at + RING + 3 * ((SLOTS - gone) % SLOTS);
    for (let kind = 0; kind < 3; kind++) {
      const counted = old[from + kind] as number;
      cells[i + kind] = (cells[i + kind] as number) + counted;
      cells[at + GOOD + kind] = (cells[at + GOOD + kind] as number) + counted;
    }
  }
  settle(cells, at);
}

function clearRing(cells: Float64Array, at: number): void {
  cells.fill(0, at + RING, at + RING + 3 * SLOTS);
  cells[at + POSITION] = 0;
  cells[at + GOOD] = 0;
  cells[at + FAILS] = 0;
  cells[at + SLOW] = 0;
}

export function clearProbes(cells: Float64Array, at: number): void {
  cells.fill(0, at + PROBE, at + INSTANCE);
}

export function failuresAt(cells: Float64Array, at: number, now: number): number {
  return windowed(cells, at, now, 1);
}

/** Good calls in the window, slow ones included. */
export function successesAt(cells: Float64Array, at: number, now: number): number {
  return windowed(cells, at, now, 0) + windowed(cells, at, now, 2);
}

/** A sum at `now` without writing: what has left the window by then is taken off. */
function windowed(cells: Float64Array, at: number, now: number, kind: number): number {
  const gone = slotOf(now, cells[at + WINDOW_MS] as number) - (cells[at + HEAD] as number);
  if (gone >= SLOTS) return 0;
  let sum = cells[at + GOOD + kind] as number;
  let position = cells[at + POSITION] as number;
  for (let i = 0; i < gone; i++) {
    position = position + 1 === SLOTS ? 0 : position + 1;
    sum -= cells[at + RING + 3 * position + kind] as number;
  }
  return sum;
}
