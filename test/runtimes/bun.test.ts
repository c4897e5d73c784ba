/** The suites inside Bun. */

import { describeRuntime } from "./matrix.ts";

describeRuntime("bun", { suites: 11 });
