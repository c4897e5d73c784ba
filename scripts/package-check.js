/**
 * Checks the package as a user gets it: the packed tarball is installed in an empty project, every entry is imported
 * in Node and type-checked with `skipLibCheck: false`, and publint and arethetypeswrong read it.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export function checkPackage(root) {
  const folder = mkdtempSync(join(tmpdir(), "sluice-package-"));
  const call = (file, args, cwd) => execFileSync(file, args, { cwd, encoding: "utf8", stdio: "pipe", maxBuffer: 1 << 26 });
  const bin = (name) => join(root, "node_modules/.bin", name);
  try {
    const { name, exports, peerDependencies, dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const [{ filename, unpackedSize, entryCount }] = JSON.parse(call("npm", ["pack", "--json", "--ignore-scripts", "--loglevel=error", "--pack-destination", folder], root));
    const tarball = join(folder, filename);
    call(bin("publint"), ["run", tarball, "--strict"], root);
    call(bin("attw"), [tarball, "--profile", "esm-only"], root);

    // An empty project: the package unpacked, and beside it only what it depends on.
    const modules = join(folder, "project/node_modules");
    mkdirSync(join(modules, name), { recursive: true });
    call("tar", ["xzf", tarball, "-C", join(modules, name), "--strip-components=1"], folder);
    for (const dependency of Object.keys({ ...dependencies, ...peerDependencies })) {
      mkdirSync(join(modules, dependency, ".."), { recursive: true });
      symlinkSync(join(root, "node_modules", dependency), join(modules, dependency));
    }
    const project = join(folder, "project");
    const entries = Object.keys(exports).filter((entry) => entry !== "./package.json").map((entry) => `${name}${entry.slice(1)}`);
    writeFileSync(join(project, "package.json"), '{"type":"module"}');
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
