/**
 * A plain token bucket for the tests of the suite, written apart from the product. With a flaw, which is the name of a
 * rule, it breaks that rule.
 */

import type { Clock } from "../../core/clock.ts";
import type { RateLimitDecision, RateLimiter, TokenBucketPolicy } from "../../state/contracts/limits.ts";

/** What is owed, in the unit of the policy, and when that was true. */
export type BucketBackend = Map<string, { owed: number; last: number }>;

export interface PlainRateLimiterOptions {
  readonly clock: Clock;
  readonly flaw?: string;
  readonly backend?: BucketBackend;
  readonly maxKeys?: number;
}

export class PlainRateLimiter implements RateLimiter {
  private readonly policy: TokenBucketPolicy;
  private readonly options: PlainRateLimiterOptions;
  private readonly map: BucketBackend;
  private disposed = false;

  constructor(policy: TokenBucketPolicy, options: PlainRateLimiterOptions) {
    this.options = options;
    this.map = options.backend ?? new Map<string, { owed: number; last: number }>();
    const good = (value: unknown, min: number): boolean => typeof value === "number" && Number.isFinite(value) && value >= min;
    if (!this.is("policy/domain") && (!good(policy.capacity, 1) || !good(policy.tokensPerSecond, Number.MIN_VALUE))) throw new RangeError("policy");
    if (policy.prefix !== undefined && typeof policy.prefix !== "string") throw new RangeError("prefix");
    this.policy = this.is("policy/copied-and-frozen") ? policy : Object.freeze({ ...policy });
  }

  private is(flaw: string): boolean {
    return this.options.flaw === flaw;
  }

  getPolicy(): Readonly<TokenBucketPolicy> {
    return this.policy;
  }

  consume(key: string, cost: number): Promise<RateLimitDecision> {
    if (this.is("consume/bad-cost#throws") && cost === 0) throw new RangeError("cost");
    return this.later(key, cost);
  }

  private async later(key: string, cost: number): Promise<RateLimitDecision> {
    if (!this.is("consume/concurrent")) return this.consumeSync(key, cost);
    const before = this.map.get(this.name(key));
    const copy = before === undefined ? undefined : { ...before };
    const decision = this.consumeSync(key, cost);
    const after = this.map.get(this.name(key));
    if (copy !== undefined && after !== undefined) this.map.set(this.name(key), copy);
    await undefined;
    if (after !== undefined) this.map.set(this.name(key), after);
    return decision;
  }

  private name(key: string): string {
    const prefix = this.policy.prefix ?? "";
    if (this.is("consume/prefixes")) return `${prefix}:${key}`;
    return `${prefix}\n${this.is("consume/keys") ? key.trim() : key}`;
  }

  consumeSync(key: string, cost: number): RateLimitDecision {
    if (!this.is("consume/bad-cost") && !(Number.isSafeInteger(cost) && cost > 0)) throw new RangeError("cost");
    const tooLong = this.is("consume/bad-key") ? String(key).length > 512 : typeof key !== "string" || key === "" || new TextEncoder().encode(key).length > 512;
    if (tooLong) throw new RangeError("key");
    const { capacity, tokensPerSecond } = this.policy;
    const now = this.options.clock.now();
    // A token is so many units that the rates of the suite drain whole ones per millisecond.
    const [exact, unit] = tokensPerSecond >= 1 ? [tokensPerSecond * 2, 2000] : [1, Math.round(1000 / tokensPerSecond)];
    const name = this.name(key);
    const bucket = this.map.get(name) ?? this.blank(name, now);
    let ms = Math.max(0, Math.floor(now) - bucket.last);
    if (now < bucket.last && this.is("time/clock-steps-back")) ms = 0;
    else bucket.last = Math.floor(now);
    // Loses what comes back between two quick polls.
    if (this.is("time/long-run-rate") && ms < 5) ms = 0;
    if (ms > 3_600_000 && this.is("time/clock-steps-forward")) bucket.owed = -capacity * unit;
    const floor = this.is("time/refill-is-capped") ? Number.NEGATIVE_INFINITY : 0;
    const rate = this.is("time/model") ? exact * 1.001 : exact;
    if (!this.is("time/clock-steps-forward") || ms <= 3_600_000) bucket.owed = Math.max(floor, bucket.owed - ms * rate);
    if (this.is("time/ten-years") && now > 1_700_000_000_000 + 5 * 365 * 86_400_000) bucket.owed = Math.max(bucket.owed, 0) + 1;
    const need = (this.is("consume/weights") ? 1 : cost) * unit;
    const over = bucket.owed + need - (capacity + (this.is("consume/exhaustion") ? 1 : 0)) * unit;
    const allowed = over <= 0;
    if (allowed || this.is("consume/refusal-costs-nothing")) bucket.owed += need;
    const remaining = Math.max(0, Math.floor((capacity * unit - bucket.owed) / unit) - (this.is("consume/first") ? 1 : 0));
    if (allowed) return { allowed, remaining };
    const never = this.is("consume/cost-above-capacity") ? cost >= capacity : cost > capacity;
    return { allowed, remaining, retryAfterMs: never ? null : Math.max(1, Math.ceil(over / exact) - (this.is("time/promise") ? 1 : 0)) };
  }

  private blank(name: string, now: number): { owed: number; last: number } {
    const { maxKeys } = this.options;
    if (maxKeys !== undefined && this.map.size >= maxKeys) {
      if (this.is("bound/flood-frees-no-key")) this.map.delete(this.map.keys().next().value as string);
      else name = "overflow";
    }
    const bucket = this.map.get(name) ?? { owed: 0, last: Math.floor(now) };
    this.map.set(name, bucket);
    return bucket;
  }

  dispose(): void {
    if (this.disposed && this.is("lifecycle/dispose-twice")) throw new Error("already disposed");
    this.disposed = true;
  }
}

/** A limiter whose two ways to consume do not agree. */
export class ForkedRateLimiter extends PlainRateLimiter {
  private readonly other: PlainRateLimiter;

  constructor(policy: TokenBucketPolicy, options: PlainRateLimiterOptions) {
    super(policy, options);
    this.other = new PlainRateLimiter(policy, { clock: options.clock });
  }

  override consumeSync(key: string, cost: number): RateLimitDecision {
    return this.other.consumeSync(key, cost);
  }

  override consume(key: string, cost: number): Promise<RateLimitDecision> {
    return Promise.resolve(super.consumeSync(key, cost));
  }
}
