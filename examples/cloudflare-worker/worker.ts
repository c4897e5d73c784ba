/** A gateway on Workers: limits and circuits that every location agrees on, and a cache per location. */

import { env } from "cloudflare:workers";
import { cloudflareAdapter, cloudflareKvStore } from "sluice/cloudflare";
import { cache, circuitBreaker, createGateway, rateLimit } from "sluice/gateway";

// The platform looks for the classes of objects here.
export { CircuitBreakerDO, RateLimiterDO, StateDO } from "sluice/cloudflare";

const adapter = cloudflareAdapter({
  rateLimitDo: env.RATE_LIMITER,
  breakerDo: env.CIRCUIT_BREAKER,
  stateDo: env.STATE,
  cache: caches.default,
  env,
});
const sessions = cloudflareKvStore(env.SESSIONS, { keyPrefix: "session:" });

let made = 0;
let flaky = 0;

const gateway = createGateway({
  name: "example",
  adapter,
  routes: [
    {
      path: "/limited",
      pipeline: {
        policies: [rateLimit({ max: 5, windowSeconds: 60 })],
        upstream: { type: "handler", handler: (c) => c.json({ hello: "world" }) },
      },
    },
    {
      path: "/cached",
      pipeline: {
        policies: [cache({ ttlSeconds: 30 })],
        upstream: { type: "handler", handler: (c) => c.json({ made: ++made }) },
      },
    },
    {
      path: "/flaky",
      pipeline: {
        policies: [circuitBreaker({ failureThreshold: 3, resetTimeoutMs: 10_000 })],
        upstream: { type: "handler", handler: (c) => c.json({ calls: ++flaky }, 503) },
      },
    },
    {
      path: "/visits/:name",
      pipeline: {
        upstream: {
          type: "handler",
          handler: async (c) => {
            const name = c.req.param("name") ?? "nobody";
            await sessions.set(name, { seenAt: Date.now() }, 3_600_000);
            return c.json({ visits: await adapter.store?.incr(`visits:${name}`) });
          },
        },
      },
    },
  ],
});

export default { fetch: gateway.fetch };
