/** `adaptiveConcurrency`: as many requests at once as an upstream can take, found by watching it. */

import { checkInteger, checkOneOf, checkPositive } from "../../../core/check.ts";
import { OptionError, stackless } from "../../../core/errors.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { Priority } from "../../priority.ts";
import type { PolicyContext, PolicyOptions, PolicySite } from "../../types.ts";

export interface AdaptiveConcurrencyConfig extends PolicyOptions {
  /** Requests at once to begin with. @default 20 */
  readonly initial?: number;
  /** The limit never falls below. @default 1 */
  readonly min?: number;
  /** The limit never grows beyond. @default 1000 */
  readonly max?: number;
  /** `gradient`: follows the ratio of usual to present latency. `aimd`: grows by one, falls by a tenth on overload. @default "gradient" */
  readonly algorithm?: "gradient" | "aimd";
  /** Latency, as a multiple of the usual one, that is not yet overload. @default 1.5 */
  readonly tolerance?: number;
}

/** Refuses with 503 `overloaded` what is above the limit, which lives in this process and shows as event `concurrency` and gauge `gateway_concurrency_limit`. */
export const adaptiveConcurrency: PolicyFactory<AdaptiveConcurrencyConfig> = /* @__PURE__ */ definePolicy<AdaptiveConcurrencyConfig, AdaptiveLimit>({
  name: "adaptive-concurrency",
  httpOnly: true,
  priority: Priority.CIRCUIT_BREAKER,
  validate(config) {
    const min = checkInteger("min", config.min ?? 1, 1);
    const max = checkInteger("max", config.max ?? 1000, 1);
    if (min > max) throw new OptionError("min", min, `at most max, which is ${max}`);
    checkInteger("initial", config.initial ?? 20, min, max);
    checkOneOf("algorithm", config.algorithm ?? "gradient", ["gradient", "aimd"]);
    if (checkPositive("tolerance", config.tolerance ?? 1.5) < 1) throw new OptionError("tolerance", config.tolerance, "at least 1");
  },
  setup: (config) => new AdaptiveLimit(config),
  async handler(c, next, { state, site, gateway, debug }) {
    show(state, site);
    if (state.inFlight >= state.limit) throw stackless(() => new GatewayError(503, "overloaded", "The service is overloaded", { "retry-after": "1" }));
    state.inFlight++;
    gateway.onBodyEnd(() => void state.inFlight--);
    const busy = state.inFlight;
    const callsBefore = gateway.upstreamCalls;
    const startedAt = site.clock.monotonic();
    await next();
    // What was answered here, or left by its client, says nothing about the upstream.
    if (gateway.upstreamCalls === callsBefore || c.req.raw.signal.aborted) return;
    state.record(site.clock.monotonic() - startedAt, busy, wasOverload(gateway));
    show(state, site);
    debug("limit %d", state.limit);
  },
});

/** Tells of a limit nobody has been told of. */
function show(state: AdaptiveLimit, { events, policyName, routePath }: PolicySite): void {
  const { limit } = state;
  if (!events.detailed || state.shown === limit) return;
  state.shown = limit;
  events.detail({ type: "concurrency", policy: policyName, route: routePath, limit });
}

function wasOverload(gateway: PolicyContext): boolean {
  const { upstreamStatus, upstreamError } = gateway;
  if (upstreamStatus === 503 || upstreamStatus === 504) return true;
  const status = (upstreamError as { statusCode?: unknown } | undefined)?.statusCode;
  return status === 503 || status === 504;
}

/** Weights of the two means of the latency, per sample. */
const SHORT = 0.2;
const LONG = 0.02;
const BACK_OFF = 0.9;

/**
 * The limit as a state machine. `gradient` (Netflix concurrency-limits, gradient2): `limit * clamp(tolerance * usual / present, 0.5, 1) +
 * sqrt(limit)`, smoothed; `aimd` (Chiu and Jain, 1989). It grows only while at least half of it is used, and falls on overload.
 */
export class AdaptiveLimit {
  inFlight = 0;
  /** The limit last told of. */
  shown: number | undefined;
  #limit: number;
  #usual: number | undefined;
  #present = 0;
  readonly #min: number;
  readonly #max: number;
  readonly #tolerance: number;
  readonly #gradient: boolean;

  constructor(config: AdaptiveConcurrencyConfig) {
    this.#limit = config.initial ?? 20;
    this.#min = config.min ?? 1;
    this.#max = config.max ?? 1000;
    this.#tolerance = config.tolerance ?? 1.5;
    this.#gradient = (config.algorithm ?? "gradient") === "gradient";
  }

  /** Whole requests that may be in flight. */
  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** Notes an answer of the upstream: its latency, how many were in flight, whether it said that it is overloaded. */
  record(latencyMs: number, inFlight: number, overload: boolean): void {
    if (overload) {
      this.#set(this.#limit * BACK_OFF);
      return;
    }
    const sample = Math.max(latencyMs, 0.001);
    this.#usual = this.#usual === undefined ? sample : this.#usual + (sample - this.#usual) * LONG;
    this.#present = this.#present === 0 ? sample : this.#present + (sample - this.#present) * SHORT;
    // A long slow time must not become the usual one for good: back to normal, it is forgotten faster.
    if (this.#usual > 2 * this.#present) this.#usual *= 0.95;
    const slow = this.#present > this.#usual * this.#tolerance;
    const used = inFlight * 2 >= this.#limit;
    if (!this.#gradient) {
      if (slow) this.#set(this.#limit * BACK_OFF);
      else if (used) this.#set(this.#limit + 1 / Math.max(1, this.#limit));
      return;
    }
    const gradient = Math.min(1, Math.max(0.5, (this.#tolerance * this.#usual) / this.#present));
    if (gradient === 1 && !used) return;
    const wanted = this.#limit * gradient + (gradient === 1 ? Math.sqrt(this.#limit) : 0);
    this.#set(this.#limit * 0.8 + wanted * 0.2);
  }

  #set(limit: number): void {
    this.#limit = Math.min(this.#max, Math.max(this.#min, limit));
  }
}
