/**
 * Statements of several stores as one. What is to be sent within a few turns of the microtask queue leaves together: the limit, the
 * permit and the look-up of one request of a gateway, for one. Each store waits for its own rows only.
 *
 * Stores stay independent of each other: a statement that is held up (somebody's lock on a row of one of them) is sent again without
 * the parts that change something, and for a while every store then sends its own.
 */

import type { Clock } from "../../core/clock.ts";
import { Deadline, type Deadlines } from "../../state/deadline.ts";
import { deadlinesOf } from "../../state/deadlines.ts";
import type { PostgresConnection, Row } from "./client.ts";
import { isRefused } from "./failure.ts";
import { Composer, type Part, partOf } from "./parts.ts";
import { RECORD_TABLES } from "./schema.ts";

export interface Piece {
  readonly part: Part;
  readonly params: readonly string[];
}

/** Turns of the microtask queue between the first and the last that leave together: policies ask through a few layers. */
const TURNS = 8;

/** Parts of one statement. */
const MOST_PARTS = 12;

/** Mixtures that are prepared; a session keeps a plan of each. Others leave apart. */
const MOST_MIXTURES = 64;

/** After so long without an answer a statement is held up, in ms. */
const HELD_UP_MS = 100;

/** For so long every store then sends its own, in ms. */
const APART_MS = 1000;

type Connection = Pick<PostgresConnection, "execute">;

export class Merger {
  readonly deadlines: Deadlines;
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #composer = new Composer();
  #waiting: Asked[] = [];
  #turnsLeft = 0;
  #apartUntil = -Infinity;

  constructor(connection: Connection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
    this.deadlines = deadlinesOf(clock);
  }

  /** The rows of each piece. */
  send(pieces: readonly Piece[]): Promise<readonly (readonly Row[])[]> {
    return new Promise((resolve, reject) => {
      this.#turnsLeft = TURNS;
      if (this.#waiting.push(new Asked(pieces, resolve, reject)) === 1) queueMicrotask(this.#turn);
    });
  }

  heldUp(): void {
    this.#apartUntil = this.#clock.monotonic() + APART_MS;
  }

  readonly #turn = (): void => {
    if (this.#turnsLeft-- > 0) {
      queueMicrotask(this.#turn);
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    const [only] = waiting;
    if (waiting.length === 1 && only !== undefined) {
      this.alone(only);
      return;
    }
    const apart = this.#clock.monotonic() < this.#apartUntil;
    for (let group = waiting; group.length > 0; ) {
      const together = new Together(this, group.shift() as Asked);
      group = apart ? group : group.filter((asked) => !this.#fits(together, asked));
      together.send();
    }
  };

  /** Takes `asked` along unless it writes to a table that is written to already: that would be a second pass over its rows. */
  #fits(together: Together, asked: Asked): boolean {
    if (together.pieces.length + asked.pieces.length > MOST_PARTS) return false;
    for (const { part } of asked.pieces) if (part.writes && together.pieces.some((other) => other.part.writes && other.part.table === part.table)) return false;
    const pieces = inOrder([...together.pieces, ...asked.pieces]);
    if (!this.#composer.takes(pieces.map(({ part }) => part), MOST_MIXTURES)) return false;
    together.pieces = pieces;
    together.all.push(asked);
    return true;
  }

  alone(asked: Asked): void {
    this.execute(inOrder(asked.pieces)).then(asked.answer, asked.reject);
  }

  async execute(pieces: readonly Piece[]): Promise<ReadonlyMap<Piece, Row[]>> {
    const [only] = pieces;
    const params = pieces.length === 1 && only !== undefined ? only.params : pieces.flatMap((piece) => piece.params);
    const rows = await this.#connection.execute(this.#composer.statement(pieces.map(({ part }) => part)), params);
    const of = new Map<Piece, Row[]>();
    if (pieces.length === 1 && only !== undefined) return of.set(only, rows as Row[]);
    for (const piece of pieces) of.set(piece, []);
    for (const row of rows) of.get(pieces[partOf(row)] as Piece)?.push(row);
    return of;
  }
}

/** What one store has asked, to be answered once. */
class Asked {
  readonly pieces: readonly Piece[];
  readonly reject: (error: unknown) => void;
  readonly #resolve: (rows: readonly (readonly Row[])[]) => void;

  constructor(pieces: readonly Piece[], resolve: (rows: readonly (readonly Row[])[]) => void, reject: (error: unknown) => void) {
    this.pieces = pieces;
    this.#resolve = resolve;
    this.reject = reject;
  }

  readonly answer = (rows: ReadonlyMap<Piece, Row[]>): void => this.#resolve(this.pieces.map((piece) => rows.get(piece) ?? []));
}

/** A statement of several stores. */
class Together extends Deadline {
  readonly all: Asked[];
  pieces: readonly Piece[];
  readonly #merger: Merger;

  constructor(merger: Merger, first: Asked) {
    super();
    this.#merger = merger;
    this.all = [first];
    this.pieces = first.pieces;
  }

  send(): void {
    if (this.all.length === 1) {
      this.#merger.alone(this.all[0] as Asked);
      return;
    }
    this.#merger.deadlines.arm(this, HELD_UP_MS);
    this.#merger.execute(this.pieces).then(
      (rows) => {
        this.#merger.deadlines.disarm(this);
        for (const asked of this.all) asked.answer(rows);
      },
      (error: unknown) => {
        this.#merger.deadlines.disarm(this);
        // The server ended it, so nothing of it holds: whose part it was shows when each is asked alone.
        for (const asked of this.all) if (isRefused(error)) this.#merger.alone(asked); else asked.reject(error);
      },
    );
  }

  /** A look changes nothing, so it may be sent twice: whichever answer comes first is one of a moment within the call. */
  override expire(): void {
    this.#merger.heldUp();
    for (const asked of this.all) if (asked.pieces.every(({ part }) => !part.writes)) this.#merger.alone(asked);
  }
}

function inOrder(pieces: readonly Piece[]): readonly Piece[] {
  return pieces.length < 2 ? pieces : pieces.toSorted((a, b) => RECORD_TABLES.indexOf(a.part.table) - RECORD_TABLES.indexOf(b.part.table) || (a.part.id < b.part.id ? -1 : 1));
}
