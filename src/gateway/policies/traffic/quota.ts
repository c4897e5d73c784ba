/** `quota`: how much one caller may use in a calendar period. */

import type { Context } from "hono";
import { checkFunction, checkInteger, checkOneOf, checkString } from "../../../core/check.ts";
import { OptionError, stackless } from "../../../core/errors.ts";
import type { MaybePromise } from "../../../core/maybe-promise.ts";
import { zoneBoundaries } from "../../../state/calendar-policy.ts";
import type { LimitDecision, LimitPolicy, RateLimitStore } from "../../../state/contracts/limits.ts";
import { callback } from "../../callback.ts";
import { definePolicy, type PolicyFactory, type PolicyTools } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { checkFailMode } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import { rateLimits } from "../../local-kinds.ts";
import { StoreFailure, isRemote, storeSource, storeUnavailable, type StoreCaller, type StoreSource } from "../../store-call.ts";
import type { FailMode, PolicyOptions, PolicySite } from "../../types.ts";
import { callbackAmount, callerKey, checkKeyBy } from "./limit-key.ts";
import { areDecisions, decide } from "./rate-limit/decide.ts";
import { limitLabel, writeRateLimitHeaders, type AppliedLimit } from "./rate-limit/headers.ts";
import { addToReport, refusalFields } from "./rate-limit/report.ts";
import { decideFor, giveBack, takesBack } from "./rate-limit/returnable.ts";
import { LimitTwin } from "./rate-limit/twin.ts";
import type { RateLimitKey } from "./rate-limit.ts";

export type QuotaPeriod = "hour" | "day" | "week" | "month";

export interface QuotaConfig extends PolicyOptions {
  /** Most cost in a period: an integer of at least 1. */
  readonly max: number;
  /** Length of a period; weeks begin on Monday. @default "month" */
  readonly period?: QuotaPeriod;
  /** Where days begin: an IANA name such as `Europe/Paris`. @default "UTC" */
  readonly timeZone?: string;
  /** Whom it counts; nothing or an empty text means the client's address. */
  readonly keyBy: RateLimitKey;
  /** What a request uses up, an integer; 0 reads without using. @default 1 */
  readonly cost?: number | ((c: Context) => MaybePromise<number>);
  /** Where the counts are kept. @default the adapter's `rateLimitStore`, else one in memory */
  readonly store?: RateLimitStore;
  /** When the store is away: go on without quota, refuse with 503, or count in this process. @default "closed" */
  readonly failMode?: FailMode;
  /** Detail of a refusal. @default "Quota exceeded" */
  readonly message?: string;
}

interface QuotaState {
  readonly stores: StoreSource<RateLimitStore>;
  readonly twin: LimitTwin | undefined;
  /** Start and end of the period it is now, as far as was computed last. */
  period: readonly [start: number, end: number];
  /** How far the store's clock is ahead of this process's, in ms; `undefined` while a store behind a wire has not said. */
  aheadMs: number | undefined;
}

type Tools = PolicyTools<QuotaConfig, QuotaState>;

/**
 * Refuses with 429 `quota_exceeded` until the next period. Periods are those of the calendar by the store's clock, so processes whose
 * clocks disagree count the same one: a day with a change of the clocks has 23 or 25 hours. Every answer carries what is left (`RateLimit`, `RateLimit-Policy`, `x-ratelimit-*`).
 */
export const quota: PolicyFactory<QuotaConfig> = /* @__PURE__ */ definePolicy<QuotaConfig, QuotaState>({
  name: "quota",
  httpOnly: true,
  priority: Priority.RATE_LIMIT,
  validate(config) {
    checkInteger("max", config.max, 1);
    checkOneOf("period", config.period ?? "month", ["hour", "day", "week", "month"]);
    zoneBoundaries("day", checkString("timeZone", config.timeZone ?? "UTC"), 0);
    if (config.keyBy === undefined) throw new OptionError("keyBy", undefined, 'a function or "identity"');
    checkKeyBy(config.keyBy);
    if (typeof config.cost === "function") checkFunction("cost", config.cost);
    else checkInteger("cost", config.cost ?? 1, 0, 2 ** 31 - 1);
    checkFailMode(config.failMode ?? "closed");
    checkString("message", config.message ?? "");
  },
  setup: (config, site) => ({
    stores: storeSource(site, rateLimits, config.store, config.failMode ?? "closed"),
    twin: config.failMode === "local" ? new LimitTwin(site.local, () => site.clock.now()) : undefined,
    period: [0, 0],
    aheadMs: isRemote(config.store ?? site.adapter?.rateLimitStore) ? undefined : 0,
  }),
  prepares: (config, site) => isRemote(config.store ?? site.adapter?.rateLimitStore),
  // As in rateLimit: what is charged beforehand must be due, or be given back.
  prepare: (c, tools, first) => {
    if (first) return { value: charge(c, tools, false) };
    if (!takesBack(tools.state.stores.of(tools.gateway.adapter)?.store, 1)) return undefined;
    const value = charge(c, tools, true);
    return { value, undo: () => giveBack(value.then(({ caller, key, policy, found }) => ({ caller, key, policies: [policy], decisions: found }))) };
  },
  async handler(c, next, tools) {
    const { config, state } = tools;
    const charged = await ((tools.prepared as Promise<Charge> | undefined) ?? charge(c, tools, false));
    const { key, policy, amount, found } = charged;
    let decisions: LimitDecision[];
    if (found instanceof StoreFailure) {
      if (state.twin === undefined) {
        if (config.failMode === "open") return next();
        throw storeUnavailable(found.retryAfterMs);
      }
      decisions = state.twin.decide(key, [policy], amount, charged.outages);
    } else {
      state.twin?.remember(key, found);
      decisions = found;
    }
    const decision = untilEnd(decisions[0] as LimitDecision, charged.leftMs);
    const applied: AppliedLimit[] = [{ label: limitLabel(config.name ?? "quota", policy.windowMs, config.max), max: config.max, decision, headers: "both" }];
    const { all, writes } = addToReport(tools.gateway, applied);
    if (!decision.allowed) throw exceeded(config, all, decision);
    await next();
    if (writes) writeRateLimitHeaders(c.res.headers, all);
  },
});

/** What was asked of the store, and its word. */
interface Charge {
  readonly caller: StoreCaller<RateLimitStore>;
  readonly key: string;
  readonly policy: Extract<LimitPolicy, { readonly algorithm: "fixed-window" }>;
  readonly amount: number;
  readonly found: LimitDecision[] | StoreFailure;
  readonly outages: number;
  readonly leftMs: number;
}

async function charge(c: Context, tools: Tools, returnable: boolean): Promise<Charge> {
  const { config, state, site, gateway } = tools;
  const { cost = 1 } = config;
  const amount = typeof cost === "number" ? cost : callbackAmount(site.policyName, "cost", await callback(site.policyName, () => cost(c)), true);
  const caller = state.stores.of(gateway.adapter);
  if (caller === undefined) throw storeUnavailable();
  if (state.aheadMs === undefined && caller.store.check !== undefined) await askTime(c, tools, caller);
  for (let again = false; ; again = true) {
    const [start, end] = periodNow(config, state, site);
    // The period is part of the key, so counts of another one never matter, whenever the store drops them.
    const key = await callerKey(c, gateway, site.policyName, `${site.scopeKey}:${config.period ?? "month"}-${start}`, config.keyBy);
    const policy = { algorithm: "fixed-window", max: config.max, windowMs: end - start } as const;
    const sentAt = site.clock.now();
    const found = await caller.call("check", (store) => decideFor(store, key, [policy], amount, () => site.clock.now(), returnable), (reply) => areDecisions(reply, 1));
    const storeNow = found instanceof StoreFailure ? undefined : instantOf(found[0] as LimitDecision);
    learn(tools, storeNow, sentAt);
    // This process's clock had another period than the store's: the store's counts.
    if (storeNow !== undefined && (storeNow < start || storeNow >= end) && !again) continue;
    return { caller, key, policy, amount, found, outages: caller.outages, leftMs: Math.max(0, end - (site.clock.now() + (state.aheadMs ?? 0))) };
  }
}

/** Reads without charging, once per process: a wrong clock would charge a period that has not begun. */
async function askTime(c: Context, tools: Tools, caller: StoreCaller<RateLimitStore>): Promise<void> {
  const { config, site, gateway } = tools;
  const sentAt = site.clock.now();
  const [start, end] = periodNow(config, tools.state, site);
  const key = await callerKey(c, gateway, site.policyName, `${site.scopeKey}:${config.period ?? "month"}-${start}`, config.keyBy);
  const found = await caller.call("check", (store) => decide(store, key, [{ algorithm: "fixed-window", max: config.max, windowMs: end - start }], 0, () => site.clock.now()), (reply) => areDecisions(reply, 1));
  if (!(found instanceof StoreFailure)) learn(tools, instantOf(found[0] as LimitDecision), sentAt);
}

function learn({ state, site }: Tools, storeNow: number | undefined, sentAt: number): void {
  state.aheadMs = storeNow === undefined ? (state.aheadMs ?? 0) : storeNow - (sentAt + site.clock.now()) / 2;
}

/** The store's clock when it decided, if the store tells when the window ends. */
function instantOf({ resetAfterMs, ...rest }: LimitDecision & { readonly resetAt?: unknown }): number | undefined {
  return typeof rest.resetAt === "number" && rest.resetAt > 0 ? rest.resetAt - resetAfterMs : undefined;
}

function periodNow(config: QuotaConfig, state: QuotaState, site: PolicySite): readonly [number, number] {
  const now = site.clock.now() + (state.aheadMs ?? 0);
  const [start, end] = state.period;
  if (now >= start && now < end) return state.period;
  return (state.period = quotaPeriod(config.period ?? "month", config.timeZone ?? "UTC", now));
}

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** The period `now` is in: its start and end, epoch ms. */
export function quotaPeriod(period: QuotaPeriod, timeZone: string, now: number): readonly [start: number, end: number] {
  if (period !== "hour") {
    const [start, end] = zoneBoundaries(period, timeZone, now);
    return [start, end];
  }
  // Zones are off by whole quarters of an hour, and changes of the clocks move by whole half hours or more.
  const [day] = zoneBoundaries("day", timeZone, now);
  const offset = ((day % HOUR_MS) + HOUR_MS) % HOUR_MS;
  const shift = Math.round(offset / MINUTE_MS) * MINUTE_MS;
  const start = Math.floor((now - shift) / HOUR_MS) * HOUR_MS + shift;
  return [start, start + HOUR_MS];
}

/** A store counts from the first request on; a quota begins and ends with its period. */
function untilEnd(decision: LimitDecision, leftMs: number): LimitDecision {
  return { ...decision, resetAfterMs: leftMs, retryAfterMs: decision.allowed || decision.retryAfterMs === null ? decision.retryAfterMs : leftMs };
}

function exceeded(config: QuotaConfig, all: readonly AppliedLimit[], decision: LimitDecision): GatewayError {
  const headers = refusalFields(all);
  if (decision.retryAfterMs !== null) headers["retry-after"] = String(Math.max(1, Math.ceil(decision.retryAfterMs / 1000)));
  const members = { "violated-policies": [config.name ?? "quota"] };
  return stackless(() => new GatewayError(429, "quota_exceeded", config.message ?? "Quota exceeded", headers, { type: "https://iana.org/assignments/http-problem-types#quota-exceeded", members }));
}
