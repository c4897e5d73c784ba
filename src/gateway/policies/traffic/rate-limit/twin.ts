/** The in-process stand-in of a limit's store while that is away. */

import { isPromise } from "../../../../core/maybe-promise.ts";
import type { LimitDecision, LimitPolicy } from "../../../../state/contracts/limits.ts";
import { rateLimits } from "../../../local-kinds.ts";
import type { LocalStores } from "../../../types.ts";

/** Callers whose latest decision is remembered. One that is forgotten starts from a full limit. */
const REMEMBERED = 10_000;

interface Known {
  readonly remaining: readonly number[];
  readonly at: number;
}

/**
 * Decides while the store is away: never more than the limit per window and process. A caller goes on from what the
 * store last said it had left, where that is at most a window old.
 */
export class LimitTwin {
  private readonly local: LocalStores;
  private readonly now: () => number;
  private readonly known = new Map<string, Known>();

  constructor(local: LocalStores, now: () => number) {
    this.local = local;
    this.now = now;
  }

  /** Notes what the store said. */
  remember(key: string, decisions: readonly LimitDecision[]): void {
    this.known.delete(key);
    if (this.known.size >= REMEMBERED) {
      for (const oldest of this.known.keys()) {
        this.known.delete(oldest);
        break;
      }
    }
    this.known.set(key, { remaining: decisions.map((decision) => decision.remaining), at: this.now() });
  }

  /** `outage` numbers the outages of the store: what an earlier one counted is not counted on. */
  decide(key: string, limits: readonly LimitPolicy[], cost: number, outage: number): LimitDecision[] {
    // A key part holds no `:`, so nothing a caller sends ends in such a suffix.
    const keys = limits.map((_, i) => `${key}:~${outage}:${i}`);
    const known = this.known.get(key);
    if (known !== undefined) {
      this.known.delete(key);
      this.spend(keys, limits, known);
    }
    const seen = limits.map((limit, i) => this.check(keys[i] as string, limit, limits.length === 1 ? cost : 0));
    if (limits.length === 1) return seen;
    // Nothing runs between the reads and the charges, so all limits are charged or none.
    const refuses = seen.some((decision) => decision.remaining < cost);
    return limits.map((limit, i) => {
      const before = seen[i] as LimitDecision;
      return refuses && before.remaining >= cost ? before : this.check(keys[i] as string, limit, cost);
    });
  }

  private check(key: string, limit: LimitPolicy, cost: number): LimitDecision {
    const decision = this.local.of(rateLimits).check?.(key, limit, cost);
    if (decision === undefined || isPromise(decision)) throw new TypeError("the stand-in of a limit must answer at once");
    return decision;
  }

  /** Charges what the caller had used already. */
  private spend(keys: readonly string[], limits: readonly LimitPolicy[], known: Known): void {
    const now = this.now();
    limits.forEach((limit, i) => {
      const used = capacityOf(limit) - (known.remaining[i] ?? Infinity);
      if (used > 0 && now - known.at < limit.windowMs) this.check(keys[i] as string, limit, used);
    });
  }
}

function capacityOf(limit: LimitPolicy): number {
  return limit.algorithm === "token-bucket" ? Math.floor(limit.capacity) : limit.max;
}
