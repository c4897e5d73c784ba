/** The example of bun. */

import { describeExample } from "./examples.ts";

describeExample("bun");
