/** `rateLimit`: how much of a route one caller may use in a window. */

import type { Context } from "hono";
import { checkFunction, checkInteger, checkOneOf, checkString } from "../../../core/check.ts";
import { OptionError, stackless } from "../../../core/errors.ts";
import { boundKey, escapeKeyPart, joinKey } from "../../../core/keys.ts";
import { isPromise, type MaybePromise } from "../../../core/maybe-promise.ts";
import type { LimitDecision, LimitPolicy, RateLimitStore } from "../../../state/contracts/limits.ts";
import { definePolicy, type PolicyFactory, type PolicyTools } from "../../define-policy.ts";
import { GatewayError, policyError } from "../../errors.ts";
import { isDebugRequested, setDebugHeader } from "../../operation/debug-headers.ts";
import { callerNetwork } from "../../ip-address.ts";
import { Priority } from "../../priority.ts";
import { rateLimits } from "../../local-kinds.ts";
import { StoreFailure, isRemote, storeSource, storeUnavailable, type StoreSource } from "../../store-call.ts";
import type { FailMode, Next, PolicyContext, PolicyOptions, PolicySite } from "../../types.ts";
import { areDecisions } from "./rate-limit/decide.ts";
import { retryAfterSeconds, writeRateLimitHeaders, type AppliedLimit, type RateLimitHeaders } from "./rate-limit/headers.ts";
import { dynamicPolicy, limitsOf, type Limit, type RateLimitAlgorithm, type RateLimitWindow } from "./rate-limit/limits.ts";
import { addToReport, refusalFields } from "./rate-limit/report.ts";
import { decideFor, giveBack, takesBack, type Returnable } from "./rate-limit/returnable.ts";
import { LimitTwin } from "./rate-limit/twin.ts";

export type { RateLimitAlgorithm, RateLimitHeaders, RateLimitWindow };

/** Whom a limit counts: a function of the request, or the identity an auth policy established. */
export type RateLimitKey = "identity" | ((c: Context) => MaybePromise<string | null | undefined>);

interface RateLimitCommon extends PolicyOptions {
  /** `sliding-window`: no interval of the window ever holds more than `max`. @default "sliding-window" */
  readonly algorithm?: RateLimitAlgorithm;
  /** Tokens a full bucket holds; `token-bucket` only. @default max */
  readonly burst?: number;
  /** What a request uses up; 0 reads without using. Only a token bucket takes fractions. @default 1 */
  readonly cost?: number | ((c: Context) => MaybePromise<number>);
  /** Whom it counts; nothing or an empty text means the client's address. @default the client's address */
  readonly keyBy?: RateLimitKey;
  /** Takes the place of route and policy in the key: limits of this gateway with one prefix share their counts. */
  readonly keyPrefix?: string;
  /** Where the counts are kept. @default the adapter's `rateLimitStore`, else one in memory */
  readonly store?: RateLimitStore;
  /** When the store is away: go on without limit, refuse with 503, or count in this process. @default "local" */
  readonly failMode?: FailMode;
  /** Status of a refusal. @default 429 */
  readonly statusCode?: number;
  /** Detail of a refusal. @default "Rate limit exceeded" */
  readonly message?: string;
  /** Request fields that may hold the client's address, where `trustProxy` lets them count. */
  readonly ipHeaders?: readonly string[];
  /** Which fields say what is left: `RateLimit` and `RateLimit-Policy`, `x-ratelimit-*`, both or none. @default "both" */
  readonly headers?: RateLimitHeaders;
  /** Counts and reports, and refuses nobody. @default false */
  readonly dryRun?: boolean;
}

/** One limit, several, or both. */
export type RateLimitConfig = RateLimitCommon &
  (
    | {
        /** Most cost in a window: an integer of at least 1, or a function that may also give 0. */
        readonly max: number | ((c: Context) => MaybePromise<number>);
        /** Length of the window; fractions to the millisecond. @default 60 */
        readonly windowSeconds?: number;
        /** Further limits on the same caller: a request passes all of them, or none is charged. Alone, it makes `max` needless. */
        readonly windows?: readonly RateLimitWindow[];
      }
    | {
        readonly max?: undefined;
        readonly windowSeconds?: undefined;
        /** Several limits on the same caller: a request passes all of them, or none is charged. */
        readonly windows: readonly RateLimitWindow[];
      }
  );

/**
 * Limits how often a caller gets through. Refuses with 429 `rate_limited`, `retry-after` and a problem document that
 * lists the `violated-policies`; every answer carries what is left (`RateLimit`, `RateLimit-Policy`, `x-ratelimit-*`).
 *
 * ```ts
 * rateLimit({ max: 100, windowSeconds: 60 })
 * rateLimit({ name: "burst", windows: [{ max: 10, windowSeconds: 1 }, { max: 1000, windowSeconds: 3600 }], keyBy: "identity" })
 * ```
 */
export const rateLimit: PolicyFactory<RateLimitConfig> = /* @__PURE__ */ definePolicy<RateLimitConfig, RateLimitState>({
  name: "rate-limit",
  httpOnly: true,
  priority: Priority.RATE_LIMIT,
  validate,
  setup: (config, site) => new RateLimitState(config, site),
  prepares: (config, site) => isRemote(config.store ?? site.adapter?.rateLimitStore),
  // A charge behind another limit may turn out not to be due: it is made beforehand only where it can be given back.
  prepare: (c, tools, first) => {
    const { state, gateway } = tools;
    if (first) return { value: charge(c, tools, false) };
    if (!takesBack(state.stores.of(gateway.adapter)?.store, state.limits.length)) return undefined;
    const value = charge(c, tools, true);
    return { value, undo: () => giveBack(value) };
  },
  handler: (c, next, tools) => {
    const charged = tools.prepared === undefined ? charge(c, tools, false) : (tools.prepared as MaybePromise<Charge>);
    return isPromise(charged) ? charged.then((known) => answer(c, next, tools, known)) : answer(c, next, tools, charged);
  },
});

const MAX_COST = 2 ** 31 - 1;

class RateLimitState {
  readonly limits: readonly Limit[];
  /** Present when no `max` is a function. */
  readonly fixedPolicies: readonly LimitPolicy[] | undefined;
  readonly cost: number | ((c: Context) => MaybePromise<number>);
  readonly fractions: boolean;
  readonly failMode: FailMode;
  readonly stores: StoreSource<RateLimitStore>;
  readonly twin: LimitTwin | undefined;
  readonly now: () => number;
  private readonly keyBy: RateLimitKey | undefined;
  private readonly prefix: string;
  private readonly ipHeaders: readonly string[] | undefined;
  private readonly site: PolicySite;
  private readonly dynamic = new Map<number, LimitPolicy>();
  private readonly algorithm: RateLimitAlgorithm;
  private readonly burst: number | undefined;
  private limitedTold = false;

  constructor(config: RateLimitConfig, site: PolicySite) {
    this.limits = limitsOf(config);
    this.fixedPolicies = this.limits.every((one) => one.policy !== undefined) ? this.limits.map((one) => one.policy as LimitPolicy) : undefined;
    this.cost = config.cost ?? 1;
    this.algorithm = config.algorithm ?? "sliding-window";
    this.burst = config.burst;
    this.fractions = this.algorithm === "token-bucket";
    this.failMode = config.failMode ?? "local";
    this.keyBy = config.keyBy;
    this.ipHeaders = config.ipHeaders;
    // No route or scope is empty, so a prefix never spells the scope of another policy.
    this.prefix = config.keyPrefix === undefined ? site.scopeKey : joinKey(site.gatewayName, "", config.keyPrefix);
    this.site = site;
    this.now = () => site.clock.now();
    const known = config.store ?? site.adapter?.rateLimitStore;
    if (known !== undefined) requireCost(known, this.cost, site);
    this.stores = storeSource(site, rateLimits, config.store, this.failMode);
    this.twin = this.failMode === "local" ? site.keep("twin", () => new LimitTwin(site.local, this.now)) : undefined;
  }

  /** The key of the caller. What a caller chooses, what an auth policy established and an address are told apart. */
  keyOf(c: Context, gateway: PolicyContext): MaybePromise<string> {
    const { keyBy } = this;
    if (keyBy === undefined) return this.addressKey(gateway);
    if (keyBy === "identity") {
      const { identity } = gateway;
      return identity === undefined || identity.id === "" ? this.addressKey(gateway) : boundKey(`${this.prefix}:i:${joinKey(identity.scheme, identity.id)}`);
    }
    try {
      const key = keyBy(c);
      if (!isPromise(key)) return this.userKey(key, gateway);
      return key.then((found) => this.userKey(found, gateway)).catch((error: unknown) => Promise.reject(policyError(this.site.policyName, error)));
    } catch (error) {
      throw policyError(this.site.policyName, error);
    }
  }

  policyOf(limit: Limit, max: number): LimitPolicy {
    if (limit.policy !== undefined) return limit.policy;
    let policy = this.dynamic.get(max);
    if (policy === undefined) {
      policy = dynamicPolicy(max, limit.windowMs, this.algorithm, this.burst);
      if (this.dynamic.size >= 64) this.dynamic.clear();
      this.dynamic.set(max, policy);
    }
    return policy;
  }

  /** Says once what a store with less than `checkAll` cannot do. */
  tellLimits(store: RateLimitStore): void {
    if (this.limitedTold) return;
    const { policyName, events } = this.site;
    const several = this.limits.length > 1;
    if (store.check === undefined && (this.algorithm !== "fixed-window" || several)) {
      this.limitedTold = true;
      events.emit({ type: "store.limited", policy: policyName, message: `The rateLimitStore has only increment(): fixed windows are counted in the place of "${this.algorithm}"${several ? ", and several windows one after the other" : ""}` });
    } else if (store.check !== undefined && store.checkAll === undefined && several) {
      this.limitedTold = true;
      events.emit({ type: "store.limited", policy: policyName, message: "The rateLimitStore has no checkAll(): several windows are read first and then charged one after the other" });
    }
    requireCost(store, this.cost, this.site);
  }

  private addressKey(gateway: PolicyContext): string {
    const address = this.ipHeaders === undefined ? gateway.clientIp : gateway.clientAddress(this.ipHeaders);
    return `${this.prefix}:a:${escapeKeyPart(callerNetwork(address))}`;
  }

  private userKey(key: unknown, gateway: PolicyContext): string {
    if (key === undefined || key === null || key === "") return this.addressKey(gateway);
    if (typeof key !== "string") throw policyError(this.site.policyName, new OptionError("keyBy", key, "a function that gives a string"));
    return boundKey(`${this.prefix}:k:${escapeKeyPart(key)}`);
  }
}

type Tools = PolicyTools<RateLimitConfig, RateLimitState>;

/** What was asked of the store, and its word. */
interface Charge extends Returnable {
  readonly cost: number;
}

function charge(c: Context, tools: Tools, returnable: boolean): MaybePromise<Charge> {
  const { fixedPolicies: fixed, cost } = tools.state;
  if (fixed === undefined || typeof cost !== "number") return chargeByCallbacks(c, tools, returnable);
  const key = tools.state.keyOf(c, tools.gateway);
  return isPromise(key) ? key.then((found) => ask(tools, found, fixed, cost, returnable)) : ask(tools, key, fixed, cost, returnable);
}

/** `max` or `cost` is a function of the request. */
async function chargeByCallbacks(c: Context, tools: Tools, returnable: boolean): Promise<Charge> {
  const { state, site } = tools;
  const { limits } = state;
  const key = await state.keyOf(c, tools.gateway);
  let policies: LimitPolicy[];
  let cost: number;
  try {
    policies = [];
    for (const one of limits) policies.push(state.policyOf(one, typeof one.max === "function" ? await one.max(c) : one.max));
    cost = checkCost(typeof state.cost === "function" ? await state.cost(c) : state.cost, state.fractions);
  } catch (error) {
    throw policyError(site.policyName, error);
  }
  return ask(tools, key, policies, cost, returnable);
}

function ask(tools: Tools, key: string, policies: readonly LimitPolicy[], cost: number, returnable: boolean): Charge {
  const { state, gateway } = tools;
  const caller = state.stores.of(gateway.adapter);
  if (caller === undefined) throw storeUnavailable();
  state.tellLimits(caller.store);
  const decisions = caller.call(
    "check",
    (store) => decideFor(store, key, policies, cost, state.now, returnable),
    (reply) => areDecisions(reply, policies.length),
  );
  return { caller, key, policies, cost, decisions };
}

function answer(c: Context, next: Next, tools: Tools, charged: Charge): MaybePromise<Response | void> {
  const { decisions } = charged;
  return isPromise(decisions) ? decisions.then((found) => act(c, next, tools, charged, found, true)) : act(c, next, tools, charged, decisions, false);
}

function act(c: Context, next: Next, tools: Tools, { caller, key, policies, cost }: Charge, found: LimitDecision[] | StoreFailure, remote: boolean): MaybePromise<Response | void> {
  const { state, config, gateway, debug, site } = tools;
  let decisions: LimitDecision[];
  if (found instanceof StoreFailure) {
    debug("store failed with %s, mode %s", found.code, state.failMode);
    if (state.twin === undefined) {
      if (state.failMode === "open") return next();
      throw storeUnavailable(found.retryAfterMs);
    }
    decisions = state.twin.decide(key, policies, cost, caller.outages);
  } else {
    if (remote) state.twin?.remember(key, found);
    decisions = found;
  }
  if (site.events.detailed) {
    const word = decisions.every((decision) => decision.allowed) ? "allow" : "refuse";
    site.events.detail({ type: "limit", policy: site.policyName, route: gateway.routePath, decision: found instanceof StoreFailure ? `local-${word}` : word });
  }
  if (isDebugRequested(c)) explain(c, key, policies);
  const shown = config.headers ?? "both";
  const own = decisions.map((decision, i): AppliedLimit => ({ label: (state.limits[i] as Limit).label, max: (policies[i] as LimitPolicy).max, decision, headers: shown }));
  // The outermost policy of the kind writes for all of them, so that one list holds every member.
  const { all, writes } = addToReport(gateway, own);
  if (!decisions.every((decision) => decision.allowed)) {
    debug("refused%s", config.dryRun === true ? " (dry run)" : "");
    if (config.dryRun !== true) throw refusal(config, all, own);
  }
  return writes ? next().then(() => writeRateLimitHeaders(c.res.headers, all)) : next();
}

function explain(c: Context, key: string, policies: readonly LimitPolicy[]): void {
  setDebugHeader(c, "x-sluice-ratelimit-key", key);
  setDebugHeader(c, "x-sluice-ratelimit-window", policies.map((policy) => policy.windowMs / 1000).join(","));
}

function refusal(config: RateLimitConfig, all: readonly AppliedLimit[], own: readonly AppliedLimit[]): GatewayError {
  const headers = refusalFields(all);
  const wait = retryAfterSeconds(own);
  if (wait !== undefined) headers["retry-after"] = String(wait);
  const members = { "violated-policies": own.filter((one) => !one.decision.allowed).map((one) => one.label.name) };
  return stackless(
    () => new GatewayError(config.statusCode ?? 429, "rate_limited", config.message ?? "Rate limit exceeded", headers, { type: "https://iana.org/assignments/http-problem-types#quota-exceeded", members }),
  );
}

function validate(config: RateLimitConfig): void {
  checkOneOf("algorithm", config.algorithm ?? "sliding-window", ["sliding-window", "fixed-window", "token-bucket"]);
  limitsOf(config);
  if (typeof config.cost !== "function") checkCost(config.cost ?? 1, config.algorithm === "token-bucket");
  if (config.keyBy !== undefined && config.keyBy !== "identity" && typeof config.keyBy !== "function") throw new OptionError("keyBy", config.keyBy, 'a function or "identity"');
  if (config.keyPrefix !== undefined && checkString("keyPrefix", config.keyPrefix) === "") throw new OptionError("keyPrefix", "", "a non-empty string");
  if (config.store !== undefined) checkStore(config.store);
  checkOneOf("failMode", config.failMode ?? "local", ["open", "closed", "local"]);
  checkInteger("statusCode", config.statusCode ?? 429, 400, 599);
  if (config.message !== undefined) checkString("message", config.message);
  if (config.ipHeaders !== undefined && !(Array.isArray(config.ipHeaders) && config.ipHeaders.every((name) => typeof name === "string" && name !== ""))) {
    throw new OptionError("ipHeaders", config.ipHeaders, "a list of header names");
  }
  checkOneOf("headers", config.headers ?? "both", ["both", "ietf", "x", "none"]);
  if (config.dryRun !== undefined && typeof config.dryRun !== "boolean") throw new OptionError("dryRun", config.dryRun, "true or false");
}

function checkStore(store: RateLimitStore): void {
  if (typeof store !== "object" || store === null) throw new OptionError("store", store, "a rate limit store");
  if (typeof store.check !== "function" && typeof store.increment !== "function") throw new OptionError("store", store, "a rate limit store with increment() or check()");
  if (store.check !== undefined) checkFunction("store.check", store.check);
}

function checkCost(cost: unknown, fractions: boolean): number {
  if (typeof cost === "number" && cost >= 0 && cost <= MAX_COST && (fractions || Number.isInteger(cost))) return cost;
  throw new OptionError("cost", cost, fractions ? `a number from 0 to ${MAX_COST}` : `an integer from 0 to ${MAX_COST}`);
}

/** A store that can only count one at a time cannot charge a cost. */
function requireCost(store: RateLimitStore, cost: unknown, site: PolicySite): void {
  if (store.check !== undefined || cost === 1) return;
  throw new GatewayError(500, "config_error", `policy "${site.policyName}": option "cost" needs a rateLimitStore with check(); this one has only increment()`);
}
