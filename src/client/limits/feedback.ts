/** What a server says about its limits: `Retry-After`, and the RateLimit fields (draft-ietf-httpapi-ratelimit-headers-11 and its forerunners). */

import { retryAfterMs } from "./retry-after.ts";

export interface FeedbackResponse {
  readonly status: number;
  get(name: string): string | undefined;
}

/** How long nobody should ask, ms; 0 for nothing said. */
export function feedbackPauseMs(response: FeedbackResponse, rules: { readonly on: ReadonlySet<number>; readonly rateLimitFields: boolean }, nowMs: number): number {
  if (rules.on.has(response.status)) {
    const asked = retryAfterMs(response, nowMs);
    if (asked !== undefined) return asked;
  }
  // An answer out of a cache speaks of an earlier moment.
  if (!rules.rateLimitFields || Number(response.get("age") ?? 0) > 0) return 0;
  return exhaustedMs(response, nowMs);
}

const ITEM = /^\s*"(?:[^"\\]|\\.)*"((?:\s*;\s*[a-z*][a-z0-9_.*-]*(?:=(?:"(?:[^"\\]|\\.)*"|:[A-Za-z0-9+/=]*:|[^;,"]*))?)*)\s*$/;

function exhaustedMs(response: FeedbackResponse, nowMs: number): number {
  const field = response.get("ratelimit");
  if (field !== undefined && field.length <= 4096) {
    let longest = 0;
    for (const item of splitList(field)) {
      const parameters = ITEM.exec(item)?.[1];
      // A field that is malformed anywhere says nothing at all.
      if (parameters === undefined) return legacy(field);
      const remaining = integer(parameters, "r");
      const seconds = integer(parameters, "t");
      if (remaining === 0 && seconds !== undefined) longest = Math.max(longest, seconds * 1000);
    }
    return longest;
  }
  const remaining = response.get("ratelimit-remaining") ?? response.get("x-ratelimit-remaining");
  const reset = response.get("ratelimit-reset") ?? response.get("x-ratelimit-reset");
  if (remaining === undefined || reset === undefined || !/^\d{1,15}$/.test(reset) || !/^0+$/.test(remaining)) return 0;
  const seconds = Number(reset);
  // Some send an instant where the draft has seconds to wait.
  return seconds > 1_000_000_000 ? Math.max(0, seconds * 1000 - nowMs) : seconds * 1000;
}

/** `limit=10, remaining=0, reset=5` of draft 7. */
function legacy(field: string): number {
  const remaining = /(?:^|[\s,])remaining=(\d{1,15})(?:$|[\s,;])/.exec(field)?.[1];
  const reset = /(?:^|[\s,])reset=(\d{1,15})(?:$|[\s,;])/.exec(field)?.[1];
  return remaining !== undefined && Number(remaining) === 0 && reset !== undefined ? Number(reset) * 1000 : 0;
}

function integer(parameters: string, name: string): number | undefined {
  const match = new RegExp(`;\\s*${name}=(\\d{1,15})(?=\\s*(?:;|$))`).exec(parameters);
  return match === null ? undefined : Number(match[1]);
}

/** Splits at commas outside of quotes. */
function splitList(field: string): string[] {
  const items: string[] = [];
  let from = 0;
  let quoted = false;
  for (let i = 0; i < field.length; i++) {
    const char = field[i];
    if (quoted && char === "\\") i++;
    else if (char === '"') quoted = !quoted;
    else if (char === "," && !quoted) {
      items.push(field.slice(from, i));
      from = i + 1;
    }
  }
  items.push(field.slice(from));
  return items;
}
