/** The client's cases in a process of Node, Bun or Deno. */

import { runtimeName } from "../../runtimes/inside/runtime-name.ts";
import { runCases } from "./cases.ts";

const { Deno: deno, process } = globalThis as unknown as { Deno?: { args: string[]; exit(code: number): void }; process: { argv: string[]; exit(code: number): void } };
const say = (type: string, value: unknown): void => console.log(JSON.stringify({ type, value }));
say("runtime", runtimeName());
say("cases", await runCases((deno?.args ?? process.argv.slice(2))[0] as string));
(deno ?? process).exit(0);
