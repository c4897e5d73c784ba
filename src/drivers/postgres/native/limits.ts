/** The limiter algorithms in SQL. Each mirrors the plain charges of its file in `state/algorithms`. */

import { fixedWindow } from "../../../state/algorithms/fixed-window.ts";
import { isCost } from "../../../state/algorithms/limit-command.ts";
import { slidingLog } from "../../../state/algorithms/sliding-log.ts";
import { type SlidingWindowState, slidingWindow } from "../../../state/algorithms/sliding-window.ts";
import { tokenBucket } from "../../../state/algorithms/token-bucket.ts";
import type { Algorithm } from "../../../state/contracts/driver.ts";
import { type LimitColumns, type NativeLimit, nowMsOf, nowUsOf } from "./native-limit.ts";

interface Charge {
  readonly cost?: unknown;
  readonly dry?: boolean;
  readonly force?: boolean;
  readonly refund?: unknown;
  readonly policy: Readonly<Record<string, number>>;
}

/** The cost of a plain charge; `undefined` for every other command, and for one that charges nothing. */
function costOf(command: unknown): number | undefined {
  const { cost, dry, force, refund } = command as Charge;
  return typeof cost !== "number" || !(cost > 0) || dry === true || force === true || refund !== undefined ? undefined : cost;
}

function windowArgs(command: unknown, ...names: readonly string[]): readonly number[] | undefined {
  const cost = costOf(command);
  if (!isCost(cost)) return undefined;
  const { policy } = command as Charge;
  return [cost, policy["max"] as number, ...names.map((name) => policy[name] as number)];
}

const tagOf = ({ name, version }: { readonly name: string; readonly version: number }): string => `${name}/${version}`;

/** `n1` last, `n2` owed, `n3` era; need, capacity, p. */
const bucket: NativeLimit = {
  algorithm: tokenBucket as Algorithm,
  tag: tagOf(tokenBucket),
  width: 3,
  args: 3,
  toArgs(command) {
    const cost = costOf(command);
    if (cost === undefined) return undefined;
    const { p, q, capacityUnits } = (command as Charge).policy as { p: number; q: number; capacityUnits: number };
    const need = Math.ceil(cost * q);
    return Number.isSafeInteger(need) ? [need, capacityUnits, p] : undefined;
  },
  toColumns: rowColumns,
  fromColumns: rowState,
  before: ({ n }, [need = 0], passed) => [n[0] as number, (n[1] as number) - passed * need, n[2] as number],
  sql: {
    used: (row, args) => `CASE WHEN ${row}.n2 > 0 THEN greatest(0, ${row}.n2 - least(${nowMsOf(row, args)} - ${row}.n1, (${row}.n2 + ${args}.a3 - 1) / ${args}.a3) * ${args}.a3) ELSE 0 END`,
    fits: (row, args) => `${nowMsOf(row, args)} >= ${row}.n1`,
    next: (row, args, used, charge) => ({
      n1: nowMsOf(row, args),
      n2: `${used} + ${charge}`,
      n3: `CASE WHEN ${used} = 0 THEN greatest(${row}.n3, ${nowMsOf(row, args)}) ELSE ${row}.n3 END`,
    }),
    first: (nowUs, _args, charge) => ({ n1: `${nowUs} / 1000`, n2: charge, n3: `${nowUs} / 1000` }),
    // A bucket filled to the brim: no later than that, whatever it holds.
    ends: (nowUs, args) => `${nowUs} / 1000 + (${args}.a2 + ${args}.a3 - 1) / ${args}.a3`,
  },
};

/** `n1` start, `n2` count, `n3` era; cost, max, windowMs. */
const windowed: NativeLimit = {
  algorithm: fixedWindow as Algorithm,
  tag: tagOf(fixedWindow),
  width: 3,
  args: 3,
  toArgs: (command) => windowArgs(command, "windowMs"),
  toColumns: rowColumns,
  fromColumns: rowState,
  before: ({ n }, [cost = 0], passed) => [n[0] as number, (n[1] as number) - passed * cost, n[2] as number],
  sql: {
    used: (row, args) => `CASE WHEN ${nowMsOf(row, args)} < ${row}.n1 + ${args}.a3 THEN ${row}.n2 ELSE 0 END`,
    fits: (row, args) => `${nowMsOf(row, args)} >= ${row}.n1`,
    next: (row, args, used, charge) => {
      const [now, live] = [nowMsOf(row, args), `${nowMsOf(row, args)} < ${row}.n1 + ${args}.a3`];
      return { n1: `CASE WHEN ${live} THEN ${row}.n1 ELSE ${now} END`, n2: `${used} + ${charge}`, n3: `CASE WHEN ${live} THEN ${row}.n3 ELSE greatest(${row}.n3, ${now}) END` };
    },
    first: (nowUs, _args, charge) => ({ n1: `${nowUs} / 1000`, n2: charge, n3: `${nowUs} / 1000` }),
    ends: (nowUs, args) => `${nowUs} / 1000 + ${args}.a3`,
  },
};

interface Trail {
  /** Where a charge stands now: an instant, or the index of a bucket. */
  at(nowUs: string, args: string): string;
  /** What stands there or before does not count any more. */
  gone(nowUs: string, args: string): string;
  ends(nowUs: string, args: string): string;
}

/** `n1` era, `n2` sum, `trail_at` and `trail_units` the charges, oldest first; cost, max and what shapes the trail. */
function trailed({ at, gone, ends }: Trail): NativeLimit["sql"] {
  const dead = (row: string, args: string): string => `width_bucket(${gone(nowUsOf(row, args), args)}, ${row}.trail_at)`;
  const last = (row: string): string => `${row}.trail_at[cardinality(${row}.trail_at)]`;
  return {
    used: (row, args) => `${row}.n2 - CASE WHEN ${dead(row, args)} = 0 THEN 0 ELSE (SELECT sum(u)::bigint FROM unnest(${row}.trail_units[1:${dead(row, args)}]) AS u) END`,
    // A newest bucket that was emptied by a refund, or lies ahead, is for the definition itself.
    fits: (row, args) => `${last(row)} <= ${at(nowUsOf(row, args), args)} AND ${row}.trail_units[cardinality(${row}.trail_at)] > 0`,
    next: (row, args, used, charge) => {
      const here = at(nowUsOf(row, args), args);
      const from = `${dead(row, args)} + 1`;
      return {
        n1: `CASE WHEN ${used} = 0 THEN greatest(${row}.n1, ${nowMsOf(row, args)}) ELSE ${row}.n1 END`,
        n2: `${used} + ${charge}`,
        trail_at: `CASE WHEN ${used} = 0 THEN ARRAY[${here}] WHEN ${last(row)} = ${here} THEN ${row}.trail_at[${from}:] ELSE ${row}.trail_at[${from}:] || ${here} END`,
        trail_units: `CASE WHEN ${used} = 0 THEN ARRAY[${charge}] WHEN ${last(row)} = ${here} THEN ${row}.trail_units[${from}:cardinality(${row}.trail_at) - 1] || (${row}.trail_units[cardinality(${row}.trail_at)] + ${charge}) ELSE ${row}.trail_units[${from}:] || (${charge}) END`,
      };
    },
    first: (nowUs, args, charge) => ({ n1: `${nowUs} / 1000`, n2: charge, trail_at: `ARRAY[${at(nowUs, args)}]`, trail_units: `ARRAY[${charge}]` }),
    ends,
  };
}

/** The trail before `units` were charged at its end. */
function undone({ at, units }: LimitColumns, charged: number): number[] {
  const pairs: number[] = [];
  at.forEach((instant, i) => {
    const left = (units[i] as number) - (i === at.length - 1 ? charged : 0);
    if (left > 0) pairs.push(instant, left);
  });
  return pairs;
}

const ring: NativeLimit = {
  algorithm: slidingWindow as Algorithm,
  tag: tagOf(slidingWindow),
  width: 2,
  args: 4,
  toArgs: (command) => windowArgs(command, "bucketMs", "span"),
  toColumns(state) {
    const { era, head, count, sum, older } = state as SlidingWindowState;
    const pairs = [...older, head, count];
    return { n: [era, sum], at: pairs.filter((_, i) => i % 2 === 0), units: pairs.filter((_, i) => i % 2 === 1) };
  },
  fromColumns: ({ n, at, units }) => (at.length === 0 ? undefined : ringOf(n[0] as number, at, units)),
  before({ n, at, units }, [cost = 0], passed) {
    const pairs = undone({ n, at, units }, passed * cost);
    if (pairs.length === 0) return ringOf(n[0] as number, at.slice(-1), [0]);
    return ringOf(n[0] as number, pairs.filter((_, i) => i % 2 === 0), pairs.filter((_, i) => i % 2 === 1));
  },
  sql: trailed({
    at: (nowUs, args) => `${nowUs} / 1000 / ${args}.a3`,
    gone: (nowUs, args) => `${nowUs} / 1000 / ${args}.a3 - ${args}.a4 - 1`,
    ends: (nowUs, args) => `(${nowUs} / 1000 / ${args}.a3 + ${args}.a4 + 1) * ${args}.a3`,
  }),
};

function ringOf(era: number, at: readonly number[], units: readonly number[]): SlidingWindowState {
  const older: number[] = [];
  let sum = 0;
  at.forEach((index, i) => {
    sum += units[i] as number;
    if (i < at.length - 1) older.push(index, units[i] as number);
  });
  return { era, head: at.at(-1) as number, count: units.at(-1) as number, sum, older };
}

const log: NativeLimit = {
  algorithm: slidingLog as Algorithm,
  tag: tagOf(slidingLog),
  width: 2,
  args: 3,
  toArgs: (command) => windowArgs(command, "windowMs"),
  toColumns(state) {
    const { era, pairs } = state as { era: number; pairs: readonly number[] };
    const units = pairs.filter((_, i) => i % 2 === 1);
    return { n: [era, units.reduce((sum, amount) => sum + amount, 0)], at: pairs.filter((_, i) => i % 2 === 0), units };
  },
  fromColumns: ({ n, at, units }) => ({ era: n[0] as number, pairs: undone({ n, at, units }, 0) }),
  before: ({ n, at, units }, [cost = 0], passed) => ({ era: n[0] as number, pairs: undone({ n, at, units }, passed * cost) }),
  sql: trailed({
    // A charge counts from the end of its millisecond.
    at: (nowUs) => `(${nowUs} + 999) / 1000`,
    gone: (nowUs, args) => `${nowUs} / 1000 - ${args}.a3`,
    ends: (nowUs, args) => `(${nowUs} + 999) / 1000 + ${args}.a3`,
  }),
};

export const nativeLimits: ReadonlyMap<string, NativeLimit> = /* @__PURE__ */ new Map([bucket, windowed, ring, log].map((limit) => [limit.algorithm.name, limit]));

function rowColumns(state: unknown): LimitColumns {
  return { n: state as readonly number[], at: [], units: [] };
}

function rowState({ n }: LimitColumns): readonly number[] {
  return n;
}
