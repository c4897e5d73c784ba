/** The command of the packed package, run by a runtime on a TypeScript file where nothing else is installed. */

import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { until } from "../servers/process.ts";
import { type ProcessRuntime, runtimeCommand } from "../servers/runtime.ts";

/** Answers with the runtime that runs it, and with what it knows of its caller. */
const source = (text: string): string => `import { rateLimit } from "sluice/gateway";
import { serve } from "sluice/RUNTIME";

const runtime: string = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node";
export default {
  trustProxy: false,
  routes: [{ path: "/a", pipeline: { policies: [rateLimit({ max: 3, windowSeconds: 60 })], upstream: { type: "handler", handler: (c: any) => c.text(\`${text} \${runtime} \${typeof serve}\`) } } }],
};
`;

interface Command {
  readonly child: ChildProcess;
  output: string;
}

/** `run` and `dev` of a gateway file: served, logged, loaded again with its counters, a broken edit survived, ended gracefully. */
export async function checkCli(runtime: ProcessRuntime, folder: string): Promise<void> {
  const file = join(folder, "gateway.ts");
  const write = (text: string): void => writeFileSync(file, source(text).replace("RUNTIME", runtime));
  write("one");
  const command = start(runtime, folder, "dev", file, "--port", "0");
  try {
    await until(`${runtime} listens, said: ${command.output}`, () => command.output.includes("listening on ") || command.child.exitCode !== null);
    const url = /listening on (http:\S+?),?\s/.exec(command.output)?.[1];
    expect(url, command.output).toBeDefined();
    const ask = async (): Promise<string> => {
      const response = await fetch(`${url as string}/a`);
      return response.status === 200 ? response.text() : String(response.status);
    };
    expect(await ask()).toBe(`one ${runtime} function`);
    await until("a line for the request", () => /GET\s+\/a\s+200/.test(command.output));
    write("two");
    await until(`a reload, said: ${command.output}`, () => command.output.includes("reloaded after a change"));
    expect(await ask()).toBe(`two ${runtime} function`);
    writeFileSync(file, "export default {\n  routes: [,;\n};\n");
    await until(`a refusal, said: ${command.output}`, () => command.output.includes("the last good gateway keeps serving"));
    expect(command.output).toMatch(/gateway\.ts:2:\d+: syntax error/);
    expect([await ask(), await ask()]).toEqual([`two ${runtime} function`, "429"]);
    command.child.kill("SIGTERM");
    expect(await ended(command.child), command.output).toBe(0);
  } finally {
    command.child.kill("SIGKILL");
    await ended(command.child);
  }
  const broken = start(runtime, folder, "run", file, "--port", "0");
  expect(await ended(broken.child)).toBe(1);
  expect(broken.output).toMatch(/gateway\.ts:2:\d+: syntax error/);
}

function start(runtime: ProcessRuntime, folder: string, ...args: string[]): Command {
  const [program, ...own] = runtimeCommand(runtime);
  const child = spawn(program, [...own, join(folder, "node_modules/sluice/dist/cli/main.js"), ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env["PATH"], HOME: process.env["HOME"], NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" } });
  const command: Command = { child, output: "" };
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (command.output += chunk.toString()));
  return command;
}

function ended(child: ChildProcess): Promise<number | null> {
  return child.exitCode !== null || child.signalCode !== null ? Promise.resolve(child.exitCode) : new Promise((resolve) => child.once("close", resolve));
}
