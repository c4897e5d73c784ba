import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { createSingleFlight } from "./single-flight.ts";

function deferred<T>(): { promise: Promise<T>; resolve(value: T): void; reject(error: unknown): void } {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
}

test("overlapping calls of one key share a run, other keys have their own", async () => {
  const group = createSingleFlight<number>();
  const work = deferred<number>();
  let runs = 0;
  const fn = (): Promise<number> => {
    runs++;
    return work.promise;
  };
  const calls = [group.run("a", fn), group.run("a", fn), group.run("b", fn), group.run("a", fn)];
  expect(runs).toBe(2);
  expect(group.size).toBe(2);
  work.resolve(7);
  expect(await Promise.all(calls)).toEqual([7, 7, 7, 7]);
  expect(group.size).toBe(0);
});

test("a run is forgotten before anybody who waited goes on", async () => {
  const group = createSingleFlight<number>();
  const work = deferred<number>();
  const sizes: number[] = [];
  const controller = new AbortController();
  const one = group.run("a", () => work.promise).then(() => sizes.push(group.size));
  const two = group.run("a", () => work.promise, controller.signal).then(() => sizes.push(group.size));
  work.resolve(1);
  await Promise.all([one, two]);
  expect(sizes).toEqual([0, 0]);
  expect(getEventListeners(controller.signal, "abort").length).toBe(0);
});

test("a failure is everybody's who joined, and nobody's after", async () => {
  const group = createSingleFlight<number>();
  const work = deferred<number>();
  const calls = [group.run("a", () => work.promise), group.run("a", () => work.promise, new AbortController().signal)];
  work.reject(new Error("boom"));
  for (const call of calls) await expect(call).rejects.toThrow("boom");
  expect(await group.run("a", () => 1)).toBe(1);
  await expect(group.run("a", () => { throw new Error("sync"); })).rejects.toThrow("sync");
  expect(group.size).toBe(0);
});

test("one who leaves leaves alone; when the last has left the run is aborted and forgotten", async () => {
  const group = createSingleFlight<number>();
  const work = deferred<number>();
  let seen: AbortSignal | undefined;
  const fn = (signal: AbortSignal): Promise<number> => {
    seen = signal;
    return work.promise;
  };
  const [leader, follower, second] = [new AbortController(), new AbortController(), new AbortController()];
  const calls = [group.run("a", fn, leader.signal), group.run("a", fn, follower.signal)] as const;
  leader.abort(new Error("left"));
  await expect(calls[0]).rejects.toThrow("left");
  expect(seen?.aborted).toBe(false);
  work.resolve(3);
  expect(await calls[1]).toBe(3);

  const hung = group.run("a", (signal) => { seen = signal; return new Promise(() => undefined); }, second.signal);
  second.abort(new Error("gone"));
  await expect(hung).rejects.toThrow("gone");
  expect(seen?.aborted).toBe(true);
  expect(group.size).toBe(0);
  expect(await group.run("a", () => 4)).toBe(4);
  let called = false;
  await expect(group.run("a", () => { called = true; return 1; }, second.signal)).rejects.toThrow("gone");
  expect(called).toBe(false);
});

test("forget lets the next call start afresh, and the old run does not take the new one's place", async () => {
  const group = createSingleFlight<number>();
  const [old, fresh] = [deferred<number>(), deferred<number>()];
  const first = group.run("a", () => old.promise);
  group.forget("a");
  const second = group.run("a", () => fresh.promise);
  old.resolve(1);
  expect(await first).toBe(1);
  expect(group.size).toBe(1);
  fresh.resolve(2);
  expect(await second).toBe(2);
  expect(group.size).toBe(0);
});
