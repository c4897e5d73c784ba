import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { AdaptiveLimit, adaptiveConcurrency } from "./adaptive-concurrency.ts";

const feed = (limit: AdaptiveLimit, times: number, latencyMs: number, inFlight = limit.limit, overload = false): number => {
  for (let i = 0; i < times; i++) limit.record(latencyMs, inFlight, overload);
  return limit.limit;
};

describe("AdaptiveLimit", () => {
  it.each(["gradient", "aimd"] as const)("%s grows only when used, and falls on latency and overload", (algorithm) => {
    expect(feed(new AdaptiveLimit({ algorithm }), 200, 10, 1)).toBe(20);
    const used = new AdaptiveLimit({ algorithm });
    const grown = feed(used, 200, 10, 1000);
    expect(grown).toBeGreaterThan(20);
    const slowed = feed(used, 20, 100, 1000);
    expect(slowed).toBeLessThan(grown);
    expect(feed(used, 100, 10, 1000, true)).toBe(1);
  });

  it("stays within its bounds", () => {
    expect(feed(new AdaptiveLimit({ max: 25 }), 5000, 10, 1000)).toBe(25);
    expect(feed(new AdaptiveLimit({ min: 7 }), 5000, 10, 1, true)).toBe(7);
  });
});

describe("adaptiveConcurrency", () => {
  it("refuses above the limit", async () => {
    const clock = manualClock();
    const waiting: (() => void)[] = [];
    const { request } = createPolicyTestHarness(adaptiveConcurrency({ initial: 1, min: 1 }), { clock, upstream: (c) => new Promise<Response>((resolve) => void waiting.push(() => resolve(c.text("ok")))) });
    const first = request("/");
    await clock.advanceAsync(0);
    const refused = await request("/");
    expect([refused.status, await refused.json(), refused.headers.get("retry-after")]).toMatchObject([503, { code: "overloaded" }, "1"]);
    waiting.shift()?.();
    expect(await (await first).text()).toBe("ok");
  });

  it("learns from 503 of the upstream", async () => {
    const { request } = createPolicyTestHarness(adaptiveConcurrency({ initial: 2 }), { upstream: (c) => c.text("busy", 503) });
    for (let i = 0; i < 10; i++) await (await request("/")).text();
    const [a, b] = await Promise.all([request("/"), request("/")]);
    expect([await a.text(), await b.text()].filter((text) => text.includes("overloaded")).length).toBe(1);
  });

  it("shows its limit as an event and a gauge, once per change", async () => {
    const { request, gateway } = createPolicyTestHarness(adaptiveConcurrency({ initial: 3, min: 2 }), { upstream: (c) => c.text("busy", 503), metrics: true, admin: { auth: () => true } });
    const limits: number[] = [];
    gateway.events.on((event) => void (event.type === "concurrency" && limits.push(event.limit)), { detailed: true });
    const gauge = async (): Promise<string | undefined> => /^gateway_concurrency_limit\{.*$/m.exec(await (await request("/___gateway/metrics")).text())?.[0];
    for (let i = 0; i < 8; i++) await (await request("/a")).text();
    expect(limits).toEqual([3, 2]);
    expect(await gauge()).toBe('gateway_concurrency_limit{gateway="test-gateway",policy="adaptive-concurrency",route="/*"} 2');
    await gateway.close();
  });

  it.each([{ min: 0 }, { min: 5, max: 4 }, { initial: 2000 }, { tolerance: 0.5 }, { algorithm: "x" }])("refuses %j", (options) => {
    const make = adaptiveConcurrency;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
