/** `csrf`: requests that change something come from pages that may send them. */

import type { Context } from "hono";
import { OptionError, stackless } from "../../../core/errors.ts";
import { requestState } from "../../context.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { checkBoolean, checkNames } from "../../option-checks.ts";
import { clientHost, clientScheme } from "../../peer-trust.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";
import { isUpgrade } from "../../upstreams/web-socket.ts";
import { applyDecision, type AuthDecision, refused } from "./authorize.ts";

export interface CsrfConfig extends PolicyOptions {
  /** Origins whose pages may send such requests, such as `https://app.example.com`. @default the origin the request was sent to */
  readonly allowedOrigins?: readonly string[];
  /** Methods that are checked; WebSocket handshakes are, too. @default all but GET, HEAD, OPTIONS, TRACE and QUERY */
  readonly methods?: readonly string[];
  /** Admit requests that say nothing about where they come from. @default true for requests without cookies, else false */
  readonly allowMissing?: boolean;
}

const SAFE: ReadonlySet<string> = /* @__PURE__ */ new Set(["GET", "HEAD", "OPTIONS", "TRACE", "QUERY"]);

/**
 * Refuses unsafe requests of other sites' pages: 403 `csrf_rejected`. It believes `Sec-Fetch-Site`, then `Origin`, then `Referer`,
 * none of which a page can forge.
 */
export const csrf: PolicyFactory<CsrfConfig> = /* @__PURE__ */ definePolicy<CsrfConfig, { readonly origins: ReadonlySet<string> | undefined; readonly methods: ReadonlySet<string> | undefined }>({
  name: "csrf",
  httpOnly: true,
  priority: Priority.EARLY,
  guard: true,
  validate(config) {
    if (config.allowedOrigins !== undefined) checkNames("allowedOrigins", config.allowedOrigins, 1);
    for (const origin of config.allowedOrigins ?? []) {
      if (originOf(origin) !== origin) throw new OptionError("allowedOrigins", origin, "made of origins such as https://app.example.com");
    }
    if (config.methods !== undefined) checkNames("methods", config.methods, 1);
    checkBoolean("allowMissing", config.allowMissing);
  },
  setup: (config) => ({
    origins: config.allowedOrigins === undefined ? undefined : new Set(config.allowedOrigins),
    methods: config.methods === undefined ? undefined : new Set(config.methods.map((method) => method.toUpperCase())),
  }),
  handler(c, next, { config, state, gateway }) {
    if (!isChecked(c, state.methods)) return next();
    applyDecision(c, gateway, decideCsrf(config, csrfInput(c, state.origins)));
    return next();
  },
});

function isChecked(c: Context, methods: ReadonlySet<string> | undefined): boolean {
  const { method } = c.req;
  if (methods === undefined ? !SAFE.has(method) : methods.has(method)) return true;
  return isUpgrade(c);
}

export interface CsrfInput {
  readonly site: string | null;
  readonly origin: string | null;
  readonly referer: string | null;
  readonly cookies: boolean;
  /** Origins that may, or what gives the request's own. */
  readonly allowed: ReadonlySet<string> | (() => string);
}

export function decideCsrf(config: CsrfConfig, { site, origin, referer, cookies, allowed }: CsrfInput): AuthDecision {
  // "none" is the user: an address typed, a bookmark.
  if (site === "same-origin" || site === "none") return { allowed: true };
  const isAllowed = (from: string): boolean => (typeof allowed === "function" ? from === originOf(allowed()) : allowed.has(from));
  const from = origin ?? (referer === null ? null : (originOf(referer) ?? "null"));
  if (from !== null) return from !== "null" && isAllowed(from) ? { allowed: true } : rejected();
  if (site !== null) return rejected();
  return (config.allowMissing ?? !cookies) ? { allowed: true } : rejected();
}

/** Whether the request comes from a page of another origin than its own, as far as its fields say. */
export function isCrossSite(c: Context): boolean {
  return !decideCsrf({ allowMissing: true }, csrfInput(c, undefined)).allowed;
}

function csrfInput(c: Context, origins: ReadonlySet<string> | undefined): CsrfInput {
  const { headers } = c.req.raw;
  return {
    site: headers.get("sec-fetch-site"),
    origin: headers.get("origin"),
    referer: headers.get("referer"),
    cookies: headers.has("cookie"),
    allowed: origins ?? (() => `${clientScheme(requestState(c))}://${clientHost(requestState(c))}`),
  };
}

function rejected(): AuthDecision {
  return refused(stackless(() => new GatewayError(403, "csrf_rejected", "The request comes from a page that may not send it")));
}

function originOf(url: string): string | undefined {
  try {
    const { origin } = new URL(url);
    return origin === "null" ? undefined : origin;
  } catch {
    return undefined;
  }
}
