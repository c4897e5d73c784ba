/** `concurrencyLimit`: at most so many requests at once, over all processes. */

import type { Context } from "hono";
import { checkInteger, checkNonNegative, checkPositive } from "../../../core/check.ts";
import { sleep } from "../../../core/clock.ts";
import { stackless } from "../../../core/errors.ts";
import { boundKey } from "../../../core/keys.ts";
import type { MaybePromise } from "../../../core/maybe-promise.ts";
import type { LeaseReply, StitchStore } from "../../../state/contracts/key-value.ts";
import { definePolicy, type PolicyFactory, type PolicyTools } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { checkFailMode } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import { values } from "../../local-kinds.ts";
import { StoreFailure, isRemote, storeCaller, storeSource, storeUnavailable, type StoreCaller, type StoreSource } from "../../store-call.ts";
import type { FailMode, PolicyOptions } from "../../types.ts";
import { callerKey, checkKeyBy } from "./limit-key.ts";
import type { RateLimitKey } from "./rate-limit.ts";
import { requireVerbs } from "./store-verbs.ts";

export interface ConcurrencyLimitConfig extends PolicyOptions {
  /** Requests at once, 1 to 512, each until its response body has ended. */
  readonly max: number;
  /** Whom it counts. @default everybody on the route together */
  readonly keyBy?: RateLimitKey;
  /** A place nobody renews is free again after this time: what a process that died held. @default 60000 */
  readonly leaseMs?: number;
  /** Further requests of this process that may wait for a place. @default 0 */
  readonly queue?: number;
  /** Longest wait for a place. @default 1000 */
  readonly queueTimeoutMs?: number;
  /** Status of a refusal. @default 429 */
  readonly statusCode?: number;
  /** Where the places are kept; it needs `lease` and `release`. @default the adapter's `store`, else one in memory */
  readonly store?: StitchStore;
  /** When the store is away: go on without limit, refuse with 503, or count in this process. @default "local" */
  readonly failMode?: FailMode;
}

/** Least time between two tries to take back a place that was lost. */
const RETAKE_MS = 100;

interface State {
  readonly stores: StoreSource<StitchStore>;
  readonly twin: StoreCaller<StitchStore>;
  waiting: number;
}

type Tools = PolicyTools<ConcurrencyLimitConfig, State>;

/** Refuses with `concurrency_limited` and `retry-after` what finds no place. Places are leases in the store: renewed while a body streams. */
export const concurrencyLimit: PolicyFactory<ConcurrencyLimitConfig> = /* @__PURE__ */ definePolicy<ConcurrencyLimitConfig, State>({
  name: "concurrency-limit",
  httpOnly: true,
  priority: Priority.RATE_LIMIT,
  validate(config) {
    checkInteger("max", config.max, 1, 512);
    checkKeyBy(config.keyBy);
    checkPositive("leaseMs", config.leaseMs ?? 60_000, 86_400_000);
    checkInteger("queue", config.queue ?? 0, 0);
    checkNonNegative("queueTimeoutMs", config.queueTimeoutMs ?? 1000);
    checkInteger("statusCode", config.statusCode ?? 429, 400, 599);
    checkFailMode(config.failMode ?? "local");
  },
  setup(config, site) {
    requireVerbs(site, "store", config.store ?? site.adapter?.store, ["lease", "release"]);
    return {
      stores: storeSource(site, values, config.store, config.failMode ?? "local"),
      twin: storeCaller(site, "localStore", site.local.of(values), "open"),
      waiting: 0,
    };
  },
  prepares: (config, site) => isRemote(config.store ?? site.adapter?.store),
  prepare(c, tools) {
    // Whoever has to wait in line does so in its turn.
    if ((tools.config.queue ?? 0) > 0) return undefined;
    const value = takePlace(c, tools);
    return { value, undo: () => value.then((free) => free?.(), () => {}) };
  },
  async handler(c, next, tools) {
    const place = await ((tools.prepared as Promise<(() => void) | undefined> | undefined) ?? takePlace(c, tools));
    if (place !== undefined) tools.gateway.onBodyEnd(place);
    await next();
  },
});

/** Takes a place and gives what frees it; `undefined` when the store is away and the request goes on without. */
async function takePlace(c: Context, tools: Tools): Promise<(() => void) | undefined> {
  const { config, state, site, gateway } = tools;
  const { failMode = "local", leaseMs = 60_000, max } = config;
  const key = config.keyBy === undefined ? boundKey(`${site.scopeKey}:places`) : await callerKey(c, gateway, site.policyName, `${site.scopeKey}:places`, config.keyBy);
  const token = site.random.uuid();
  const lease = (caller: StoreCaller<StitchStore>): Promise<LeaseReply | StoreFailure> =>
    Promise.resolve(caller.call("lease", (store) => (store.lease as NonNullable<StitchStore["lease"]>)(key, { token, limit: max, ttlMs: leaseMs }), (reply) => typeof reply?.held === "boolean"));
  const give = (caller: StoreCaller<StitchStore>): MaybePromise<boolean | StoreFailure> => caller.call("release", (store) => (store.release as NonNullable<StitchStore["release"]>)(key, token));
  let caller = state.stores.of(gateway.adapter);
  if (caller === undefined) throw storeUnavailable();
  const deadline = site.clock.monotonic() + (config.queueTimeoutMs ?? 1000);
  let inLine = false;
  try {
    for (let pauseMs = 10; ; pauseMs = Math.min(100, pauseMs * 2)) {
      const reply = await lease(caller);
      if (reply instanceof StoreFailure) {
        // The late reply may have taken a place.
        if (reply.code === "STORE_TIMEOUT") gateway.waitUntil(Promise.resolve(give(caller)));
        if (failMode === "open") return undefined;
        if (failMode === "closed" || caller === state.twin) throw storeUnavailable(reply.retryAfterMs);
        caller = state.twin;
        continue;
      }
      if (reply.held) return hold(tools, caller, key, token, leaseMs);
      const leftMs = deadline - site.clock.monotonic();
      if (!inLine && state.waiting >= (config.queue ?? 0)) throw limited(config);
      if (leftMs <= 0) throw limited(config);
      if (!inLine) state.waiting++;
      inLine = true;
      await sleep(Math.min(pauseMs, leftMs), site.clock, gateway.signal).catch(() => Promise.reject(limited(config)));
    }
  } finally {
    if (inLine) state.waiting--;
  }
}

/** Renews the place until it is freed. */
function hold({ site, config, gateway, debug }: Tools, caller: StoreCaller<StitchStore>, key: string, token: string, leaseMs: number): () => void {
  const { clock } = site;
  let held = true;
  let timer = clock.setTimeout(renew, leaseMs / 3);
  function renew(): void {
    if (!held) return;
    const asked = caller.call("lease", (store) => (store.lease as NonNullable<StitchStore["lease"]>)(key, { token, limit: config.max, ttlMs: leaseMs }));
    gateway.waitUntil(Promise.resolve(asked).then(renewed));
    timer = clock.setTimeout(renew, leaseMs / 3);
  }
  function renewed(reply: LeaseReply | StoreFailure): void {
    if (!held || reply instanceof StoreFailure || reply.held) return;
    debug("lost its place, and asks for another");
    // The request is still on the wire: it takes a place again as soon as there is one, so that it is counted.
    clock.clearTimeout(timer);
    timer = clock.setTimeout(renew, Math.min(leaseMs / 3, Math.max(RETAKE_MS, reply.retryInMs)));
  }
  return () => {
    if (!held) return;
    held = false;
    clock.clearTimeout(timer);
    gateway.waitUntil(Promise.resolve(caller.call("release", (store) => (store.release as NonNullable<StitchStore["release"]>)(key, token))));
  };
}

function limited(config: ConcurrencyLimitConfig): GatewayError {
  return stackless(() => new GatewayError(config.statusCode ?? 429, "concurrency_limited", "Too many requests are in progress", { "retry-after": "1" }));
}
