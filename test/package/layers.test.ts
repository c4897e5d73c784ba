import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { writeConfig } from "../../scripts/oxlint-config.js";
import manifest from "../../package.json" with { type: "json" };

const root = new URL("../../", import.meta.url).pathname;
const tree = mkdtempSync(join(tmpdir(), "sluice-layers-"));
afterAll(() => rmSync(tree, { recursive: true, force: true }));

/** Lints a tree that holds just these files, with the project's own configuration. */
function lint(files: Record<string, string>): string {
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(tree, { recursive: true });
  writeConfig(pathToFileURL(`${tree}/`));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, name)), { recursive: true });
    writeFileSync(join(tree, name), text);
  }
  try {
    return execFileSync(join(root, "node_modules/.bin/oxlint"), ["src"], { cwd: tree, encoding: "utf8" });
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

const reach = (path: string): string => `import { x } from "${path}";\nexport const y: unknown = x;\n`;

const breaches: [rule: string, file: string, text: string, message: string][] = [
  ["core imports nothing of ours", "src/core/a.ts", reach("../state/b.ts"), "core may not import state"],
  ["state imports no driver", "src/state/deep/a.ts", reach("../../drivers/memory/b.ts"), "state may not import drivers"],
  ["state imports no entry", "src/state/a.ts", reach("../memory.ts"), "state may not import a public entry"],
  ["nothing deep in a folder imports an entry", "src/state/algorithms/deep/a.ts", reach("../../../memory.ts"), "state may not import a public entry"],
  ["no part of a driver imports another driver", "src/drivers/redis/native/a.ts", reach("../../postgres/b.ts"), "a driver may not import another driver"],
  ["a driver imports no surface", "src/drivers/redis/a.ts", reach("../../gateway/b.ts"), "drivers may not import gateway"],
  ["a driver imports no other driver", "src/drivers/redis/a.ts", reach("../memory/b.ts"), "a driver may not import another driver"],
  ["resilience imports no driver", "src/resilience/a.ts", reach("../drivers/memory/b.ts"), "resilience may not import drivers"],
  ["gateway does not import client", "src/gateway/policies/traffic/a.ts", reach("../../../client/b.ts"), "gateway may not import client"],
  ["gateway does not import sockets", "src/gateway/a.ts", reach("../sockets/b.ts"), "gateway may not import sockets"],
  ["client does not import gateway", "src/client/a.ts", reach("../gateway/b.ts"), "client may not import gateway"],
  ["sockets does not import client", "src/sockets/a.ts", reach("../client/b.ts"), "sockets may not import client"],
  ["gateway imports no driver but memory", "src/gateway/a.ts", reach("../drivers/redis/b.ts"), "gateway may import no driver but drivers/memory"],
  ["gateway imports no runtime", "src/gateway/a.ts", reach("../runtimes/node/b.ts"), "gateway may not import runtimes"],
  ["runtimes do not import client", "src/runtimes/node/a.ts", reach("../../client/b.ts"), "runtimes may not import client"],
  ["testing imports no surface", "src/testing/a.ts", reach("../gateway/b.ts"), "testing may not import gateway"],
  ["cli goes through the entries", "src/cli/a.ts", reach("../gateway/b.ts"), "cli may not import gateway"],
  ["an entry only re-exports", "src/memory.ts", reach("hono"), "an entry only re-exports files of src"],
  ["node: stays in runtimes and cli", "src/gateway/a.ts", reach("node:fs"), "gateway may not import this module"],
  ["hono stays in the gateway", "src/state/a.ts", reach("hono"), "state may not import this module"],
  ["undici stays in runtimes", "src/client/a.ts", reach("undici"), "client may not import this module"],
  ["no ambient clock", "src/state/a.ts", "export const t: number = Date.now();\n", "pass a Clock in"],
  ["no ambient timer", "src/gateway/a.ts", "export function f(): void {\n  setTimeout(() => f(), 1);\n}\n", "pass a Clock in"],
  ["no ambient randomness", "src/resilience/a.ts", "export const r: number = Math.random();\n", "pass a Random in"],
  ["no runtime globals", "src/gateway/a.ts", "export const e: unknown = process.env;\n", "not on every runtime"],
];

describe("layers", () => {
  it.each(breaches)("%s", (_, file, text, message) => {
    expect(lint({ [file]: text })).toContain(message);
  });

  it("finds an import cycle", () => {
    const out = lint({ "src/core/a.ts": 'import { b } from "./b.ts";\nexport const a: unknown = () => b;\n', "src/core/b.ts": 'import { a } from "./a.ts";\nexport const b: unknown = () => a;\n' });
    expect(out).toContain("no-cycle");
  });

  // oxlint does not follow the names of package.json: here they are what they stand for.
  it.each(["source", "workerd", "browser", "default"])("finds none behind the names of package.json: %s", (condition) => {
    const targets = Object.entries(manifest.imports as Record<string, Record<string, string>>).map(([name, choices]) => [name, (choices[condition] ?? choices["default"] as string).replace("./dist/", "./src/").replace(/\.js$/, ".ts")] as const);
    const files: Record<string, string> = {};
    for (const file of readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })) {
      if (!file.endsWith(".ts") || file.endsWith(".test.ts")) continue;
      let text = readFileSync(join(root, "src", file), "utf8");
      for (const [name, target] of targets) text = text.replaceAll(`"${name}"`, `"${"../".repeat(file.split("/").length)}${target.slice(2)}"`);
      files[`src/${file}`] = text;
    }
    const out = lint(files);
    expect(out).toContain(`${Object.keys(files).length} files`);
    expect(out).not.toContain("no-cycle");
  });

  it("accepts what the table allows", () => {
    const out = lint({
      "src/core/x.ts": "export const x = 1;\n",
      "src/state/x.ts": 'export { x } from "../core/x.ts";\n',
      "src/drivers/memory/x.ts": 'export { x } from "../../state/x.ts";\n',
      "src/gateway/x.ts": 'export { x } from "../drivers/memory/x.ts";\n',
      "src/runtimes/node/x.ts": 'import { x } from "../../gateway/x.ts";\nimport fs from "node:fs";\nexport const y: unknown = [x, fs];\n',
      "src/memory.ts": 'export { x } from "./drivers/memory/x.ts";\n',
      "src/cli/x.ts": 'export { x } from "../memory.ts";\n',
    });
    expect(out).toContain("0 errors");
  });
});
