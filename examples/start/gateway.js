/** A gateway with three routes: one limited, one cached, one behind a circuit breaker. State is in memory. */
import { cache, circuitBreaker, rateLimit } from "sluice/gateway";
import { memoryAdapter } from "sluice/memory";

/** @param {string} origin where the upstream listens @returns {import("sluice/gateway").GatewayConfig} */
export function gatewayConfig(origin) {
  return {
    name: "start",
    adapter: memoryAdapter(),
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
