/** The packed package in a project of its own, for suites that run it in some runtime. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { packProject } from "../../scripts/packed-project.js";

export interface PackedProject {
  readonly folder: string;
  /** Entries of the package without `sluice/`. */
  readonly entries: readonly string[];
  /** Bundles a module of this repository into the project; `sluice/...` stays an import of the packed package. */
  bundle(entry: string): Promise<string>;
  remove(): void;
}

export function packedProject(): PackedProject {
  const folder = mkdtempSync(join(tmpdir(), "sluice-project-"));
  const { entries } = packProject(new URL("../../", import.meta.url).pathname, folder);
  return {
    folder,
    entries,
    async bundle(entry) {
      const bundle = await rolldown({ input: entry, platform: "neutral", external: [/^sluice\//, /^node:/], logLevel: "warn" });
      const file = join(folder, entry.replace(/^.*\//, "").replace(/\.ts$/, ".mjs"));
      await bundle.write({ file, format: "esm", codeSplitting: false });
      await bundle.close();
      return file;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
