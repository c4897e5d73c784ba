/** `retry`: asks an upstream again that failed in a way that may pass. */

import type { Context } from "hono";
import { checkInteger, checkNonNegative } from "../../../core/check.ts";
import { type Clock, sleep } from "../../../core/clock.ts";
import { OptionError, isSluiceError } from "../../../core/errors.ts";
import { type Backoff, type BackoffOptions, type Jitter, backoffOptions, parseRetryAfter, retryDelayMs } from "../../../resilience/backoff.ts";
import { createRetryBudget, type RetryBudget } from "../../../resilience/retry-budget.ts";
import { requestState } from "../../context.ts";
import { definePolicy, type PolicyFactory, type PolicyTools } from "../../define-policy.ts";
import { Priority } from "../../priority.ts";
import { editRequestFields } from "../../request-edit.ts";
import type { Next, PolicyContext, PolicyOptions } from "../../types.ts";
import { keepBody, type Replay } from "./retry/replay.ts";

export type { Backoff, Jitter };

export interface RetryConfig extends PolicyOptions {
  /** Attempts after the first. @default 3 */
  readonly maxRetries?: number;
  /** Statuses of the upstream that are tried again, beside connections that failed. @default [502, 503, 504] */
  readonly retryOn?: readonly number[];
  /** How the waits grow: doubling, by `baseDelayMs` each, or not at all. @default "exponential" */
  readonly backoff?: Backoff;
  /** Wait before the first retry. @default 200 */
  readonly baseDelayMs?: number;
  /** No wait is longer; an upstream that asks for a longer one is not asked again. @default 5000 */
  readonly maxDelayMs?: number;
  /** Chance in a wait of `x`: uniform in `[0, x)`, uniform in `[x/2, x)`, or none. @default "full" */
  readonly jitter?: Jitter;
  /** Methods that may be sent twice. @default ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] */
  readonly retryMethods?: readonly string[];
  /**
   * Response field with the number of retries, where there was one. The upstream gets the attempt's number under the same
   * name, and a request that comes with it is not retried here: of several gateways in a row only the first retries.
   * @default "x-retry-count"
   */
  readonly retryCountHeader?: string;
  /** A longer request body is not kept, and its request not retried, in bytes. @default 65536 */
  readonly maxReplayBytes?: number;
  /** Retries as a share of the requests of the last 10 s; ten are always allowed, unless it is 0. @default 0.2 */
  readonly budget?: number;
}

interface RetryState {
  readonly methods: ReadonlySet<string>;
  readonly statuses: ReadonlySet<number>;
  readonly delay: Required<BackoffOptions>;
  readonly header: string;
  readonly budget: RetryBudget;
}

type Tools = PolicyTools<RetryConfig, RetryState>;

/**
 * Retries idempotent requests whose upstream answered 502, 503 or 504 or could not be reached. The answer is that of the
 * last attempt. `Retry-After` is honoured where it fits into `maxDelayMs`; a client that leaves, a `timeout` policy
 * outside and the budget end it.
 */
export const retry: PolicyFactory<RetryConfig> = /* @__PURE__ */ definePolicy<RetryConfig, RetryState>({
  name: "retry",
  httpOnly: true,
  priority: Priority.RETRY,
  validate,
  setup: (config, site) => ({
    methods: new Set((config.retryMethods ?? ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]).map((method) => method.toUpperCase())),
    statuses: new Set(config.retryOn ?? [502, 503, 504]),
    delay: backoffOptions(config),
    header: config.retryCountHeader ?? "x-retry-count",
    budget: budgetOf(config.budget ?? 0.2, site.clock),
  }),
  handler(c, next, tools) {
    const { state, config } = tools;
    const { method } = c.req;
    if (!state.methods.has(method) || c.req.raw.headers.has(state.header)) return next();
    state.budget.first();
    if (method === "GET" || method === "HEAD" || c.req.raw.body === null) return attempts(c, next, tools, undefined);
    return keepBody(c, config.maxReplayBytes ?? 65_536).then((body) => (body === undefined ? next() : attempts(c, next, tools, body)));
  },
});

/** Ten retries in ten seconds are always allowed: with a handful of requests a share of them is less than one. */
function budgetOf(ratio: number, clock: Clock): RetryBudget {
  return createRetryBudget({ ratio, minPerSecond: ratio > 0 ? 1 : 0, windowMs: 10_000, combine: "max", clock });
}

async function attempts(c: Context, next: Next, tools: Tools, body: Replay | undefined): Promise<void> {
  const { config, state, gateway, site, debug } = tools;
  const maxRetries = config.maxRetries ?? 3;
  // A deadline outside that has passed ends this turn, whatever signal the request has by then.
  const outer = requestState(c).madeSignal;
  for (let retries = 0; ; retries++) {
    const callsBefore = gateway.upstreamCalls;
    editRequestFields(c, (headers) => headers.set(state.header, String(retries)));
    await next();
    const delayMs = retries >= maxRetries ? undefined : delayBefore(c, tools, retries, callsBefore, outer);
    if (delayMs === undefined) {
      if (retries > 0) c.res.headers.set(state.header, String(retries));
      return;
    }
    debug("retry %d in %d ms", retries + 1, delayMs);
    if (site.events.detailed) site.events.detail({ type: "retry", policy: site.policyName, route: gateway.routePath });
    // The body nobody will read holds a connection.
    c.res.body?.cancel().catch(() => {});
    try {
      await sleep(delayMs, site.clock, outer ?? gateway.signal);
    } catch {
      // The client has left or the deadline has passed: whoever aborted gives the answer.
      return;
    }
    body?.rewind();
  }
}

/** The wait before the next attempt, or `undefined` when this answer is the last. */
function delayBefore(c: Context, tools: Tools, retries: number, callsBefore: number, signal: AbortSignal | undefined): number | undefined {
  const { state, gateway, site } = tools;
  // What a policy inside refused, an open circuit too, would be refused again.
  if (gateway.upstreamCalls === callsBefore || !failed(gateway, state.statuses) || (signal ?? gateway.signal).aborted) return undefined;
  const asked = parseRetryAfter(c.res.headers.get("retry-after"), site.clock.now());
  const delayMs = Math.max(asked ?? 0, retryDelayMs(retries + 1, state.delay, site.random));
  if (delayMs > state.delay.maxDelayMs) return undefined;
  if (!state.budget.take()) return undefined;
  return delayMs;
}

function failed(gateway: PolicyContext, statuses: ReadonlySet<number>): boolean {
  const { upstreamError, upstreamStatus } = gateway;
  if (typeof upstreamError !== "object" || upstreamError === null) return upstreamStatus !== undefined && statuses.has(upstreamStatus);
  const { statusCode, status = statusCode } = upstreamError as { statusCode?: unknown; status?: unknown };
  return (typeof status === "number" && statuses.has(status)) || isConnectionError(upstreamError);
}

const GATEWAY_CODES: ReadonlySet<string> = /* @__PURE__ */ new Set(["upstream_error", "upstream_timeout", "CONNECT_FAILED", "CONNECT_TIMEOUT", "RESPONSE_BROKEN"]);
const SYSTEM_CODE = /^(?:ECONN|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|UND_ERR_)/;

/** Whether an upstream could not be reached or broke off; a handler's own fault would only be repeated. */
function isConnectionError(error: unknown): boolean {
  for (let at: unknown = error, depth = 0; typeof at === "object" && at !== null && depth < 4; at = (at as { cause?: unknown }).cause, depth++) {
    const { code } = at as { code?: unknown };
    if (typeof code === "string" && (isSluiceError(at) ? GATEWAY_CODES.has(code) : SYSTEM_CODE.test(code))) return true;
  }
  return error instanceof TypeError && error.message === "fetch failed";
}

function validate(config: RetryConfig): void {
  checkInteger("maxRetries", config.maxRetries ?? 3, 0, 100);
  backoffOptions(config);
  checkNonNegative("maxReplayBytes", config.maxReplayBytes ?? 0);
  checkNonNegative("budget", config.budget ?? 0);
  if (config.retryOn !== undefined) {
    if (!Array.isArray(config.retryOn)) throw new OptionError("retryOn", config.retryOn, "a list of statuses");
    config.retryOn.forEach((status, i) => checkInteger(`retryOn[${i}]`, status, 100, 599));
  }
  if (config.retryMethods !== undefined && !(Array.isArray(config.retryMethods) && config.retryMethods.every((method) => typeof method === "string" && method !== ""))) {
    throw new OptionError("retryMethods", config.retryMethods, "a list of methods");
  }
  if (config.retryCountHeader !== undefined && !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(String(config.retryCountHeader))) {
    throw new OptionError("retryCountHeader", config.retryCountHeader, "a field name");
  }
}
