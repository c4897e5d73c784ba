/** A token bucket limiter on a driver. Its lease is handed in, so that those who lease nothing carry none. */

import { checkPositive, checkString } from "../../core/check.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import { MAX_KEY_BYTES, escapeKeyPart, joinKey } from "../../core/keys.ts";
import { isPromise } from "../../core/maybe-promise.ts";
import type { StateDriver, SyncTable } from "../contracts/driver.ts";
import type { LimitCommand, LimitDecision, RateLimitDecision, TokenBucketPolicy } from "../contracts/limits.ts";
import type { LeasedLimiter } from "../lease/leased-limiter.ts";
import { type CompiledLimit, tokenRateLimit } from "../limit-policy.ts";
import type { DriverRateLimiter, RateLimiterOptions, SyncRateLimiter } from "./rate-limiter.ts";
import { type Run, runnerOn } from "./runner.ts";

export interface DriverLimiterOptions extends Omit<RateLimiterOptions, "lease"> {
  readonly leased?: (limit: CompiledLimit) => LeasedLimiter;
  /** How a lease that is on its way is waited for. @default as it is */
  readonly wait?: <T>(work: Promise<T>) => Promise<T>;
}

/** With `consumeSync` over a driver in this process. */
export function driverLimiter(driver: StateDriver, policy: TokenBucketPolicy, options: DriverLimiterOptions = {}): DriverRateLimiter {
  const limiter = new DriverLimiter(driver, policy, options);
  return driver.runSync === undefined ? limiter : new SyncLimiter(limiter);
}

class DriverLimiter implements DriverRateLimiter {
  readonly #policy: Readonly<TokenBucketPolicy>;
  readonly #limit: CompiledLimit;
  readonly #prefix: string;
  readonly #run: Run;
  readonly #table: SyncTable<LimitCommand<unknown>, LimitDecision> | undefined;
  readonly #command: { cost: number; readonly policy: unknown };
  readonly #leased: LeasedLimiter | undefined;
  readonly #wait: DriverLimiterOptions["wait"];
  #onDispose: (() => void) | undefined;
  #disposed = false;

  constructor(driver: StateDriver, policy: TokenBucketPolicy, options: DriverLimiterOptions) {
    if (!driver.capabilities.atomic) {
      throw new StoreError("STORE_CAPABILITY", `the driver "${driver.name}" cannot carry a rate limiter: its steps are not atomic; use one whose are, such as a Durable Object or memory`);
    }
    this.#policy = checkPolicy(policy);
    const { capacity, tokensPerSecond, prefix = "" } = this.#policy;
    this.#limit = tokenRateLimit({ capacity, tokensPerSecond });
    // The whole policy is in the name: two policies never share a bucket.
    const name = `limiter-${this.#limit.keySuffix}-${this.#limit.policy.p}-${capacity}`;
    const outer = checkString("prefix", options.prefix ?? "");
    this.#prefix = joinKey(outer, prefix, name);
    this.#run = runnerOn(driver, options.run);
    this.#table = driver.table?.(this.#limit.algorithm, this.#prefix);
    this.#command = { cost: 0, policy: this.#limit.policy };
    this.#leased = options.leased?.(this.#limit);
    this.#wait = options.wait;
    this.#onDispose = options.onDispose;
  }

  async consume(key: string, cost: number): Promise<RateLimitDecision> {
    this.check(key, cost);
    if (this.#leased !== undefined) {
      const found = this.#leased.check(this.#key(key), cost);
      return short(isPromise(found) ? await (this.#wait === undefined ? found : this.#wait(found)) : found);
    }
    if (this.#table !== undefined) return this.decide(key, cost);
    return short(await this.#run(this.#limit.algorithm, this.#key(key), { cost, policy: this.#limit.policy }));
  }

  getPolicy(): Readonly<TokenBucketPolicy> {
    return this.#policy;
  }

  dispose(): void {
    this.#disposed = true;
    if (this.#leased === undefined) this.#end();
    else void this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    // Units go back by the way that `onDispose` may end.
    await this.#leased?.close();
    this.#end();
  }

  #end(): void {
    const onDispose = this.#onDispose;
    this.#onDispose = undefined;
    onDispose?.();
  }

  check(key: string, cost: number): void {
    if (this.#disposed) throw new StoreError("STORE_CLOSED", "the rate limiter was disposed", { outcome: "not-applied" });
    if (!Number.isSafeInteger(cost) || cost <= 0) throw new OptionError("cost", cost, "a positive safe integer");
    if (typeof key !== "string" || key.length === 0) throw new OptionError("key", key, "a non-empty string");
    // A UTF-16 unit takes at most three bytes of UTF-8, so short keys need no measuring.
    if (key.length * 3 > MAX_KEY_BYTES && new TextEncoder().encode(key).length > MAX_KEY_BYTES) {
      throw new OptionError("key", key, `a string of at most ${MAX_KEY_BYTES} UTF-8 bytes`);
    }
  }

  /** Needs a driver in this process; the arguments are checked. */
  decide(key: string, cost: number): RateLimitDecision {
    if (this.#table === undefined) return short(this.#run(this.#limit.algorithm, this.#key(key), { cost, policy: this.#limit.policy }) as LimitDecision);
    this.#command.cost = cost;
    return short(this.#table.run(key, this.#command as LimitCommand<unknown>));
  }

  #key(key: string): string {
    return `${this.#prefix}:${escapeKeyPart(key)}`;
  }
}

/** The same with the verb that needs no promise: an object has it only where it works. */
class SyncLimiter implements SyncRateLimiter {
  readonly #limiter: DriverLimiter;

  constructor(limiter: DriverLimiter) {
    this.#limiter = limiter;
  }

  consumeSync(key: string, cost: number): RateLimitDecision {
    this.#limiter.check(key, cost);
    return this.#limiter.decide(key, cost);
  }

  async consume(key: string, cost: number): Promise<RateLimitDecision> {
    return this.consumeSync(key, cost);
  }

  getPolicy(): Readonly<TokenBucketPolicy> {
    return this.#limiter.getPolicy();
  }

  dispose(): void {
    this.#limiter.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#limiter[Symbol.asyncDispose]();
  }
}

function checkPolicy(policy: TokenBucketPolicy): Readonly<TokenBucketPolicy> {
  if (typeof policy !== "object" || policy === null) throw new OptionError("policy", policy, "an object with capacity and tokensPerSecond");
  const { capacity, tokensPerSecond, prefix } = policy;
  if (typeof capacity !== "number" || !Number.isFinite(capacity) || capacity < 1) throw new OptionError("capacity", capacity, "a finite number of at least 1");
  checkPositive("tokensPerSecond", tokensPerSecond);
  if (prefix === undefined) return Object.freeze({ capacity, tokensPerSecond });
  if (typeof prefix !== "string") throw new OptionError("prefix", prefix, "a string");
  return Object.freeze({ capacity, tokensPerSecond, prefix });
}

function short(decision: LimitDecision): RateLimitDecision {
  const { allowed, remaining, retryAfterMs } = decision;
  return allowed ? { allowed, remaining } : { allowed, remaining, retryAfterMs };
}
