/**
 * The fields that tell a caller how much of a limit is left: `RateLimit-Policy` and `RateLimit`
 * (draft-ietf-httpapi-ratelimit-headers-11, Structured Fields of RFC 9651), and the older `x-ratelimit-*`.
 */

import type { LimitDecision } from "../../../../state/contracts/limits.ts";

/** Which fields a `rateLimit` policy sends. */
export type RateLimitHeaders = "both" | "ietf" | "x" | "none";

/** The constant half of what one limit says about itself. */
export interface LimitLabel {
  /** Name in `violated-policies` and, quoted, in both fields. */
  readonly name: string;
  /** `name` as a structured-field string. */
  readonly item: string;
  /** `;w=<seconds>`, or nothing below one second, which an integer cannot say. */
  readonly windowParameter: string;
  /** The whole member of `RateLimit-Policy` when `max` never changes. */
  readonly policyMember: string | undefined;
}

/** One limit as it was applied to a request. */
export interface AppliedLimit {
  readonly label: LimitLabel;
  readonly max: number;
  readonly decision: LimitDecision;
  readonly headers: RateLimitHeaders;
}

/** Largest integer of a structured field (RFC 9651, section 3.3.1). */
const MAX_FIELD_INTEGER = 999_999_999_999_999;

export function limitLabel(name: string, windowMs: number, max: number | undefined): LimitLabel {
  const item = fieldString(name);
  const windowParameter = windowMs < 1000 ? "" : `;w=${seconds(windowMs)}`;
  return { name, item, windowParameter, policyMember: max === undefined ? undefined : `${item};q=${fieldInteger(max)}${windowParameter}` };
}

/**
 * Text as a structured-field string (RFC 9651, section 3.3.3). Those hold printable ASCII only, so anything else, and
 * the `%` that would then be ambiguous, is percent-encoded as UTF-8.
 */
export function fieldString(text: string): string {
  const ascii = /^[\x20-\x7e]*$/.test(text) ? text : text.replace(/\p{Surrogate}/gu, "\ufffd").replace(/[^\x20-\x24\x26-\x7e]/gu, encodeURIComponent);
  return `"${ascii.replace(/["\\]/g, "\\$&")}"`;
}

/** Whole seconds, rounded up: a caller that waits that long has waited long enough. */
export function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}

/** Seconds until a caller may try again, at least 1; `undefined` when waiting does not help. */
export function retryAfterSeconds(applied: readonly AppliedLimit[]): number | undefined {
  let longestMs = 0;
  for (const { decision } of applied) {
    if (decision.allowed) continue;
    if (decision.retryAfterMs === null) return undefined;
    longestMs = Math.max(longestMs, decision.retryAfterMs);
  }
  return Math.max(1, seconds(longestMs));
}

/** Sets the fields of all limits of one request, in the place of what an upstream said under the same names: that is gone in any case. */
export function writeRateLimitHeaders(target: { set(name: string, value: string): void; delete?(name: string): void }, applied: readonly AppliedLimit[]): void {
  let policies = "";
  let states = "";
  let tightest: AppliedLimit | undefined;
  for (const limit of applied) {
    if (limit.headers === "both" || limit.headers === "ietf") {
      const { label, decision } = limit;
      const separator = policies === "" ? "" : ", ";
      policies += separator + (label.policyMember ?? `${label.item};q=${fieldInteger(limit.max)}${label.windowParameter}`);
      states += `${separator}${label.item};r=${fieldInteger(decision.remaining)};t=${seconds(waitMs(decision))}`;
    }
    if ((limit.headers === "both" || limit.headers === "x") && (tightest === undefined || isTighter(limit.decision, tightest.decision))) tightest = limit;
  }
  if (policies !== "") {
    target.set("ratelimit-policy", policies);
    target.set("ratelimit", states);
  } else {
    target.delete?.("ratelimit-policy");
    target.delete?.("ratelimit");
  }
  if (tightest !== undefined) {
    target.set("x-ratelimit-limit", String(tightest.decision.limit));
    target.set("x-ratelimit-remaining", String(Math.max(0, tightest.decision.remaining)));
    target.set("x-ratelimit-reset", String(seconds(waitMs(tightest.decision))));
  } else for (const name of ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]) target.delete?.(name);
}

/**
 * What `t` counts down to. After a refusal it is the moment the caller may try again, because `retry-after` must not
 * point earlier than `t`; a sliding window is empty again only later.
 */
function waitMs(decision: LimitDecision): number {
  return decision.allowed || decision.retryAfterMs === null ? decision.resetAfterMs : Math.min(decision.retryAfterMs, decision.resetAfterMs);
}

/** The member a caller should plan by: one that refuses before one that allows, then the fewest left, then the longest wait. */
function isTighter(a: LimitDecision, b: LimitDecision): boolean {
  if (a.allowed !== b.allowed) return !a.allowed;
  if (!a.allowed && a.retryAfterMs !== b.retryAfterMs) return (a.retryAfterMs ?? Infinity) > (b.retryAfterMs ?? Infinity);
  return a.remaining < b.remaining || (a.remaining === b.remaining && a.resetAfterMs > b.resetAfterMs);
}

function fieldInteger(value: number): number {
  return Math.min(MAX_FIELD_INTEGER, Math.max(0, Math.floor(value)));
}
