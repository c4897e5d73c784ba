/** Followers, waiters, sinks, registries, the jar and the local cache are bounded; what is given up leaves nothing behind. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { seam, stitch } from "../../../../src/client.ts";
import { manualClock, mockAdapter } from "../../../../src/testing.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const heap = (): number => {
  collect();
  return process.memoryUsage().heapUsed;
};

it("waiters of a throttle: one more than maxQueue is refused at once", async () => {
  const clock = manualClock();
  const call = stitch({ url: "https://api.test/", clock, adapter: mockAdapter([{ respond: { body: 1 } }], { clock }), throttle: { rate: "1/m", maxQueue: 100, maxWaitMs: 86_400_000 }, timeout: false });
  const outcomes: string[] = [];
  for (let i = 0; i < 300; i++) void call().safe().then((result) => outcomes.push(result.ok ? "ok" : result.error.code));
  await clock.advanceAsync(0);
  expect(outcomes.filter((code) => code === "THROTTLED").length).toBeGreaterThanOrEqual(198);
  expect(clock.pendingTimers).toBeLessThanOrEqual(102);
});

it("keys of a throttle, of a cache, URLs of a thunk: a hundred thousand different ones stay within their bounds", async () => {
  const adapter = mockAdapter([{ respond: { body: 1, headers: { "cache-control": "max-age=600", vary: "x-a" } } }]);
  let n = 0;
  const throttled = stitch({ url: "https://api.test/", adapter, throttle: { rate: "1000000/s", burst: 1_000_000, key: () => `tenant-${n++}` } });
  const cached = stitch({ url: "https://api.test/{id}", adapter, cache: { ttlMs: 60_000, maxEntries: 100 } });
  const dynamic = stitch({ name: "d", url: () => `https://api.test/${n++}`, adapter });
  const round = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      await throttled();
      await cached({ params: { id: n++ }, headers: { "x-a": String(n) } });
      await dynamic();
      if (i % 500 === 0) adapter.reset();
    }
  };
  await round(6000);
  const before = heap();
  await round(12_000);
  adapter.reset();
  expect(heap() - before).toBeLessThan(12_000_000);
});

it("a caller's long-lived signal keeps no listener", async () => {
  const controller = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = controller.signal;
  controller.signal.addEventListener = function (this: AbortSignal, ...given: unknown[]) {
    listeners++;
    return (addEventListener as (...given: unknown[]) => void).apply(this, given);
  } as never;
  controller.signal.removeEventListener = function (this: AbortSignal, ...given: unknown[]) {
    listeners--;
    return (removeEventListener as (...given: unknown[]) => void).apply(this, given);
  } as never;
  const adapter = mockAdapter([{ match: "/bad", respond: { status: 500 } }, { respond: { body: 1 } }]);
  const calls = [stitch({ url: "https://api.test/ok", adapter, retry: 2, circuit: {}, throttle: { rate: "10000/s", burst: 1000 } }), stitch({ url: "https://api.test/bad", adapter })];
  for (let i = 0; i < 2000; i++) await calls[i % 2]?.({ signal: controller.signal }).safe();
  expect(listeners).toBe(0);
});

it("a sink that never answers keeps a thousand events, and the rest are counted", async () => {
  const adapter = mockAdapter([{ respond: { body: 1 } }]);
  const api = seam({ baseUrl: "https://api.test", adapter, trace: { handle: () => new Promise(() => undefined) } });
  const call = api.stitch("/");
  for (let i = 0; i < 1000; i++) await call();
  expect(api.describe()["droppedEvents"]).toBeGreaterThan(2000);
});

it("followers that leave one by one leave nothing", async () => {
  const clock = manualClock();
  const adapter = mockAdapter([{ respond: { delayMs: 1000, body: 1 } }], { clock });
  const call = stitch({ url: "https://api.test/", adapter, clock, cache: 60_000 });
  const controllers = Array.from({ length: 500 }, () => new AbortController());
  const all = controllers.map((controller) => call({ signal: controller.signal }).safe());
  await clock.advanceAsync(10);
  for (const controller of controllers) controller.abort();
  await Promise.all(all);
  await clock.advanceAsync(0);
  expect(adapter.inFlight).toBe(0);
  expect(clock.pendingTimers).toBe(0);
  expect(adapter.callCount).toBeLessThanOrEqual(501);
});
