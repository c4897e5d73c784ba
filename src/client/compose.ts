/** Several calls as one: all of them, the first that succeeds, the first that ends. */

import { checkInteger } from "../core/check.ts";
import { StitchError, checked, configError, isStitchError } from "./errors.ts";
import { isResult, type LazyResult, type SafeResult, type StitchResult } from "./result.ts";
import { INVOKE, isStitch, type Stitch } from "./stitch.ts";

/** A stitch with its input bound, a result, or a function that gives a result or a promise. */
export type Member<T = unknown> = Stitch<T, never> | StitchResult<T> | (() => PromiseLike<T> | T);
type ValueOf<M> = M extends StitchResult<infer T> ? T : M extends Stitch<infer T, never> ? T : M extends () => infer R ? Awaited<R> : never;

export interface AllOptions {
  /** Every outcome, none thrown. @default false */
  readonly settle?: boolean;
  /** Calls at once. @default all */
  readonly concurrency?: number;
}

type Values<M> = { -readonly [K in keyof M]: ValueOf<M[K]> };
type Outcomes<M> = { -readonly [K in keyof M]: SafeResult<ValueOf<M[K]>> };

/**
 * All calls at once, their values in the shape given. The first failure aborts the rest and is thrown.
 *
 * ```ts
 * const { user, orders } = await all({ user: user({ params: { id } }), orders: orders({ params: { id } }) });
 * ```
 */
export function all<const M extends readonly Member[] | Readonly<Record<string, Member>>>(members: M, options: AllOptions & { readonly settle: true }): Promise<Outcomes<M>>;
export function all<const M extends readonly Member[] | Readonly<Record<string, Member>>>(members: M, options?: AllOptions): Promise<Values<M>>;
export async function all(members: readonly Member[] | Readonly<Record<string, Member>>, options: AllOptions = {}): Promise<unknown> {
  if (typeof members !== "object" || members === null) throw configError("all", members, "a list or a record of calls");
  const keys = Object.keys(members);
  const runs = keys.map((key) => runOf((members as Record<string, Member>)[key] as Member));
  const width = options.concurrency === undefined ? runs.length : checked("all", () => checkInteger("concurrency", options.concurrency, 1));
  const outcomes: unknown[] = [];
  let at = 0;
  let failed: { readonly error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    while (at < runs.length && failed === undefined) {
      const i = at++;
      try {
        const value = await (runs[i] as Run).start();
        outcomes[i] = options.settle === true ? { ok: true, data: value } : value;
      } catch (error) {
        if (options.settle === true) outcomes[i] = { ok: false, error };
        else {
          failed ??= { error };
          for (const run of runs) run.abort(LOSER);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, runs.length) }, worker));
  if (failed !== undefined) throw (failed as { error: unknown }).error;
  return Array.isArray(members) ? outcomes : Object.fromEntries(keys.map((key, i) => [key, outcomes[i]]));
}

/** The first success; the others are aborted. When all fail: `ALL_FAILED` with `errors` in the order given. */
export function any<const M extends readonly Member[]>(members: M): Promise<ValueOf<M[number]>> {
  const runs = check("any", members);
  return new Promise((resolve, reject) => {
    const errors: unknown[] = [];
    let left = runs.length;
    runs.forEach((run, i) => {
      run.start().then((value) => {
        resolve(value as ValueOf<M[number]>);
        lose(runs, i);
      }, (error: unknown) => {
        errors[i] = error;
        if (--left === 0) reject(new StitchError("ALL_FAILED", `all ${runs.length} calls failed`, { errors, sent: errors.some((each) => isStitchError(each) && each.sent !== false), retryable: errors.some((each) => isStitchError(each) && each.retryable) }));
      });
    });
  });
}

/** Whichever ends first, well or not; the others are aborted. */
export function race<const M extends readonly Member[]>(members: M): Promise<ValueOf<M[number]>> {
  const runs = check("race", members);
  return new Promise((resolve, reject) => {
    runs.forEach((run, i) => {
      run.start().then((value) => {
        resolve(value as ValueOf<M[number]>);
        lose(runs, i);
      }, (error: unknown) => {
        reject(error);
        lose(runs, i);
      });
    });
  });
}

interface Run {
  start(): Promise<unknown>;
  abort(reason: unknown): void;
}

const LOSER: StitchError = /* @__PURE__ */ new StitchError("ABORTED", "another call of the same composition decided it");

function check(name: string, members: readonly Member[]): Run[] {
  if (!Array.isArray(members) || members.length === 0) throw configError(name, members, "a list of at least one call");
  return (members as readonly Member[]).map(runOf);
}

function lose(runs: readonly Run[], winner: number): void {
  runs.forEach((run, i) => {
    if (i !== winner) run.abort(LOSER);
  });
}

function runOf(member: Member): Run {
  let started: Promise<unknown> | undefined;
  let result: LazyResult<unknown> | undefined;
  let stopped: { readonly reason: unknown } | undefined;
  const begin = (): Promise<unknown> => {
    if (stopped !== undefined) return Promise.reject(stopped.reason);
    try {
      const made: unknown = isStitch(member) ? member[INVOKE](undefined, {}) : typeof member === "function" ? (member as () => unknown)() : member;
      if (isResult(made)) result = made;
      return Promise.resolve(made as PromiseLike<unknown>);
    } catch (error) {
      return Promise.reject(error);
    }
  };
  return {
    start: () => (started ??= begin()),
    abort(reason) {
      stopped = { reason };
      // A loser that ends badly is nobody's news.
      started?.catch(() => undefined);
      result?.abort(reason);
    },
  };
}
