import { describe, expect, it } from "vitest";
import { manualClock } from "../testing/manual-clock.ts";
import { getGatewayContext } from "./context.ts";
import { Priority } from "./priority.ts";
import { bulkhead } from "./policies/traffic/bulkhead.ts";
import { cache } from "./policies/traffic/cache.ts";
import { concurrencyLimit } from "./policies/traffic/concurrency-limit.ts";
import { createPolicyTestHarness } from "./sdk/harness.ts";
import type { Policy } from "./types.ts";

const inside = Priority.CACHE + 1;

describe("a run in the background", () => {
  it.each<[string, Policy]>([
    ["bulkhead", bulkhead({ maxConcurrent: 1, priority: inside })],
    ["concurrencyLimit", concurrencyLimit({ max: 1, priority: inside })],
  ])("gives the place of a %s back once its body has ended", async (_name, policy) => {
    const clock = manualClock();
    let calls = 0;
    const { request } = createPolicyTestHarness([cache({ ttlSeconds: 10, staleWhileRevalidateMs: 60_000 }), policy], { clock, upstream: (c) => c.text(`answer ${++calls}`) });
    const read = async (): Promise<string> => {
      const response = await request("/a");
      const text = await response.text();
      await clock.advanceAsync(0);
      return `${response.headers.get("x-cache")} ${text}`;
    };
    expect(await read()).toBe("MISS answer 1");
    for (let round = 2; round < 6; round++) {
      await clock.advanceAsync(11_000);
      expect(await read()).toBe(`STALE answer ${round - 1}`);
      expect(await read()).toBe(`HIT answer ${round}`);
    }
  });

  it.each<[string, () => Response]>([
    ["a body that breaks", () => new Response(new ReadableStream({ start: (controller) => controller.error(new Error("cut")) }))],
    ["an answer that is not stored", () => new Response("no", { status: 500 })],
    ["an answer without a body", () => new Response(null, { status: 304 })],
  ])("tells of the end of %s", async (_name, answer) => {
    const clock = manualClock();
    let calls = 0;
    let told = 0;
    const watch: Policy = {
      name: "watch",
      priority: inside,
      handler: (c, next) => {
        getGatewayContext(c)?.onBodyEnd(() => void told++);
        return next();
      },
    };
    const { request } = createPolicyTestHarness([cache({ ttlSeconds: 10, staleWhileRevalidateMs: 60_000 }), watch], { clock, upstream: (c) => (++calls === 1 ? c.text("first", 200, { etag: '"1"' }) : answer()) });
    await (await request("/a")).text();
    expect(told).toBe(1);
    await clock.advanceAsync(11_000);
    expect(await (await request("/a")).text()).toBe("first");
    await clock.advanceAsync(0);
    expect([calls, told]).toEqual([2, 2]);
  });
});
