/** The suites inside Node. */

import { describeRuntime } from "./matrix.ts";

describeRuntime("node", { suites: 11 });
