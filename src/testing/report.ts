/** What a contract suite reports, and the runner under all suites. It needs no test framework and never rejects. */

import { systemClock, type Clock } from "../core/clock.ts";
import { checkPositive } from "../core/check.ts";
import { isSluiceError, quote } from "../core/errors.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";
import { systemRandom } from "../core/random.ts";
import { seededRandom } from "./seeded-random.ts";

export interface ContractViolation {
  readonly rule: string;
  /** What was expected and what was seen. */
  readonly detail: string;
  /** Pass it as `seed` to see the same random history again. */
  readonly seed?: number;
}

export interface ContractReport {
  /** The contract that was checked. */
  readonly name: string;
  /** True when there is no violation. A rule that was skipped is not a violation: read `skipped`. */
  readonly ok: boolean;
  readonly passed: string[];
  readonly violations: ContractViolation[];
  readonly skipped: { readonly rule: string; readonly reason: string }[];
}

/** A clock that stands still until it is told to move. `manualClock()` is one. */
export interface DrivenClock {
  now(): number;
  advance(ms: number): unknown;
  /** Moves the wall clock alone, back or forth; without it the rules about clock steps are skipped. */
  step?(ms: number): void;
}

export interface ContractOptions {
  /** The lifetime used where a rule waits for an end. Short is fast, long is safe on a slow backend. @default 100 */
  readonly ttlMs?: number;
  /**
   * The clock of the stores under test. With it time is driven, and the rules about single milliseconds and about long
   * histories run; without it the suite waits for the real clock, and those rules are reported as skipped.
   */
  readonly clock?: DrivenClock;
  /** Rules not to run, by name, each with the reason; they are listed in the report. */
  readonly skip?: Readonly<Record<string, string>>;
  /** Runs these rules only; the others are not mentioned in the report. */
  readonly only?: readonly string[];
  /** Start of the random histories. @default a new one each time */
  readonly seed?: number;
  /** Real time after which a rule without an answer is a violation. @default 10000 */
  readonly timeoutMs?: number;
  /** Whether two stores made one after the other see the same data. @default what the store's `capabilities` say; else it is tried */
  readonly shared?: boolean;
}

/** What every rule is given. Nothing in it outlives the rule. */
export interface RuleBase {
  readonly ttlMs: number;
  readonly seed: number;
  /** A key (or name) that no other rule and no other run uses. */
  key(label?: string): string;
  /** A number in `[0, 1)` from the seed. */
  random(): number;
  /** An integer in `[low, high]` from the seed. */
  pick(low: number, high: number): number;
  readonly time: RuleTime;
  /** Runs after the rule, last one first, whether it passed or not. */
  after(clean: () => unknown): void;
}

export interface RuleTime {
  readonly driven: boolean;
  /** The driven clock, where there is one; else the machine's. */
  now(): number;
  /** Lets at least `ms` pass: at once on a driven clock. */
  pass(ms: number): Promise<void>;
  /** Lets time pass until `check` is true; a violation named `what` when it is not within `limitMs`. */
  until(what: string, limitMs: number, check: () => MaybePromise<boolean>): Promise<void>;
  /** Lets everything that is ready to run, run, without letting time pass on a driven clock. */
  settle(): Promise<void>;
  /** For rules about single instants: skips the rule on the machine's clock. */
  needDriven(): void;
  /** Moves the wall clock by `ms`, which may be negative; skips the rule where that cannot be done. */
  step(ms: number): void;
}

export interface Rule<Context> {
  readonly rule: string;
  run(context: Context): Promise<void>;
}

const VIOLATION: unique symbol = Symbol("violation");
const SKIP: unique symbol = Symbol("skip");

/** Ends the rule as violated. */
export function violated(detail: string): never {
  throw { [VIOLATION]: detail };
}

/** Ends the rule as skipped. */
export function skipRule(reason: string): never {
  throw { [SKIP]: reason };
}

/** A method the store may lack: the rule is skipped without it. */
export function optional<T>(method: T | undefined, name: string): T {
  return method ?? skipRule(`the store has no ${name}`);
}

export function expect(condition: boolean, detail: string | (() => string)): void {
  if (!condition) violated(typeof detail === "string" ? detail : detail());
}

export function expectEqual(actual: unknown, expected: unknown, what: string): void {
  if (!sameValue(actual, expected)) violated(`${what}: expected ${show(expected)}, got ${show(actual)}`);
}

/** Resolves with what `call` threw or rejected with; a violation when it did neither. */
export async function failureOf(call: () => unknown, what: string): Promise<unknown> {
  let value: unknown;
  try {
    value = await call();
  } catch (error) {
    return error;
  }
  return violated(`${what}: expected an error, got ${show(value)}`);
}

export async function expectRangeError(call: () => unknown, what: string): Promise<void> {
  const error = await failureOf(call, what);
  expect(error instanceof RangeError, () => `${what}: expected a RangeError, got ${show(error)}`);
}

export async function expectCode(call: () => unknown, codes: readonly string[], what: string): Promise<void> {
  const error = await failureOf(call, what);
  const code = (error as { code?: unknown } | null)?.code;
  expect(codes.includes(code as string), () => `${what}: expected an error with code ${codes.join(" or ")}, got ${show(error)}`);
}

/** Deep equality of plain data: NaN equals itself, bytes by content, prototypes of bytes do not matter (Buffer), errors by name, text and fields. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && a.length === b.length && a.every((byte, i) => byte === b[i]);
  }
  if (Array.isArray(a) !== Array.isArray(b) || a instanceof Error !== b instanceof Error) return false;
  if (a instanceof Error && b instanceof Error && (a.name !== b.name || a.message !== b.message)) return false;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length
    && names.every((name) => Object.hasOwn(b, name) && sameValue((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name]));
}

export function show(value: unknown): string {
  if (value instanceof Error) return `${value.name}${isSluiceError(value) ? ` ${value.code}` : ""}: ${value.message}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return quote(value);
}

/** A wait of real time that keeps the process alive: nothing else may be running while a suite waits. */
function realWait(clock: Clock, ms: number): { done: Promise<void>; cancel(): void } {
  let cancel = (): void => undefined;
  const done = new Promise<void>((resolve) => {
    const handle = clock.setTimeout(resolve, ms);
    (handle as { ref?: () => void } | undefined)?.ref?.();
    cancel = () => clock.clearTimeout(handle);
  });
  return { done, cancel: () => cancel() };
}

/** Rules set the wall clock back by days: from a clock that begins at 0 that would be a time that never was. */
const LONG_AGO = 1_700_000_000_000;

function ruleTime(driven: DrivenClock | undefined): RuleTime {
  if (driven?.step !== undefined && driven.now() < LONG_AGO) driven.step(LONG_AGO - driven.now());
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await undefined;
  };
  const pass = async (ms: number): Promise<void> => {
    if (driven === undefined) {
      const end = systemClock.monotonic() + ms;
      // A timer may fire a fraction early against the monotonic clock.
      for (let left = ms; left > 0; left = end - systemClock.monotonic()) await realWait(systemClock, Math.ceil(left)).done;
      return;
    }
    await driven.advance(ms);
    await settle();
  };
  return {
    driven: driven !== undefined,
    now: () => (driven ?? systemClock).now(),
    pass,
    settle: driven === undefined ? () => pass(1) : settle,
    async until(what, limitMs, check) {
      // A busy machine is no violation: on the real clock the limit is generous, and success ends the wait at once.
      const step = driven === undefined ? Math.min(10, Math.max(1, limitMs / 20)) : limitMs / 20;
      const end = driven === undefined ? systemClock.monotonic() + limitMs + 3000 : driven.now() + limitMs;
      for (;;) {
        if (await check()) return;
        if ((driven === undefined ? systemClock.monotonic() : driven.now()) >= end) violated(`${what}: not within ${limitMs} ms`);
        await pass(step);
      }
    },
    needDriven: () => {
      if (driven === undefined) skipRule("needs a clock that is driven by hand (option clock)");
    },
    step(ms) {
      if (driven?.step === undefined) return skipRule("needs a clock whose wall time can be set (option clock with step)");
      driven.step(ms);
    },
  };
}

/** Runs `rules` one after another, each with keys, a context and a deadline of its own. */
export async function runContract<Context>(
  name: string,
  rules: readonly Rule<Context>[],
  options: ContractOptions,
  open: (base: RuleBase) => Context,
): Promise<ContractReport> {
  const report: ContractReport & { ok: boolean } = { name, ok: false, passed: [], violations: [], skipped: [] };
  const seed = options.seed ?? Math.floor(systemRandom.next() * 4294967296);
  try {
    const ttlMs = checkPositive("ttlMs", options.ttlMs ?? 100);
    const timeoutMs = checkPositive("timeoutMs", options.timeoutMs ?? 10_000);
    const run = systemRandom.uuid().slice(0, 8);
    for (const named of [...Object.keys(options.skip ?? {}), ...(options.only ?? [])]) {
      if (!rules.some(({ rule }) => rule === named)) report.violations.push({ rule: named, detail: `${name} has no rule of this name` });
    }
    for (const [index, rule] of rules.entries()) {
      if (options.only !== undefined && !options.only.includes(rule.rule)) continue;
      const reason = options.skip !== undefined && Object.hasOwn(options.skip, rule.rule) ? options.skip[rule.rule] : undefined;
      if (reason !== undefined) {
        report.skipped.push({ rule: rule.rule, reason });
        continue;
      }
      const outcome = await runRule(rule, open, { run: `${run}-${index}`, seed: (seed + index) >>> 0, ttlMs, timeoutMs, clock: options.clock });
      if (outcome === undefined) report.passed.push(rule.rule);
      else if (outcome.skip !== undefined) report.skipped.push({ rule: rule.rule, reason: outcome.skip });
      else report.violations.push({ rule: rule.rule, detail: outcome.detail ?? "", seed });
    }
  } catch (error) {
    report.violations.push({ rule: "options", detail: show(error) });
  }
  report.ok = report.violations.length === 0;
  return report;
}

interface RuleRun {
  readonly run: string;
  readonly seed: number;
  readonly ttlMs: number;
  readonly timeoutMs: number;
  readonly clock: DrivenClock | undefined;
}

interface RuleOutcome {
  readonly detail?: string;
  readonly skip?: string;
}

async function runRule<Context>(rule: Rule<Context>, open: (base: RuleBase) => Context, setup: RuleRun): Promise<RuleOutcome | undefined> {
  const cleanups: (() => unknown)[] = [];
  const random = seededRandom(setup.seed);
  let keys = 0;
  const base: RuleBase = {
    ttlMs: setup.ttlMs,
    seed: setup.seed,
    key: (label = "key") => `contract-${setup.run}-${keys++}-${label}`,
    random: random.next,
    pick: random.integer,
    time: ruleTime(setup.clock),
    after: (clean) => void cleanups.push(clean),
  };
  const outcome = await within(setup.timeoutMs, async () => rule.run(open(base)));
  for (const clean of cleanups.reverse()) await within(setup.timeoutMs, async () => void (await clean()));
  return outcome;
}

async function within(timeoutMs: number, work: () => Promise<void>): Promise<RuleOutcome | undefined> {
  const deadline = realWait(systemClock, timeoutMs);
  try {
    return await Promise.race([
      work().then(() => undefined, outcomeOf),
      deadline.done.then((): RuleOutcome => ({ detail: `no answer within ${timeoutMs} ms` })),
    ]);
  } finally {
    deadline.cancel();
  }
}

function outcomeOf(error: unknown): RuleOutcome {
  const marked = error as { [VIOLATION]?: string; [SKIP]?: string } | null | undefined;
  if (marked?.[VIOLATION] !== undefined) return { detail: marked[VIOLATION] };
  if (marked?.[SKIP] !== undefined) return { skip: marked[SKIP] };
  return { detail: `unexpected ${show(error)}` };
}
