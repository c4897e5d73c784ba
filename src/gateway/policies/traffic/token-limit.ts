/** `tokenLimit`: how many AI tokens one caller may use, whatever a request turns out to cost. */

import type { Context } from "hono";
import { checkFunction, checkInteger, checkPositive, checkString } from "../../../core/check.ts";
import { stackless } from "../../../core/errors.ts";
import { isPromise, type MaybePromise } from "../../../core/maybe-promise.ts";
import type { LimitDecision, LimitPolicy, RateLimitStore } from "../../../state/contracts/limits.ts";
import { callback } from "../../callback.ts";
import { askForPlainAnswer } from "../../content-coding.ts";
import { definePolicy, type PolicyFactory, type PolicyTools } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { checkFailMode } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import { rateLimits } from "../../local-kinds.ts";
import { StoreFailure, isRemote, storeCaller, storeSource, storeUnavailable, type StoreCaller, type StoreSource } from "../../store-call.ts";
import type { FailMode, PolicyOptions } from "../../types.ts";
import { callbackAmount, callerKey, checkKeyBy } from "./limit-key.ts";
import { areDecisions } from "./rate-limit/decide.ts";
import { limitLabel, retryAfterSeconds, writeRateLimitHeaders, type AppliedLimit } from "./rate-limit/headers.ts";
import type { RateLimitKey } from "./rate-limit.ts";
import { addToReport, refusalFields } from "./rate-limit/report.ts";
import { requireVerbs } from "./store-verbs.ts";
import { watchUsage } from "./token-limit/usage.ts";

export interface TokenLimitConfig extends PolicyOptions {
  /** Most tokens in a window: an integer of at least 1. It is also the most a full account holds. */
  readonly max: number;
  /** Time in which `max` tokens come back, evenly. */
  readonly windowSeconds: number;
  /** Whom it counts; nothing or an empty text means the client's address. */
  readonly keyBy?: RateLimitKey;
  /** Tokens that are reserved before the request goes on. @default 0 */
  readonly estimate?: number | ((c: Context) => MaybePromise<number>);
  /** What the answer has used, when its body has passed; `undefined` lets the estimate stand. When it throws, or gives no number of at least 0, that is reported, and the estimate or a token per byte is charged. @default the totals of common AI usage fields, in JSON or in the last event of a stream */
  readonly usage?: (response: UsageSource, c: Context) => MaybePromise<number | undefined>;
  /** Where the accounts are kept; it needs `reserve` and `settle`. @default the adapter's `rateLimitStore`, else one in memory */
  readonly store?: RateLimitStore;
  /** When the store is away: go on without limit, refuse with 503, or count in this process. @default "local" */
  readonly failMode?: FailMode;
  /** Detail of a refusal. @default "Token limit exceeded" */
  readonly message?: string;
}

/** What `usage` gets: the answer as far as it has passed. */
export interface UsageSource {
  readonly status: number;
  readonly headers: Headers;
  /** The body's text, its last MiB at most. */
  readonly text: string;
  /** The body did not reach its end. */
  readonly aborted: boolean;
  /** The text as JSON, as of a `Response`. */
  readonly json: Response["json"];
}

interface State {
  readonly stores: StoreSource<RateLimitStore>;
  readonly twin: StoreCaller<RateLimitStore>;
  readonly policy: LimitPolicy;
  /** Least cost there is: with it, an account without tokens, or in debt, refuses also requests without an estimate. */
  readonly least: number;
}

type Tools = PolicyTools<TokenLimitConfig, State>;

/**
 * Reserves `estimate`, and settles what was really used when the response body has passed, untouched and streaming. Use beyond the account
 * is a debt that later requests wait out. Refuses with 429 `rate_limited`; every answer carries what is left.
 *
 * The upstream is asked for answers without content coding. One that is encoded all the same passes as it is, and is decoded beside that
 * (gzip and deflate). What cannot be read is never free: the estimate stands, and without one a token is counted per byte.
 */
export const tokenLimit: PolicyFactory<TokenLimitConfig> = /* @__PURE__ */ definePolicy<TokenLimitConfig, State>({
  name: "token-limit",
  httpOnly: true,
  priority: Priority.RATE_LIMIT,
  validate(config) {
    checkInteger("max", config.max, 1);
    checkPositive("windowSeconds", config.windowSeconds);
    checkKeyBy(config.keyBy);
    if (typeof config.estimate !== "function") checkInteger("estimate", config.estimate ?? 0, 0);
    if (config.usage !== undefined) checkFunction("usage", config.usage);
    checkFailMode(config.failMode ?? "local");
    checkString("message", config.message ?? "");
  },
  setup(config, site) {
    requireVerbs(site, "rateLimitStore", config.store ?? site.adapter?.rateLimitStore, ["reserve", "settle"]);
    const windowMs = Math.ceil(config.windowSeconds * 1000);
    return {
      stores: storeSource(site, rateLimits, config.store, config.failMode ?? "local"),
      twin: storeCaller(site, "localRateLimitStore", site.local.of(rateLimits), "open"),
      policy: { algorithm: "token-bucket", capacity: config.max, max: config.max, windowMs, maxDebt: Math.max(config.max, 1_000_000) },
      least: 0.5 / windowMs,
    };
  },
  prepares: (config, site) => isRemote(config.store ?? site.adapter?.rateLimitStore),
  prepare(c, tools) {
    const opened = openAccount(c, tools);
    return { value: opened, undo: async () => giveBack(tools, await opened) };
  },
  async handler(c, next, tools) {
    const { config, state, gateway } = tools;
    const { key, reserved, account } = await ((tools.prepared as Promise<Opened> | undefined) ?? openAccount(c, tools));
    if (account === undefined) return next();
    const { caller } = account;
    // The least cost takes a fraction of a token, which is not worth telling.
    const decision = reserved === 0 && account.decision.allowed ? { ...account.decision, remaining: Math.min(config.max, account.decision.remaining + 1) } : account.decision;
    const applied: AppliedLimit[] = [{ label: limitLabel(config.name ?? "tokens", config.windowSeconds * 1000, config.max), max: config.max, decision, headers: "both" }];
    const { all, writes } = addToReport(gateway, applied);
    if (!decision.allowed) throw refusal(config, all, applied);
    const callsBefore = gateway.upstreamCalls;
    askForPlainAnswer(c);
    await next();
    if (writes) writeRateLimitHeaders(c.res.headers, all);
    const settle = (actual: number): void => {
      const done = caller.call("settle", (store) => (store.settle as NonNullable<RateLimitStore["settle"]>)(key, state.policy, decision.ticket, actual));
      if (isPromise(done)) gateway.waitUntil(done);
    };
    // A request that never reached the upstream has used nothing.
    if (gateway.upstreamCalls === callsBefore && c.res.status >= 400) settle(0);
    else if (c.res.body !== null) return settleAtEnd(c, tools, reserved, settle);
  },
});

/** A caller's account, and what of it was set aside for this request. */
interface Opened {
  readonly key: string;
  readonly reserved: number;
  readonly account: Account | undefined;
}

async function openAccount(c: Context, tools: Tools): Promise<Opened> {
  const { config, site, gateway } = tools;
  const { estimate = 0 } = config;
  const reserved = typeof estimate === "number" ? estimate : callbackAmount(site.policyName, "estimate", await callback(site.policyName, () => estimate(c)), false);
  const key = await callerKey(c, gateway, site.policyName, site.scopeKey, config.keyBy);
  return { key, reserved, account: await reserve(tools, key, reserved) };
}

/** The policy was not reached: nothing will be used. */
async function giveBack({ state }: Tools, { key, account }: Opened): Promise<void> {
  if (account?.decision.allowed !== true) return;
  await account.caller.call("settle", (store) => (store.settle as NonNullable<RateLimitStore["settle"]>)(key, state.policy, account.decision.ticket, 0));
}

interface Account {
  readonly decision: LimitDecision;
  readonly caller: StoreCaller<RateLimitStore>;
}

async function reserve({ state, config, gateway }: Tools, key: string, reserved: number): Promise<Account | undefined> {
  const caller = state.stores.of(gateway.adapter);
  if (caller === undefined) throw storeUnavailable();
  const cost = Math.max(reserved, state.least);
  const from = (one: StoreCaller<RateLimitStore>): MaybePromise<LimitDecision | StoreFailure> =>
    one.call("reserve", (store) => (store.reserve as NonNullable<RateLimitStore["reserve"]>)(key, state.policy, cost), (reply) => areDecisions([reply], 1));
  const found = await from(caller);
  if (!(found instanceof StoreFailure)) return { decision: found, caller };
  if (config.failMode === "open") return undefined;
  if (config.failMode === "closed") throw storeUnavailable(found.retryAfterMs);
  const local = await from(state.twin);
  if (local instanceof StoreFailure) throw storeUnavailable(local.retryAfterMs);
  return { decision: local, caller: state.twin };
}

/** The answer over a body that is watched while it passes. */
function settleAtEnd(c: Context, { config, site, gateway }: Tools, reserved: number, settle: (actual: number) => void): Response {
  const { status, statusText, headers } = c.res;
  const watched = watchUsage(c.res.body as ReadableStream<Uint8Array>, headers, (given) => {
    const found = async (): Promise<void> => {
      const seen = isPromise(given) ? await given : given;
      const { usage } = config;
      const { text, aborted } = seen;
      let unknown = seen.unread;
      try {
        const used = usage === undefined ? seen.total : await callback(site.policyName, () => usage({ status, headers, text, aborted, json: async () => JSON.parse(text) as unknown }, c));
        if (used !== undefined && !(seen.unread && used === 0)) return settle(callbackAmount(site.policyName, "usage", used, false));
      } catch (error) {
        unknown = true;
        site.events.emit({ type: "background.error", error });
      }
      if (seen.unread) site.events.emit({ type: "policy.warning", policy: site.policyName, message: "The use of an answer is not known: its content coding could not be undone" });
      // What was reserved stays charged; of no reservation nothing, unless nobody could look.
      if (reserved === 0) settle(unknown ? seen.bytes : 0);
    };
    gateway.waitUntil(found());
  });
  return new Response(watched, { status, statusText, headers });
}

function refusal(config: TokenLimitConfig, all: readonly AppliedLimit[], own: readonly AppliedLimit[]): GatewayError {
  const headers = refusalFields(all);
  const wait = retryAfterSeconds(own);
  if (wait !== undefined) headers["retry-after"] = String(wait);
  const members = { "violated-policies": own.map((one) => one.label.name) };
  return stackless(() => new GatewayError(429, "rate_limited", config.message ?? "Token limit exceeded", headers, { type: "https://iana.org/assignments/http-problem-types#quota-exceeded", members }));
}

