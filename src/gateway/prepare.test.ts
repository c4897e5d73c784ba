import { expect, it } from "vitest";
import { memoryAdapter } from "../drivers/memory/adapter.ts";
import { createGateway } from "./create-gateway.ts";
import { circuitBreaker } from "./policies/resilience/circuit-breaker.ts";
import { cache } from "./policies/traffic/cache.ts";
import { quota } from "./policies/traffic/quota.ts";
import { rateLimit } from "./policies/traffic/rate-limit.ts";

/** The same store behind a wire: each call takes a turn of the event loop and more. */
function remote<Store extends object>(store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      if (name === "capabilities") return { ...(target as { capabilities?: object }).capabilities, shared: true };
      const member = (target as Record<PropertyKey, unknown>)[name];
      if (typeof member !== "function") return member;
      return async (...args: unknown[]) => {
        for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
        return (member as (...args: unknown[]) => unknown).apply(target, args);
      };
    },
  });
}

const failing = async (): Promise<never> => {
  throw new Error("no key today");
};

// A failure that nobody hears ends a process; here it fails the run.
it.each([
  ["a circuit's key", () => circuitBreaker({ key: failing })],
  ["a cache's key", () => cache({ cacheKeyFn: failing })],
  ["a quota's key", () => quota({ max: 5, keyBy: failing })],
])("%s that fails while a limit in front is asked fails that request alone", async (_, policy) => {
  const local = memoryAdapter();
  const adapter = { ...local, rateLimitStore: remote(local.rateLimitStore!), circuitBreakerStore: remote(local.circuitBreakerStore!), cacheStore: remote(local.cacheStore!) };
  const gateway = createGateway({
    adapter,
    routes: [{ path: "/*", pipeline: { policies: [rateLimit({ max: 1 }), policy()], upstream: { type: "handler", handler: (c) => c.text("never") } } }],
  });
  const statuses = [];
  for (let i = 0; i < 2; i++) statuses.push((await gateway.fetch(new Request("http://gateway.test/x"))).status);
  expect(statuses).toEqual([500, 429]);
  await gateway.close();
});
