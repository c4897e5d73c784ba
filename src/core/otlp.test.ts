import { expect, it } from "vitest";
import { manualClock } from "../testing/manual-clock.ts";
import { OtlpQueue } from "./otlp.ts";

it("holds no more than it may while a collector hangs, and gives up in time", async () => {
  const clock = manualClock();
  let requests = 0;
  const queue = new OtlpQueue<number>("http://collector.test/", (items) => items, { clock, maxBatch: 100, maxQueue: 1000, fetch: (_url, { signal }) => (requests++, new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)))) });
  for (let i = 0; i < 50_000; i++) void queue.add([i]);
  expect(queue.dropped).toBe(49_000);
  let closed = false;
  void queue.flush().then(() => (closed = true));
  await clock.advanceAsync(200_000);
  expect(closed).toBe(true);
  expect(queue.dropped).toBe(50_000);
  // Four tries of the first batch, and one of each that follows.
  expect(requests).toBeLessThan(20);
  expect(clock.pendingTimers).toBe(0);
});

it("loses what cannot be written, and goes on", async () => {
  const bodies: string[] = [];
  const queue = new OtlpQueue<unknown>("http://collector.test/", (items) => items, { clock: manualClock(), maxBatch: 1, fetch: async (_url, { body }) => (bodies.push(String(body)), new Response()) });
  await queue.add([1n]);
  await queue.add(["fine"]);
  expect([queue.dropped, bodies]).toEqual([1, ['["fine"]']]);
});
