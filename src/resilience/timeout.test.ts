import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { MAX_TIMER_MS } from "../core/clock.ts";
import { manualClock } from "../testing/manual-clock.ts";
import { createDeadline, withTimeout } from "./timeout.ts";

const listeners = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

describe("deadline", () => {
  test("aborts at its time with a TimeoutError, not before", () => {
    const clock = manualClock();
    const deadline = createDeadline(100, { clock });
    clock.advance(99);
    expect(deadline.signal.aborted).toBe(false);
    expect(deadline.remainingMs).toBe(1);
    clock.advance(1);
    expect(deadline.signal.reason).toMatchObject({ name: "TimeoutError" });
    expect(deadline.expired).toBe(true);
    expect(deadline.remainingMs).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  test("follows its parent, and leaves no timer and no listener in any case", () => {
    const clock = manualClock();
    const parent = new AbortController();
    const followed = createDeadline(100, { clock, signal: parent.signal });
    const cleared = createDeadline(100, { clock, signal: parent.signal });
    expect(listeners(parent.signal)).toBe(2);
    cleared.clear();
    cleared.clear();
    expect(listeners(parent.signal)).toBe(1);
    parent.abort(new Error("left"));
    expect(followed.signal.reason).toMatchObject({ message: "left" });
    expect(followed.expired).toBe(false);
    expect(cleared.signal.aborted).toBe(false);
    expect(clock.pendingTimers).toBe(0);
    const late = createDeadline(100, { clock, signal: parent.signal });
    expect(late.signal.reason).toMatchObject({ message: "left" });
    expect(clock.pendingTimers).toBe(0);
    const other = new AbortController();
    createDeadline(5, { clock, signal: other.signal });
    clock.advance(5);
    expect(listeners(other.signal)).toBe(0);
  });

  test("a parent that many deadlines came and went on holds none of them", () => {
    const clock = manualClock();
    const parent = new AbortController();
    for (let i = 0; i < 10_000; i++) createDeadline(100, { clock, signal: parent.signal }).clear();
    expect(listeners(parent.signal)).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  test("a time longer than a timer can wait does not end at once", () => {
    const clock = manualClock();
    const deadline = createDeadline(MAX_TIMER_MS + 1000, { clock });
    clock.advance(MAX_TIMER_MS + 999);
    expect(deadline.signal.aborted).toBe(false);
    clock.advance(1);
    expect(deadline.expired).toBe(true);
    const endless = createDeadline(Infinity, { clock });
    expect(clock.pendingTimers).toBe(0);
    expect(endless.remainingMs).toBe(Infinity);
  });

  test("its reason can be the caller's; a bad time is refused", () => {
    const clock = manualClock();
    const deadline = createDeadline(1, { clock, reason: () => "mine" });
    clock.advance(1);
    expect(deadline.signal.reason).toBe("mine");
    for (const bad of [0, -1, Number.NaN, "1" as unknown as number]) expect(() => createDeadline(bad)).toThrow(/timeoutMs/);
  });
});

describe("withTimeout", () => {
  test("gives the result, or the error, and cleans up", async () => {
    const clock = manualClock();
    expect(await withTimeout(() => 1, 100, { clock })).toBe(1);
    await expect(withTimeout(() => { throw new Error("sync"); }, 100, { clock })).rejects.toThrow("sync");
    await expect(withTimeout(async () => { throw new Error("async"); }, 100, { clock })).rejects.toThrow("async");
    expect(clock.pendingTimers).toBe(0);
  });

  test("work that hangs ends with the deadline, and with the parent", async () => {
    const clock = manualClock();
    const parent = new AbortController();
    let seen: AbortSignal | undefined;
    const hung = withTimeout((signal) => { seen = signal; return new Promise<never>(() => undefined); }, 100, { clock, signal: parent.signal });
    clock.advance(100);
    await expect(hung).rejects.toMatchObject({ name: "TimeoutError" });
    expect(seen?.aborted).toBe(true);
    expect(listeners(parent.signal)).toBe(0);
    const left = withTimeout(() => new Promise<never>(() => undefined), 100, { clock, signal: parent.signal });
    parent.abort(new Error("left"));
    await expect(left).rejects.toThrow("left");
    let called = false;
    await expect(withTimeout(() => { called = true; }, 100, { clock, signal: parent.signal })).rejects.toThrow("left");
    expect(called).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });
});
