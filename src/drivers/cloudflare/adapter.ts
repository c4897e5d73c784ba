/** The adapter for Cloudflare Workers: each store on the binding that can carry it. */

import { checkFunction, checkInteger } from "../../core/check.ts";
import { OptionError } from "../../core/errors.ts";
import { DirectCombiner } from "../../state/combiner/direct.ts";
import type { RateLimitStore, RateLimiter, TokenBucketPolicy } from "../../state/contracts/limits.ts";
import type { CircuitBreakerStore } from "../../state/contracts/circuits.ts";
import type { CacheStore } from "../../state/contracts/cache.ts";
import type { GatewayAdapter } from "../../state/contracts/adapter.ts";
import { type KeyValueStore, keyValueStoreOn } from "../../state/stores/key-value-store.ts";
import { rateLimitStoreOn } from "../../state/stores/rate-limit-store.ts";
import { rateLimiterOn } from "../../state/stores/rate-limiter.ts";
import type { Run } from "../../state/stores/runner.ts";
import { checkCache, checkKvNamespace, checkNamespace } from "./bindings.ts";
import { CacheApiCacheStore } from "./cache-api-cache-store.ts";
import { type DurableObjectDriver, durableObjectDriver } from "./driver.ts";
import type { DurableObjectOptions } from "./object-calls.ts";
import { DurableObjectCircuitBreakerStore } from "./durable-object-circuit-breaker-store.ts";
import { DurableObjectRateLimitStore } from "./durable-object-rate-limit-store.ts";
import { KVRateLimitStore } from "./kv-rate-limit-store.ts";
import { gatewayState, perIsolate } from "./per-isolate.ts";
import { hasWebSocketPairs, workerWebSockets } from "./web-sockets.ts";
import type { CacheLike, DurableObjectNamespaceLike, ExecutionContextLike, KVNamespaceLike } from "./types.ts";

export interface CloudflareAdapterOptions {
  /** Exact limits: a binding to `RateLimiterDO`. Wins over `rateLimitKv`. */
  readonly rateLimitDo?: DurableObjectNamespaceLike;
  /** Approximate limits, for abuse prevention: a KV namespace. */
  readonly rateLimitKv?: KVNamespaceLike;
  /** Circuits shared by all isolates: a binding to `CircuitBreakerDO`. @default circuits per isolate */
  readonly breakerDo?: DurableObjectNamespaceLike;
  /** Another name of `breakerDo`. */
  readonly circuitBreakerDo?: DurableObjectNamespaceLike;
  /** Key-value store and limiters, and the limits when neither of the two above is given: a binding to `StateDO`. */
  readonly stateDo?: DurableObjectNamespaceLike;
  /** Objects over which the keys of `stateDo` are spread. @default 1 */
  readonly shards?: number;
  /** The response cache: `caches.default`, or an opened cache. @default one in memory per isolate */
  readonly cache?: CacheLike;
  /** Origin of the addresses of cached entries. @default "https://sluice.internal" */
  readonly cacheOrigin?: string;
  /** The third argument of `fetch`, for a gateway made per request: keeps background work alive. @default that of each request */
  readonly executionCtx?: ExecutionContextLike;
  /** Bindings, for `dispatchBinding`: the second argument of `fetch`, or `env` of `cloudflare:workers`. */
  readonly env?: unknown;
  /** Longest time of one call to an object, in ms. @default 1000 */
  readonly timeoutMs?: number;
}

/** A {@link GatewayAdapter} with what the bindings can carry; a gateway keeps the rest in memory, per isolate. */
export interface CloudflareAdapter extends GatewayAdapter {
  readonly rateLimitStore?: RateLimitStore;
  readonly circuitBreakerStore?: CircuitBreakerStore;
  readonly cacheStore?: CacheStore;
  readonly store?: KeyValueStore;
  /** Present with `stateDo`. */
  rateLimiter?(policy: TokenBucketPolicy): RateLimiter;
  privateState(gatewayName: string): Map<string, unknown>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The stores of a Worker. Make it, and the gateway, once per isolate: bindings are there at module level as `env` of
 * `cloudflare:workers`. Made per request both work as well: stores, lines to objects and what the gateway keeps in memory are
 * the isolate's, by binding and gateway name.
 *
 * A binding that is named but `undefined` is a mistake in the configuration and refused, unless the other option for the same
 * store is there.
 *
 * @throws OptionError for a binding that is not there, which says how to add it.
 *
 * @example
 * import { env } from "cloudflare:workers";
 * const adapter = cloudflareAdapter({ rateLimitDo: env.RATE_LIMITER, breakerDo: env.CIRCUIT_BREAKER, cache: caches.default, env });
 */
export function cloudflareAdapter(options: CloudflareAdapterOptions = {}): CloudflareAdapter {
  const { executionCtx, env, timeoutMs, cacheOrigin } = options;
  const objects: DurableObjectOptions = timeoutMs === undefined ? {} : { timeoutMs };
  const shards = checkInteger("shards", options.shards ?? 1, 1);
  const { rateLimitDo, rateLimitKv, stateDo, cache } = options;
  const breakerDo = options.breakerDo ?? options.circuitBreakerDo;
  if (rateLimitDo !== undefined || ("rateLimitDo" in options && rateLimitKv === undefined)) checkNamespace("rateLimitDo", rateLimitDo as never, "RateLimiterDO");
  if (rateLimitKv !== undefined || ("rateLimitKv" in options && rateLimitDo === undefined)) checkKvNamespace("rateLimitKv", rateLimitKv as never);
  if (breakerDo !== undefined || "breakerDo" in options || "circuitBreakerDo" in options) checkNamespace("circuitBreakerDo" in options ? "circuitBreakerDo" : "breakerDo", breakerDo as never, "CircuitBreakerDO");
  if (stateDo !== undefined || "stateDo" in options) checkNamespace("stateDo", stateDo as never, "StateDO");
  if (cache !== undefined) checkCache("cache", cache);
  if (executionCtx !== undefined) checkFunction("executionCtx.waitUntil", executionCtx.waitUntil);

  const state = stateDo === undefined ? undefined : perIsolate(stateDo, `state ${shards} ${timeoutMs}`, () => stateStores(durableObjectDriver(stateDo, { ...objects, shards })));
  const rateLimitStore: RateLimitStore | undefined =
    rateLimitDo !== undefined ? perIsolate(rateLimitDo, `limits ${timeoutMs}`, () => new DurableObjectRateLimitStore(rateLimitDo, objects))
    : rateLimitKv !== undefined ? perIsolate(rateLimitKv, "limits", () => new KVRateLimitStore(rateLimitKv))
    : state?.rateLimitStore;
  const circuitBreakerStore = breakerDo === undefined ? undefined : perIsolate(breakerDo, `circuits ${timeoutMs}`, () => new DurableObjectCircuitBreakerStore(breakerDo, objects));
  const cacheStore = cache === undefined ? undefined : perIsolate(cache, `cache ${cacheOrigin}`, () => new CacheApiCacheStore(cache, cacheOrigin === undefined ? {} : { origin: cacheOrigin }));

  return {
    ...(rateLimitStore === undefined ? {} : { rateLimitStore }),
    ...(circuitBreakerStore === undefined ? {} : { circuitBreakerStore }),
    ...(cacheStore === undefined ? {} : { cacheStore }),
    ...(state === undefined ? {} : { store: state.store, rateLimiter: (policy: TokenBucketPolicy) => rateLimiterOn(state.driver, policy, { prefix: "limiter", run: state.run }) }),
    ...(executionCtx === undefined ? {} : { waitUntil: (promise: Promise<unknown>) => executionCtx.waitUntil(promise) }),
    ...(env === undefined ? {} : { dispatchBinding: (service: string, request: Request) => dispatch(env, service, request) }),
    // Stores are the isolate's, and hold nothing that has to be freed.
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
    privateState: gatewayState,
    ...(hasWebSocketPairs() ? { webSockets: workerWebSockets } : {}),
  };
}

function stateStores(driver: DurableObjectDriver): { driver: DurableObjectDriver; run: Run; store: KeyValueStore; rateLimitStore: RateLimitStore } {
  const combiner = new DirectCombiner(driver);
  const { run } = combiner;
  return { driver, run, store: keyValueStoreOn(driver, { keyPrefix: "kv:", run }), rateLimitStore: rateLimitStoreOn(driver, { prefix: "rl", run }) };
}

async function dispatch(env: unknown, service: string, request: Request): Promise<Response> {
  const binding = (env as Record<string, unknown>)[service] as { fetch?: (request: Request) => Promise<Response> } | undefined;
  if (!Object.hasOwn(env as object, service) || typeof binding?.fetch !== "function") {
    throw new OptionError("service", service, "the name of a service binding: add it under services, and pass env to cloudflareAdapter");
  }
  return binding.fetch(request);
}
