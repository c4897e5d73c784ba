/** Where an operation stands in its batch, and its key in Redis. */

import type { Operation } from "../../state/contracts/driver.ts";

export interface Entry {
  readonly at: number;
  readonly operation: Operation;
  readonly key: string;
}
