/** The laws that every algorithm keeps, checked on random histories: built-in algorithms and a user's own alike. */

import { checkFunction, checkInteger } from "../core/check.ts";
import { OptionError, isSluiceError } from "../core/errors.ts";
import type { Algorithm, Step } from "../state/contracts/driver.ts";
import { decodeRecord, encodeRecord } from "../state/record.ts";
import { type ContractReport, type Rule, type RuleBase, expect, runContract, sameValue, show, skipRule, violated } from "./report.ts";

/** What a generator of commands has at hand. */
export interface CommandSource<Reply> {
  /** A number in `[0, 1)` from the seed. */
  random(): number;
  /** An integer in `[low, high]` from the seed. */
  pick(low: number, high: number): number;
  /** Replies of this history so far, for commands that hand back a ticket. */
  readonly replies: readonly Reply[];
}

export interface VerifyAlgorithmOptions<Command, Reply> {
  /**
   * Commands on one key under one policy: a list to pick from, or a generator. Refusals have to be among their
   * outcomes, or the law about them is not tested and the report says so.
   */
  readonly commands: readonly Command[] | ((source: CommandSource<Reply>) => Command);
  /** Start of the random histories. @default a new one each time */
  readonly seed?: number;
  /** Histories per law. @default 40 */
  readonly histories?: number;
  /** Commands per history. @default 40 */
  readonly steps?: number;
  /** First instant of a history, epoch ms. @default 1_700_000_000_000 */
  readonly startAt?: number;
  /** @default `allowed`, `granted` or `held` is false */
  readonly isRefusal?: (reply: Reply) => boolean;
  /** Commands that only read. @default `cost` or `by` is 0, or `dry` is true */
  readonly isPeek?: (command: Command) => boolean;
  /** Commands outside the domain. @default the commands with a `cost` that is no number, negative, or infinite */
  readonly invalid?: readonly Command[];
  /** The part of a reply that the loss of a record must not change. @default all but tickets, fences, eras, epochs, tokens and sequence numbers */
  readonly comparable?: (reply: Reply) => unknown;
  /** Laws not to check, by name, each with the reason. */
  readonly skip?: Readonly<Record<string, string>>;
}

/**
 * Checks `algorithm` against the laws of the state layer, and never rejects. Laws: `pure`, `refusal is free`, `forgetting`,
 * `late loss`, `integers`, `bounded`, `round trip`, `serial`, `in place`.
 *
 * @example
 * const report = await verifyAlgorithm(tokenBucket, { commands: [{ cost: 1, policy }, { cost: 3, policy }] });
 * if (!report.ok) console.error(report.violations);
 */
export async function verifyAlgorithm<State, Command, Reply>(
  algorithm: Algorithm<State, Command, Reply>,
  options: VerifyAlgorithmOptions<Command, Reply>,
): Promise<ContractReport> {
  const name = `algorithm ${String(algorithm?.name)}`;
  let settings: Settings<Command, Reply>;
  try {
    settings = resolve(options);
  } catch (error) {
    return { name, ok: false, passed: [], violations: [{ rule: "options", detail: show(error) }], skipped: [] };
  }
  return runContract(name, RULES, { seed: options.seed, skip: options.skip, timeoutMs: 60_000 }, (base) => ({ algorithm, settings, base }) as unknown as Context);
}

interface Settings<Command, Reply> {
  readonly next: (source: CommandSource<Reply>) => Command;
  readonly histories: number;
  readonly steps: number;
  readonly startAt: number;
  readonly isRefusal: (reply: Reply) => boolean;
  readonly isPeek: (command: Command) => boolean;
  readonly invalid: readonly Command[] | undefined;
  readonly comparable: (reply: Reply) => unknown;
}

interface Context {
  readonly algorithm: Algorithm<unknown, unknown, unknown>;
  readonly settings: Settings<unknown, unknown>;
  readonly base: RuleBase;
}

function resolve<Command, Reply>(options: VerifyAlgorithmOptions<Command, Reply>): Settings<Command, Reply> {
  const { commands } = options;
  let next: (source: CommandSource<Reply>) => Command;
  if (typeof commands === "function") next = commands;
  else {
    if (!Array.isArray(commands) || commands.length === 0) throw new OptionError("commands", commands, "a list of commands or a function that gives one");
    next = ({ pick }) => commands[pick(0, commands.length - 1)] as Command;
  }
  return {
    next,
    histories: options.histories === undefined ? 40 : checkInteger("histories", options.histories, 1),
    steps: options.steps === undefined ? 40 : checkInteger("steps", options.steps, 1),
    startAt: options.startAt === undefined ? 1_700_000_000_000 : checkInteger("startAt", options.startAt, 0),
    isRefusal: options.isRefusal === undefined ? isRefusal : checkFunction("isRefusal", options.isRefusal),
    isPeek: options.isPeek === undefined ? isPeek : checkFunction("isPeek", options.isPeek),
    invalid: options.invalid,
    comparable: options.comparable === undefined ? withoutIdentity : checkFunction("comparable", options.comparable),
  };
}

function isRefusal(reply: unknown): boolean {
  const { allowed, granted, held } = (reply ?? {}) as { allowed?: unknown; granted?: unknown; held?: unknown };
  return allowed === false || granted === false || held === false;
}

function isPeek(command: unknown): boolean {
  const { cost, by, dry, refund, settle } = (command ?? {}) as Record<string, unknown>;
  return dry === true || ((cost === 0 || by === 0) && refund === undefined && settle === undefined);
}

const IDENTITY: ReadonlySet<string> = /* @__PURE__ */ new Set(["ticket", "fence", "era", "epoch", "seq", "token"]);

function withoutIdentity(value: unknown): unknown {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map(withoutIdentity);
  return Object.fromEntries(Object.entries(value).filter(([key]) => !IDENTITY.has(key)).map(([key, part]) => [key, withoutIdentity(part)]));
}

// ------------------------------------------------------------------------------------------------------------ histories

/** One command of a history: what went in, and what came out. */
interface Moment {
  readonly before: unknown;
  readonly command: unknown;
  readonly now: number;
  /** `now` is not before any earlier one. */
  readonly forward: boolean;
  readonly step: Step<unknown, unknown>;
  /** Where it happened, for the report. */
  readonly where: string;
}

/** Plays random histories and shows each step to `look`. `stepBack`: how often the clock steps back, 0 to 1. */
function play({ algorithm, settings, base }: Context, stepBack: number, look: (moment: Moment) => void): void {
  for (let history = 0; history < settings.histories; history++) {
    const replies: unknown[] = [];
    const source: CommandSource<unknown> = { random: base.random, pick: base.pick, replies };
    let state: unknown;
    let expiresAt: number | undefined;
    let now = settings.startAt;
    let latest = now;
    for (let i = 0; i < settings.steps; i++) {
      now = base.random() < stepBack ? now - pickOf(base, [1, 1000, 86_400_000]) : advance(base, now, expiresAt);
      const command = settings.next(source);
      const step = algorithm.step(state, command, now);
      look({ before: state, command, now, forward: now >= latest, step, where: `history ${history}, step ${i}, ${show(command)} at ${now}` });
      ({ state, expiresAt } = step);
      replies.push(step.reply);
      latest = Math.max(latest, now);
    }
  }
}

/** The next instant: mostly soon, often around the end of the state, with fractions among them. */
function advance(base: RuleBase, now: number, expiresAt: number | undefined): number {
  const left = expiresAt === undefined || !(expiresAt > now) ? 1000 : expiresAt - now;
  const kind = base.pick(0, 9);
  if (kind < 4) return now;
  if (kind < 6) return now + base.pick(1, 10);
  if (kind === 6) return now + base.random() * 5;
  if (kind === 7) return Math.max(now, Math.floor(now + base.random() * left));
  if (kind === 8) return Math.max(now, Math.floor(now) + Math.ceil(left) + base.pick(-2, 2));
  return Math.ceil(now + left * (1 + base.random() * 3));
}

function pickOf<T>(base: RuleBase, values: readonly T[]): T {
  return values[base.pick(0, values.length - 1)] as T;
}

// ----------------------------------------------------------------------------------------------------------------- laws

const RULES: readonly Rule<Context>[] = [
  { rule: "pure", run: async (context) => pure(context) },
  { rule: "refusal is free", run: async (context) => refusalIsFree(context) },
  { rule: "forgetting", run: async (context) => forgetting(context) },
  { rule: "late loss", run: async (context) => lateLoss(context) },
  { rule: "integers", run: async (context) => play(context, 0.1, ({ step, where }) => integers(step.state, where)) },
  { rule: "bounded", run: async (context) => bounded(context) },
  { rule: "round trip", run: async (context) => roundTrip(context) },
  { rule: "serial", run: async (context) => serial(context) },
  { rule: "in place", run: async (context) => inPlace(context) },
];

/** Twice the same input gives the same output, nothing that went in is changed, no clock and no randomness is asked. */
function pure(context: Context): void {
  play(context, 0.1, ({ before, command, now, step, where }) => {
    const [stateWas, commandWas, replyWas] = [copyOf(before), copyOf(command), copyOf(step.reply)];
    const again = withoutSources(() => context.algorithm.step(before, command, now), where);
    expect(sameValue(again.reply, replyWas), () => `${where}: replied ${show(replyWas)}, and to the same input ${show(again.reply)}`);
    expect(sameValue(again.state, step.state) && again.expiresAt === step.expiresAt, () => `${where}: gave another state for the same input`);
    expect(sameValue(before, stateWas), () => `${where}: changed the state it was given`);
    expect(sameValue(command, commandWas), () => `${where}: changed the command it was given`);
  });
}

/** A deep copy of plain data. Errors stay themselves: a clone of one is of another class, and nobody changes them. */
function copyOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Error) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  if (ArrayBuffer.isView(value) || value instanceof Map || value instanceof Set || value instanceof Date) return structuredClone(value);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, copyOf(part)]));
}

/** Runs `call` while the platform's clocks and generators raise an error. It is synchronous, so nobody else sees them. */
function withoutSources<T>(call: () => T, where: string): T {
  const sources: readonly (readonly [object, string])[] = [[Date, "now"], [Math, "random"], [globalThis.performance, "now"], [crypto, "getRandomValues"], [crypto, "randomUUID"]];
  const originals = sources.map(([owner, name]) => Object.getOwnPropertyDescriptor(owner, name));
  let asked: string | undefined;
  try {
    for (const [owner, name] of sources) {
      const deny = (): never => violated((asked = `${where}: asked the platform for ${name}`));
      Object.defineProperty(owner, name, { value: deny, configurable: true, writable: true });
    }
    const result = call();
    return asked === undefined ? result : violated(asked);
  } finally {
    sources.forEach(([owner, name], i) => {
      const original = originals[i];
      if (original === undefined) Reflect.deleteProperty(owner, name);
      else Object.defineProperty(owner, name, original);
    });
  }
}

/** What changes nothing gives back the very state object, so that the driver writes nothing. */
function refusalIsFree(context: Context): void {
  const { algorithm, settings } = context;
  let refusals = 0;
  play(context, 0, ({ before, command, now, step, where }) => {
    const refused = settings.isRefusal(step.reply);
    if (refused) refusals += 1;
    if (refused || settings.isPeek(command)) {
      expect(step.state === before, () => `${where}: ${refused ? "a refusal" : "a peek"} gave another state object`);
    }
    for (const invalid of settings.invalid ?? invalidForms(command)) {
      let state: unknown = before;
      try {
        ({ state } = algorithm.step(before, invalid, now));
      } catch (error) {
        expect(error instanceof RangeError || isSluiceError(error), () => `${where}: the invalid command ${show(invalid)} gave ${show(error)}, which is no error of the package`);
      }
      expect(state === before, () => `${where}: the invalid command ${show(invalid)} gave another state object`);
    }
  });
  if (refusals === 0) skipRule("no command was refused: give commands of which some are");
}

function invalidForms(command: unknown): unknown[] {
  if (typeof command !== "object" || command === null || typeof (command as { cost?: unknown }).cost !== "number") return [];
  if ((command as { refund?: unknown }).refund !== undefined) return [];
  return [Number.NaN, -1, Number.POSITIVE_INFINITY].map((cost) => ({ ...command, cost }));
}

/** From `expiresAt` on, a state and no state reply alike. */
function forgetting(context: Context): void {
  const { algorithm, settings, base } = context;
  const replies: unknown[] = [];
  play(context, 0.1, ({ step, where }) => {
    replies.push(step.reply);
    if (step.state === undefined || step.expiresAt === undefined) return;
    expect(Number.isFinite(step.expiresAt), () => `${where}: expiresAt is ${step.expiresAt}`);
    const command = settings.next({ random: base.random, pick: base.pick, replies });
    for (const later of [0, 0.5, 1, base.pick(2, 1_000_000)]) {
      const now = step.expiresAt + later;
      alike(context, algorithm.step(step.state, command, now).reply, algorithm.step(undefined, command, now).reply, `${where}, then ${show(command)} at expiresAt + ${later}`);
    }
  });
}

/** A history on a store that drops records as soon as it may, and the same on one that never does. */
function lateLoss(context: Context): void {
  const { algorithm } = context;
  let dropped: unknown;
  let droppedEnd: number | undefined;
  play(context, 0, ({ before, command, now, step, where }) => {
    if (before === undefined) dropped = undefined;
    if (dropped !== undefined && droppedEnd !== undefined && now >= droppedEnd) dropped = undefined;
    const other = algorithm.step(dropped, command, now);
    alike(context, step.reply, other.reply, `${where}, on a store that keeps records too long and on one that does not`);
    dropped = other.state;
    droppedEnd = other.expiresAt;
  });
}

function alike({ settings }: Context, kept: unknown, lost: unknown, where: string): void {
  const [a, b] = [settings.comparable(kept), settings.comparable(lost)];
  expect(sameValue(a, b), () => `${where}: with the record ${show(a)}, without it ${show(b)}`);
}

function integers(value: unknown, where: string, path = "state"): void {
  if (typeof value === "number") expect(Number.isSafeInteger(value) && !Object.is(value, -0), () => `${where}: ${path} is ${Object.is(value, -0) ? "-0" : value}, no safe integer`);
  else if (typeof value === "object" && value !== null) {
    for (const [key, part] of Object.entries(value)) integers(part, where, `${path}.${key}`);
  }
}

function bounded(context: Context): void {
  const { algorithm } = context;
  play(context, 0.1, ({ step, where }) => {
    if (step.state === undefined) return;
    const { length } = algorithm.encode(step.state);
    expect(length <= algorithm.maxStateBytes, () => `${where}: the state takes ${length} bytes, and maxStateBytes is ${algorithm.maxStateBytes}`);
  });
}

/** Records come back as they were; damaged and foreign ones are errors of the store, never "absent" and never a crash. */
function roundTrip(context: Context): void {
  const { algorithm, base } = context;
  play(context, 0.1, ({ step, now, where }) => {
    if (step.state === undefined) return;
    const bytes = encodeRecord(algorithm, step.state, step.expiresAt, now);
    const { state } = decodeRecord(algorithm, bytes);
    expect(sameValue(state, step.state), () => `${where}: ${show(step.state)} came back as ${show(state)}`);
    const unknownVersion = Uint8Array.from(bytes);
    unknownVersion[0] = 0xee;
    const otherVersion = { ...algorithm, version: (algorithm.version + 1) % 256 };
    damaged(() => decodeRecord(algorithm, unknownVersion), true, `${where}: an unknown version of the record`);
    damaged(() => decodeRecord(otherVersion, bytes), true, `${where}: a state of another version`);
    damaged(() => decodeRecord(algorithm, bytes.subarray(0, base.pick(0, bytes.length - 1))), false, `${where}: a record cut short`);
    const flipped = Uint8Array.from(bytes);
    flipped[base.pick(0, bytes.length - 1)]! ^= 1 << base.pick(0, 7);
    damaged(() => decodeRecord(algorithm, flipped), false, `${where}: a record with a flipped bit`);
  });
}

/** `must`: it has to fail; otherwise it may also give a state, since not every damage shows. */
function damaged(read: () => { readonly state: unknown }, must: boolean, what: string): void {
  let state: unknown;
  try {
    ({ state } = read());
  } catch (error) {
    const code = isSluiceError(error) ? error.code : undefined;
    expect(code === "STORE_CORRUPT" || (!must && code === "STORE_WRONG_TYPE"), () => `${what} gave ${show(error)} instead of STORE_CORRUPT`);
    return;
  }
  expect(!must && state !== undefined, `${what} was read as ${show(state)}`);
}

/** Two commands in one run, and in two runs with the record stored in between, at one instant. */
function serial(context: Context): void {
  const { algorithm, settings, base } = context;
  const replies: unknown[] = [];
  play(context, 0.1, ({ step, now, where }) => {
    replies.push(step.reply);
    if (step.state === undefined) return;
    const command = settings.next({ random: base.random, pick: base.pick, replies });
    const stored = decodeRecord(algorithm, encodeRecord(algorithm, step.state, step.expiresAt)).state;
    const together = algorithm.step(step.state, command, now);
    const apart = algorithm.step(stored, command, now);
    expect(sameValue(together, apart), () => `${where}, then ${show(command)}: ${show(together)} in one run, ${show(apart)} in two`);
  });
}

/** The row machine, run in the middle of a slab, does what `step` does, touches no other cell, and writes nothing when it says so. */
function inPlace(context: Context): void {
  const { algorithm } = context;
  const { row } = algorithm;
  if (row === undefined) return skipRule("the state is no row of numbers");
  const at = row.width + 1;
  const blank = Array.from({ length: row.width }, () => 0);
  play(context, 0.1, ({ before, command, now, step, where }) => {
    const cells = new Float64Array(3 * row.width + 2).fill(7);
    cells.set((before as readonly number[] | undefined) ?? blank, at);
    const was = cells.slice();
    const reply = row.reply();
    const changed = row.apply(cells, at, command, now, reply);
    expect(sameValue(reply, step.reply), () => `${where}: ${show(reply)} in place, ${show(step.reply)} by step`);
    expect(changed === (step.state !== before), () => `${where}: in place it says ${changed ? "changed" : "unchanged"}, by step it is the other`);
    const after = Array.from(cells.subarray(at, at + row.width));
    if (!changed) expect(sameValue(after, Array.from(was.subarray(at, at + row.width))), () => `${where}: it says unchanged and wrote ${show(after)}`);
    else expect(sameValue(after, step.state ?? blank), () => `${where}: ${show(after)} in place, ${show(step.state)} by step`);
    for (let i = 0; i < cells.length; i++) if (i < at || i >= at + row.width) expect(cells[i] === 7, `${where}: wrote outside its row`);
    if (step.state !== undefined) {
      expect(row.expiresAt(cells, at, command) === step.expiresAt, () => `${where}: expiresAt differs in place`);
    }
  });
}
