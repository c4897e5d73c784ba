import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";

const root = new URL("../../", import.meta.url).pathname;
const read = (file: string): string => readFileSync(join(root, file), "utf8");

/** What the entry exports with a `…Config`: name and file. */
const policies = [...read("src/gateway.ts").matchAll(/^export \{ (\w+), type \w+Config\b[^}]*\} from "\.\/(gateway\/policies\/[^"]+)";$/gm)].map(([, name, file]) => ({ name: name as string, file: `src/${file}` }));

const rows = [...read("docs/policy-index.md").matchAll(/^\| `(\w+)` \| (\w+) \| `([^`]+)` \| \[([^\]]+)\]\(policies\/([^)]+)\) \|$/gm)].map(([, name, kind, test, page, link]) => ({ name, kind, test: test as string, page, link }));

describe("docs/policy-index.md", () => {
  it("lists every policy once, and nothing else", () => {
    expect(policies.length).toBeGreaterThan(40);
    expect(rows.map(({ name }) => name).sort()).toEqual(policies.map(({ name }) => name).sort());
  });

  it.each(policies)("$name has its test beside it, which uses it, and a page", ({ name, file }) => {
    const row = rows.find((one) => one.name === name);
    const page = `${basename(file, ".ts")}.md`;
    expect(row).toEqual({ name, kind: file.split("/")[3], test: file.replace(/\.ts$/, ".test.ts"), page, link: page });
    expect(existsSync(join(root, row?.test as string)), row?.test).toBe(true);
    expect(read(row?.test as string)).toMatch(new RegExp(`\\b${name}\\(`));
    expect(read(`docs/policies/${page}`)).toContain(`# \`${name}\`\n`);
  });
});
