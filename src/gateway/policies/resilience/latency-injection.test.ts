import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { seededRandom } from "../../../testing/seeded-random.ts";
import { latencyInjection } from "./latency-injection.ts";

describe("latencyInjection", () => {
  it("waits, with jitter, in the share of requests it is told to", async () => {
    const clock = manualClock();
    const { request } = createPolicyTestHarness(latencyInjection({ delayMs: 100, jitter: 0.5, probability: 0.5 }), { clock, random: seededRandom(3) });
    const waits: number[] = [];
    for (let i = 0; i < 60; i++) {
      const answer = request("/");
      await clock.advanceAsync(0);
      waits.push(clock.nextTimerMs ?? 0);
      await clock.advanceAsync(150);
      expect((await answer).status).toBe(200);
    }
    const waited = waits.filter((ms) => ms > 0);
    expect(waited.length).toBeGreaterThan(15);
    expect(waited.length).toBeLessThan(45);
    expect(Math.min(...waited)).toBeGreaterThanOrEqual(50);
    expect(Math.max(...waited)).toBeLessThanOrEqual(150);
  });

  it("ends when the client leaves", async () => {
    const clock = manualClock();
    const { request } = createPolicyTestHarness(latencyInjection({ delayMs: 1e6 }), { clock });
    const left = new AbortController();
    const answer = request("/", { signal: left.signal });
    await clock.advanceAsync(0);
    left.abort();
    expect((await answer).status).toBe(499);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([{}, { delayMs: -1 }, { delayMs: 1, jitter: 2 }, { delayMs: 1, probability: -1 }])("refuses %j", (options) => {
    const make = latencyInjection;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
