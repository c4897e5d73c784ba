/** `Retry-After` (RFC 9110 10.2.3) of a response. */

import { parseHttpDate } from "../../core/http-date.ts";
import { parseRetryAfter } from "../../resilience/backoff.ts";

/** `Retry-After` relative to the response's own `Date`, so that a server's clock that is off changes nothing. */
export function retryAfterMs(response: { get(name: string): string | undefined }, nowMs: number): number | undefined {
  const field = response.get("retry-after");
  return field === undefined ? undefined : parseRetryAfter(field, parseHttpDate(response.get("date"), nowMs) ?? nowMs);
}
