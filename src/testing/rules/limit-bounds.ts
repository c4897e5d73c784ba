/** An independent check of recorded admissions: never above, over every interval. */

import { violated } from "../report.ts";
import type { LimitPolicy } from "../../state/contracts/limits.ts";

/** One admission: it happened at an instant from `sentAt` to `knownAt`, which are equal on a driven clock. */
export interface Admission {
  readonly sentAt: number;
  readonly knownAt: number;
  readonly cost: number;
}

/** Looks at every interval that starts at one admission and ends at another. */
export function sweep(admissions: readonly Admission[], policy: LimitPolicy, what: string): void {
  for (let first = 0; first < admissions.length; first++) {
    const { sentAt } = admissions[first] as Admission;
    let sum = 0;
    for (let last = first; last < admissions.length; last++) {
      const { knownAt, cost } = admissions[last] as Admission;
      const length = knownAt - sentAt;
      if (policy.algorithm !== "token-bucket" && length >= 4 * policy.windowMs) break;
      sum += cost;
      const allowed = mostWithin(policy, length);
      if (sum > allowed) violated(`${what}: ${sum} admitted within ${length} ms, at most ${allowed} may be`);
    }
  }
}

function mostWithin(policy: LimitPolicy, lengthMs: number): number {
  const { windowMs, max } = policy;
  // A closed interval shorter than n windows meets at most n whole windows and one more begun.
  const windows = Math.floor(lengthMs / windowMs) + 1;
  if (policy.algorithm === "sliding-window") return max * windows;
  if (policy.algorithm === "fixed-window") return max * (windows + 1);
  // The clock of a bucket counts whole milliseconds: in finer time, the refill of one more.
  return policy.capacity + ((lengthMs + 1) * max) / windowMs + 1e-9;
}
