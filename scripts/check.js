/**
 * `npm run check`: everything that can be known without running the tests. Each step prints one line; the first
 * failure of a step prints what is wrong, and all steps run before the exit code says no.
 *
 * `npm run check -- --write` rewrites what a step compares, such as the API report. Names of steps run those alone:
 * `npm run check -- types docs`.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { apiReport } from "./api-report.js";
import { build } from "./build.js";
import { checkBundles } from "./bundle-sizes.js";
import { checkLinks } from "./docs-links.js";
import { checkPolicyDocs } from "./docs-policies.js";
import { checkDocs } from "./docs-snippets.js";
import { writeConfig } from "./oxlint-config.js";
import { checkPackage } from "./package-check.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const asked = process.argv.slice(2).filter((word) => word !== "--write");
const write = process.argv.includes("--write");

const steps = {
  build,
  types: () => run("node_modules/typescript/bin/tsc", ["-p", "tsconfig.json", "--incremental", "--tsBuildInfoFile", "node_modules/.cache/types.tsbuildinfo"]),
  lint,
  sizes: checkSizes,
  bundles: checkBundles,
  words: checkWords,
  api: checkApi,
  package: () => checkPackage(root),
  policies: () => checkPolicyDocs(root, write),
  links: () => checkLinks(root),
  docs: () => checkDocs(root),
};

const unknown = asked.filter((name) => !Object.hasOwn(steps, name));
if (unknown.length > 0) {
  console.error(`no step ${unknown.map((name) => `"${name}"`).join(", ")}; there are: ${Object.keys(steps).join(", ")}; and --write`);
  process.exit(2);
}

let failed = 0;
for (const [name, step] of Object.entries(steps)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const began = performance.now();
  try {
    const note = await step();
    console.log(`ok      ${name}${typeof note === "string" ? ` (${note})` : ""}  ${Math.round(performance.now() - began)} ms`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}\n${indent(error.stdout?.toString() || error.message)}${indent(error.stderr?.toString() ?? "")}`);
  }
}
console.log(failed === 0 ? "check passed" : `check failed: ${failed} of ${asked.length || Object.keys(steps).length} steps`);
process.exit(failed === 0 ? 0 : 1);

function run(command, args, node = true) {
  const [file, list] = node ? [process.execPath, [join(root, command), ...args]] : [join(root, command), args];
  execFileSync(file, list, { cwd: root, stdio: "pipe", maxBuffer: 1 << 26 });
}

function lint() {
  writeConfig(new URL("..", import.meta.url));
  run("node_modules/.bin/oxlint", ["src", "test", "bench", "scripts", "examples"], false);
}

/** A file is read in one sitting: past the limit there are two ideas in it. */
function checkSizes() {
  const limit = 450;
  const long = tracked("src")
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .map((file) => [file, readFileSync(join(root, file), "utf8").split("\n").length])
    .filter(([, lines]) => lines > limit);
  if (long.length > 0) throw new Error(long.map(([file, lines]) => `${file} has ${lines} lines, at most ${limit}`).join("\n"));
}

/** Machine paths, other people's package names in code, unfinished marks and private planning have no place here. */
function checkWords() {
  const words = [/\/work\/(main|shared)/, /\.\.\/shared\//, /\/farm\//, /\b(TODO|FIXME|XXX)\b/, /as unknown as any/, /@ts-(ignore|nocheck)/, /registry\.[a-z.]+\//];
  const found = [];
  for (const file of tracked(".")) {
    if (file === "scripts/check.js" || file === "package-lock.json" || !/\.(ts|js|mjs|json|md|ya?ml|sql|lua|html|css)$|\.ci\/run$/.test(file)) continue;
    readFileSync(join(root, file), "utf8").split("\n").forEach((line, i) => {
      for (const word of words) if (word.test(line)) found.push(`${file}:${i + 1}: ${line.trim().slice(0, 120)}`);
    });
  }
  if (found.length > 0) throw new Error(found.join("\n"));
}

/** The public types, one flat declaration file per entry, reviewed as a diff. */
async function checkApi() {
  const folder = join(root, "etc/api");
  const report = await apiReport(root);
  if (write) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const [name, text] of Object.entries(report)) writeFileSync(join(folder, name), text);
  }
  const onDisk = existsSync(folder) ? readdirSync(folder) : [];
  const changed = new Set([...onDisk, ...Object.keys(report)]);
  for (const [name, text] of Object.entries(report)) if (onDisk.includes(name) && readFileSync(join(folder, name), "utf8") === text) changed.delete(name);
  if (changed.size > 0) throw new Error(`the public API changed: ${[...changed].join(", ")}\nreview it with \`npm run check -- --write\` and \`git diff etc/api\``);
  return `${Object.keys(report).length} entries`;
}

function tracked(folder) {
  return execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", folder], { cwd: root, encoding: "utf8" }).split("\n").filter((file) => file !== "" && existsSync(join(root, file)));
}

function indent(text) {
  return text.split("\n").map((line) => (line === "" ? "" : `        ${line}`)).join("\n");
}
