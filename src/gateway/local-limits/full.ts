/** Limits kept in this process. */

import type { Clock } from "../../core/clock.ts";
import { InMemoryRateLimitStore } from "../../drivers/memory/in-memory-rate-limit-store.ts";
import type { RateLimitStore } from "../../state/contracts/limits.ts";

export function localLimits(clock: Clock | undefined): RateLimitStore {
  return new InMemoryRateLimitStore({ clock });
}
