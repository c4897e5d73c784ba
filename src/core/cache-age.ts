/** How long a response may be used by its own word, and how old it was when it came (RFC 9111 4.2). */

import type { ResponseDirectives } from "./cache-control.ts";
import { deltaSeconds } from "./cache-directives.ts";
import { parseHttpDate } from "./http-date.ts";

/** What is read of a set of fields; `Headers` is one. */
export interface FieldReader {
  get(name: string): string | null;
}

/** The lifetime the response itself gives, or `undefined` when it gives none. Present and unreadable is 0. */
export function explicitLifetimeMs(headers: FieldReader, directives: ResponseDirectives, targeted: boolean, respondedAt: number): number | undefined {
  const fromDirective = directives.sMaxage ?? directives.maxAge;
  if (fromDirective !== undefined) return fromDirective * 1000;
  const expires = targeted ? null : headers.get("expires");
  if (expires === null) return undefined;
  const expiresAt = parseHttpDate(expires, respondedAt);
  if (expiresAt === undefined) return 0;
  return Math.max(0, expiresAt - (parseHttpDate(headers.get("date"), respondedAt) ?? respondedAt));
}

/** `corrected_initial_age` (RFC 9111 4.2.3). */
export function initialAge(headers: FieldReader, times: { readonly requestedAt: number; readonly respondedAt: number }): number {
  const { requestedAt, respondedAt } = times;
  const date = parseHttpDate(headers.get("date"), respondedAt);
  // `Date` has whole seconds: compared with milliseconds, every response would be born up to one second old.
  const apparentMs = date === undefined ? 0 : Math.max(0, Math.floor(respondedAt / 1000) * 1000 - date);
  const field = headers.get("age");
  // Of several values the first counts; one that is no number counts as absent (RFC 9111 5.1).
  const ageMs = field === null ? 0 : (deltaSeconds(field.split(",", 1)[0]?.trim()) ?? 0) * 1000;
  return Math.max(apparentMs, ageMs + Math.max(0, respondedAt - requestedAt));
}
