/** `proxy`: how the upstream is called, where a route wants it otherwise. */

import { checkPositive } from "../../../core/check.ts";
import { MAX_TIMER_MS } from "../../../core/clock.ts";
import { requestState } from "../../context.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { innerSignal } from "../../inner-signal.ts";
import { checkBoolean, checkFieldName, checkFields, checkNames } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import { editRequestFields } from "../../request-edit.ts";
import type { PolicyOptions } from "../../types.ts";
import { outgoingPlan } from "../../upstreams/outgoing-plan.ts";

export interface ProxyConfig extends PolicyOptions {
  /** Fields set on the request to the upstream, last. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Fields the upstream does not get, those of the gateway itself included. */
  readonly stripHeaders?: readonly string[];
  /** Deadline of one call up to the response's first header, in ms. @default 30000 */
  readonly timeout?: number;
  /** Send the client's `Host`. @default false */
  readonly preserveHost?: boolean;
}

/** Acts on the call of the upstream itself. No header within `timeout` is a 504 `upstream_timeout`, and the call is aborted. */
export const proxy: PolicyFactory<ProxyConfig> = /* @__PURE__ */ definePolicy<ProxyConfig, { readonly set: readonly (readonly [string, string])[]; readonly strip: readonly string[] }>({
  name: "proxy",
  httpOnly: true,
  priority: Priority.PROXY,
  validate(config) {
    if (config.headers !== undefined) checkFields("headers", config.headers);
    checkNames("stripHeaders", config.stripHeaders);
    for (const name of config.stripHeaders ?? []) checkFieldName("stripHeaders", name);
    checkPositive("timeout", config.timeout ?? 30_000, MAX_TIMER_MS);
    checkBoolean("preserveHost", config.preserveHost);
  },
  setup: (config) => ({
    set: Object.entries(config.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value] as const),
    strip: (config.stripHeaders ?? []).map((name) => name.toLowerCase()),
  }),
  handler(c, next, { config, state, site, gateway }) {
    const plan = outgoingPlan(requestState(c));
    plan.set = [...plan.set, ...state.set];
    plan.strip = [...plan.strip, ...state.strip];
    if (config.preserveHost === true) plan.preserveHost = true;
    // Upstreams that are called with the request as it is see the same.
    editRequestFields(c, (headers) => {
      for (const name of state.strip) headers.delete(name);
      for (const [name, value] of state.set) headers.set(name, value);
    });
    const inner = innerSignal(gateway);
    gateway.onBodyEnd(inner.settle);
    return new Promise<void>((resolve, reject) => {
      const timer = site.clock.setTimeout(() => {
        const error = new GatewayError(504, "upstream_timeout", "The upstream did not answer in time");
        gateway.upstreamError = error;
        inner.leave();
        reject(error);
        inner.abort(error);
      }, config.timeout ?? 30_000);
      next().then(() => {
        site.clock.clearTimeout(timer);
        inner.leave();
        resolve();
      }, reject);
    });
  },
});
