/** The limiter of an instance that has lost its store: the same policy, divided by the number of instances. */

import { type BucketPolicy, tokenBucket } from "../algorithms/token-bucket.ts";
import type { Algorithm } from "../contracts/driver.ts";
import type { LimitDecision } from "../contracts/limits.ts";
import type { CompiledLimit } from "../limit-policy.ts";

/** Keys of a twin; those beyond share one record, so that no key goes free. */
const MAX_KEYS = 16_384;
const OVERFLOW = "";

/** The limit of one instance among so many. */
interface Part {
  readonly instances: number;
  readonly share: number;
  readonly policy: unknown;
}

interface Entry {
  readonly state: unknown;
  readonly expiresAt: number | undefined;
  /** A record ends as it began, however many instances are seen meanwhile. */
  readonly part: Part;
}

export class LocalTwin {
  private readonly limit: CompiledLimit;
  private readonly instances: () => number;
  private readonly entries = new Map<string, Entry>();
  private last: Part | undefined = undefined;

  /** `instances`: how many limiters share the limit, as last known; each gets its part, rounded up. */
  constructor(limit: CompiledLimit, instances: () => number) {
    this.limit = limit;
    this.instances = instances;
  }

  /** `known`: what was left when the store was last heard; a new record starts from there, not from full. */
  check(key: string, cost: number, now: number, known: number | undefined): LimitDecision {
    let entry = this.entries.get(key);
    if (entry !== undefined && (entry.expiresAt ?? Infinity) <= now) entry = undefined;
    if (entry === undefined && this.entries.size >= MAX_KEYS && !this.makeRoom(now)) {
      key = OVERFLOW;
      entry = this.entries.get(key);
    }
    const part = entry?.part ?? this.part();
    if (entry === undefined && known !== undefined && known < part.share) entry = this.apply(part, undefined, part.share - Math.max(0, Math.floor(known)), now)[0];
    const [next, decision] = this.apply(part, entry, cost, now);
    if (next === undefined) this.entries.delete(key);
    else this.entries.set(key, next);
    return decision;
  }

  /** The store has answered: its word counts again. */
  forget(key: string): void {
    if (this.entries.size > 0) this.entries.delete(key);
  }

  private part(): Part {
    const instances = this.instances();
    if (this.last?.instances === instances) return this.last;
    const { limit, policy, algorithm } = this.limit;
    const share = Math.ceil(limit / instances);
    return (this.last = { instances, share, policy: algorithm === tokenBucket ? sharedBucket(policy as BucketPolicy, instances) : { ...(policy as object), max: share } });
  }

  private apply(part: Part, entry: Entry | undefined, cost: number, now: number): [Entry | undefined, LimitDecision] {
    const { state, reply, expiresAt } = (this.limit.algorithm as Algorithm).step(entry?.state, { cost, policy: part.policy }, now);
    return [state === undefined ? undefined : { state, expiresAt, part }, reply as LimitDecision];
  }

  /** Drops expired records among the oldest; false when there are none. */
  private makeRoom(now: number): boolean {
    let looked = 0;
    for (const [key, { expiresAt }] of this.entries) {
      if ((expiresAt ?? Infinity) <= now) this.entries.delete(key);
      if (++looked === 64) break;
    }
    return this.entries.size < MAX_KEYS;
  }
}

/** A bucket of the k-th part: a token costs k times the units, or, where that leaves the exact domain, the drain is a k-th. */
function sharedBucket(policy: BucketPolicy, instances: number): BucketPolicy {
  const limit = Math.ceil(policy.limit / instances);
  const q = policy.q * instances;
  if (q * (limit + 1) <= 2 ** 51) return { limit, p: policy.p, q, capacityUnits: limit * q, debtUnits: 0 };
  return { limit, p: Math.max(1, Math.floor(policy.p / instances)), q: policy.q, capacityUnits: limit * policy.q, debtUnits: 0 };
}
