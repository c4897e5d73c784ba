import { describe, expect, it } from "vitest";
import { Demand } from "./demand.ts";

/** `perMs` units wanted in each of `forMs` milliseconds, all of them spent from leases as large as wished. */
function run(demand: Demand, perMs: number, from: number, forMs: number): number {
  for (let now = from; now < from + forMs; now++) {
    demand.note(perMs, now);
    demand.spent(demand.want(now));
  }
  return from + forMs;
}

describe("demand", () => {
  it("starts with one unit and grows by at most double what was spent to the end", () => {
    const demand = new Demand(20, 20, 1e9, 0);
    demand.note(1e6, 0);
    const wants: number[] = [];
    for (let i = 0; i < 5; i++) {
      wants.push(demand.want(0));
      demand.spent(wants.at(-1)!);
    }
    expect(wants).toEqual([1, 2, 4, 8, 16]);
  });

  it("asks for what the recent rate uses in one target, and follows it within about five", () => {
    const demand = new Demand(20, 20, 1e9, 0);
    const at = run(demand, 10, 0, 1000);
    expect(demand.want(at)).toBeGreaterThan(190);
    expect(demand.want(at)).toBeLessThanOrEqual(220);
    const slower = run(demand, 1, at, 300);
    expect(demand.want(slower)).toBeLessThan(40);
  });

  it("asks only for what is used until the window ends, and for one unit at least", () => {
    const demand = new Demand(20, 20, 1e9, 0);
    const at = run(demand, 10, 0, 1000);
    const whole = demand.want(at);
    expect(demand.want(at, 5)).toBeLessThanOrEqual(Math.ceil(whole / 4));
    expect(demand.want(at, 1000)).toBe(whole);
    expect([demand.want(at, 0), demand.want(at, -3)]).toEqual([1, 1]);
  });

  it("asks for less where leases die sooner, never for more than maxTokens, and halves when a lease was wasted", () => {
    const short = new Demand(20, 10, 1e9, 0);
    expect(short.want(run(short, 10, 0, 1000))).toBeLessThanOrEqual(110);
    const bounded = new Demand(20, 20, 50, 0);
    const at = run(bounded, 10, 0, 1000);
    expect(bounded.want(at)).toBe(50);
    bounded.wasted();
    expect(bounded.want(at)).toBe(25);
    for (let i = 0; i < 10; i++) bounded.wasted();
    expect(bounded.want(at)).toBe(1);
  });

  it("begins again with one unit after eight idle targets, not before", () => {
    for (const [idleMs, first] of [[100, false], [161, true]] as const) {
      const demand = new Demand(20, 20, 1e9, 0);
      const at = run(demand, 100, 0, 200) + idleMs;
      demand.note(1000, at);
      expect(demand.want(at) === 1).toBe(first);
    }
  });

  it("is steady only while a refill would be used within a target", () => {
    const demand = new Demand(20, 20, 1e9, 0);
    for (let now = 0; now < 5000; now += 100) demand.note(1, now);
    expect(demand.steady(5000)).toBe(false);
    expect(demand.steady(run(demand, 1, 5000, 200))).toBe(true);
  });
});
