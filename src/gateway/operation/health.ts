/** `health`: a route that says whether the gateway and what it needs are well. */

import { checkInteger, checkNonNegative } from "../../core/check.ts";
import type { Clock } from "../../core/clock.ts";
import { requestState } from "../context.ts";
import { configError } from "../errors.ts";
import type { BoundUpstream, Snapshot } from "../internals.ts";
import type { RouteConfig } from "../types.ts";
import { known } from "../validate.ts";
import { storesOf, type StoreStatus } from "./stores.ts";

export interface HealthConfig {
  /** @default "/health" */
  readonly path?: string;
  /** URLs that are asked; any answer below 500 is well. */
  readonly upstreamProbes?: readonly string[];
  /** Name the probed origins in the answer. @default false */
  readonly includeUpstreamStatus?: boolean;
  /** @default 5000 */
  readonly probeTimeoutMs?: number;
  /** @default "HEAD" */
  readonly probeMethod?: string;
  /** Status while unhealthy; healthy and degraded are 200. @default 503 */
  readonly unhealthyStatusCode?: number;
  /** Name the adapter's stores; one that is left alone makes the gateway degraded. @default false */
  readonly includeStores?: boolean;
  /** How long one round of probes counts, in ms. @default 1000 */
  readonly cacheMs?: number;
}

export type HealthStatus = "healthy" | "degraded" | "unhealthy";

export interface HealthReport {
  readonly status: HealthStatus;
  readonly upstreams?: readonly { readonly url: string; readonly healthy: boolean; readonly latencyMs: number }[];
  readonly stores?: readonly Pick<StoreStatus, "store" | "state">[];
}

/** Marks the handler of a health route: it is matched before all others and answers while the gateway closes. */
export const HEALTH: unique symbol = /* @__PURE__ */ Symbol("health") as never;

/**
 * A route for load balancers and orchestrators. All probes down is unhealthy, some of them or a store is degraded;
 * callers that come together share one round of probes.
 *
 * ```ts
 * createGateway({ routes: [health({ upstreamProbes: ["http://orders.internal/healthz"] }), ...routes] });
 * ```
 */
export function health(config: HealthConfig = {}): RouteConfig {
  known(`option of health()`, config, ["path", "upstreamProbes", "includeUpstreamStatus", "probeTimeoutMs", "probeMethod", "unhealthyStatusCode", "includeStores", "cacheMs"]);
  const { path = "/health", upstreamProbes = [], includeUpstreamStatus = false, probeTimeoutMs = 5000, probeMethod = "HEAD", unhealthyStatusCode = 503, includeStores = false, cacheMs = 1000 } = config;
  if (!Array.isArray(upstreamProbes) || !upstreamProbes.every((url) => typeof url === "string" && URL.canParse(url))) throw configError(`option "upstreamProbes" of health()`, upstreamProbes, "a list of URLs");
  checkNonNegative("probeTimeoutMs", probeTimeoutMs);
  checkNonNegative("cacheMs", cacheMs);
  checkInteger("unhealthyStatusCode", unhealthyStatusCode, 400, 599);
  let round: { readonly at: number; readonly report: Promise<HealthReport> } | undefined;
  const handler: BoundUpstream = async (c) => {
    const { snapshot } = requestState(c);
    const now = snapshot.clock.monotonic();
    if (round === undefined || now - round.at >= cacheMs) round = { at: now, report: healthOf(snapshot, { probes: upstreamProbes, method: probeMethod, timeoutMs: probeTimeoutMs, includeStores }) };
    const report = await round.report;
    const status: HealthStatus = snapshot.core.closing ? "unhealthy" : report.status;
    const body = {
      status,
      gateway: snapshot.name,
      timestamp: new Date(snapshot.clock.now()).toISOString(),
      ...(includeUpstreamStatus ? { upstreams: report.upstreams } : undefined),
      ...(includeStores ? { stores: report.stores } : undefined),
    };
    return new Response(JSON.stringify(body), { status: status === "unhealthy" ? unhealthyStatusCode : 200, headers: { "content-type": "application/json", "cache-control": "no-store" } });
  };
  return { path, methods: ["GET"], pipeline: { upstream: { type: "handler", handler: Object.assign(handler, { [HEALTH]: true, whileClosing: true }) } }, metadata: { health: true } };
}

export interface HealthQuestion {
  readonly probes: readonly string[];
  readonly method: string;
  readonly timeoutMs: number;
  readonly includeStores: boolean;
}

/** One round of probes, all at once. */
export async function healthOf(snapshot: Snapshot, { probes, method, timeoutMs, includeStores }: HealthQuestion): Promise<HealthReport> {
  const upstreams = await Promise.all(probes.map((url) => probe(snapshot, url, method, timeoutMs)));
  const stores = includeStores ? storesOf(snapshot.adapter).map(({ store, state }) => ({ store, state })) : [];
  const down = upstreams.filter((one) => !one.healthy).length;
  const balanced = snapshot.routes.flatMap((route) => route.upstream.status?.() ?? []);
  const status: HealthStatus = snapshot.core.closing || (down > 0 && down === upstreams.length)
    ? "unhealthy"
    : down > 0 || stores.some((one) => one.state !== "up") || balanced.some((target) => target.weight > 0 && (!target.healthy || target.ejected))
      ? "degraded"
      : "healthy";
  return { status, upstreams, stores };
}

async function probe(snapshot: Snapshot, url: string, method: string, timeoutMs: number): Promise<{ url: string; healthy: boolean; latencyMs: number }> {
  const { clock, core } = snapshot;
  const began = clock.monotonic();
  const { origin, pathname, search } = new URL(url);
  const done = (healthy: boolean): { url: string; healthy: boolean; latencyMs: number } => ({ url: origin, healthy, latencyMs: Math.round(clock.monotonic() - began) });
  const deadline = deadlineOf(clock, timeoutMs);
  try {
    const response = await core.transport({ url: { origin, pathname, search }, method, headers: ["user-agent", "sluice-health-check"], body: null, signal: deadline.signal });
    response.body?.cancel().catch(() => {});
    return done(response.status < 500);
  } catch {
    return done(false);
  } finally {
    deadline.clear();
  }
}

function deadlineOf(clock: Clock, timeoutMs: number): { signal: AbortSignal; clear: () => void } {
  const controller = new AbortController();
  const timer = timeoutMs === 0 ? undefined : clock.setTimeout(() => controller.abort(new Error("no answer in time")), timeoutMs);
  return { signal: controller.signal, clear: () => clock.clearTimeout(timer) };
}
