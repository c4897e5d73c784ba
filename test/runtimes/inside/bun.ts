/** The suites' program on Bun. */

import { bunAdapter, serve } from "sluice/bun";
import { program } from "./program.ts";
import type { Serve } from "./serving.ts";

await program({ serve: serve as unknown as Serve, adapter: () => bunAdapter() }, process.argv.slice(2));
