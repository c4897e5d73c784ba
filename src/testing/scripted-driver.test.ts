import { describe, expect, it } from "vitest";
import type { Algorithm } from "../state/contracts/driver.ts";
import { manualClock } from "./manual-clock.ts";
import { scriptedDriver } from "./scripted-driver.ts";

/** Counts and forgets after 10 ms. */
const tally: Algorithm<{ n: number; at: number }, number, number> = {
  name: "tally", version: 1, maxStateBytes: 16,
  step(state, by, now) {
    const live = state !== undefined && now < state.at + 10 ? state : { n: 0, at: now };
    const next = { n: live.n + by, at: live.at };
    return { state: next, reply: next.n, expiresAt: next.at + 10 };
  },
  encode: () => new Uint8Array(),
  decode: () => ({ n: 0, at: 0 }),
};
const other: Algorithm = { ...tally, name: "other" };

describe("scriptedDriver", () => {
  it("keeps a batch until the test answers it, and answers what the algorithm says", async () => {
    const driver = scriptedDriver();
    const reply = driver.run([{ algorithm: tally, key: "a", commands: [1, 2] }, { algorithm: tally, key: "b", commands: [5] }]);
    expect(driver.pending).toHaveLength(1);
    expect(driver.batches[0]!.commands).toEqual([1, 2, 5]);
    driver.batches[0]!.answer();
    expect(await reply).toEqual([[1, 3], [5]]);
    expect(driver.pending).toHaveLength(0);
  });

  it("tells a failure before the effect from a lost reply", async () => {
    const driver = scriptedDriver();
    const batch = [{ algorithm: tally, key: "a", commands: [1] }];
    const before = driver.run(batch);
    driver.batches[0]!.reject(new Error("no"));
    const after = driver.run(batch);
    driver.batches[1]!.apply();
    driver.batches[1]!.reject(new Error("lost"));
    await expect(before).rejects.toThrow("no");
    await expect(after).rejects.toThrow("lost");
    const third = driver.run(batch);
    driver.batches[2]!.answer();
    expect(await third).toEqual([[2]]);
  });

  it("answers by itself when told to, forgets expired and flushed records, and refuses a key of another algorithm", async () => {
    const clock = manualClock();
    const sync = scriptedDriver({ clock, answer: "sync" });
    const add = (algorithm: Algorithm = tally): unknown => (sync.run([{ algorithm, key: "a", commands: [1] }]) as unknown[][])[0]![0];
    expect([add(), add()]).toEqual([1, 2]);
    expect(add(other)).toMatchObject({ code: "STORE_WRONG_TYPE" });
    clock.advance(10);
    expect(add()).toBe(1);
    sync.flush();
    expect(add()).toBe(1);
    const replies = scriptedDriver({ answer: "async" }).run([{ algorithm: tally, key: "a", commands: [7] }]);
    expect(replies).toBeInstanceOf(Promise);
    expect(await replies).toEqual([[7]]);
  });

  it("keeps plain values with their deadline", () => {
    const clock = manualClock();
    const driver = scriptedDriver({ clock });
    const bytes = new Uint8Array([1]);
    driver.set("k", bytes, 5);
    bytes[0] = 9;
    expect(driver.get("k")).toEqual(new Uint8Array([1]));
    clock.advance(5);
    expect(driver.get("k")).toBeUndefined();
    expect(driver.delete("k")).toBe(false);
  });
});
