/** The example of node. */

import { describeExample } from "./examples.ts";

describeExample("node");
