/** `latencyInjection`: makes requests slow on purpose, to see what that does. */

import { checkNonNegative } from "../../../core/check.ts";
import { sleep } from "../../../core/clock.ts";
import { OptionError } from "../../../core/errors.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";

export interface LatencyInjectionConfig extends PolicyOptions {
  /** Wait before the request goes on. */
  readonly delayMs: number;
  /** Up to so much more or less, as a share of the wait, from 0 to 1. @default 0 */
  readonly jitter?: number;
  /** Share of requests that wait, from 0 to 1. @default 1 */
  readonly probability?: number;
}

/** Waits, unless the client leaves. */
export const latencyInjection: PolicyFactory<LatencyInjectionConfig> = /* @__PURE__ */ definePolicy<LatencyInjectionConfig, undefined>({
  name: "latency-injection",
  httpOnly: true,
  priority: Priority.EARLY,
  validate(config) {
    checkNonNegative("delayMs", config.delayMs);
    for (const option of ["jitter", "probability"] as const) {
      if (config[option] !== undefined && checkNonNegative(option, config[option]) > 1) throw new OptionError(option, config[option], "a number from 0 to 1");
    }
  },
  async handler(_c, next, { config, site, gateway }) {
    if (site.random.next() >= (config.probability ?? 1)) return next();
    const delayMs = config.delayMs * (1 + (config.jitter ?? 0) * (2 * site.random.next() - 1));
    if (delayMs > 0) {
      await sleep(delayMs, site.clock, gateway.signal).catch((error: unknown) => {
        throw new GatewayError(499, "client_closed", "The client closed the request", undefined, { cause: error });
      });
    }
    await next();
  },
});
