import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = new URL("../../", import.meta.url).pathname;
const read = (file: string): string => readFileSync(join(root, file), "utf8");

const manifest = JSON.parse(read("package.json")) as { dependencies: Record<string, string>; peerDependencies: Record<string, string> };
const dependencies = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)].sort();

const { modules } = (await import(new URL("scripts/oxlint-config.js", `file://${root}`).href)) as { modules: Record<string, string[]> };

/** Rows of the decision's table: name to folders. */
const documented = new Map(
  [...read("docs/adr/0007-dependencies.md").matchAll(/^\| `([^`]+)`[^|]*\|[^|]+\|[^|]+\|([^|]+)\|[^|]+\|$/gm)].map(([, name, folders]) => [
    name as string,
    [...(folders as string).matchAll(/`([^`]+)`/g)].map((match) => match[1] as string).sort(),
  ]),
);

/** Folders of `src` whose sources import a module of that name, unit tests aside. */
function importers(name: string): string[] {
  const pattern = new RegExp(`(?:from|import\\()\\s*"${name.replace(".", "\\.")}(?:/[^"]*)?"`);
  const files = readdirSync(join(root, "src"), { recursive: true }).map(String).filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"));
  return [...new Set(files.filter((file) => pattern.test(read(join("src", file)))).map((file) => file.split("/")[0] as string))].sort();
}

const lintRule = (name: string): string[] | undefined => Object.entries(modules).find(([pattern]) => new RegExp(pattern).test(name))?.[1];

describe("dependencies", () => {
  it("are those of the decision", () => {
    expect([...documented.keys()].sort()).toEqual(dependencies);
  });

  it.each(dependencies)("%s is imported, from the folders that decision and lint allow", (name) => {
    const allowed = lintRule(name);
    expect(allowed, "no rule in the lint table").toBeDefined();
    expect(documented.get(name)).toEqual([...(allowed as string[])].sort());
    const found = importers(name);
    expect(found, "nothing imports it").not.toEqual([]);
    expect(allowed).toEqual(expect.arrayContaining(found));
  });

  it("are all that the sources import from outside", () => {
    const outside = new Set<string>();
    for (const file of readdirSync(join(root, "src"), { recursive: true }).map(String)) {
      if (!file.endsWith(".ts") || file.endsWith(".test.ts")) continue;
      for (const [, specifier] of read(join("src", file)).matchAll(/^(?:import|export)\b[^;]*?\bfrom "([^".#][^"]*)";$/gm)) {
        if (!/^(?:node|cloudflare):/.test(specifier as string)) outside.add((specifier as string).split("/").slice(0, (specifier as string).startsWith("@") ? 2 : 1).join("/"));
      }
    }
    expect([...outside].filter((name) => !dependencies.includes(name))).toEqual([]);
  });
});
