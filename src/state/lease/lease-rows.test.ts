import { expect, it } from "vitest";
import { LEFT, LeaseRows, RESET_AT } from "./lease-rows.ts";

it("keeps the rows of all keys while it grows, and gives a freed one out again, empty", () => {
  const rows = new LeaseRows();
  const taken = Array.from({ length: 1000 }, (_, i) => {
    const at = rows.take();
    rows.cells[at + LEFT] = i;
    rows.cells[at + RESET_AT] = -i;
    return at;
  });
  expect(new Set(taken).size).toBe(1000);
  taken.forEach((at, i) => expect([rows.cells[at + LEFT], rows.cells[at + RESET_AT]]).toEqual([i, -i]));
  const { length } = rows.cells;
  for (let turn = 0; turn < 10_000; turn++) {
    rows.give(taken[7] as number);
    const at = rows.take();
    expect([at, rows.cells[at + LEFT], rows.cells[at + RESET_AT]]).toEqual([taken[7], 0, 0]);
    rows.cells[at + RESET_AT] = 1;
  }
  expect(rows.cells.length).toBe(length);
});
