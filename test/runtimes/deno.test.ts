/** The suites inside Deno, on memory and on Deno's own KV database. */

import { describeRuntime } from "./matrix.ts";

describeRuntime("deno", { suites: 17, backends: ["kv"] });
