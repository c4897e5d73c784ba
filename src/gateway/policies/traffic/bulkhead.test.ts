import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { bulkhead } from "./bulkhead.ts";

function harness(options: Parameters<typeof bulkhead>[0]) {
  const clock = manualClock();
  const waiting: (() => void)[] = [];
  const order: string[] = [];
  const { request } = createPolicyTestHarness(bulkhead(options), { clock, upstream: (c) => new Promise<Response>((resolve) => { order.push(c.req.path); waiting.push(() => resolve(c.text("ok"))); }) });
  return { clock, request, waiting, order };
}

describe("bulkhead", () => {
  it("refuses what finds no place, and frees a place when the body has ended", async () => {
    const { request, waiting, clock } = harness({ maxConcurrent: 1 });
    const first = request("/1");
    await clock.advanceAsync(0);
    const full = await request("/2");
    expect([full.status, full.headers.get("retry-after"), await full.json()]).toMatchObject([503, "1", { code: "bulkhead_full" }]);
    waiting.shift()?.();
    const answer = await first;
    expect((await request("/3")).status).toBe(503);
    await answer.text();
    const next = request("/4");
    await clock.advanceAsync(0);
    waiting.shift()?.();
    expect((await next).status).toBe(200);
  });

  it("serves the line in order; who gives up or waits too long leaves it", async () => {
    const { request, waiting, order, clock } = harness({ maxConcurrent: 1, maxQueue: 3, queueTimeoutMs: 100 });
    const first = request("/1");
    await clock.advanceAsync(0);
    const left = new AbortController();
    const second = request("/2", { signal: left.signal });
    const third = request("/3");
    await clock.advanceAsync(0);
    left.abort();
    expect((await second).status).toBe(503);
    waiting.shift()?.();
    await (await first).text();
    await clock.advanceAsync(0);
    expect(order).toEqual(["/1", "/3"]);
    const late = request("/4");
    await clock.advanceAsync(100);
    expect((await late).status).toBe(503);
    waiting.shift()?.();
    expect((await third).status).toBe(200);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([{ maxConcurrent: 0 }, { maxQueue: -1 }, { queueTimeoutMs: Number.NaN }])("refuses %j", (options) => {
    const make = bulkhead;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
