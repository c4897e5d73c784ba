/** Processes of Node, Bun and Deno that run a bundled program of the suites and speak in lines of JSON. */

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

const bin = (name: string): string => join(new URL("../../", import.meta.url).pathname, "node_modules/.bin", name);

export type ProcessRuntime = "node" | "bun" | "deno";

/** How each runtime is started. */
const commands: Readonly<Record<ProcessRuntime, readonly string[]>> = {
  node: [process.execPath],
  bun: [bin("bun"), "run"],
  // The network, temporary files, and the store that is not stable yet.
  deno: [bin("deno"), "run", "--no-prompt", "--quiet", "--allow-net", "--allow-read", "--allow-write", "--allow-env", "--allow-sys", "--unstable-kv", "--node-modules-dir=manual"],
};

export interface RuntimeProcess {
  /** The next line of this type; fails when the process ends before it. */
  next<T>(type: string): Promise<T>;
  /** Everything on standard error so far. */
  readonly errors: () => string;
  stop(): Promise<void>;
}

export function runtimeCommand(runtime: ProcessRuntime): readonly [command: string, ...args: string[]] {
  return commands[runtime] as unknown as [string, ...string[]];
}

export function startRuntime(runtime: ProcessRuntime, cwd: string, ...args: readonly string[]): RuntimeProcess {
  const [command, ...own] = runtimeCommand(runtime);
  const child: ChildProcess = spawn(command, [...own, ...args], { cwd, stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env["PATH"], HOME: process.env["HOME"], NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" } });
  const said: { type: string; value: unknown }[] = [];
  let errors = "";
  let wake = (): void => {};
  let ended: number | null | undefined;
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
    try {
      said.push(JSON.parse(line) as { type: string; value: unknown });
    } catch {
      errors += `${line}\n`;
    }
    wake();
  });
  child.stderr?.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const exited = new Promise<void>((resolve) => child.once("close", (code) => {
    ended = code;
    wake();
    resolve();
  }));
  process.once("exit", () => child.kill("SIGKILL"));
  return {
    async next<T>(type: string): Promise<T> {
      for (;;) {
        const found = said.findIndex((line) => line.type === type);
        if (found !== -1) return (said.splice(found, 1)[0] as { value: T }).value;
        if (ended !== undefined) throw new Error(`${runtime} ended with ${ended} before it said "${type}":\n${errors}`);
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    errors: () => errors,
    async stop() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
