/**
 * Checks every fenced `ts` block of README.md, docs/ and AGENTS.md: all are type-checked against the built package,
 * and those fenced `ts run` are executed. `ts fragment` marks a block that is a part of a larger program: skipped, and
 * counted in the output.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export function checkDocs(root) {
  const files = ["README.md", "AGENTS.md", ...list(root, "docs")].filter((file) => existsSync(join(root, file)));
  // Inside the project, so that `sluice/...` resolves by the package's own name.
  const folder = mkdtempSync(join(root, "dist", "docs-"));
  try {
    const blocks = files.flatMap((file) => snippets(readFileSync(join(root, file), "utf8")).map((block) => ({ ...block, file })));
    const checked = blocks.filter((block) => !block.flags.includes("fragment"));
    checked.forEach((block, i) => writeFileSync(join(folder, `block-${i}.ts`), `// ${block.file}:${block.line}\n${block.code}\nexport {};\n`));
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(root, join(folder, "node_modules/sluice"));
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ extends: relative(folder, join(root, "tsconfig.json")), compilerOptions: { customConditions: [], isolatedDeclarations: false, declaration: false, noEmit: false, outDir: "out", rootDir: ".", skipLibCheck: true }, include: ["*.ts"], exclude: [] }));
    try {
      execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder], { cwd: folder, stdio: "pipe" });
    } catch (error) {
      throw new Error(locate(error.stdout.toString(), checked));
    }
    const runs = checked.map((block, i) => ({ block, out: join(folder, "out", `block-${i}.js`) })).filter(({ block }) => block.flags.includes("run"));
    const failed = run(runs, folder, fileURLToPath(new URL("docs-run.js", import.meta.url)));
    if (failed.length > 0) throw new Error(failed.join("\n"));
    return `${checked.length} blocks type-checked, ${runs.length} run, ${blocks.length - checked.length} fragments`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the blocks in one process, and in another one from behind a block that ended it or hung. What went wrong, by its place in a document. */
function run(runs, folder, runner) {
  const results = join(folder, "results");
  const failed = [];
  for (let done = 0; done < runs.length; ) {
    writeFileSync(results, "");
    const ended = spawnSync(process.execPath, [runner, results, ...runs.slice(done).map(({ out }) => out)], { cwd: folder, encoding: "utf8", timeout: 60_000 + 2000 * runs.length });
    const lines = readFileSync(results, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
    lines.forEach((line, i) => {
      if (line !== "") failed.push(`${where(runs[done + i])} does not run:\n${line}`);
    });
    done += lines.length;
    if (done < runs.length) failed.push(`${where(runs[done++])} ended the process (${ended.error?.code ?? ended.status}):\n${ended.stderr}${ended.stdout}`);
  }
  return failed;
}

function where({ block }) {
  return `${block.file}:${block.line}`;
}

function snippets(text) {
  const found = [];
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const open = /^```ts\b(.*)$/.exec(lines[i]);
    if (open === null) continue;
    const begin = i + 1;
    while (++i < lines.length && lines[i] !== "```");
    found.push({ line: begin + 1, flags: open[1].trim().split(/\s+/), code: lines.slice(begin, i).join("\n") });
  }
  return found;
}

/** Compiler messages name the block; a reader wants the line of the document. */
function locate(output, blocks) {
  return output.replace(/block-(\d+)\.ts\((\d+),/g, (_, block, line) => `${blocks[block].file}:${blocks[block].line + Number(line) - 2} (`);
}

function list(root, folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true }).map(String).filter((file) => file.endsWith(".md")).map((file) => join(folder, file));
}
