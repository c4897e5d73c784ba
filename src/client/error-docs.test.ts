import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { STITCH_ERROR_CODES } from "./errors.ts";

it("docs/client-errors.md has a row per code, in order", () => {
  const text = readFileSync(new URL("../../docs/client-errors.md", import.meta.url), "utf8");
  expect([...text.matchAll(/^\| `([A-Z_]+)` \| .{10,} \| .{5,} \|$/gm)].map((match) => match[1])).toEqual([...STITCH_ERROR_CODES]);
});
