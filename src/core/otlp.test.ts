import { expect, it } from "vitest";
import { manualClock } from "../testing/manual-clock.ts";
import { OtlpQueue } from "./otlp.ts";

it("holds no more than it may while a collector hangs, and gives up in time", async () => {
  const clock = manualClock();
  const collector = hanging();
  const queue = new OtlpQueue<number>("http://collector.test/", (items) => items, { clock, maxBatch: 100, maxQueue: 1000, fetch: collector.fetch });
  for (let i = 0; i < 50_000; i++) void queue.add([i]);
  expect(queue.dropped).toBe(49_000);
  await clock.advanceAsync(200_000);
  expect(queue.dropped).toBe(50_000);
  // Four tries of the first batch, and one of each that follows.
  expect(collector.requests).toBe(13);
  expect(clock.pendingTimers).toBe(0);
});

/** A collector that takes requests and answers none; `deaf`: not even an abort ends one. */
function hanging(deaf = false): { requests: number; readonly fetch: (url: string, init: RequestInit) => Promise<Response> } {
  const collector = {
    requests: 0,
    fetch: (_url: string, { signal }: RequestInit): Promise<Response> => (collector.requests++, new Promise((_, reject) => deaf || signal?.addEventListener("abort", () => reject(signal.reason)))),
  };
  return collector;
}

it.each([false, true])("flushes a full queue within the deadline of one request, whatever hangs (deaf: %s)", async (deaf) => {
  const clock = manualClock();
  const { fetch } = hanging(deaf);
  const queue = new OtlpQueue<number>("http://collector.test/", (items) => items, { clock, timeoutMs: 3000, maxBatch: 100, maxQueue: 1000, fetch });
  for (let i = 0; i < 1000; i++) void queue.add([i]);
  const ended: string[] = [];
  void queue.flush().then(() => ended.push("first"));
  await clock.advanceAsync(1000);
  void queue.flush().then(() => ended.push("second"));
  await clock.advanceAsync(1999);
  expect([ended, queue.dropped]).toEqual([[], 0]);
  await clock.advanceAsync(1);
  expect([ended, queue.dropped, clock.pendingTimers]).toEqual([["first", "second"], 1000, 0]);
});

it("a flush waits for what there was when it was asked for, and drops nothing that came later", async () => {
  const clock = manualClock();
  const answers: (() => void)[] = [];
  const sent: number[][] = [];
  const queue = new OtlpQueue<number>("http://collector.test/", (items) => items, { clock, fetch: (_url, { body }) => (sent.push(JSON.parse(String(body)) as number[]), new Promise((resolve) => void answers.push(() => resolve(new Response())))) });
  void queue.add([1]);
  let flushed = false;
  void queue.flush().then(() => (flushed = true));
  void queue.add([2]);
  answers[0]?.();
  await clock.advanceAsync(0);
  expect([flushed, sent]).toEqual([true, [[1], [2]]]);
  answers[1]?.();
  await clock.advanceAsync(0);
  expect([queue.dropped, clock.pendingTimers]).toEqual([0, 0]);
});

it("loses what cannot be written, and goes on", async () => {
  const bodies: string[] = [];
  const queue = new OtlpQueue<unknown>("http://collector.test/", (items) => items, { clock: manualClock(), maxBatch: 1, fetch: async (_url, { body }) => (bodies.push(String(body)), new Response()) });
  await queue.add([1n]);
  await queue.add(["fine"]);
  expect([queue.dropped, bodies]).toEqual([1, ['["fine"]']]);
});
