/** Limits on any driver: every decision is one step of one algorithm on one key. Leases are handed in, so that those who lease nothing carry none. */

import { checkString } from "../../core/check.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import { MAX_KEY_BYTES, escapeKeyPart } from "../../core/keys.ts";
import { chain, type MaybePromise } from "../../core/maybe-promise.ts";
import type { FixedWindowDecision } from "../algorithms/fixed-window.ts";
import type { Algorithm, DriverCapabilities, StateDriver } from "../contracts/driver.ts";
import type { LimitCommand, LimitDecision, LimitPolicy, LimitTicket } from "../contracts/limits.ts";
import type { LeaseStats } from "../lease/leased-decision.ts";
import { checkCost } from "../limit-policy.ts";
import { countingWindow } from "./counting-window.ts";
import type { LeasedLimit, LeasedLimits, NameOf } from "./leased-limits.ts";
import { PolicyMemo, type ReadyLimit } from "./policy-memo.ts";
import type { DriverRateLimitStore, RateLimitStoreOptions } from "./rate-limit-store.ts";
import { type Run, runnerOn } from "./runner.ts";

/** What limits need of a driver. */
export type LimitDriver = Pick<StateDriver, "name" | "capabilities" | "run" | "runSync" | "table">;

type Leases = Pick<LeasedLimits, "of" | "close" | "stats">;

export interface DriverLimitsOptions extends Omit<RateLimitStoreOptions, "lease"> {
  readonly leases?: Leases;
}

/** Keys, of all limits together, that are kept as they are stored. */
const KEYS_KEPT = 16_384;

export class DriverLimits implements DriverRateLimitStore {
  readonly capabilities: DriverCapabilities;
  readonly #prefix: string;
  readonly #run: Run;
  readonly #memo: PolicyMemo;
  /** The policy of the last `increment`, as most calls repeat the window of the one before. */
  #counter: Counter = { seconds: Number.NaN, policy: undefined as never };
  readonly #leases: Leases | undefined;
  readonly leased: boolean;
  readonly leaseStats?: () => LeaseStats;
  #onDestroy: (() => void) | undefined;
  #destroyed = false;
  #kept = 0;
  /** Those that hold a key. */
  readonly #keeping = new Set<Map<string, string>>();

  constructor(driver: LimitDriver, options: DriverLimitsOptions = {}) {
    if (!driver.capabilities.atomic) {
      throw new StoreError("STORE_CAPABILITY", `the driver "${driver.name}" cannot carry exact limits: its steps are not atomic; use one whose are, such as a Durable Object or memory`);
    }
    this.capabilities = driver.capabilities;
    this.#prefix = checkString("prefix", options.prefix ?? "rl");
    this.#run = runnerOn(driver, options.run);
    this.#memo = new PolicyMemo(driver, this.#prefix);
    this.#leases = options.leases;
    this.leased = options.leases !== undefined;
    if (options.leases !== undefined) this.leaseStats = options.leases.stats.bind(options.leases);
    this.#onDestroy = options.onDestroy;
  }

  increment(key: string, windowSeconds: number): MaybePromise<{ count: number; resetAt: number }> {
    if (this.#counter.seconds !== windowSeconds) this.#counter = { seconds: windowSeconds, policy: countingWindow(windowSeconds) };
    return chain(this.#charge(key, this.#memo.one(this.#counter.policy), 1) as MaybePromise<FixedWindowDecision>, ({ count, resetAt }) => ({ count, resetAt }));
  }

  check(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision> {
    const ready = this.#memo.one(policy);
    const leased = this.#leases?.of(policy, ready.limit, this.#name);
    if (leased !== undefined) {
      this.#checkOpen();
      return leased.limiter.check(key, checkCost(leased.terms.limit, cost));
    }
    return this.#charge(key, ready, cost);
  }

  #charge(key: string, ready: ReadyLimit, cost: number): MaybePromise<LimitDecision> {
    const { limit, table, command } = ready;
    if (table === undefined || this.#destroyed) {
      checkCost(limit, cost);
      if (ready.sent.cost !== cost) ready.sent = { cost, policy: limit.policy };
      return this.#run(limit.algorithm, this.#known(key, ready), ready.sent);
    }
    command.cost = checkCost(limit, cost);
    return table.run(key, command);
  }

  checkAll(key: string, policies: readonly LimitPolicy[], cost: number): MaybePromise<LimitDecision[]> {
    const { limits, table } = this.#memo.all(policies);
    if (limits.members.length === 1) return chain(this.check(key, policies[0] as LimitPolicy, cost), (decision) => [decision]);
    for (const limit of limits.members) checkCost(limit, cost);
    const command = { cost, policies: limits.policies };
    const decided = table === undefined || this.#destroyed ? this.#run(limits.algorithm, this.#key(key, limits.keySuffix), command) : table.run(key, command);
    return chain(decided, ({ decisions }) => [...decisions]);
  }

  reserve(key: string, policy: LimitPolicy, cost: number): MaybePromise<LimitDecision> {
    const ready = this.#memo.one(policy);
    const terms = this.#leases?.of(policy, ready.limit, this.#name)?.terms;
    return this.#once(key, ready, terms, { cost: checkCost(ready.limit, cost), policy: (terms ?? ready.limit).policy, ticket: true });
  }

  settle(key: string, policy: LimitPolicy, ticket: LimitTicket | undefined, actual: number): MaybePromise<LimitDecision> {
    const ready = this.#memo.one(policy);
    const terms = this.#leases?.of(policy, ready.limit, this.#name)?.terms;
    return this.#once(key, ready, terms, { settle: ticket ?? { era: 0, at: 0, need: 0 }, actual: checkCost(ready.limit, actual), policy: (terms ?? ready.limit).policy });
  }

  #once(key: string, { limit, table }: ReadyLimit, terms: LeasedLimit["terms"] | undefined, command: LimitCommand<unknown>): MaybePromise<LimitDecision> {
    if (table !== undefined && terms === undefined && !this.#destroyed) return table.run(key, command as never);
    const algorithm = (terms ?? limit).algorithm as Algorithm<unknown, LimitCommand<unknown>, LimitDecision>;
    const physical = this.#key(key, (terms?.limit ?? limit).keySuffix);
    if (!("ticket" in command)) return this.#run(algorithm, physical, command);
    const { policy } = command;
    // An admission that nobody received. Of `check` it stays charged: a ticket and a hook for each call would cost more than they save.
    const onLateReply = ({ ticket }: LimitDecision): void => {
      if (ticket !== undefined) void Promise.resolve(this.#run(algorithm, physical, { refund: ticket, policy })).catch(() => undefined);
    };
    return this.#run(algorithm, physical, command, { onLateReply });
  }

  destroy(): void {
    this.#destroyed = true;
    if (this.#leases === undefined) this.#end();
    else void this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#destroyed = true;
    // Units go back by the way that `onDestroy` may end.
    await this.#leases?.close();
    this.#end();
  }

  #end(): void {
    const onDestroy = this.#onDestroy;
    this.#onDestroy = undefined;
    onDestroy?.();
  }

  #known(key: string, ready: ReadyLimit): string {
    const known = ready.keys.get(key);
    if (known !== undefined && !this.#destroyed) return known;
    const built = this.#key(key, ready.limit.keySuffix);
    if (key.length > MAX_KEY_BYTES) return built;
    if (this.#kept >= KEYS_KEPT) {
      // Also those of policies that are used no more.
      for (const keys of this.#keeping) keys.clear();
      this.#keeping.clear();
      this.#kept = 0;
    }
    this.#kept++;
    this.#keeping.add(ready.keys);
    ready.keys.set(key, built);
    return built;
  }

  readonly #name: NameOf = (key, suffix) => this.#key(key, suffix);

  #checkOpen(): void {
    if (this.#destroyed) throw new StoreError("STORE_CLOSED", "the rate limit store was destroyed", { outcome: "not-applied" });
  }

  /** Parts are escaped: no key of a user reaches another policy's, or another user's. */
  #key(key: string, suffix: string): string {
    this.#checkOpen();
    if (typeof key !== "string" || key.length === 0) throw new OptionError("key", key, "a non-empty string");
    return `${escapeKeyPart(this.#prefix)}:${escapeKeyPart(key)}:${suffix}`;
  }
}

interface Counter {
  readonly seconds: number;
  readonly policy: LimitPolicy;
}
