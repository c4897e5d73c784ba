/** An example, run by the command its README gives, and asked what it prints. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterEach, expect, it } from "vitest";
import { until } from "../servers/process.ts";

const root = new URL("../../", import.meta.url).pathname;

export interface RunningExample {
  readonly output: () => string;
  readonly end: () => Promise<number | null>;
}

const running: ChildProcess[] = [];

export async function startExample(name: string, env: Readonly<Record<string, string>> = {}): Promise<RunningExample> {
  const command = /```sh\n(.+)\n```/.exec(readFileSync(`${root}examples/${name}/README.md`, "utf8"))?.[1] as string;
  const child = spawn("sh", ["-c", `exec ${command}`], { cwd: root, env: { ...process.env, ...env, PORT: "0" }, stdio: ["ignore", "pipe", "pipe"] });
  running.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  await until(`the example on ${name}: ${output}`, () => output.includes("the second comes from the cache"), 60_000).catch((error: unknown) => {
    throw new Error(output, { cause: error });
  });
  return {
    output: () => output,
    async end() {
      child.kill("SIGTERM");
      return exited;
    },
  };
}

/** The lines for a shell that an example prints, run as they stand. */
export function runPrinted(output: string): string[][] {
  return output.split("\n").filter((line) => line.includes("curl ")).map((line) => execFileSync("bash", ["-c", line], { encoding: "utf8" }).trim().split("\n"));
}

export function describeExample(name: string, more?: () => void): void {
  afterEach(() => {
    for (const child of running.splice(0)) child.kill("SIGTERM");
  });
  it(`the example on ${name} starts with its one command, does what it says, and ends on a signal`, async () => {
    const example = await startExample(name, name === "deno" ? { KV_PATH: ":memory:" } : {});
    const [limited, times] = runPrinted(example.output()) as [string[], string[]];
    expect(limited).toEqual(["200", "200", "200", "200", "200", "429"]);
    const [first, second] = (times.join("").match(/\{[^}]*\}/g) ?? []) as string[];
    expect(first).toMatch(/"now":/);
    expect(second).toBe(first);
    expect(await example.end()).toBe(0);
  });
  more?.();
}
