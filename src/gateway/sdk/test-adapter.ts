/** An adapter for tests: in-memory stores, and background work that a test can wait for. */

import type { Clock } from "../../core/clock.ts";
import { memoryAdapter } from "../../drivers/memory/adapter.ts";
import type { RateLimiter, RateLimitStore, TokenBucketPolicy } from "../../state/contracts/limits.ts";
import type { CircuitBreakerStore } from "../../state/contracts/circuits.ts";
import type { CacheStore } from "../../state/contracts/cache.ts";
import type { StitchStore } from "../../state/contracts/key-value.ts";
import type { PubSub } from "../../state/contracts/pub-sub.ts";
import type { GatewayAdapter } from "../../state/contracts/adapter.ts";

/** The memory adapter, whose `waitUntil` collects what it is given. */
export class TestAdapter implements GatewayAdapter {
  rateLimitStore: RateLimitStore | undefined;
  circuitBreakerStore: CircuitBreakerStore | undefined;
  cacheStore: CacheStore | undefined;
  store: StitchStore | undefined;
  pubsub: PubSub | undefined;
  rateLimiter: ((policy: TokenBucketPolicy) => RateLimiter) | undefined;
  dispatchBinding: ((service: string, request: Request) => Promise<Response>) | undefined;
  readonly waitUntil: (promise: Promise<unknown>) => void;
  readonly #clock: Clock | undefined;
  #memory: GatewayAdapter;
  #pending: Promise<unknown>[] = [];

  /** `clock` drives its stores. @default the system's */
  constructor(options: { readonly clock?: Clock } = {}) {
    this.#clock = options.clock;
    this.waitUntil = (promise) => {
      const task = Promise.resolve(promise);
      // Whoever waits learns of a rejection; until then it must not count as unhandled.
      task.catch(() => {});
      this.#pending.push(task);
    };
    this.#memory = this.#fill();
  }

  /** Waits for all background work, also for what is added meanwhile. Rejects with an `AggregateError` when some failed. */
  async waitAll(): Promise<void> {
    const errors: unknown[] = [];
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0);
      for (const result of await Promise.allSettled(batch)) if (result.status === "rejected") errors.push(result.reason);
    }
    if (errors.length > 0) throw new AggregateError(errors, `${errors.length} background task${errors.length === 1 ? "" : "s"} failed`);
  }

  /** Empty stores, and no background work to wait for. */
  reset(): void {
    this.#pending = [];
    void this.#memory.close?.();
    this.#memory = this.#fill();
  }

  async close(): Promise<void> {
    await this.#memory.close?.();
  }

  #fill(): GatewayAdapter {
    const memory = memoryAdapter({ clock: this.#clock });
    this.rateLimitStore = memory.rateLimitStore;
    this.circuitBreakerStore = memory.circuitBreakerStore;
    this.cacheStore = memory.cacheStore;
    this.store = memory.store;
    this.pubsub = memory.pubsub;
    this.rateLimiter = memory.rateLimiter === undefined ? undefined : (policy) => (memory.rateLimiter as NonNullable<GatewayAdapter["rateLimiter"]>)(policy);
    return memory;
  }
}

export function createTestAdapter(options: { readonly clock?: Clock } = {}): TestAdapter {
  return new TestAdapter(options);
}
