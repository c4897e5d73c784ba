/** The examples of the gateway: each starts with its command, and every line it prints gives what it says beside it. */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../servers/process.ts";

const root = new URL("../../", import.meta.url).pathname;
const shell = promisify(execFile);

/** Those that run on the built package in place; the ones for runtimes have a `package.json` and suites of their own. */
const names = readdirSync(`${root}examples`, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(`${root}examples/${entry.name}/README.md`) && existsSync(`${root}examples/${entry.name}/main.js`) && !existsSync(`${root}examples/${entry.name}/package.json`))
  .map((entry) => entry.name);

let child: ChildProcess | undefined;
afterEach(() => {
  child?.kill("SIGKILL");
});

it("there are six of them", () => {
  expect(names).toEqual(["ai-proxy", "blue-green", "jwt-jwks", "public-api", "realtime", "webhooks"]);
});

describe.each(names)("%s", (name) => {
  it("does what it prints, and ends on a signal", async () => {
    const command = /```sh\nnpm run --silent build && (node \S+)\n```/.exec(readFileSync(`${root}examples/${name}/README.md`, "utf8"))?.[1];
    expect(command).toBe(`node examples/${name}/main.js`);
    child = spawn(process.execPath, [`examples/${name}/main.js`], { cwd: root, env: { ...process.env, PORT: "0" }, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const exited = new Promise((resolve) => child?.once("exit", resolve));
    await until(`the example ${name}: ${output}`, () => output.includes("Ctrl-C stops it."));
    const tries = [...output.matchAll(/^ {2}(.+?) {3}# → (.+)$/gm)].map((match) => [match[1], match[2]] as [string, string]);
    expect(tries.length).toBeGreaterThan(3);
    for (const [line, prints] of tries) expect((await shell("bash", ["-c", line], { cwd: root })).stdout.trim(), line).toBe(prints);
    child.kill("SIGTERM");
    expect(await exited, output).toBe(0);
  });
});
