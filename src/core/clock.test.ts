import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { manualClock } from "../testing/manual-clock.ts";
import { MAX_TIMER_MS, sleep, steadyNow, systemClock } from "./clock.ts";

describe("sleep", () => {
  it("ends at its time and leaves nothing behind", async () => {
    const clock = manualClock();
    let ended = false;
    const slept = sleep(50, clock).then(() => (ended = true));
    await clock.advanceAsync(49);
    expect(ended).toBe(false);
    await clock.advanceAsync(1);
    await slept;
    expect(clock.pendingTimers).toBe(0);
  });

  it("rejects with the reason of its signal, at once and later, and frees timer and listener", async () => {
    const clock = manualClock();
    const reason = new Error("enough");
    await expect(sleep(50, clock, AbortSignal.abort(reason))).rejects.toBe(reason);
    const controller = new AbortController();
    const slept = sleep(50, clock, controller.signal);
    controller.abort(reason);
    await expect(slept).rejects.toBe(reason);
    expect(clock.pendingTimers).toBe(0);
  });

  // Somebody waits for it: a process that ended in the middle of a retry's pause would lose the call.
  it("keeps the process alive, which a deadline does not", () => {
    const source = systemClock.setTimeout.toString().replace(/^setTimeout/, "function set").replaceAll("MAX_TIMER_MS", String(MAX_TIMER_MS));
    const script = `${source}; set(() => console.log("deadline"), 60_000); set(() => console.log("slept"), 20, true);`;
    expect(execFileSync(process.execPath, ["-e", script], { encoding: "utf8" })).toBe("slept\n");
  });
});

describe("steadyNow", () => {
  it("counts from the wall clock's reading, and follows a clock that is given", () => {
    expect(Math.abs(steadyNow()() - Date.now())).toBeLessThan(1000);
    const clock = manualClock({ now: 5000 });
    const now = steadyNow(clock);
    clock.step(-1000);
    expect(now()).toBe(4000);
  });
});
