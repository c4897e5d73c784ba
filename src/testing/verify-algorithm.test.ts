import { describe, expect, it } from "vitest";
import { StoreError } from "../core/errors.ts";
import type { Algorithm } from "../state/contracts/driver.ts";
import { allOf } from "../state/algorithms/all-of.ts";
import { counter } from "../state/algorithms/counter.ts";
import { cursor } from "../state/algorithms/cursor.ts";
import { fixedWindow } from "../state/algorithms/fixed-window.ts";
import { defineAlgorithm, defineRowAlgorithm } from "../state/define-algorithm.ts";
import { calendarLimit } from "../state/calendar-policy.ts";
import { type CompiledLimit, compileLimit, compileLimits, fixedWindowLimit, slidingLogLimit, slidingWindowLimit, tokenBucketLimit, tokenRateLimit } from "../state/limit-policy.ts";
import { compilePace } from "../state/pace.ts";
import { type CommandSource, type VerifyAlgorithmOptions, verifyAlgorithm } from "./verify-algorithm.ts";

const ALL = ["pure", "refusal is free", "forgetting", "late loss", "integers", "bounded", "round trip", "serial"];

/** Every verb of a limiter: charges of several costs, peeks, refunds and settlements of earlier tickets, resets. */
function limiterCommands(policy: unknown, costs: readonly number[]): (source: CommandSource<any>) => any {
  return ({ pick, replies }) => {
    const ticket = replies.length === 0 ? undefined : (replies[pick(0, replies.length - 1)] as { ticket?: unknown }).ticket;
    switch (ticket === undefined ? pick(0, 7) : pick(0, 12)) {
      case 0: return { cost: 0, policy };
      case 1: return { cost: costs[pick(0, costs.length - 1)], policy, dry: true };
      case 8: case 9: return { refund: ticket, policy };
      case 10: return { refund: ticket, policy, cost: 1 };
      case 11: return { settle: ticket, actual: pick(0, 12), policy };
      case 12: return { reset: true, policy };
      default: return { cost: costs[pick(0, costs.length - 1)], policy, ticket: true };
    }
  };
}

async function check(algorithm: Algorithm<any, any, any>, options: VerifyAlgorithmOptions<any, any>, extra: readonly string[] = []): Promise<void> {
  const report = await verifyAlgorithm(algorithm, options);
  expect(report.violations).toEqual([]);
  expect(report.passed).toEqual(expect.arrayContaining([...ALL, ...extra]));
  expect(report.ok).toBe(true);
}

describe("every algorithm keeps the laws", () => {
  it.each<[string, CompiledLimit, readonly number[]]>([
    ["fixed-window", fixedWindowLimit({ max: 5, windowMs: 1000 }), [1, 2, 6]],
    ["fixed-window of 1 ms", fixedWindowLimit({ max: 2, windowMs: 1 }), [1, 2, 6]],
    ["fixed-window, max 0", fixedWindowLimit({ max: 0, windowMs: 10 }), [1, 2]],
    ["calendar-window", calendarLimit({ max: 5, windowMs: 1000, offsetMs: 137 }), [1, 2, 6]],
    ["calendar-window with boundaries", calendarLimit({ max: 5, unit: "day", timeZone: "UTC", boundaries: [1_699_999_999_900, 1_700_000_000_500, 1_700_000_009_000] }), [1, 2, 6]],
    ["sliding-log", slidingLogLimit({ max: 6, windowMs: 1000 }), [1, 2, 7]],
    ["sliding-log of 1 ms", slidingLogLimit({ max: 3, windowMs: 1 }), [1, 2, 7]],
    ["sliding-window", slidingWindowLimit({ max: 8, windowMs: 1000 }), [1, 2, 9]],
    ["sliding-window of 3 ms", slidingWindowLimit({ max: 8, windowMs: 3 }), [1, 2, 9]],
    ["sliding-window, 240 buckets of a day", slidingWindowLimit({ max: 8, windowMs: 86_400_000, buckets: 240 }), [1, 2, 9]],
    ["token-bucket", tokenBucketLimit({ capacity: 5, max: 3, windowMs: 1000 }), [0.5, 1, 2.25, 6]],
    ["token-bucket, 7 per ms", tokenRateLimit({ capacity: 5, tokensPerSecond: 7000 }), [1, 2, 6]],
    ["token-bucket, fractional capacity", tokenRateLimit({ capacity: 2.5, tokensPerSecond: 1 / 3 }), [0.1, 1, 3]],
  ])("%s", async (_, { algorithm, policy }, costs) => {
    await check(algorithm, { commands: limiterCommands(policy, costs) }, algorithm.row === undefined ? [] : ["in place"]);
  });

  it("all-of", async () => {
    const { algorithm, policies } = compileLimits([
      { algorithm: "fixed-window", max: 7, windowMs: 1000 },
      { algorithm: "sliding-window", max: 5, windowMs: 300 },
      { algorithm: "sliding-window", max: 40, windowMs: 5000 },
      { algorithm: "token-bucket", capacity: 4, max: 1, windowMs: 100 },
    ]);
    const inner = limiterCommands(undefined, [1, 2, 5]);
    await check(algorithm, { commands: (source) => ({ ...inner(source), policies }) });
    await check(allOf([fixedWindow]), { commands: (source) => ({ ...inner(source), policies: policies.slice(0, 1) }) });
  });

  it("fixed-window with forced counting", async () => {
    const { policy } = fixedWindowLimit({ max: 3, windowMs: 50 });
    await check(fixedWindow, { commands: [{ cost: 1, policy, force: true }, { cost: 1, policy }], isRefusal: (reply) => !reply.allowed && reply.count <= 3 }, ["in place"]);
  });

  it("cursor", async () => {
    for (const { policy } of [compilePace({ spacingMs: 10 }), compilePace({ count: 3, periodMs: 100, burst: 4 }), compilePace({ spacingMs: 0.25, burst: 2 })]) {
      await check(cursor, {
        commands: ({ pick, replies }) => {
          const ticket = replies.length === 0 ? undefined : (replies.at(-1) as { ticket?: any }).ticket;
          switch (pick(0, ticket === undefined ? 5 : 7)) {
            case 0: return { policy, cost: 0 };
            case 1: return { policy, pauseMs: pick(0, 300) };
            case 2: return { policy, cost: 2, maxWaitMs: 5 };
            case 3: return pick(0, 5) === 0 ? { policy, reset: true } : { policy, maxWaitMs: 0 };
            case 6: case 7: return { policy, refund: ticket };
            default: return { policy };
          }
        },
      }, ["in place"]);
    }
  });

  it("counter", async () => {
    await check(counter, {
      commands: [{ by: 1, ttlMs: 100 }, { by: -3, ttlMs: 5 }, { by: 0 }, { by: Number.MAX_SAFE_INTEGER, ttlMs: 20 }, { reset: true }],
      isRefusal: (reply) => reply.overflow,
      invalid: [{ by: 0.5 }, { by: Number.NaN }],
    }, ["in place"]);
    await check(counter, { commands: [{ by: 1 }, { by: -1 }, { by: Number.MIN_SAFE_INTEGER }], isRefusal: (reply) => reply.overflow });
  });
});

describe("a broken algorithm is caught by the law it breaks", () => {
  const sound = compileLimit({ algorithm: "sliding-window", max: 3, windowMs: 100 });
  const commands = [{ cost: 1, policy: sound.policy }, { cost: 2, policy: sound.policy }, { cost: 0, policy: sound.policy }];
  const base = sound.algorithm as Algorithm<{ era: number; pairs: number[] }, any, any>;
  let calls = 0;

  const broken: [law: string, what: string, algorithm: Algorithm<any, any, any>][] = [
    ["pure", "changes the state it is given", { ...base, step: (state, command, now) => {
      const step = base.step(state, command, now);
      if (state === undefined || step.state === state) return step;
      state.pairs.push(state.pairs.at(-2)! + 1, 1);
      return { ...step, state };
    } }],
    ["pure", "changes the command", { ...base, step: (state, command, now) => {
      if (Object.isExtensible(command)) command.seen = (command.seen ?? 0) + 1;
      return base.step(state, command, now);
    } }],
    ["pure", "asks the clock", { ...base, step: (state, command, now) => base.step(state, command, Math.max(now, Date.now() - 1e13)) }],
    ["pure", "draws at random", { ...base, step: (state, command, now) => base.step(state, command, now + (Math.random() < 2 ? 0 : 1)) }],
    ["pure", "remembers calls", { ...base, step: (state, command, now) => {
      const step = base.step(state, command, now);
      return { ...step, reply: { ...step.reply, calls: calls++ } };
    } }],
    ["pure", "gives another error to the same input", { ...base, step: (state, command, now) => {
      const step = base.step(state, command, now);
      return step.reply.allowed ? step : { ...step, reply: new StoreError("STORE_WRONG_TYPE", `call ${calls++}`) };
    } }],
    ["refusal is free", "copies the state on a refusal", { ...base, step: (state, command, now) => {
      const step = base.step(state, command, now);
      return step.reply.allowed || step.state === undefined ? step : { ...step, state: { ...step.state } };
    } }],
    ["refusal is free", "copies the state on a peek", { ...base, step: (state, command, now) => {
      const step = base.step(state, command, now);
      return command.cost === 0 && step.state !== undefined ? { ...step, state: { ...step.state } } : step;
    } }],
    ["refusal is free", "charges an invalid cost", { ...base, step: (state, command, now) => base.step(state, command.cost < 0 ? { ...command, cost: 1 } : command, now) }],
    ["forgetting", "says too early when its state ends", { ...base, step: (state, command, now) => {
      const step = base.step(state, command, now);
      return step.expiresAt === undefined ? step : { ...step, expiresAt: step.expiresAt - 30 };
    } }],
    ["late loss", "lets storage decide when the window ends", defineAlgorithm<{ n: number; end: number }, any, any>({
      name: "by-storage", version: 1, maxStateBytes: 16,
      step: (state, { cost }, now) => {
        const allowed = (state?.n ?? 0) + cost <= 3;
        const next = allowed && cost > 0 ? { n: (state?.n ?? 0) + cost, end: state?.end ?? Math.ceil(now) + 100 } : state;
        return { state: next, reply: { allowed }, expiresAt: next?.end };
      },
      encode: ({ n, end }) => new Uint8Array(Float64Array.of(n, end).buffer),
      decode: (bytes) => {
        if (bytes.length !== 16) throw new RangeError("length");
        const view = new DataView(bytes.slice().buffer);
        return { n: view.getFloat64(0, true), end: view.getFloat64(8, true) };
      },
    })],
    ["integers", "keeps a fraction", { ...base, step: (state, command, now) => {
      const step = base.step(state, command, now);
      return step.state === state || step.state === undefined ? step : { ...step, state: { ...step.state, pairs: step.state.pairs.map((n, i) => (i % 2 === 0 ? n + 0.25 : n)) } };
    } }],
    ["bounded", "outgrows its bound", { ...base, maxStateBytes: 10 }],
    ["round trip", "loses a part of the state", { ...base, decode: (bytes) => ({ ...base.decode(bytes), era: 1 }) }],
    ["round trip", "takes a broken record for none", { ...base, decode: (bytes) => {
      try {
        return base.decode(bytes);
      } catch {
        return undefined as never;
      }
    } }],
    ["serial", "answers otherwise after it was stored", { ...base, decode: (bytes) => ({ ...base.decode(bytes), pairs: base.decode(bytes).pairs.slice(2) }) }],
    ["in place", "writes on a refusal", broke((row) => ({ apply: (cells, at, command, now, reply) => {
      const changed = row.apply(cells, at, command, now, reply);
      if (!changed) cells[at + 1]! += 1;
      return changed;
    } }))],
    ["in place", "writes beside its row", broke((row) => ({ apply: (cells, at, command, now, reply) => {
      if (at + 3 < cells.length) cells[at + 3] = 0;
      return row.apply(cells, at, command, now, reply);
    } }))],
  ];

  it.each(broken)("%s: %s", async (law, _, algorithm) => {
    const report = await verifyAlgorithm(algorithm, { commands: algorithm.row === undefined ? commands : rowCommands, seed: 7 });
    expect(report.ok).toBe(false);
    expect(report.violations.map(({ rule }) => rule)).toContain(law);
    expect(report.violations.every(({ seed }) => seed === 7)).toBe(true);
  });

  it("says that refusals were not tested when none came up, and what is wrong with the options", async () => {
    const limit = fixedWindowLimit({ max: 1000, windowMs: 10 });
    const report = await verifyAlgorithm(fixedWindow, { commands: [{ cost: 1, policy: limit.policy }] });
    expect(report.skipped).toEqual([{ rule: "refusal is free", reason: "no command was refused: give commands of which some are" }]);
    expect(await verifyAlgorithm(fixedWindow, { commands: [] })).toMatchObject({ ok: false, violations: [{ rule: "options", detail: expect.stringContaining("commands must be") }] });
  });

  it("repeats a history from its seed", async () => {
    const [a, b] = [await verifyAlgorithm(broken[8]![2], { commands, seed: 99 }), await verifyAlgorithm(broken[8]![2], { commands, seed: 99 })];
    expect(a).toEqual(b);
  });
});

const rowPolicy = fixedWindowLimit({ max: 3, windowMs: 50 }).policy;
const rowCommands = [{ cost: 1, policy: rowPolicy }, { cost: 2, policy: rowPolicy }];

function broke(change: (row: NonNullable<typeof fixedWindow.row>) => Partial<NonNullable<typeof fixedWindow.row>>): Algorithm<any, any, any> {
  const row = fixedWindow.row!;
  return { ...defineRowAlgorithm({ name: "broken", version: 1, row: { ...row } }), row: { ...row, ...change(row) } };
}

