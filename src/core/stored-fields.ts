/** Which header fields of a response are stored (RFC 9111 3.1), and how a 304 changes them (RFC 9111 3.2). */

import { formatHttpDate } from "./http-date.ts";
import { listMembers } from "./cache-directives.ts";

export type Fields = readonly (readonly [name: string, value: string])[];

/** Fields of one connection or of a proxy's own hop, and `Age`, which is computed anew for each use. */
const NEVER_STORED: ReadonlySet<string> = new Set([
  "age",
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Fields that describe the stored bytes: a 304 carries no bytes and does not change them. */
const BYTES_FIELDS: ReadonlySet<string> = new Set(["content-encoding", "content-length", "content-range"]);

export interface FieldRules {
  /** Fields the response's own directives keep out. */
  readonly dropFields: readonly string[];
  /** Fields the cache writes itself, such as `x-cache`. */
  readonly own: readonly string[];
  readonly respondedAt: number;
}

/** The fields to store. A missing `Date` is the time of receipt (RFC 9110 6.6.1). */
export function storedFields(headers: Headers, rules: FieldRules): Fields {
  const dropped = droppedNames(headers, rules);
  const fields: (readonly [string, string])[] = [];
  let dated = false;
  for (const [name, value] of headers) {
    if (NEVER_STORED.has(name) || dropped.has(name)) continue;
    dated ||= name === "date";
    fields.push([name, value]);
  }
  if (!dated) fields.push(["date", formatHttpDate(rules.respondedAt)]);
  return fields;
}

/** The stored fields with those of a 304 in place of theirs. */
export function refreshedFields(stored: Fields, headers: Headers, rules: FieldRules): Fields {
  const fresh = storedFields(headers, rules).filter(([name]) => !BYTES_FIELDS.has(name));
  const replaced = new Set(fresh.map(([name]) => name));
  return [...stored.filter(([name]) => !replaced.has(name)), ...fresh];
}

function droppedNames(headers: Headers, rules: FieldRules): ReadonlySet<string> {
  const connection = headers.get("connection");
  return new Set([...rules.own, ...rules.dropFields, ...(connection === null ? [] : listMembers(connection))]);
}
