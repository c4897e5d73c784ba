/**
 * A batch and the server. What a batch needs is one statement, whatever it mixes: charges on limits, looks at records, and writes
 * of records as this process saw them last (never seen: not there). Where a look shows that something has to be written, or a write lost against
 * another writer, the next statement does that; a lost write was told what it lost against, so it never has to look again.
 */

import { type Clock, sleep } from "../../core/clock.ts";
import { StoreError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import type { CacheEntryReply } from "../../state/algorithms/cache-entry.ts";
import type { Reply, RunOptions } from "../../state/contracts/driver.ts";
import { failedReplies, settleParts } from "../../state/replay.ts";
import type { PostgresConnection, Row } from "./client.ts";
import { isLostRace, isRefused, postgresError } from "./failure.ts";
import { KnownRows, ServerClock } from "./known-rows.ts";
import type { Merger, Piece as Sent } from "./merger.ts";
import { type FillWrite, type NameParts, fillParams } from "./name-parts.ts";
import { type Charge, NativeCharges, chargeOf, chargeParams } from "./native/charges.ts";
import type { NativeLimit } from "./native/native-limit.ts";
import { type Found, NOT_THERE, type RecordParts, foundIn, recordParts, writeParams } from "./record-parts.ts";
import { RECORD_TABLES, type RecordTable } from "./schema.ts";
import { arrayLiteral } from "./statements.ts";
import { type Entry, type Swap, guessed, stepped, unwritten, writtenRow } from "./swap.ts";

/** What goes to the server together, one statement after the other until all is answered. */
interface Job {
  charges: readonly Charge[];
  reads: Entry[];
  swaps: Swap[];
}

/** A part of a statement, and what its rows answer. */
type Piece = Sent & (
  | { readonly charges: readonly Charge[]; readonly reads?: undefined; readonly swaps?: undefined }
  | { readonly charges?: undefined; readonly reads: readonly Entry[]; readonly swaps?: undefined }
  | { readonly charges?: undefined; readonly reads?: undefined; readonly swaps: readonly Swap[] }
);

/** A fill that came after a purge. */
const PURGED: CacheEntryReply = /* @__PURE__ */ Object.freeze({ ok: false, token: 0, waitMs: 0, status: 0, write: 0, chunks: 0, purged: true });

/** Text of one statement that writes, roughly: past it the next keys go in another one. */
const MAX_CHARACTERS = 262_144;

/** Tries before `STORE_CONTENTION`. */
const MAX_TRIES = 100;

export class Exchange {
  readonly #connection: Pick<PostgresConnection, "client">;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #merger: Merger;
  readonly #charges: NativeCharges;
  readonly #parts: Readonly<Record<RecordTable, RecordParts>>;
  readonly #known: Readonly<Record<RecordTable, KnownRows>>;
  readonly #time: ServerClock;

  readonly #fill: NameParts["fill"];

  constructor(connection: Pick<PostgresConnection, "client">, merger: Merger, tablePrefix: string, names: NameParts, clock: Clock, random: Random) {
    this.#connection = connection;
    this.#clock = clock;
    this.#random = random;
    this.#merger = merger;
    this.#fill = names.fill;
    this.#charges = new NativeCharges(`${tablePrefix}rate_limits`);
    this.#parts = byTable((table) => recordParts(tablePrefix + table, table));
    this.#known = byTable(() => new KnownRows());
    this.#time = new ServerClock(clock);
  }

  /** Runs operations on different rows. Throws when all of them failed, else the replies of those that did are errors. */
  async run(entries: readonly Entry[], replies: Reply[][], options: RunOptions | undefined): Promise<void> {
    const jobs = this.#jobsOf(entries);
    if (jobs.length === 1) return this.#perform(jobs[0] as Job, replies, options);
    return this.#together(jobs, replies, options);
  }

  /** Charges of the first kind, looks and writes are one statement. A second pass over the rows of limits would be out of order, so it is another. */
  #jobsOf(entries: readonly Entry[]): Job[] {
    const [first] = entries;
    const only = entries.length === 1 && first !== undefined && first.table === "rate_limits" ? chargeOf(first) : undefined;
    if (only !== undefined) return [{ charges: [only], reads: [], swaps: [] }];
    const charged = new Map<NativeLimit, Charge[]>();
    const reads: Entry[] = [];
    const swaps: Swap[] = [];
    const guessUs = this.#time.guessUs();
    for (const entry of entries) {
      const charge = entry.table === "rate_limits" ? chargeOf(entry) : undefined;
      if (charge !== undefined) {
        const same = charged.get(charge.limit);
        if (same === undefined) charged.set(charge.limit, [charge]);
        else same.push(charge);
        continue;
      }
      const swap = guessed(entry, guessUs, this.#known[entry.table].get(entry.key));
      if (swap === undefined) reads.push(entry);
      else swaps.push(swap);
    }
    const kinds = [...charged.values()];
    const charges = kinds.shift() ?? [];
    // Rows of one table are written by one part of a statement.
    const fills = swaps.filter(({ entry }) => entry.fill !== undefined);
    const onLimits = charges.length > 0 ? swaps.filter(({ entry }) => entry.table === "rate_limits") : [];
    const apart = [fills, onLimits].filter((own) => own.length > 0);
    const rest = apart.length === 0 ? swaps : swaps.filter((swap) => !fills.includes(swap) && !onLimits.includes(swap));
    const together = charges.length + reads.length + rest.length === 0 ? [] : [{ charges, reads, swaps: rest }];
    return [...together, ...apart.map((own) => ({ charges: [], reads: [], swaps: own })), ...kinds.map((more) => ({ charges: more, reads: [], swaps: [] }))];
  }

  #together(jobs: readonly Job[], replies: Reply[][], options: RunOptions | undefined): Promise<void> {
    return settleParts(jobs.map((job) => ({ entries: entriesOf(job), done: this.#perform(job, replies, options) })), replies);
  }

  async #perform(job: Job, replies: Reply[][], options: RunOptions | undefined): Promise<void> {
    const all = entriesOf(job);
    for (let lost = 0; ; ) {
      const pieces = this.#piecesOf(job);
      let rows: readonly (readonly Row[])[];
      try {
        rows = await this.#merger.send(pieces);
      } catch (error) {
        if (!isLostRace(error)) return this.#failed(error, job, pieces, all, replies, options);
        lost++;
        job.reads = entriesOf(job);
        job.swaps = [];
        job.charges = [];
        rows = [];
        pieces.length = 0;
      }
      if (this.#answer(job, pieces, rows, replies)) lost++;
      if (job.reads.length === 0 && job.swaps.length === 0) return;
      throwIfAborted(options);
      if (lost >= MAX_TRIES) {
        const error = new StoreError("STORE_CONTENTION", `${lost} compare-and-sets on one key lost against other writers`, { outcome: "not-applied" });
        for (const { at, operation } of entriesOf(job)) replies[at] = failedReplies(operation, error);
        return;
      }
      // The first losses are accidents; after that the writers take turns by chance.
      if (lost > 2) await sleep(Math.min(250, 2 * lost) * this.#random.next(), this.#clock, options?.signal);
    }
  }

  #piecesOf({ charges, reads, swaps }: Job): Piece[] {
    const pieces: Piece[] = [];
    if (charges.length > 0) pieces.push({ part: this.#charges.part(charges), params: chargeParams(charges), charges });
    if (reads.length === 0 && swaps.length === 0) return pieces;
    // Large states leave one by one: encoding and sending megabytes at a time would hold up the whole process.
    let characters = 0;
    const sent = swaps.filter(({ text }, i) => (i === 0 || characters < MAX_CHARACTERS) && (characters += text.length) >= 0);
    for (const table of RECORD_TABLES) {
      const parts = this.#parts[table];
      const looks = reads.filter((entry) => entry.table === table);
      if (looks.length === 1) pieces.push({ part: parts.readOne, params: [(looks[0] as Entry).key], reads: looks });
      else if (looks.length > 1) pieces.push({ part: parts.readMany, params: [arrayLiteral(looks.map(({ key }) => key))], reads: looks });
      const here = sent.filter(({ entry }) => entry.table === table);
      const writes = here.filter(({ entry }) => entry.fill === undefined);
      if (writes.length > 0) pieces.push({ part: parts.write, params: writeParams(table, writes), swaps: writes });
      // After other writes: one part of a statement writes to a table.
      else if (here.length > 0) pieces.push({ part: this.#fill, params: [...writeParams(table, here), ...fillParams(here.map(({ key, entry }) => ({ key, fill: entry.fill as FillWrite })))], swaps: here });
    }
    return pieces;
  }

  /** Takes what is answered out of the job, and puts in what follows from it. Whether a write was lost. */
  #answer(job: Job, pieces: readonly Piece[], rows: readonly (readonly Row[])[], replies: Reply[][]): boolean {
    const [only] = pieces;
    if (only?.charges !== undefined && pieces.length === 1) {
      job.reads = this.#charges.answer(only.charges, rows[0] as readonly Row[], replies);
      job.charges = [];
      return false;
    }
    if (pieces.length === 0) return false;
    let nowUs = Number.NaN;
    for (const answer of rows) for (const row of answer) if (row["now_us"] !== null && row["now_us"] !== undefined) nowUs = Number(row["now_us"]);
    if (!Number.isSafeInteger(nowUs)) throw new StoreError("STORE_CORRUPT", `the client "${this.#connection.client}" gave no rows as objects by column name`, { outcome: pieces.every(({ reads }) => reads !== undefined) ? "not-applied" : "unknown" });
    this.#time.told(nowUs);
    const sent = new Set(pieces.flatMap(({ swaps }) => swaps ?? []));
    const left = job.swaps.filter((swap) => !sent.has(swap));
    const swaps: Swap[] = [];
    let reads: Entry[] = [];
    let lost = false;
    pieces.forEach((piece, i) => {
      const own = (rows[i] as readonly Row[]).filter((row) => typeof row["key"] === "string");
      if (piece.charges !== undefined) reads = this.#charges.answer(piece.charges, own, replies);
      else if (piece.reads !== undefined) {
        const found = new Map(own.map((row) => [row["key"], row]));
        for (const entry of piece.reads) {
          const row = found.get(entry.key);
          this.#step(entry, (row === undefined ? undefined : foundIn(row)) ?? NOT_THERE, nowUs, swaps, replies);
        }
      } else {
        const told = new Map(own.map((row) => [row["key"], row]));
        for (const swap of piece.swaps) {
          const { entry } = swap;
          const row = told.get(entry.key);
          const found = row === undefined ? undefined : foundIn(row);
          if (entry.fill !== undefined && row?.["n1"] !== null && Number(row?.["n1"]) === 0) {
            replies[entry.at] = [PURGED];
            continue;
          }
          if (row !== undefined && found === undefined) {
            replies[entry.at] = swap.replies;
            this.#known[entry.table].set(entry.key, writtenRow(swap), swap.nowUs);
            continue;
          }
          // A guess of the time that was too far off is no other writer.
          lost ||= !swap.guessed;
          this.#step(entry, found ?? NOT_THERE, nowUs, swaps, replies);
        }
      }
    });
    job.charges = [];
    job.reads = reads;
    job.swaps = [...left, ...swaps];
    return lost;
  }

  #step(entry: Entry, found: Found, nowUs: number, swaps: Swap[], replies: Reply[][]): void {
    this.#known[entry.table].set(entry.key, found, nowUs);
    const swap = stepped(entry, found, nowUs, replies);
    if (swap !== undefined) swaps.push(swap);
  }

  /** A statement failed. When the server ended it, each of its parts is asked alone: a server that refuses writes still serves reads. */
  async #failed(cause: unknown, job: Job, pieces: readonly Piece[], all: readonly Entry[], replies: Reply[][], options: RunOptions | undefined): Promise<void> {
    const { swaps } = job;
    if (isRefused(cause) && (pieces.length > 1 || swaps.length > (pieces[0]?.swaps ?? swaps).length)) {
      throwIfAborted(options);
      const sent = new Set(pieces.flatMap((piece) => piece.swaps ?? []));
      const alone: Job[] = pieces.map((piece) => ({ charges: piece.charges ?? [], reads: [...(piece.reads ?? [])], swaps: [...(piece.swaps ?? [])] }));
      alone.push(...swaps.filter((swap) => !sent.has(swap)).map((swap) => ({ charges: [], reads: [], swaps: [swap] })));
      return this.#together(alone, replies, options);
    }
    const error = postgresError(cause, pieces.every(({ reads }) => reads !== undefined) ? "read" : "write");
    for (const swap of swaps) {
      const own = unwritten(swap, error);
      if (own.some((reply) => reply !== error)) replies[swap.entry.at] = own;
    }
    const unanswered = all.filter(({ at }) => replies[at] === undefined);
    if (unanswered.length === all.length) throw error;
    for (const { at, operation } of unanswered) replies[at] = failedReplies(operation, error);
  }
}

function entriesOf({ charges, reads, swaps }: Job): Entry[] {
  return [...charges.map(({ entry }) => entry), ...reads, ...swaps.map(({ entry }) => entry)];
}

function byTable<T>(make: (table: RecordTable) => T): Record<RecordTable, T> {
  return Object.fromEntries(RECORD_TABLES.map((table) => [table, make(table)])) as Record<RecordTable, T>;
}

/** The combiner makes a signal when somebody reads it, so who only looks does not. */
export function throwIfAborted(options: RunOptions | undefined): void {
  if (options?.aborted ?? options?.signal?.aborted) throw options?.signal?.reason;
}
