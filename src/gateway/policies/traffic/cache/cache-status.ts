/** `Cache-Status` (RFC 9211). */

/** Why a request went to the upstream. */
export type Forward = "uri-miss" | "vary-miss" | "stale" | "request" | "bypass" | "method";

/** What the cache did, in the terms of RFC 9211. */
export interface CacheStatus {
  readonly hit?: boolean;
  /** Seconds of freshness left; negative for a stale response. */
  readonly ttl?: number;
  readonly fwd?: Forward;
  readonly fwdStatus?: number;
  readonly stored?: boolean;
  readonly collapsed?: boolean;
}

/** This cache's member of the field. `name` as {@link cacheName} gives it. */
export function formatCacheStatus(name: string, status: CacheStatus): string {
  let member = name;
  if (status.hit === true) member += "; hit";
  else if (status.fwd !== undefined) member += `; fwd=${status.fwd}`;
  if (status.fwdStatus !== undefined) member += `; fwd-status=${status.fwdStatus}`;
  if (status.ttl !== undefined) member += `; ttl=${status.ttl}`;
  if (status.stored === true) member += "; stored";
  if (status.collapsed === true) member += "; collapsed";
  return member;
}

/** A gateway's name as a structured-field token, else as a quoted string with what no string may hold replaced. */
export function cacheName(name: string): string {
  if (/^[A-Za-z*][A-Za-z0-9!#$%&'*+\-.^_`|~:/]*$/.test(name)) return name;
  return `"${name.replace(/[^ -~]/g, "?").replace(/[\\"]/g, "\\$&")}"`;
}
