/** Leased limiters for everybody: with a combiner of their own unless one is given. */

import { createCombiner } from "../combiner.ts";
import { type LeasedLimiter, type LeasedLimiterOptions, leaseOver } from "./leased-limiter.ts";

/** Throws at construction for what cannot be leased; see `leaseTerms`. */
export function createLeasedLimiter(options: LeasedLimiterOptions): LeasedLimiter {
  const { combiner, ...rest } = options;
  if (combiner !== undefined) return leaseOver(combiner, rest);
  const own = createCombiner(options.driver, { clock: options.clock });
  return leaseOver(own, rest, () => own.close());
}
