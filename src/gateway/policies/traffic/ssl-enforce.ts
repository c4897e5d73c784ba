/** `sslEnforce`: requests come over TLS, and browsers are told to keep to it. */

import { checkInteger } from "../../../core/check.ts";
import { stackless } from "../../../core/errors.ts";
import { requestState } from "../../context.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { checkBoolean } from "../../option-checks.ts";
import { queryOf } from "../../path.ts";
import { clientHost, clientScheme } from "../../peer-trust.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";

export interface SslEnforceConfig extends PolicyOptions {
  /** Send plain requests to the https form of their URL; `false` refuses them. @default true */
  readonly redirect?: boolean;
  /** How long browsers keep to https, in seconds; 0 tells them to forget it. @default 31536000 */
  readonly hstsMaxAge?: number;
  /** The same for all subdomains. @default false */
  readonly includeSubDomains?: boolean;
  /** Consent to the browsers' built-in lists. @default false */
  readonly preload?: boolean;
}

/**
 * Redirects plain requests (301 for GET and HEAD, else 308) or refuses them with 403 `ssl_required`; on https it adds
 * `Strict-Transport-Security` (RFC 6797). The scheme is the connection's, or what a trusted proxy says it was.
 */
export const sslEnforce: PolicyFactory<SslEnforceConfig> = /* @__PURE__ */ definePolicy<SslEnforceConfig, { readonly hsts: string }>({
  name: "ssl-enforce",
  httpOnly: true,
  priority: Priority.EARLY,
  guard: true,
  validate(config) {
    for (const option of ["redirect", "includeSubDomains", "preload"] as const) checkBoolean(option, config[option]);
    checkInteger("hstsMaxAge", config.hstsMaxAge ?? 31_536_000, 0);
  },
  setup: (config) => ({
    hsts: `max-age=${config.hstsMaxAge ?? 31_536_000}${config.includeSubDomains === true ? "; includeSubDomains" : ""}${config.preload === true ? "; preload" : ""}`,
  }),
  async handler(c, next, { config, state }) {
    const request = requestState(c);
    if (clientScheme(request) === "https") {
      await next();
      c.res.headers.set("strict-transport-security", state.hsts);
      return;
    }
    if (config.redirect === false) throw stackless(() => new GatewayError(403, "ssl_required", "The request must be sent over https"));
    const { method } = c.req;
    const host = clientHost(request).replace(/:80$/, "");
    return new Response(null, { status: method === "GET" || method === "HEAD" ? 301 : 308, headers: { location: `https://${host}${pathOf(c.req.raw.url)}` } });
  },
});

function pathOf(url: string): string {
  return new URL(url).pathname + queryOf(url);
}
