/** A gateway with three routes: one limited, one cached, one behind a circuit breaker. */
import { cache, circuitBreaker, rateLimit } from "sluice/gateway";

/** @param {string} origin where the upstream listens @param {import("sluice/state").GatewayAdapter} adapter @returns {import("sluice/gateway").GatewayConfig} */
export function gatewayConfig(origin, adapter) {
  return {
    name: "start",
    adapter,
    routes: [
      {
        path: "/limited",
        methods: ["GET"],
        pipeline: { policies: [rateLimit({ max: 5, windowSeconds: 10 })], upstream: { type: "url", target: origin, rewritePath: () => "/hello" } },
      },
      {
        path: "/cached",
        methods: ["GET"],
        pipeline: { policies: [cache({ ttlSeconds: 30 })], upstream: { type: "url", target: origin, rewritePath: () => "/slow" } },
      },
      {
        path: "/flaky",
        methods: ["GET"],
        pipeline: { policies: [circuitBreaker({ failureThreshold: 3, resetTimeoutMs: 10_000 })], upstream: { type: "url", target: origin } },
      },
    ],
  };
}
