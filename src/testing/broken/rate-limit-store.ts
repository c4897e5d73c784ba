/**
 * A plain rate limit store for the tests of the suite, written apart from the product: a full log for sliding windows,
 * nothing compact anywhere. With a flaw, which is the name of a rule, it breaks that rule.
 */

import type { Clock } from "../../core/clock.ts";
import type { LimitDecision, LimitPolicy, RateLimitStore } from "../../state/contracts/limits.ts";

/** What one key has spent under one policy. The log serves all three algorithms. */
interface Spent {
  log: { at: number; cost: number }[];
  start: number;
  owed: number;
  last: number;
  end: number;
}

export type LimitBackend = Map<string, Spent>;

export interface PlainRateLimitStoreOptions {
  readonly clock: Clock;
  readonly flaw?: string;
  readonly backend?: LimitBackend;
  readonly maxKeys?: number;
}

export class PlainRateLimitStore implements RateLimitStore {
  readonly capabilities: { shared: boolean } = { shared: true };
  private readonly options: PlainRateLimitStoreOptions;
  private readonly map: LimitBackend;
  private destroyed = false;

  constructor(options: PlainRateLimitStoreOptions) {
    this.options = options;
    this.map = options.backend ?? new Map<string, Spent>();
  }

  private is(flaw: string): boolean {
    return this.options.flaw === flaw;
  }

  /** Rules that exist once for each algorithm. */
  private isFor(policy: LimitPolicy, rule: string): boolean {
    return this.options.flaw === `${policy.algorithm}/${rule}`;
  }

  async increment(key: string, windowSeconds: number): Promise<{ count: number; resetAt: number }> {
    if (!this.is("increment/domain") && !(typeof windowSeconds === "number" && windowSeconds > 0 && Number.isFinite(windowSeconds))) throw new RangeError("windowSeconds");
    let name = this.is("increment/keys") ? `count ${key.replace(/\0.*$/s, "")}` : `count ${key}`;
    if (this.is("increment/keys#object")) name = `count ${key in {} ? "" : key}`;
    const windowMs = this.is("increment/fractional-window") ? Math.ceil(windowSeconds) * 1000 : Math.ceil(windowSeconds * 1000);
    const now = this.options.clock.now();
    let spent = this.at(name, now);
    if (!this.is("increment/clock-steps-back") && now < spent.start) spent.start = Math.floor(now);
    const late = this.is("increment/window-ends") ? 1 : 0;
    if (spent.log.length > 0 && now >= spent.start + windowMs + late) spent.log = [];
    if (spent.log.length === 0) spent.start = Math.floor(now);
    if (this.is("increment/reset-at") || this.is("increment/window-ends#slides")) spent.start = Math.floor(now);
    if (this.is("increment/each-number-once")) {
      spent = { ...spent, log: [...spent.log] };
      await undefined;
    }
    spent.log.push({ at: now, cost: 1 });
    spent.end = spent.start + windowMs;
    this.map.set(name, spent);
    const count = this.is("increment/count-up") ? spent.log.length - 1 : spent.log.length;
    return { count, resetAt: spent.start + windowMs };
  }

  async check(key: string, policy: LimitPolicy, cost: number): Promise<LimitDecision> {
    this.validate(policy, cost, `${policy.algorithm}/domain`);
    if (this.isFor(policy, "concurrent")) {
      const decision = this.charge(key, policy, cost, "try");
      await undefined;
      if (decision.allowed) this.charge(key, policy, cost, "force");
      return decision;
    }
    return this.charge(key, policy, cost, "charge");
  }

  async checkAll(key: string, policies: readonly LimitPolicy[], cost: number): Promise<LimitDecision[]> {
    for (const policy of policies) this.validate(policy, cost, "check-all/domain");
    const names = policies.map((_, i) => `${key} all ${i}`);
    const run = (mode: "try" | "charge" | "force"): LimitDecision[] => policies.map((policy, i) => this.charge(names[i] as string, policy, cost, mode));
    const tried = run("try");
    if (this.is("check-all/concurrent")) await undefined;
    if (this.is("check-all/cost-above-one-limit") && tried.some(({ retryAfterMs }) => retryAfterMs === null)) return run("charge");
    if (this.is("check-all/never-above")) return [this.charge(names[0] as string, policies[0] as LimitPolicy, cost, "charge"), ...tried.slice(1)];
    const charged = this.is("check-all/all-or-nothing") ? run("charge") : tried.every(({ allowed }) => allowed) ? run(this.is("check-all/concurrent") ? "force" : "charge") : tried;
    return this.is("check-all/decisions-in-order") ? charged.toReversed() : charged;
  }

  private validate(policy: LimitPolicy, cost: unknown, flaw: string): void {
    if (this.is(flaw)) return;
    const whole = policy.algorithm !== "token-bucket";
    const good = (value: unknown, min: number): boolean => typeof value === "number" && Number.isFinite(value) && value >= min;
    if (!good(cost, 0) || (whole && !Number.isInteger(cost))) throw new RangeError("cost");
    if (!good(policy.max, 0) || !good(policy.windowMs, 1)) throw new RangeError("policy");
    if (!["fixed-window", "sliding-window", "token-bucket"].includes(policy.algorithm)) throw new RangeError("algorithm");
  }

  private at(name: string, now: number): Spent {
    const found = this.map.get(name);
    if (found !== undefined) return found;
    const { maxKeys } = this.options;
    if (maxKeys !== undefined && this.map.size >= maxKeys) {
      if (!this.is("bound/full-ends")) for (const [other, { end }] of this.map) if (end <= now) this.map.delete(other);
      const oldest = this.is("bound/flood-frees-no-counter") || this.is("bound/flood-frees-no-limit");
      if (oldest) this.map.delete(this.map.keys().next().value as string);
      else if (this.map.size >= maxKeys) name = "overflow";
      if (this.is("bound/full-is-not-free")) return blank(now);
    }
    const existing = this.map.get(name);
    if (existing !== undefined) return existing;
    const spent = blank(now);
    this.map.set(name, spent);
    return spent;
  }

  private charge(key: string, policy: LimitPolicy, cost: number, mode: "try" | "charge" | "force"): LimitDecision {
    const now = this.options.clock.now();
    const spent = this.at(`limit ${this.isFor(policy, "keys") ? key.normalize("NFC") : key} ${policy.algorithm} ${policy.windowMs}`, now);
    if (now < spent.last && !this.isFor(policy, "clock-steps-back")) reanchor(spent, spent.last - now);
    if (now < spent.last && this.is("token-bucket/clock-steps-back")) spent.owed = 0;
    if (now - spent.last > 3_600_000 && this.isFor(policy, "clock-steps-forward")) return this.decision(policy, true, policy.max, null, 0);
    const decision = policy.algorithm === "token-bucket" ? this.bucket(spent, policy, cost, now, mode) : this.window(spent, policy, cost, now, mode);
    spent.last = now;
    return decision;
  }

  private window(spent: Spent, policy: LimitPolicy & { algorithm: "fixed-window" | "sliding-window" }, cost: number, now: number, mode: string): LimitDecision {
    const { max } = policy;
    let { windowMs } = policy;
    if (this.isFor(policy, "recovers")) windowMs *= 1.2;
    if (this.isFor(policy, "never-above")) windowMs *= 0.5;
    const fixed = policy.algorithm === "fixed-window";
    if (fixed && this.isFor(policy, "never-below")) windowMs *= 1.1;
    if (fixed && spent.log.length > 0 && now >= spent.start + windowMs) spent.log = [];
    if (!fixed) spent.log = spent.log.filter(({ at }) => now < at + windowMs);
    const used = spent.log.reduce((sum, item) => sum + item.cost, 0);
    const fits = used + cost <= max + (this.isFor(policy, "limit") ? 1 : 0);
    const allowed = mode === "force" || fits;
    if ((allowed || this.isFor(policy, "refusal-costs-nothing") || this.isFor(policy, "never-below")) && mode !== "try" && (cost > 0 || this.isFor(policy, "cost-of-zero-reads"))) {
      if (spent.log.length === 0) spent.start = Math.floor(now);
      spent.log.push({ at: now, cost: cost === 0 ? 1 : cost });
    }
    const left = spent.log.reduce((sum, item) => sum + item.cost, 0);
    const freeAt = (need: number): number => {
      if (fixed) return spent.log.length === 0 ? now : spent.start + windowMs;
      let sum = left;
      let at = now;
      for (const item of spent.log) {
        if (sum + need <= max) break;
        sum -= item.cost;
        at = item.at + windowMs;
      }
      return at;
    };
    let retryAfterMs = cost > max ? null : Math.ceil(freeAt(cost) - now);
    if (this.isFor(policy, "promise") && retryAfterMs !== null) retryAfterMs += 1;
    if (this.isFor(policy, "cost-above-the-limit") && retryAfterMs === null) retryAfterMs = windowMs;
    spent.end = fixed ? spent.start + windowMs : now + windowMs;
    return this.decision(policy, allowed, Math.max(0, max - left), retryAfterMs, Math.ceil(freeAt(max) - now));
  }

  private bucket(spent: Spent, policy: LimitPolicy & { algorithm: "token-bucket" }, cost: number, now: number, mode: string): LimitDecision {
    const { max, capacity, windowMs } = policy;
    const rate = this.isFor(policy, "never-above") ? max * 1.1 : this.isFor(policy, "recovers") ? max * 0.9 : max;
    const since = Math.floor(now) - Math.floor(spent.last);
    if (this.isFor(policy, "never-below")) spent.owed = Math.max(0, spent.owed - Math.floor((since * rate) / windowMs) * windowMs);
    else spent.owed = Math.max(0, spent.owed - since * rate);
    const room = (capacity + (this.isFor(policy, "limit") ? 1 : 0)) * windowMs;
    const need = Math.ceil(cost * windowMs);
    const allowed = mode === "force" || spent.owed + need <= room;
    let retryAfterMs = cost > capacity ? null : Math.max(0, Math.ceil((spent.owed + need - room) / rate));
    if ((allowed || this.isFor(policy, "refusal-costs-nothing")) && mode !== "try") spent.owed += this.isFor(policy, "cost-of-zero-reads") && cost === 0 ? windowMs : need;
    if (this.isFor(policy, "promise") && retryAfterMs !== null) retryAfterMs -= 1;
    if (this.isFor(policy, "cost-above-the-limit") && retryAfterMs === null) retryAfterMs = windowMs;
    spent.end = now + spent.owed / rate;
    return this.decision(policy, allowed, Math.max(0, Math.floor((capacity * windowMs - spent.owed) / windowMs)), retryAfterMs, Math.ceil(spent.owed / rate));
  }

  private decision(policy: LimitPolicy, allowed: boolean, remaining: number, retryAfterMs: number | null, resetAfterMs: number): LimitDecision {
    const limit = policy.algorithm === "token-bucket" ? policy.capacity : policy.max;
    return { allowed, limit, remaining, retryAfterMs: allowed ? 0 : retryAfterMs, resetAfterMs: this.isFor(policy, "reset") ? Math.floor(resetAfterMs / 2) : resetAfterMs, debt: 0 };
  }

  destroy(): void {
    if (this.destroyed && this.is("lifecycle/destroy-twice")) throw new Error("already destroyed");
    this.destroyed = true;
    if (this.is("lifecycle/destroy-leaves-the-others")) this.map.clear();
  }
}

function blank(now: number): Spent {
  return { log: [], start: Math.floor(now), owed: 0, last: now, end: now };
}

/** The clock went back: everything that was spent moves with it, and stays. */
function reanchor(spent: Spent, stepMs: number): void {
  spent.start -= stepMs;
  spent.last -= stepMs;
  for (const item of spent.log) item.at -= stepMs;
}
