/** What a process of a runtime does for the suites: one job, results as lines of JSON on standard output. */

import type { GatewayAdapter } from "sluice/state";
import { memorySuites, runSuites, type NamedSuite } from "./contracts.ts";
import { gatewayApp } from "./gateway-app.ts";
import { runtimeName } from "./runtime-name.ts";
import { servingCases, type Serve } from "./serving.ts";
import { smoke } from "./smoke.ts";

export interface Platform {
  readonly serve: Serve;
  readonly adapter: () => GatewayAdapter;
  /** Suites of backends that only this runtime has. */
  readonly suites?: () => Promise<readonly NamedSuite[]>;
}

const say = (type: string, value: unknown): void => console.log(JSON.stringify({ type, value }));

export async function program({ serve, adapter, suites }: Platform, args: readonly string[]): Promise<void> {
  const [job, argument] = args;
  const runtime = runtimeName();
  // The first thing said, and the first thing asserted.
  say("runtime", runtime);
  if (job === "contracts") say("contracts", await runSuites([...memorySuites, ...((await suites?.()) ?? [])]));
  else if (job === "serving") say("serving", await servingCases(serve));
  else if (job === "smoke") {
    const entries = (argument as string).split(",");
    say("smoke", await smoke(Object.fromEntries(entries.map((entry) => [entry, () => import(`sluice/${entry}`)])), runtime.name));
  } else if (job === "gateway") {
    const server = await serve(gatewayApp(argument as string, adapter()) as never, { port: 0 });
    say("listening", server.url);
    return;
  } else throw new Error(`no such job: ${job}`);
  const { Deno, process } = globalThis as unknown as { Deno?: { exit(code: number): void }; process: { exit(code: number): void } };
  (Deno ?? process).exit(0);
}
