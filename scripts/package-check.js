/**
 * Checks the package as a user gets it: the packed tarball is installed in an empty project, every entry is imported
 * in Node and type-checked with `skipLibCheck: false`, and publint and arethetypeswrong read it.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packProject } from "./packed-project.js";

export function checkPackage(root) {
  const folder = mkdtempSync(join(tmpdir(), "sluice-package-"));
  const call = (file, args, cwd) => execFileSync(file, args, { cwd, encoding: "utf8", stdio: "pipe", maxBuffer: 1 << 26 });
  const bin = (name) => join(root, "node_modules/.bin", name);
  try {
    const project = join(folder, "project");
    mkdirSync(project);
    const { tarball, unpackedSize, entryCount, name, entries: subpaths } = packProject(root, project);
    call(bin("publint"), ["run", tarball, "--strict"], root);
    call(bin("attw"), [tarball, "--profile", "esm-only"], root);

    const entries = subpaths.map((entry) => `${name}/${entry}`);
    writeFileSync(join(project, "index.ts"), entries.map((entry, i) => `import * as entry${i} from "${entry}";\nexport const all${i}: object = entry${i};\n`).join(""));
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions: { module: "nodenext", target: "es2022", strict: true, skipLibCheck: false, noEmit: true, types: [] }, files: ["index.ts"] }));
    call(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", project], project);

    // Importing does nothing: the process ends by itself, at once, without a timer or a global.
    // zod keeps its registry in a global of its own, so that two copies of it share one; the entry that re-exports it cannot help that.
    const probe = `const names = () => Object.getOwnPropertyNames(globalThis).filter((name) => !name.startsWith("__zod_")).join();
const before = names();
for (const entry of ${JSON.stringify(entries)}) await import(entry);
if (names() !== before) throw new Error("an import added a global");
const active = process.getActiveResourcesInfo().filter((name) => name === "Timeout" || name.includes("TCP"));
if (active.length > 0) throw new Error("an import started " + active.join());`;
    writeFileSync(join(project, "probe.mjs"), probe);
    call(process.execPath, ["probe.mjs"], project);
    return `${entries.length} entries, ${entryCount} files, ${Math.round(unpackedSize / 1024)} KiB unpacked`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
