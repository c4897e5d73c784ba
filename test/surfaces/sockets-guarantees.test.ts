/** The page of guarantees: every row names tests, and they are there. */

import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const page = new URL("../../docs/sockets-guarantees.md", import.meta.url);
const rows = readFileSync(page, "utf8").split("\n").filter((line) => line.startsWith("|") && !line.startsWith("|---") && !line.startsWith("| promise"));

describe("the page of guarantees", () => {
  it("has rows", () => {
    expect(rows.length).toBeGreaterThan(18);
  });

  it.each(rows.map((row) => [row.split("|")[1]!.trim(), row] as const))("%s", (_promise, row) => {
    const proofs = [...(row.split("|").at(-2) as string).matchAll(/`([^`]+)` in \[[^\]]+\]\(([^)]+)\)/g)];
    expect(proofs.length).toBeGreaterThan(0);
    for (const [, title, path] of proofs) {
      const file = new URL(path as string, page);
      expect(existsSync(file), path).toBe(true);
      expect(readFileSync(file, "utf8"), path).toContain(title);
    }
  });
});
