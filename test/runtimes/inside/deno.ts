/** The suites' program on Deno. */

import { denoAdapter, serve } from "sluice/deno";
import { program } from "./program.ts";
import type { Serve } from "./serving.ts";

await program({ serve: serve as unknown as Serve, adapter: () => denoAdapter() }, process.argv.slice(2));
