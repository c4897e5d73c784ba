import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Random } from "../core/random.ts";
import { manualClock, type ManualClock } from "../testing/manual-clock.ts";
import { seededRandom } from "../testing/seeded-random.ts";
import { backoffOptions, parseRetryAfter, retryDelayMs } from "./backoff.ts";
import { createRetryBudget } from "./retry-budget.ts";
import { createRetry, type RetryCall, type RetryOptions, type RetryResult } from "./retry.ts";

const fixed = (value: number): Random => ({ next: () => value, uuid: () => "" });
const NOW = Date.UTC(2026, 5, 15, 12, 0, 0);

describe("delays", () => {
  test("the three shapes, capped, without jitter", () => {
    const delays = (backoff: "exponential" | "linear" | "constant"): number[] =>
      [1, 2, 3, 4, 5].map((retry) => retryDelayMs(retry, backoffOptions({ backoff, baseDelayMs: 100, maxDelayMs: 450, jitter: "none" }), fixed(0)));
    expect(delays("exponential")).toEqual([100, 200, 400, 450, 450]);
    expect(delays("linear")).toEqual([100, 200, 300, 400, 450]);
    expect(delays("constant")).toEqual([100, 100, 100, 100, 100]);
  });

  test("full jitter is uniform in [0, x), equal in [x/2, x); no retry count overflows", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.nat(), fc.constantFrom("full", "equal", "none"), (retry, seed, jitter) => {
        const options = backoffOptions({ jitter: jitter as "full" });
        const delay = retryDelayMs(retry, options, seededRandom(seed));
        const plain = Math.min(5000, 200 * 2 ** (retry - 1));
        expect(delay).toBeLessThanOrEqual(plain);
        expect(delay).toBeGreaterThanOrEqual(jitter === "full" ? 0 : jitter === "equal" ? plain / 2 : plain);
      }),
    );
  });

  test("bad options are refused by name", () => {
    for (const [option, value] of Object.entries({ backoff: "cubic", baseDelayMs: -1, maxDelayMs: Number.NaN, jitter: "some" })) {
      expect(() => backoffOptions({ [option]: value })).toThrow(expect.objectContaining({ option }));
    }
    expect(() => createRetry({ maxRetries: -1 })).toThrow(/maxRetries/);
  });
});

describe("Retry-After", () => {
  test.each([
    ["120", 120_000],
    [" 0 ", 0],
    ["Mon, 15 Jun 2026 12:00:30 GMT", 30_000],
    ["Monday, 15-Jun-26 12:00:30 GMT", 30_000],
    ["Mon Jun 15 12:00:30 2026", 30_000],
    ["Sun Jun  7 12:00:30 2026", 0],
    ["Sun, 06 Nov 1994 08:49:37 GMT", 0],
    ["Sunday, 06-Nov-94 08:49:37 GMT", 0],
    ["99999999999999999999999999", Number.MAX_SAFE_INTEGER],
  ])("%s", (value, ms) => {
    expect(parseRetryAfter(value, NOW)).toBe(ms);
  });

  test.each([
    "", "-1", "1.5", "1e3", "soon", "0x10", "2026-06-15T12:00:30Z", "Mon, 15 Jun 2026 12:00:30", "Mon, 32 Jun 2026 12:00:30 GMT",
    "Mon, 29 Feb 2027 12:00:30 GMT", "Mon, 15 Juni 2026 12:00:30 GMT", "Mon, 15 anF 2026 12:00:30 GMT", "Mon, 15 Jun 2026 24:00:30 GMT", "9".repeat(5000), null, undefined,
  ])("%s says nothing", (value) => {
    expect(parseRetryAfter(value, NOW)).toBeUndefined();
  });
});

describe("the budget", () => {
  test("a share of first tries in a rolling window, and a minimum without any", () => {
    const clock = manualClock();
    const budget = createRetryBudget({ ratio: 0.1, minPerSecond: 0, clock });
    expect(budget.take()).toBe(false);
    for (let i = 0; i < 100; i++) budget.first();
    const taken = (): number => {
      let n = 0;
      while (budget.take()) n++;
      return n;
    };
    expect(taken()).toBe(10);
    clock.advance(9_000);
    expect(taken()).toBe(0);
    for (let i = 0; i < 50; i++) budget.first();
    expect(taken()).toBe(5);
    clock.advance(2_000);
    expect(taken(), "the first hundred and their ten are gone, the fifty have had their five").toBe(0);
    clock.advance(1_000_000);
    const quiet = createRetryBudget({ clock });
    let n = 0;
    while (quiet.take()) n++;
    expect(n).toBe(10);
  });

  test("the greater of share and minimum, where asked for", () => {
    const clock = manualClock();
    const budget = createRetryBudget({ combine: "max", clock });
    const taken = (): number => {
      let n = 0;
      while (n < 1000 && budget.take()) n++;
      return n;
    };
    for (let i = 0; i < 50; i++) budget.first();
    expect(taken()).toBe(10);
    for (let i = 0; i < 50; i++) budget.first();
    expect(taken(), "a fifth of a hundred, ten of them taken").toBe(10);
    clock.advance(11_000);
    expect(taken(), "the minimum alone").toBe(10);
    expect(() => createRetryBudget({ combine: "min" as "max" })).toThrow(/combine.*min/);
  });

  test("never above the bound in any window", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(3000)), { maxLength: 200 }), (steps) => {
        const clock = manualClock();
        const budget = createRetryBudget({ ratio: 0.5, minPerSecond: 0.1, clock });
        const firsts: number[] = [];
        const retries: number[] = [];
        for (const [first, wait] of steps) {
          clock.advance(wait);
          const now = clock.monotonic();
          if (first) {
            budget.first();
            firsts.push(now);
          } else if (budget.take()) {
            retries.push(now);
            expect(retries.filter((at) => at > now - 10_000).length).toBeLessThanOrEqual(0.5 * firsts.filter((at) => at > now - 11_000).length + 1);
          }
        }
      }),
    );
  });
});

describe("the runner", () => {
  /** Runs to the end, letting the time of every wait pass, and notes the waits. */
  async function drive<T>(fn: (tries: number) => T | Promise<T>, options: RetryOptions<T> = {}, call: (clock: ManualClock) => RetryCall = () => ({})): Promise<RetryResult<T> & { waits: number[] }> {
    const clock = manualClock();
    const waits: number[] = [];
    const retry = createRetry<T>({ jitter: "none", clock, random: fixed(0), onRetry: ({ delayMs }) => waits.push(delayMs), ...options });
    const result = retry.outcome(fn, call(clock));
    await clock.advanceAsync(10_000_000);
    expect(clock.pendingTimers).toBe(0);
    return { ...(await result), waits };
  }

  const fail = (): never => {
    throw new Error("boom");
  };

  test("tries until it works, or the retries end; the last outcome alone counts", async () => {
    expect(await drive((tries) => (tries < 3 ? fail() : tries))).toMatchObject({ attempt: { ok: true, value: 3 }, tries: 3, end: "final", waits: [200, 400] });
    expect(await drive(fail)).toMatchObject({ attempt: { ok: false }, tries: 4, end: "attempts", waits: [200, 400, 800] });
    expect(await drive(fail, { maxRetries: 0 })).toMatchObject({ tries: 1, end: "attempts", waits: [] });
    await expect(createRetry({ maxRetries: 0 }).run(fail)).rejects.toThrow("boom");
    expect(await createRetry<number>().run(() => 5)).toBe(5);
  });

  test("values can be judged, and those replaced are freed", async () => {
    const freed: number[] = [];
    const result = await drive<number>((tries) => tries * 10, { judge: (attempt) => attempt.ok && attempt.value < 30, discard: (value) => void freed.push(value) });
    expect(result).toMatchObject({ attempt: { value: 30 }, end: "final" });
    expect(freed).toEqual([10, 20]);
    const last = await drive<number>((tries) => tries, { judge: () => true, maxRetries: 1, discard: (value) => void freed.push(value) });
    expect(last).toMatchObject({ attempt: { value: 2 }, end: "attempts" });
    expect(freed, "the last one is the caller's").toEqual([10, 20, 1]);
  });

  test("observers cannot fail a call", async () => {
    const result = await drive<number>((tries) => tries, {
      judge: (_attempt, tries) => tries < 2,
      discard: () => Promise.reject(new Error("discard")),
      onRetry: () => { throw new Error("observer"); },
    });
    expect(result).toMatchObject({ attempt: { value: 2 } });
    expect(await drive<number>((tries) => tries, { judge: () => { throw new Error("judge"); } })).toMatchObject({ attempt: { value: 1 }, end: "final" });
  });

  test("a wait that was asked for is kept when it fits, and ends the tries when it does not", async () => {
    const asked = (retryAfterMs: number | undefined) => ({ judge: () => ({ retryAfterMs }), maxRetries: 1, maxDelayMs: 1000 });
    expect((await drive(() => 1, asked(700))).waits).toEqual([700]);
    expect((await drive(() => 1, { ...asked(700), random: fixed(0.5) })).waits).toEqual([735]);
    expect((await drive(() => 1, { ...asked(1000), random: fixed(0.5) })).waits).toEqual([1000]);
    expect((await drive(() => 1, asked(50))).waits).toEqual([200]);
    expect((await drive(() => 1, asked(undefined))).waits).toEqual([200]);
    expect(await drive(() => 1, asked(1001))).toMatchObject({ tries: 1, end: "retry-after", retryAfterMs: 1001, waits: [] });
    expect((await drive(() => 1, { ...asked(86_400_000), maxRetryAfterMs: 60_000 })).end).toBe("retry-after");
  });

  test("no wait beyond the deadline, none without budget", async () => {
    expect(await drive(fail, {}, (clock) => { const end = clock.monotonic() + 500; return { remainingMs: () => end - clock.monotonic() }; })).toMatchObject({ tries: 2, end: "deadline", waits: [200] });
    const clock = manualClock();
    const budget = createRetryBudget({ ratio: 0, minPerSecond: 0.1, clock });
    expect(await drive(fail, { budget })).toMatchObject({ tries: 2, end: "budget" });
    expect(await drive(fail, { budget })).toMatchObject({ tries: 1, end: "budget" });
  });

  test("an abort ends waits at once and leaves nothing behind", async () => {
    const clock = manualClock();
    const controller = new AbortController();
    const freed: number[] = [];
    const retry = createRetry<number>({ clock, judge: () => true, discard: (value) => void freed.push(value) });
    const result = retry.outcome((tries) => tries, { signal: controller.signal });
    await clock.advanceAsync(0);
    expect(clock.pendingTimers).toBe(1);
    controller.abort(new Error("left"));
    expect(await result).toMatchObject({ attempt: { ok: false, error: { message: "left" } }, tries: 1, end: "aborted" });
    expect(clock.pendingTimers).toBe(0);
    let called = 0;
    expect(await retry.outcome(() => called++, { signal: controller.signal })).toMatchObject({ tries: 0, end: "aborted" });
    expect(called).toBe(0);
  });

  test("an attempt that ends with the abort is not judged", async () => {
    const controller = new AbortController();
    const result = await drive<number>(() => { controller.abort(); return fail(); }, {}, () => ({ signal: controller.signal }));
    expect(result).toMatchObject({ attempt: { ok: false, error: { message: "boom" } }, tries: 1, end: "aborted" });
  });
});
