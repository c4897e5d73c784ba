/** Redirects under the rules of a call: methods, bodies, and what may go along (RFC 9110 15.4). A browser follows them itself. */

import type { TransportTarget } from "../core/transport.ts";
import type { Call } from "./call.ts";
import { newFields, type Fields } from "./fields.ts";
import { Outgoing, originOf, refused } from "./outgoing.ts";

/** Fields that go along to another origin: the CORS safelist (WHATWG fetch 2.2.2), and what is no word of the caller's. */
const SAFE: ReadonlySet<string> = /* @__PURE__ */ new Set(["accept", "accept-language", "content-language", "content-type", "accept-encoding", "user-agent"]);

/** Where a redirect leads and what goes along (RFC 9110 15.4). @throws StitchError `REDIRECT_REFUSED` */
export function follow(call: Call, from: Outgoing, status: number, location: string, first: string, hasBody: boolean): { request: Outgoing; keepsBody: boolean; left: boolean } {
  let url: URL;
  try {
    url = new URL(location, from.url);
  } catch {
    throw refused("the location is no URL", status);
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") throw refused("the location is no http URL", status);
  if (url.username !== "" || url.password !== "") throw refused("the location holds credentials", status);
  const fromOrigin = originOf(from);
  if (fromOrigin.startsWith("https:") && url.protocol === "http:") throw refused("from https to http", status);
  const crosses = url.origin !== fromOrigin;
  if (crosses && call.plan.redirect.crossOrigin === "refuse") throw refused("to another origin", status);
  const { method } = from;
  const toGet = (status === 303 && method !== "HEAD" && method !== "GET") || ((status === 301 || status === 302) && method === "POST");
  const keepsBody = hasBody && !toGet;
  if (crosses && keepsBody && carriesCredentials(call)) throw refused("to another origin with a body that carries credentials", status);
  const headers = newFields();
  // What was taken off once does not come back, not even on the way home.
  const left = crosses || (from as { left?: boolean }).left === true || url.origin !== first;
  for (const name in from.headers) {
    if (left && !SAFE.has(name)) continue;
    if (!keepsBody && (name.startsWith("content-") || name === "idempotency-key")) continue;
    headers[name] = from.headers[name] as string;
  }
  if (crosses && call.plan.auth?.marks?.query !== undefined) url.searchParams.delete(call.plan.auth.marks.query);
  const target: TransportTarget = { origin: url.origin, pathname: url.pathname, search: url.search };
  const request = new Outgoing(target, toGet ? "GET" : method, headers as Fields, null, from.attempt, from.scope);
  (request as { left?: boolean }).left = left;
  return { request, keepsBody, left };
}

function carriesCredentials(call: Call): boolean {
  if (call.plan.sensitive) return true;
  const { body } = call.input;
  if (typeof body !== "object" || body === null) return false;
  return Object.keys(body).some((name) => call.plan.redactor.hidesField(name));
}
