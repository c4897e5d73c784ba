import { describe, expect, it } from "vitest";
import { manualClock } from "./manual-clock.ts";

describe("manualClock", () => {
  it("stands still, and then moves both clocks by what it was told", () => {
    const clock = manualClock({ now: 1000 });
    expect([clock.now(), clock.monotonic()]).toEqual([1000, 0]);
    clock.advance(2.5);
    expect([clock.now(), clock.monotonic()]).toEqual([1002.5, 2.5]);
  });

  it("fires due timers in order of time, then of age, with the clock at their instant", () => {
    const clock = manualClock({ now: 0 });
    const seen: string[] = [];
    const note = (name: string) => () => void seen.push(`${name}@${clock.monotonic()}`);
    clock.setTimeout(note("late"), 20);
    clock.setTimeout(note("first"), 10);
    clock.setTimeout(note("second"), 10);
    clock.setTimeout(note("later"), 31);
    clock.advance(30);
    expect(seen).toEqual(["first@10", "second@10", "late@20"]);
    expect([clock.pendingTimers, clock.nextTimerMs, clock.monotonic()]).toEqual([1, 1, 30]);
  });

  it("begins at 0, or where it is told to", () => {
    expect([manualClock().now(), manualClock(5).now(), manualClock({ now: 7 }).now(), manualClock().monotonic()]).toEqual([0, 5, 7, 0]);
  });

  it("fires timers set by timers when they fall due in the same stretch", () => {
    const clock = manualClock();
    const seen: number[] = [];
    const tick = (): void => {
      seen.push(clock.monotonic());
      clock.setTimeout(tick, 10);
    };
    clock.setTimeout(tick, 10);
    clock.advance(35);
    expect(seen).toEqual([10, 20, 30]);
  });

  it("forgets a cleared timer, also when it is cleared by one that fires at the same instant", () => {
    const clock = manualClock();
    let fired = 0;
    clock.setTimeout(() => clock.clearTimeout(second), 5);
    const second = clock.setTimeout(() => fired++, 5);
    clock.advance(10);
    clock.clearTimeout(second);
    expect([fired, clock.pendingTimers]).toEqual([0, 0]);
  });

  it("steps the wall clock alone", () => {
    const clock = manualClock({ now: 5000 });
    clock.setTimeout(() => {}, 100);
    clock.step(-4000);
    expect([clock.now(), clock.monotonic(), clock.pendingTimers]).toEqual([1000, 0, 1]);
  });

  it("lets promises run between timers when advanced asynchronously", async () => {
    const clock = manualClock();
    const seen: number[] = [];
    const loop = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) {
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, 10));
        for (let turn = 0; turn < 100; turn++) await undefined;
        seen.push(clock.monotonic());
      }
    };
    const done = loop();
    await clock.advanceAsync(30);
    await done;
    expect(seen).toEqual([10, 20, 30]);
  });

  it("refuses to go back", () => {
    expect(() => manualClock().advance(-1)).toThrow("ms must be");
  });
});
