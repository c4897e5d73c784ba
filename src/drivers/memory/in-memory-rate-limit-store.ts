/** The in-memory rate limit store as a class. */

import type { DriverCapabilities } from "../../state/contracts/driver.ts";
import type { LimitDecision, LimitPolicy, LimitTicket, RateLimitStore } from "../../state/contracts/limits.ts";
import { DriverLimits } from "../../state/stores/driver-limits.ts";
import { type MemoryDriver, type MemoryDriverOptions, memoryDriver } from "./memory-driver.ts";

/**
 * Rate limits in this process. At `maxKeys` keys it never lets one that is counted go free: expired and idle keys make
 * room, and when there are none, further keys share one record under the strictest of their policies.
 *
 * @throws OptionError for a bound or interval that is no positive integer.
 *
 * @example
 * const store = new InMemoryRateLimitStore({ maxKeys: 10_000 });
 * const { count, resetAt } = await store.increment("user-7", 60);
 */
export class InMemoryRateLimitStore implements RateLimitStore {
  readonly name = "memory";
  readonly capabilities: DriverCapabilities;
  readonly #driver: MemoryDriver;
  readonly #store: DriverLimits;

  constructor(options: MemoryDriverOptions = {}) {
    this.#driver = memoryDriver(options);
    this.#store = new DriverLimits(this.#driver);
    this.capabilities = this.#driver.capabilities;
  }

  /** Keys that are counted now. */
  get size(): number {
    return this.#driver.size;
  }

  /** Counts one more. A promise, as users of such stores expect; `check` answers at once. */
  async increment(key: string, windowSeconds: number): Promise<{ count: number; resetAt: number }> {
    return this.#store.increment(key, windowSeconds);
  }

  check(key: string, policy: LimitPolicy, cost: number): LimitDecision {
    return this.#store.check(key, policy, cost) as LimitDecision;
  }

  checkAll(key: string, policies: readonly LimitPolicy[], cost: number): LimitDecision[] {
    return this.#store.checkAll(key, policies, cost) as LimitDecision[];
  }

  reserve(key: string, policy: LimitPolicy, cost: number): LimitDecision {
    return this.#store.reserve(key, policy, cost) as LimitDecision;
  }

  settle(key: string, policy: LimitPolicy, ticket: LimitTicket | undefined, actual: number): LimitDecision {
    return this.#store.settle(key, policy, ticket, actual) as LimitDecision;
  }

  /** Frees everything, a timer too. Later calls fail with `STORE_CLOSED`. Idempotent. */
  destroy(): void {
    this.#store.destroy();
    this.#driver.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
  }
}
