/** Runs one contract suite inside workerd, on the bindings of the Worker, and answers with its report. */

import {
  CacheApiCacheStore, CircuitBreakerDO, KVRateLimitStore, cloudflareKvStore, DurableObjectCircuitBreakerStore, DurableObjectRateLimitStore, RateLimiterDO, StateDO, durableObjectDriver, durableObjectRateLimiter, durableObjectStore,
} from "sluice/cloudflare";
import { createStores, cacheStoreOn } from "sluice/state";
import {
  type ContractReport, driverContractAlgorithms, storeContractRules, verifyCacheStoreContract, verifyCircuitBreakerStoreContract, verifyDriverContract, verifyRateLimitStoreContract, verifyRateLimiterContract, verifyStoreContract,
} from "sluice/testing";

export { CircuitBreakerDO, RateLimiterDO };
/** With the algorithms of the suite, as a user adds his own. */
export class State extends StateDO {
  static override readonly algorithms: typeof driverContractAlgorithms = driverContractAlgorithms;
}
/** The same classes, bound with key-value storage. */
export class PlainState extends State {}
export class PlainLimiter extends RateLimiterDO {}

/** Rules on values and times that also count or compare; what they say of values is in objects.test.ts. */
const WITH_COUNTERS = ["time/incr-refuses-a-bad-ttl", "values/input-is-copied", "keys/object-names", "time/no-ttl-is-no-expiry", "time/long-ttl", "time/expired-is-absent-everywhere"];
/** What `cloudflareKvStore` rejects by name: KV has no atomic operation. */
const noCounters = Object.fromEntries(storeContractRules.filter((rule) => /^(counters|compare-and-set)\//.test(rule) || WITH_COUNTERS.includes(rule)).map((rule) => [rule, "Workers KV has no atomic operation: incr and compareAndSet reject with STORE_CAPABILITY"]));

type Env = Record<string, any>;

const suites: Record<string, (env: Env) => Promise<ContractReport>> = {
  "driver, SQLite": (env) => verifyDriverContract(() => durableObjectDriver(env["STATE"], { shards: 4 })),
  "driver, key-value storage": (env) => verifyDriverContract(() => durableObjectDriver(env["PLAIN_STATE"])),
  "key-value": (env) => verifyStoreContract(() => durableObjectStore(env["STATE"], { keyPrefix: "kv:" }), { ttlMs: 200, shared: true, prefixed: (keyPrefix) => durableObjectStore(env["STATE"], { keyPrefix }) }),
  "key-value, key-value storage": (env) => verifyStoreContract(() => durableObjectStore(env["PLAIN_STATE"], { shards: 4 }), { ttlMs: 200 }),
  "rate limits on StateDO": (env) => verifyRateLimitStoreContract(() => createStores(durableObjectDriver(env["STATE"])).rateLimitStore),
  "rate limits on RateLimiterDO": (env) => verifyRateLimitStoreContract(() => new DurableObjectRateLimitStore(env["LIMITER"])),
  "rate limits on RateLimiterDO, key-value storage": (env) => verifyRateLimitStoreContract(() => new DurableObjectRateLimitStore(env["PLAIN_LIMITER"])),
  "rate limiter": (env) => verifyRateLimiterContract((policy) => durableObjectRateLimiter(env["STATE"], policy)),
  "circuit breaker on StateDO": (env) => verifyCircuitBreakerStoreContract(() => createStores(durableObjectDriver(env["STATE"])).circuitBreakerStore),
  "circuit breaker on CircuitBreakerDO": (env) => verifyCircuitBreakerStoreContract(() => new DurableObjectCircuitBreakerStore(env["BREAKER"])),
  "values in KV": (env) => verifyStoreContract(() => cloudflareKvStore(env["KV"], { keyPrefix: "v:" }), { ttlMs: 200, skip: noCounters, prefixed: (keyPrefix) => cloudflareKvStore(env["KV"], { keyPrefix }), foreign: (key, text) => env["KV"].put(`v:${key}`, text) }),
  "limits in KV": (env) => verifyRateLimitStoreContract(() => new KVRateLimitStore(env["KV"])),
  "cache in the Cache API": () => verifyCacheStoreContract(() => new CacheApiCacheStore((caches as any).default)),
  "cache on StateDO": (env) => verifyCacheStoreContract(() => cacheStoreOn(durableObjectDriver(env["STATE"]))),
};

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const name = new URL(request.url).searchParams.get("suite");
    if (name === null) return Response.json({ agent: navigator.userAgent, buffer: typeof (globalThis as any).Buffer, suites: Object.keys(suites) });
    const suite = suites[name];
    return suite === undefined ? new Response(`no suite ${name}`, { status: 404 }) : Response.json(await suite(env));
  },
};
