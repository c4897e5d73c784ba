import { expect, it } from "vitest";
import { OptionError, StoreError } from "../core/errors.ts";
import { counter } from "./algorithms/counter.ts";
import { failedReplies } from "./replay.ts";

it("keeps an error of the package as it is, a bad argument included, and wraps what is none", () => {
  const operation = { algorithm: counter, key: "k", commands: [{ by: 1 }, { by: 2 }] };
  const bad = new OptionError("by", -1, "at least 0");
  expect(failedReplies(operation, bad)).toEqual([bad, bad]);
  const full = new StoreError("STORE_OVERFLOW", "too much");
  expect(failedReplies(operation, full)[0]).toBe(full);
  const cause = new TypeError("a mistake of the algorithm");
  expect(failedReplies(operation, cause)[1]).toMatchObject({ code: "STORE_CORRUPT", outcome: "not-applied", cause });
});
