/** The suites inside Deno. */

import { describeRuntime } from "./matrix.ts";

describeRuntime("deno", { suites: 11 });
