/** One try on the wire: redirects followed under the rules, failures named. */

import { isPromise } from "../core/maybe-promise.ts";
import { TransportError } from "../core/transport.ts";
import { formatTraceparent } from "../core/trace-context.ts";
import { Answer } from "./answer.ts";
import type { AuthContext } from "./auth/strategy.ts";
import type { Call } from "./call.ts";
import { StitchError, completeError, isStitchError, set } from "./errors.ts";
import { featuresOf } from "./features/features.ts";
import { newFields } from "./fields.ts";
import { Outgoing, originOf, refused } from "./outgoing.ts";
import type { Prepared } from "./prepare.ts";
import type { Scope } from "./scope.ts";

/** What of a request's state outlives it: whether it left, and where it ended up. */
export interface Trail {
  sent: boolean | "unknown";
  url: string;
  /** The body is being read: what the try holds is given back when it ends. */
  open: boolean;
}

/** Makes the request of a try, ready for strategies and hooks. */
export function outgoing(call: Call, prepared: Prepared, scope: Scope): Outgoing {
  const headers = newFields(prepared.headers);
  const request = new Outgoing(prepared.target, prepared.method, headers, null, call.attempts, scope);
  trace(call, request);
  return request;
}

function trace(call: Call, request: Outgoing): void {
  const { propagate } = call.plan;
  if (propagate === false || request.headers["traceparent"] !== undefined) return;
  if (propagate === "same-seam" ? call.runtime.origin === undefined || call.runtime.origin !== request.target?.origin : !propagate(request.url)) return;
  const { parent } = call.context;
  request.headers["traceparent"] = formatTraceparent({ traceId: call.traceId, spanId: call.spanId, parentSpanId: parent?.spanId, flags: parent?.flags ?? 1 });
  if (parent?.tracestate !== undefined) request.headers["tracestate"] = parent.tracestate;
}

/** Sends a request, and what it is redirected to. @throws StitchError */
export async function transmit(call: Call, prepared: Prepared, request: Outgoing, trail: Trail, auth: AuthContext | undefined): Promise<Answer> {
  const { plan } = call;
  const first = originOf(request);
  // A strategy or hook may change the path, not where the request goes.
  if (first !== prepared.target.origin) throw new StitchError("CONFIG_INVALID", "a hook or an auth strategy changed the origin of the request", { sent: false });
  let current = request;
  let body = prepared.body;
  for (let hops = 0; ; hops++) {
    const { allowHosts, denyPrivate } = call.runtime.config;
    if (allowHosts !== undefined || denyPrivate === true) (await Promise.resolve(featuresOf(call.runtime).targets())).checkTarget(call, current);
    const answer = await exchange(call, current, body, trail);
    call.context.onAnswer?.({ status: answer.status, headers: answer.fields, url: answer.url });
    if (plan.auth?.learn !== undefined && auth !== undefined && originOf(current) === first && (answer.url === current.url || new URL(answer.url).origin === first)) await plan.auth.learn({ status: answer.status, headers: answer.fields, url: answer.url }, auth);
    const location = isRedirect(answer.status) ? answer.get("location") : undefined;
    if (location === undefined || (plan.explicitAccept && plan.accept(answer.status))) return answer;
    await answer.discard();
    if (hops >= plan.redirect.max) throw new StitchError("TOO_MANY_REDIRECTS", `more than ${plan.redirect.max} redirects`, { sent: true, status: answer.status });
    const { follow } = await Promise.resolve(featuresOf(call.runtime).redirects());
    const next = follow(call, current, answer.status, location, first, body !== undefined);
    if (!next.keepsBody) body = undefined;
    else if (body !== undefined && !body.replayable) throw new StitchError("BODY_NOT_REPLAYABLE", "the redirect asks for the body again, and a stream is sent once", { sent: true, status: answer.status });
    current = next.request;
    if (plan.auth !== undefined && auth !== undefined && ((originOf(current) === first && !next.left) || plan.auth.origins?.includes(originOf(current)) === true)) await plan.auth.apply(current, auth);
  }
}

async function exchange(call: Call, request: Outgoing, body: Prepared["body"], trail: Trail): Promise<Answer> {
  const { plan, runtime } = call;
  request.stream = plan.streams || plan.responseKind === "raw";
  request.maxResponseBytes = plan.maxResponseBytes;
  request.connectTimeoutMs = plan.timeout.connectMs;
  request.idleTimeoutMs = request.stream || plan.timeout.idleMs === Infinity ? 0 : plan.timeout.idleMs;
  request.publicOnly = runtime.config.denyPrivate === true;
  request.call = call;
  if (body !== undefined) {
    const made = body.make();
    const value = isPromise(made) ? await made : made;
    const { onProgress } = call.input;
    (request as { body: unknown }).body = onProgress === undefined ? value : (await Promise.resolve(featuresOf(call.runtime).bodies())).counted(value, body.bytes, onProgress);
    if (onProgress !== undefined && body.bytes !== undefined) request.headers["content-length"] = String(body.bytes);
  }
  request.scope.throwIfCancelled();
  const { clock } = runtime;
  const requestedAt = clock.now();
  const { adapter } = plan;
  // An adapter that does not say when a request leaves may have sent it at once.
  if (adapter.capabilities?.sending !== true) request.sent = "unknown";
  try {
    const response = await (request.scope.bound(adapter(request)) as Promise<Awaited<ReturnType<typeof adapter>>>);
    trail.sent = true;
    trail.url = response.url ?? request.url;
    if (response.url?.startsWith("http:") === true && request.url.startsWith("https:")) throw refused("from https to http", response.status);
    const answer = new Answer(response, trail.url, requestedAt, clock.now());
    if (answer.body instanceof ReadableStream) {
      const { watched } = await Promise.resolve(featuresOf(call.runtime).streams());
      answer.body = watched(answer, answer.body, call, request.scope);
    }
    return answer;
  } catch (error) {
    if (trail.sent !== true && request.sent !== false) trail.sent = request.sent;
    throw transportFailure(error, call, request);
  }
}

/** Any failure of an adapter as an error with a code and an honest `sent`. */
export function transportFailure(error: unknown, call: Call, request: Outgoing): StitchError {
  if (request.scope.cancelled !== undefined) {
    const reason = request.scope.cancelled.reason;
    const known = isStitchError(reason) ? reason : new StitchError("ABORTED", "the call was aborted", { cause: reason });
    if (known.sent === false && request.sent !== false) set(known, { sent: request.sent });
    return known;
  }
  if (isStitchError(error)) return completeError(error, { sent: request.sent });
  const claimed = (error as { sent?: unknown } | null)?.sent;
  const sent = claimed === false || claimed === true || claimed === "unknown" ? claimed : request.sent;
  if (error instanceof TransportError) return ofTransport(error, call, sent);
  const { code } = (error ?? {}) as { code?: unknown };
  const named = code === "BODY_TRUNCATED" || code === "PROTOCOL_ERROR" || code === "TLS" ? code : "NETWORK";
  const tls = typeof code === "string" && isTls(code);
  return new StitchError(tls ? "TLS" : named, tls ? "the TLS handshake failed" : "the exchange failed on the way", { cause: error, sent: tls || NEVER_LEFT.has(String(code)) ? false : sent, retryable: !tls });
}

const NEVER_LEFT: ReadonlySet<string> = /* @__PURE__ */ new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

function isTls(code: string): boolean {
  return /^(?:ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|HOSTNAME_MISMATCH|EPROTO)/.test(code);
}

function ofTransport(error: TransportError, call: Call, sent: boolean | "unknown"): StitchError {
  const cause = error.cause as { code?: unknown; name?: unknown } | undefined;
  const code = typeof cause?.code === "string" ? cause.code : "";
  const fail = (name: ConstructorParameters<typeof StitchError>[0], message: string, left: boolean | "unknown", retryable: boolean): StitchError =>
    new StitchError(name, message, { cause: error, sent: left, retryable });
  if (isTls(code)) return fail("TLS", "the TLS handshake failed", false, false);
  if (code === "SLUICE_ADDRESS_REFUSED") return fail("REDIRECT_REFUSED", "denyPrivate: the host has an address that is not public", false, false);
  switch (error.code) {
    case "CONNECT_FAILED":
      return fail("NETWORK", "no connection could be made", false, true);
    case "CONNECT_TIMEOUT":
      return Object.assign(call.timeout("connect"), { cause: error, sent: false });
    case "HEADERS_TIMEOUT":
      return Object.assign(call.timeout("attempt"), { cause: error, sent });
    case "BODY_TIMEOUT":
      return Object.assign(call.timeout("idle"), { cause: error, sent });
    case "BODY_TOO_LONG":
      return fail("RESPONSE_TOO_LARGE", `the response is longer than maxResponseBytes (${call.plan.maxResponseBytes})`, true, false);
    case "REQUEST_INVALID":
      return fail("PROTOCOL_ERROR", "the request cannot be sent as it is", false, false);
    case "RESPONSE_BROKEN":
      if (cause?.name === "HTTPParserError" || code === "UND_ERR_HEADERS_OVERFLOW" || /coding|does not decode|status \d|switched protocols/.test(error.message)) return fail("PROTOCOL_ERROR", "what came is no valid response", sent === true ? true : sent === false ? "unknown" : sent, true);
      return sent === true ? fail("BODY_TRUNCATED", "the response broke off", true, true) : fail("NETWORK", "the connection ended before an answer", sent, true);
  }
}

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}
