/**
 * `node examples/run.js node|bun|deno`: runs an example as it runs in a project of your own: the package is built, packed and
 * unpacked beside it, and the example's own command starts it. What comes after the name goes to it.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "../scripts/build.js";
import { packProject } from "../scripts/packed-project.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const [name] = process.argv.slice(2);
if (!["node", "bun", "deno"].includes(name)) {
  console.error("usage: node examples/run.js node|bun|deno");
  process.exit(2);
}

await build();
const project = mkdtempSync(join(tmpdir(), `sluice-example-${name}-`));
packProject(root, project);
cpSync(join(root, "examples", name), project, { recursive: true });
const { start } = JSON.parse(readFileSync(join(project, "package.json"), "utf8")).scripts;

// The runtimes come with the development dependencies of this repository; `exec` leaves signals to the example itself.
const child = spawn("sh", ["-c", `exec ${start}`], { cwd: project, stdio: "inherit", env: { ...process.env, PATH: `${join(root, "node_modules/.bin")}:${process.env.PATH}` } });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.once("exit", (code) => {
  rmSync(project, { recursive: true, force: true });
  process.exit(code ?? 1);
});
