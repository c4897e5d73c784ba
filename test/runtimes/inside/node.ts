/** The suites' program on Node. */

import { nodeAdapter, serve } from "sluice/node";
import { program } from "./program.ts";
import type { Serve } from "./serving.ts";

await program({ serve: serve as unknown as Serve, adapter: () => nodeAdapter() }, process.argv.slice(2));
