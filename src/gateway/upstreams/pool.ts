/** Chooses among the targets of one upstream. */

import { unitHash } from "./hash.ts";
import type { Target } from "./target.ts";
import type { TargetHealth } from "./target-health.ts";
import type { Balance } from "./types.ts";

/** A target and what is known of it. */
export interface PoolTarget {
  readonly url: string;
  readonly to: Target;
  readonly weight: number;
  readonly health: TargetHealth;
  /** Active checks ask for it: without them a verdict that there once was says nothing. */
  readonly checked: boolean;
  /** Requests under way, bodies included. */
  pending: number;
  /** Balance of smooth weighted round robin. */
  credit: number;
}

export interface Pool {
  readonly targets: readonly PoolTarget[];
  /**
   * The target of the next request. One `avoid` holds (it failed this request already) is taken only when there is no
   * other; `undefined` when there is none at all. `key` matters to consistent hashing alone.
   */
  pick(avoid: ReadonlySet<string> | undefined, key: string): PoolTarget | undefined;
}

export function createPool(targets: readonly PoolTarget[], balance: Balance, maxEjectedPercent: number): Pool {
  const among = balance === "least-pending" ? leastPending : balance === "consistent-hash" ? byHash : smoothWeighted;
  return {
    targets,
    pick(avoid, key) {
      const open = serving(targets, maxEjectedPercent);
      if (open.length === 0) return undefined;
      const fresh = avoid === undefined || avoid.size === 0 ? open : open.filter((target) => !avoid.has(target.url));
      return among(fresh.length > 0 ? fresh : open, key);
    },
  };
}

/** Targets with a weight that no check has taken out, less the ejected ones unless too many of them are. */
function serving(targets: readonly PoolTarget[], maxEjectedPercent: number): readonly PoolTarget[] {
  let ejected = 0;
  let sound = 0;
  for (const target of targets) {
    if (target.weight === 0 || !isHealthy(target)) continue;
    sound++;
    if (target.health.ejected) ejected++;
  }
  if (sound === targets.length && ejected === 0) return targets;
  const ignoring = ejected * 100 > maxEjectedPercent * sound;
  return targets.filter((target) => target.weight > 0 && isHealthy(target) && (ignoring || !target.health.ejected));
}

export function isHealthy({ checked, health }: PoolTarget): boolean {
  return !checked || health.healthy;
}

/**
 * Smooth weighted round robin: each gets its weight in credit, the richest is taken and pays the sum. Over any run of as
 * many picks as the weights sum up to, each is picked as often as its weight says, as evenly spread as possible.
 */
function smoothWeighted(targets: readonly PoolTarget[]): PoolTarget {
  let best = targets[0] as PoolTarget;
  let sum = 0;
  for (const target of targets) {
    sum += target.weight;
    target.credit += target.weight;
    if (target.credit > best.credit) best = target;
  }
  best.credit -= sum;
  return best;
}

/** Among equals smoothly by weight. */
function leastPending(targets: readonly PoolTarget[]): PoolTarget {
  let least = Infinity;
  for (const { pending, weight } of targets) least = Math.min(least, pending / weight);
  const equals = targets.filter(({ pending, weight }) => pending / weight === least);
  return equals.length === 1 ? (equals[0] as PoolTarget) : smoothWeighted(equals);
}

/** Weighted rendezvous hashing: every key ranks the targets by itself, so one that goes moves only the keys it had. */
function byHash(targets: readonly PoolTarget[], key: string): PoolTarget {
  let best = targets[0] as PoolTarget;
  let bestScore = -Infinity;
  for (const target of targets) {
    // -w / ln(u) is larger than the others' with a probability of w / sum(w) (Mosharaf and others, 2017).
    const score = -target.weight / Math.log(unitHash(`${target.url}\n${key}`) || Number.MIN_VALUE);
    if (score > bestScore) {
      best = target;
      bestScore = score;
    }
  }
  return best;
}
