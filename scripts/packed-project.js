/** The package as a user gets it: packed, and unpacked in an empty project beside nothing but what it depends on. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Fills `project`, a folder that exists; the tarball goes there, too. */
export function packProject(root, project) {
  const { name, exports, peerDependencies, dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const packed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--loglevel=error", "--pack-destination", project], { cwd: root, encoding: "utf8", stdio: "pipe", maxBuffer: 1 << 26 });
  const [{ filename, unpackedSize, entryCount }] = JSON.parse(packed);
  const tarball = join(project, filename);
  const modules = join(project, "node_modules");
  mkdirSync(join(modules, name), { recursive: true });
  execFileSync("tar", ["xzf", tarball, "-C", join(modules, name), "--strip-components=1"], { stdio: "pipe" });
  for (const dependency of Object.keys({ ...dependencies, ...peerDependencies })) {
    mkdirSync(join(modules, dependency, ".."), { recursive: true });
    symlinkSync(join(root, "node_modules", dependency), join(modules, dependency));
  }
  writeFileSync(join(project, "package.json"), '{"type":"module"}');
  return { tarball, unpackedSize, entryCount, name, entries: Object.keys(exports).filter((entry) => entry !== "./package.json").map((entry) => entry.slice(2)) };
}
