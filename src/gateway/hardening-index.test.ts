import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = new URL("../../", import.meta.url).pathname;
const page = readFileSync(join(root, "docs/hardening.md"), "utf8");

/** Rows of both tables: the number, and the tests of the last cell. */
const rows = [...page.matchAll(/^\| (S?\d+) \| (.+) \|$/gm)].map(([, id, rest]) => {
  const cell = (rest as string).split(" | ").at(-1) as string;
  const parts = cell.split("; `").map((part, at) => (at === 0 ? part : `\`${part}`));
  return { id: id as string, cells: (rest as string).split(" | ").length, parts };
});

/** Whether a file has a test, a group of tests or a case of this title. */
function holds(text: string, title: string): boolean {
  const quoted = title.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?:\\(\\s*|\\bname: )(["'\`])${quoted}\\1`).test(text);
}

describe("docs/hardening.md", () => {
  it("has a row for each defect and each requirement, in order", () => {
    expect(rows.map(({ id }) => id)).toEqual([...Array.from({ length: 15 }, (_, i) => `${i + 1}`), ...Array.from({ length: 16 }, (_, i) => `S${i + 1}`)]);
  });

  it.each(rows)("$id names tests that exist", ({ cells, parts }) => {
    expect(cells).toBe(3);
    for (const part of parts) {
      const [, file, title] = /^`([\w./-]+\.ts)`: "([^"]+)"$/.exec(part) ?? [];
      expect(file, part).toBeDefined();
      expect(existsSync(join(root, file as string)), file).toBe(true);
      expect(holds(readFileSync(join(root, file as string), "utf8"), title as string), part).toBe(true);
    }
  });
});
