import { expect, it } from "vitest";
import { OptionError, StoreError } from "../core/errors.ts";
import { counter } from "./algorithms/counter.ts";
import { tokenBucket } from "./algorithms/token-bucket.ts";
import { failedReplies, replay } from "./replay.ts";

it("keeps an error of the package as it is, a bad argument included, and wraps what is none", () => {
  const operation = { algorithm: counter, key: "k", commands: [{ by: 1 }, { by: 2 }] };
  const bad = new OptionError("by", -1, "at least 0");
  expect(failedReplies(operation, bad)).toEqual([bad, bad]);
  const full = new StoreError("STORE_OVERFLOW", "too much");
  expect(failedReplies(operation, full)[0]).toBe(full);
  const cause = new TypeError("a mistake of the algorithm");
  expect(failedReplies(operation, cause)[1]).toMatchObject({ code: "STORE_CORRUPT", outcome: "not-applied", cause });
});

it("gives a row what its steps one by one give, and the very state where nothing changed", () => {
  const policy = { limit: 3, p: 1, q: 100, capacityUnits: 300, debtUnits: 0 };
  const charge = { cost: 1, policy };
  const cases: [(readonly number[] | undefined), object[]][] = [
    [undefined, [charge, charge, charge, charge]],
    [[1000, 250, 7], [charge, { ...charge, dry: true }]],
    [[1000, 300, 7], [{ reset: true, policy }, charge]],
    [[1000, 300, 7], [charge]],
    [undefined, [{ ...charge, dry: true }]],
    [[9000, 100, 7], [charge]],
    [[1010, 100, 7], [charge, { refund: { era: 7, at: 1010, need: 100 }, policy }]],
    [undefined, []],
  ];
  for (const [before, commands] of cases) {
    let state = before;
    let expiresAt: number | undefined;
    const replies = commands.map((command) => {
      const step = tokenBucket.step(state, command as never, 1010.5);
      ({ state, expiresAt } = step);
      return step.reply;
    });
    const replayed = replay({ algorithm: tokenBucket as never, key: "k", commands }, before, 1010.5);
    expect(replayed).toEqual({ state, replies, expiresAt });
    // A record that was written is another one, also when it holds the same numbers: the time of its last writer counts.
    expect(replayed.state === before).toBe(state === before);
  }
});
