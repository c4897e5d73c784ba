/** `DurableObjectRateLimitStore`: every key in an object of its own. */

import { OptionError, StoreError } from "../../core/errors.ts";
import { boundKey, utf8Key } from "../../core/keys.ts";
import type { FixedWindowDecision } from "../../state/algorithms/fixed-window.ts";
import type { AllOfDecision } from "../../state/algorithms/all-of.ts";
import type { Algorithm, DriverCapabilities } from "../../state/contracts/driver.ts";
import type { LimitDecision, LimitPolicy, RateLimitStore } from "../../state/contracts/limits.ts";
import { type CompiledLimit, checkCost, compileLimit, compileLimits, fixedWindowLimit } from "../../state/limit-policy.ts";
import { countingWindow } from "../../state/stores/counting-window.ts";
import { type DurableObjectOptions, ObjectCalls, type OverFetch } from "./object-calls.ts";
import { RUN_PATH } from "./object/paths.ts";
import type { DurableObjectNamespaceLike } from "./types.ts";

/**
 * Exact limits: the object of a key, `idFromName(key)`, is the only one that counts it, whatever isolate asks. The binding's
 * class is `RateLimiterDO`. Calls of concurrent requests for one key share requests to its object, so make the store once per
 * isolate.
 *
 * An object that has no RPC (an old compatibility date) is asked over `fetch`; one that knows only `?window=` serves `increment`.
 *
 * @throws OptionError for a binding that is not there, which says how to add it.
 *
 * @example
 * import { env } from "cloudflare:workers";
 * const store = new DurableObjectRateLimitStore(env.RATE_LIMITER);
 */
export class DurableObjectRateLimitStore implements RateLimitStore {
  readonly capabilities: DriverCapabilities;
  readonly #driver: ObjectCalls;
  #destroyed = false;

  constructor(namespace: DurableObjectNamespaceLike, options: DurableObjectOptions = {}) {
    this.#driver = new ObjectCalls(namespace, "RateLimiterDO", options, overFetch);
    this.capabilities = this.#driver.capabilities;
  }

  /** Requests to objects, and commands in them, so far. */
  get stats(): { readonly requests: number; readonly commands: number } {
    return this.#driver.stats;
  }

  async increment(key: string, windowSeconds: number): Promise<{ count: number; resetAt: number }> {
    const limit = fixedWindowLimit(countingWindow(windowSeconds));
    const { count, resetAt } = (await this.#run(this.#name(key), limit.algorithm as Algorithm, limit.keySuffix, { cost: 1, policy: limit.policy })) as FixedWindowDecision;
    return { count, resetAt };
  }

  async check(key: string, policy: LimitPolicy, cost: number): Promise<LimitDecision> {
    const limit: CompiledLimit = compileLimit(policy);
    return (await this.#run(this.#name(key), limit.algorithm, limit.keySuffix, { cost: checkCost(limit, cost), policy: limit.policy })) as LimitDecision;
  }

  async checkAll(key: string, policies: readonly LimitPolicy[], cost: number): Promise<LimitDecision[]> {
    const limits = compileLimits(policies);
    if (limits.members.length === 1) return [await this.check(key, policies[0] as LimitPolicy, cost)];
    for (const limit of limits.members) checkCost(limit, cost);
    const { decisions } = (await this.#run(this.#name(key), limits.algorithm, limits.keySuffix, { cost, policies: limits.policies })) as AllOfDecision;
    return [...decisions];
  }

  /** Refuses further use; what is on the way ends by itself. Objects stay: they are not this store's. */
  destroy(): void {
    this.#destroyed = true;
  }

  async #run(name: string, algorithm: Algorithm, key: string, command: unknown): Promise<unknown> {
    const [reply] = await this.#driver.runIn(name, { algorithm, key, commands: [command] });
    if (reply instanceof Error) throw reply;
    return reply;
  }

  #name(key: string): string {
    if (this.#destroyed) throw new StoreError("STORE_CLOSED", "the rate limit store was destroyed", { outcome: "not-applied" });
    if (typeof key !== "string" || key.length === 0) throw new OptionError("key", key, "a non-empty string");
    return utf8Key(boundKey(key));
  }
}

/** Counts one by one as `?window=`, which every object of a limit knows; the rest needs the package's own class. */
const overFetch: OverFetch = async (batch, ask) => {
  const replies: unknown[] = [];
  for (const operation of batch) {
    if (!operation.commands.every(isCount)) {
      replies.push(((await ask(RUN_PATH, [operation])) as unknown[])[0]);
      continue;
    }
    const counts: unknown[] = [];
    for (const command of operation.commands) counts.push(counted(await ask(`/?window=${(command as Count).policy.windowMs / 1000}`)));
    replies.push({ replies: counts });
  }
  return replies;
};

interface Count {
  readonly cost: number;
  readonly policy: { readonly max: number; readonly windowMs: number };
}

function isCount(command: unknown): boolean {
  const { cost, policy } = command as Partial<Count>;
  return cost === 1 && policy?.max === Number.MAX_SAFE_INTEGER && typeof policy.windowMs === "number";
}

function counted(answer: unknown): { count: number; resetAt: number } {
  const { count, resetAt } = (answer ?? {}) as { count?: unknown; resetAt?: unknown };
  if (typeof count === "number" && Number.isFinite(count) && typeof resetAt === "number" && Number.isFinite(resetAt)) return { count, resetAt };
  throw new StoreError("STORE_CORRUPT", "the object of a limit gave an answer without count and resetAt", { outcome: "unknown" });
}
