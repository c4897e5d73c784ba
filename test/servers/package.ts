/** The package as a user has it: packed, unpacked in an empty project, beside nothing but what it depends on. */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rolldown } from "rolldown";

const root = new URL("../../", import.meta.url).pathname;

export interface PackedProject {
  readonly folder: string;
  /** Entries of the package without `sluice/`. */
  readonly entries: readonly string[];
  /** Bundles a module of this repository into the project; `sluice/...` stays an import of the packed package. */
  bundle(entry: string): Promise<string>;
  remove(): void;
}

/** `more` are development dependencies that the project has as well. */
export function packedProject(more: readonly string[] = []): PackedProject {
  const folder = mkdtempSync(join(tmpdir(), "sluice-project-"));
  const { exports, peerDependencies, dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<string, Record<string, unknown>>;
  const packed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--loglevel=error", "--pack-destination", folder], { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, "sluice"), { recursive: true });
  execFileSync("tar", ["xzf", join(folder, filename), "-C", join(modules, "sluice"), "--strip-components=1"]);
  for (const dependency of [...Object.keys({ ...dependencies, ...peerDependencies }), ...more]) {
    mkdirSync(join(modules, dependency, ".."), { recursive: true });
    symlinkSync(join(root, "node_modules", dependency), join(modules, dependency));
  }
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  return {
    folder,
    entries: Object.keys(exports as object).filter((entry) => entry !== "./package.json").map((entry) => entry.slice(2)),
    async bundle(entry) {
      const bundle = await rolldown({ input: entry, platform: "neutral", external: [/^sluice\//, /^node:/, /^@deno\//], logLevel: "warn" });
      const file = join(folder, entry.replace(/^.*\//, "").replace(/\.ts$/, ".mjs"));
      await bundle.write({ file, format: "esm", codeSplitting: false });
      await bundle.close();
      return file;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
