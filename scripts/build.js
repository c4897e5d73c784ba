/** Builds `dist/` from `src/`: one file per module, plain ESM and declarations. Does nothing when `dist/` is current. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");
const stamp = join(dist, ".sources");

/** Two runs side by side share one `dist`: one builds, the other waits and finds it current. */
export async function build() {
  const release = await lock(join(root, "node_modules/.sluice-build"));
  try {
    const sources = digest();
    if (existsSync(stamp) && readFileSync(stamp, "utf8") === sources) return "current";
    const fresh = `${dist}.${process.pid}`;
    try {
      compile(fresh);
      for (const file of walk(fresh)) if (file.endsWith(".d.ts")) finishDeclaration(file);
      chmodSync(join(fresh, "cli/main.js"), 0o755);
      writeFileSync(join(fresh, ".sources"), sources);
      rmSync(dist, { recursive: true, force: true });
      renameSync(fresh, dist);
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
    return "built";
  } finally {
    release();
  }
}

function compile(folder) {
  try {
    execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json", "--outDir", folder], { cwd: root, stdio: "pipe" });
  } catch (error) {
    throw new Error(`the build failed:\n${error.stdout}`);
  }
}

function digest() {
  const hash = createHash("sha256");
  for (const file of [...walk(join(root, "src")), ...["package.json", "tsconfig.json", "tsconfig.build.json", "scripts/build.js"].map((name) => join(root, name))].sort()) {
    hash.update(file.slice(root.length)).update("\0").update(readFileSync(file)).update("\0");
  }
  return hash.digest("hex");
}

/** A folder as a lock: making it is atomic. One whose owner is gone is taken over. */
async function lock(path) {
  for (;;) {
    try {
      mkdirSync(path);
      writeFileSync(join(path, "pid"), String(process.pid));
      return () => rmSync(path, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      const owner = existsSync(join(path, "pid")) ? Number(readFileSync(join(path, "pid"), "utf8")) : undefined;
      if (owner !== undefined && owner > 0 && !isAlive(owner)) rmSync(path, { recursive: true, force: true });
      else await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/**
 * tsc rewrites `.ts` specifiers in code, not in declarations. A declaration that names `Symbol.asyncDispose` asks for its
 * library itself, so that a project with an older `target` can read it.
 */
function finishDeclaration(file) {
  const text = readFileSync(file, "utf8").replace(/((?:from|import\()\s*"\.{1,2}\/[^"]+)\.ts"/g, '$1.js"');
  writeFileSync(file, /Symbol\.(asyncD|d)ispose|AsyncDisposable/.test(text) ? `/// <reference lib="esnext.disposable" />\n${text}` : text);
}

function* walk(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else yield path;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await build();
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
