/** Limits kept in an isolate: the same decisions from a fifth of the code. */

import type { Clock } from "../../core/clock.ts";
import { PlainLimitDriver } from "../../drivers/memory/limit-driver.ts";
import type { RateLimitStore } from "../../state/contracts/limits.ts";
import { DriverLimits } from "../../state/stores/driver-limits.ts";

export function localLimits(clock: Clock | undefined): RateLimitStore {
  return Object.assign(new DriverLimits(new PlainLimitDriver(100_000, clock)), { name: "memory" });
}
