/** One operation on one record: `step` here, and what has to be written for it. */

import type { SluiceError } from "../../core/errors.ts";
import type { Operation, Reply } from "../../state/contracts/driver.ts";
import { failedReplies, replay, unwrittenReplies } from "../../state/replay.ts";
import type { Known } from "./known-rows.ts";
import type { FillWrite } from "./name-parts.ts";
import { WAIT_US } from "./native/native-limit.ts";
import { type Found, NOT_THERE, type RecordWrite } from "./record-parts.ts";
import { parseState, storedState } from "./records.ts";
import type { RecordTable } from "./schema.ts";
import { TOMBSTONE_MS } from "./statements.ts";

/** An operation of a batch: where its replies go, its table and its key there. */
export interface Entry {
  readonly at: number;
  readonly operation: Operation;
  readonly table: RecordTable;
  readonly key: string;
  /** What else is written with it, when it is the end of a fill of the cache. */
  readonly fill?: FillWrite;
}

/** A write that is not done yet, and the replies for when it is. */
export interface Swap extends RecordWrite {
  readonly entry: Entry;
  readonly replies: Reply[];
  readonly before: unknown;
}

/** The last instant a `bigint` of the table is asked to hold. */
const MAX_INSTANT = Number.MAX_SAFE_INTEGER;

/** The write for an operation, or `undefined` when its replies are there already: nothing changed, or it failed. */
export function stepped(entry: Entry, found: Found, readUs: number, replies: Reply[][]): Swap | undefined {
  const { at, operation } = entry;
  try {
    const nowUs = keyNowUs(found.seenUs, readUs);
    const before = parseState(operation.algorithm, found);
    const done = replay(operation, before, nowUs / 1000);
    if (done.state !== before) return swapOf(entry, found, nowUs, before, done, false);
    replies[at] = done.replies;
  } catch (error) {
    replies[at] = failedReplies(operation, error);
  }
  return undefined;
}

/** A row that was never seen is taken for absent: where it is not, the answer says what is there, which is what a look would have said. */
const NEVER_SEEN: Known = /* @__PURE__ */ Object.freeze({ found: NOT_THERE, atUs: 0 });

/** The write for an operation on a row that may be another one by now, at a time the server has not told. `undefined`: it has to be asked. */
export function guessed(entry: Entry, guessUs: number, known: Known = NEVER_SEEN): Swap | undefined {
  if (!(guessUs >= known.atUs) || (known.found.seenUs ?? 0) > guessUs) return undefined;
  try {
    const before = parseState(entry.operation.algorithm, known.found);
    const done = replay(entry.operation, before, guessUs / 1000);
    return done.state === before ? undefined : swapOf(entry, known.found, guessUs, before, done, true);
  } catch {
    return undefined;
  }
}

function swapOf(entry: Entry, found: Found, nowUs: number, before: unknown, { state, replies, expiresAt }: ReturnType<typeof replay>, isGuess: boolean): Swap {
  return {
    entry, nowUs, replies, before,
    key: entry.key,
    guessed: isGuess,
    ...(state === undefined ? { text: "" } : storedState(entry.operation.algorithm, state)),
    prior: found.version,
    // A new row's version is later than that of any row that was here before and is gone.
    version: found.version === null ? nowUs : found.version + 1,
    expiresAt: state === undefined ? Math.floor(nowUs / 1000) + TOMBSTONE_MS : expiresAt === undefined ? null : Math.min(MAX_INSTANT, Math.ceil(expiresAt)),
  };
}

/** The row after its write. */
export function writtenRow(swap: Swap): Found {
  return { text: swap.text, version: swap.version, ...(swap.columns === undefined ? {} : { columns: swap.columns }), seenUs: swap.entry.table === "rate_limits" ? swap.nowUs : undefined };
}

/** The replies where the write failed: who only asked has an answer, unless the state it is from was a guess. */
export function unwritten({ entry, before, nowUs, guessed: isGuess }: Swap, error: SluiceError): Reply[] {
  return isGuess ? failedReplies(entry.operation, error) : unwrittenReplies(entry.operation, before, nowUs / 1000, error);
}

/** The instant of a key: as `nowUsOf` of the native limits says it in SQL. */
function keyNowUs(seenUs: number | undefined, nowUs: number): number {
  return seenUs === undefined ? nowUs : Math.min(Math.max(seenUs, nowUs), nowUs + WAIT_US);
}
