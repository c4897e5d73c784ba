/** `npm run test:runtime -- [node|bun|deno|workerd]...`: the suites inside the runtimes named, or inside all of them. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const runtimes = ["node", "bun", "deno", "workerd"];
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !runtimes.includes(name));
if (unknown.length > 0) {
  console.error(`no such runtime: ${unknown.join(", ")}\nusage: npm run test:runtime -- [${runtimes.join("|")}]...`);
  process.exit(2);
}

// Beside the matrix, what only this runtime has: its drivers, its examples.
const files = (wanted.length > 0 ? wanted : runtimes).flatMap((name) => [`test/runtimes/${name}`, `test/runtimes/examples-${name}`, ...(name === "deno" ? ["test/drivers/deno"] : name === "workerd" ? ["test/drivers/cloudflare", "test/drivers/durable"] : [])]);
const { status } = spawnSync(process.execPath, ["node_modules/vitest/vitest.mjs", "run", "--project", "suites", ...files], { cwd: root, stdio: "inherit" });
process.exit(status ?? 1);
