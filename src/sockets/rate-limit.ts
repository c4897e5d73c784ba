/** Rate limits as middleware, and the keys they count by. */

import { isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import { joinKey } from "../core/keys.ts";
import { guard } from "../state/guard.ts";
import type { RateLimitDecision, RateLimiter } from "../state/contracts/limits.ts";
import { memoryRateLimiter } from "../drivers/memory/memory-rate-limiter.ts";
import type { SyncRateLimiter } from "../state/stores/rate-limiter.ts";
import { checkFunction, checkKeys, checkOneOf } from "./check.ts";
import { OptionError } from "../core/errors.ts";
import type { MessageContextBase } from "./context.ts";
import type { ConnectionData, Middleware, MiddlewareContext, Next } from "./types.ts";

export type RateLimitContext<Data> = Omit<MiddlewareContext<Data>, "payload"> & { readonly payload: unknown };

export interface RateLimitOptions<Data = ConnectionData> {
  readonly limiter: RateLimiter;
  /** @default keyPerUserPerType */
  readonly key?: (ctx: RateLimitContext<Data>) => string;
  /** Tokens of a message; 0 passes without asking. @default 1 */
  readonly cost?: (ctx: RateLimitContext<Data>) => number;
  /** What a limiter without an answer means: a limit in this process takes over, everything passes, or nothing. @default "local" */
  readonly onFailure?: "local" | "open" | "closed";
  /** `raw` counts before validation, so that invalid floods cost, too. @default "raw" */
  readonly stage?: "raw" | "validated";
}

/** Deadline of a limiter, in ms. */
const TIMEOUT_MS = 250;

/** Tenant, user and type; a connection without `data.userId` counts by itself. */
export function keyPerUserPerType(ctx: { readonly data: unknown; readonly clientId: string; readonly type: string }): string {
  return joinKey(...userParts(ctx), ctx.type);
}

/** Tenant and user. */
export function keyPerUser(ctx: { readonly data: unknown; readonly clientId: string }): string {
  return joinKey(...userParts(ctx));
}

export function keyPerConnection(ctx: { readonly clientId: string }): string {
  return joinKey("connection", ctx.clientId);
}

/** The client's address; a connection without one counts by itself. */
export function keyPerIp(ctx: { readonly request: { readonly ip: string | undefined }; readonly clientId: string }): string {
  return ctx.request.ip === undefined ? keyPerConnection(ctx) : joinKey("ip", ctx.request.ip);
}

function userParts({ data, clientId }: { readonly data: unknown; readonly clientId: string }): string[] {
  const { userId, tenantId } = (data ?? {}) as { userId?: unknown; tenantId?: unknown };
  const tenant = tenantId === undefined || tenantId === null ? "" : String(tenantId);
  return userId === undefined || userId === null || userId === "" ? ["anonymous", tenant, clientId] : ["user", tenant, String(userId)];
}

/**
 * Refuses messages over a limit with `RESOURCE_EXHAUSTED` and when to come back.
 *
 * ```ts
 * router.use(rateLimit({ limiter: memoryRateLimiter({ capacity: 20, tokensPerSecond: 5 }) }));
 * ```
 */
export function rateLimit<Data = ConnectionData>(options: RateLimitOptions<Data>): Middleware<Data> {
  checkKeys("rateLimit", options, ["limiter", "key", "cost", "onFailure", "stage"]);
  const { limiter } = options;
  if (typeof limiter?.consume !== "function" || typeof limiter.getPolicy !== "function") throw new OptionError("rateLimit.limiter", limiter, "a RateLimiter with consume and getPolicy");
  const key = checkFunction("rateLimit.key", options.key ?? keyPerUserPerType) as (ctx: unknown) => string;
  const cost = options.cost === undefined ? undefined : (checkFunction("rateLimit.cost", options.cost) as (ctx: unknown) => number);
  const onFailure = checkOneOf("rateLimit.onFailure", options.onFailure ?? "local", ["local", "open", "closed"]);
  const stage = checkOneOf("rateLimit.stage", options.stage ?? "raw", ["raw", "validated"]);
  const guarded = typeof limiter.consumeSync === "function" ? undefined : guard(limiter, { timeoutMs: TIMEOUT_MS, name: "rate limiter" });
  let local: SyncRateLimiter | undefined;
  const consume = (name: string, tokens: number): MaybePromise<RateLimitDecision> => (guarded === undefined ? limiter.consumeSync!(name, tokens) : guarded.call("consume", () => limiter.consume(name, tokens)));
  const fallback = (name: string, tokens: number): RateLimitDecision | undefined => {
    if (onFailure === "open") return { allowed: true, remaining: 0 };
    if (onFailure === "closed") return undefined;
    const { capacity, tokensPerSecond } = limiter.getPolicy();
    local ??= memoryRateLimiter({ capacity, tokensPerSecond });
    return local.consumeSync(name, tokens);
  };
  const middleware = (given: MiddlewareContext<Data>, next: Next): MaybePromise<unknown> => {
    const ctx = given as unknown as MessageContextBase;
    if (ctx.kind === "lifecycle") return next();
    let name: string;
    let tokens = 1;
    try {
      if (cost !== undefined) tokens = cost(ctx);
      if (!Number.isSafeInteger(tokens) || tokens < 0) return refuseCost(ctx, tokens);
      if (tokens === 0) return next();
      name = key(ctx);
      if (typeof name !== "string" || name === "") throw new TypeError("the key of a rate limit is a non-empty text");
    } catch (error) {
      ctx.error("INTERNAL", "internal error");
      report(ctx, error);
      return undefined;
    }
    const settle = (decision: RateLimitDecision): MaybePromise<unknown> => (decision.allowed ? next() : refuse(ctx, limiter, decision, tokens));
    const fail = (error: unknown): MaybePromise<unknown> => {
      report(ctx, error, "UNAVAILABLE");
      const decision = fallback(name, tokens);
      if (decision !== undefined) return settle(decision);
      ctx.error("UNAVAILABLE", "the rate limit cannot be checked");
      return undefined;
    };
    let decision: MaybePromise<RateLimitDecision>;
    try {
      decision = consume(name, tokens);
    } catch (error) {
      return fail(error);
    }
    if (!isPromise(decision)) return settle(decision);
    return decision.then((value) => ({ value }), (error: unknown) => ({ error })).then((result) => ("value" in result ? settle(result.value) : fail(result.error)));
  };
  return Object.assign(middleware, { "~stage": stage }) as Middleware<Data>;
}

function refuse(ctx: MessageContextBase, limiter: RateLimiter, decision: RateLimitDecision & { readonly allowed: false }, cost: number): void {
  const { capacity } = limiter.getPolicy();
  const { retryAfterMs, remaining } = decision;
  if (retryAfterMs === null) ctx.error("FAILED_PRECONDITION", "the message costs more than the limit ever allows", { cost, capacity }, { retryable: false });
  else ctx.error("RESOURCE_EXHAUSTED", "rate limited", { cost, capacity, remaining }, { retryable: true, retryAfterMs });
  const { hub } = ctx._connection;
  hub.limitExceeded({ type: "rate", clientId: ctx.clientId, ws: ctx.ws, observed: cost, limit: capacity, retryAfterMs });
}

function refuseCost(ctx: MessageContextBase, cost: unknown): void {
  ctx.error("INVALID_ARGUMENT", "the cost of this message is not a whole number");
  report(ctx, new OptionError("rateLimit.cost", cost, "a non-negative safe integer"), "INVALID_ARGUMENT");
}

function report(ctx: MessageContextBase, error: unknown, code?: string): void {
  ctx._connection.hub.reportError(error, ctx._connection, ctx.type, code);
}
