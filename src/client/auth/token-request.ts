/** Requests to a token endpoint (RFC 6749 3.2), with client authentication by `oauth4webapi`. */

import * as oauth from "oauth4webapi";
import { parseRetryAfter, retryDelayMs } from "../../resilience/backoff.ts";
import { sleep } from "../../core/clock.ts";
import { systemRandom } from "../../core/random.ts";
import { Answer } from "../answer.ts";
import { StitchError, isStitchError, type AuthFailure } from "../errors.ts";
import { newFields } from "../fields.ts";
import { Outgoing } from "../outgoing.ts";
import { Scope } from "../scope.ts";
import { deadlinesOf } from "#deadlines";
import type { AuthContext } from "./strategy.ts";
import type { Tokens } from "./tokens.ts";

export interface TokenClient {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly clientAuth: "basic" | "post" | "none";
}

const TRIES = 3;
const BACKOFF = { backoff: "exponential", baseDelayMs: 100, maxDelayMs: 2000, jitter: "full" } as const;
const MAX_BYTES = 262_144;
const REQUEST_MS = 30_000;

/** Asks the endpoint, again after network failures, 5xx and 429. @throws StitchError `AUTH_FAILED` */
export async function requestTokens(client: TokenClient, parameters: URLSearchParams, context: AuthContext): Promise<Tokens> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask(client, parameters, context);
    } catch (error) {
      const failure = isStitchError(error) ? error : failed("network", "the token endpoint could not be reached", { cause: error });
      if (tries >= TRIES || !failure.retryable || context.signal.aborted || (failure.retryAfterMs ?? 0) > 10_000) throw failure;
      await sleep(Math.max(failure.retryAfterMs ?? 0, retryDelayMs(tries, BACKOFF, { ...systemRandom, next: () => context.random.next() })), context.clock, context.signal);
    }
  }
}

async function ask(client: TokenClient, parameters: URLSearchParams, context: AuthContext): Promise<Tokens> {
  const headers = new Headers({ accept: "application/json" });
  const body = new URLSearchParams(parameters);
  const server: oauth.AuthorizationServer = { issuer: new URL(client.tokenUrl).origin, token_endpoint: client.tokenUrl };
  const authenticate = client.clientAuth === "none" || client.clientSecret === undefined ? oauth.None() : client.clientAuth === "post" ? oauth.ClientSecretPost(client.clientSecret) : oauth.ClientSecretBasic(client.clientSecret);
  await authenticate(server, { client_id: client.clientId }, body, headers);
  if (client.clientSecret !== undefined) context.hide(client.clientSecret);
  const answer = await post(client.tokenUrl, headers, body.toString(), context);
  const { status } = answer;
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(new TextDecoder().decode(await answer.bytes(MAX_BYTES))) as Record<string, unknown>;
    if (typeof json !== "object" || json === null) throw new Error("no object");
  } catch {
    json = {};
  }
  if (status === 429) throw failed("rate-limited", "the token endpoint refused: too many requests", { status, retryable: true, retryAfterMs: parseRetryAfter(answer.get("retry-after"), context.clock.now()) });
  if (status >= 500) throw failed("network", "the token endpoint failed", { status, retryable: true });
  if (status < 200 || status > 299) {
    const { error } = json;
    const failure = failed(typeof error === "string" || status === 401 ? "invalid-credentials" : "protocol", `the token endpoint refused${typeof error === "string" && /^[a-z_]{1,40}$/.test(error) ? `: ${error}` : ""}`, { status });
    if (error === "invalid_grant") Object.defineProperty(failure, "invalidGrant", { value: true });
    throw failure;
  }
  return tokensFrom(json, context.clock.now());
}

/** A token response. Lifetimes may come as text; what is none counts as absent. @throws StitchError `AUTH_FAILED` */
export function tokensFrom(json: Record<string, unknown>, now: number): Tokens {
  const { access_token: accessToken, refresh_token: refreshToken, token_type: tokenType, expires_in: expiresIn } = json;
  if (typeof accessToken !== "string" || accessToken === "" || /[^\u0021-\u007e]/.test(accessToken)) throw failed("protocol", "the token endpoint gave no access token");
  if (tokenType !== undefined && (typeof tokenType !== "string" || tokenType.toLowerCase() !== "bearer")) throw failed("protocol", "the token endpoint gave a token of a type that is not bearer");
  const seconds = typeof expiresIn === "number" ? expiresIn : typeof expiresIn === "string" && /^\d{1,12}(?:\.\d+)?$/.test(expiresIn) ? Number(expiresIn) : Number.NaN;
  return {
    accessToken, issuedAt: now,
    ...(typeof refreshToken === "string" && refreshToken !== "" ? { refreshToken } : {}),
    ...(Number.isFinite(seconds) && seconds > 0 ? { expiresAt: now + seconds * 1000 } : {}),
  };
}

export function failed(category: AuthFailure, message: string, facts: { cause?: unknown; status?: number; retryable?: boolean; retryAfterMs?: number } = {}): StitchError {
  return new StitchError("AUTH_FAILED", message, { category, step: "refresh", retryable: facts.retryable ?? category === "network", ...facts });
}

/** One request, which follows no redirect: tokens and secrets go to the endpoint that was configured. */
async function post(url: string, headers: Headers, body: string, context: AuthContext): Promise<Answer> {
  const fields = newFields();
  headers.forEach((value, name) => void (fields[name] = value));
  fields["content-type"] = "application/x-www-form-urlencoded;charset=UTF-8";
  const scope = new Scope(deadlinesOf(context.clock), context.clock, () => failed("network", "the token endpoint did not answer in time", { retryable: true }));
  const abort = (): void => scope.cancel(context.signal.reason);
  if (context.signal.aborted) throw context.signal.reason;
  context.signal.addEventListener("abort", abort, { once: true });
  scope.limit(REQUEST_MS);
  const { origin, pathname, search } = new URL(url);
  const request = new Outgoing({ origin, pathname, search }, "POST", fields, body, 1, scope);
  request.maxResponseBytes = MAX_BYTES;
  try {
    const now = context.clock.now();
    return new Answer(await (scope.bound(context.adapter(request)) as ReturnType<typeof context.adapter>), url, now, context.clock.now());
  } finally {
    context.signal.removeEventListener("abort", abort);
    scope.end();
  }
}
