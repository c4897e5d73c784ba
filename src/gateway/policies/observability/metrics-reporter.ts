/** `metricsReporter`: counts requests into a collector of one's own. */

import { OptionError } from "../../../core/errors.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { requestState } from "../../context.ts";
import type { MetricsCollector } from "../../operation/metrics.ts";
import { metricsSink } from "../../operation/sinks.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";

export interface MetricsReporterConfig extends PolicyOptions {
  /** Where the figures go. */
  readonly collector: MetricsCollector;
}

/**
 * Writes `gateway_requests_total`, `gateway_request_duration_ms` and `gateway_request_errors_total` of the routes it stands
 * on, once the body of an answer has ended. For all figures of a gateway use its option `metrics`. A collector that
 * throws changes nothing.
 *
 * ```ts
 * metricsReporter({ collector: new InMemoryMetricsCollector() })
 * ```
 */
export const metricsReporter: PolicyFactory<MetricsReporterConfig> = /* @__PURE__ */ definePolicy<MetricsReporterConfig, ReturnType<typeof metricsSink>>({
  name: "metrics-reporter",
  priority: Priority.METRICS,
  httpOnly: true,
  validate({ collector }) {
    if (typeof collector?.increment !== "function" || typeof collector.histogram !== "function") throw new OptionError("collector", collector, "a metrics collector");
  },
  setup: ({ collector }, site) => metricsSink(site.gatewayName, collector),
  handler(c, next, { state: sink, gateway }) {
    const state = requestState(c);
    gateway.onBodyEnd(({ bytes, aborted }) => {
      try {
        sink({
          type: "request", requestId: gateway.requestId, route: gateway.routePath, method: c.req.method, status: state.statusOf(c.res), bytes, aborted,
          durationMs: state.snapshot.clock.monotonic() - state.beganAt, ...(state.tags === undefined ? undefined : { tags: state.tags }),
        });
      } catch {
        // Counting must not become the request's problem.
      }
    });
    return next();
  },
});
