/** The upstream behind several URLs: each call goes to one of them, and its end says how that one is. */

import type { Context } from "hono";
import { stackless } from "../../core/errors.ts";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { TransportError } from "../../core/transport.ts";
import { upstreamCallback } from "../callback.ts";
import { requestState, type RequestState } from "../context.ts";
import { GatewayError, isGatewayError } from "../errors.ts";
import type { BoundUpstream } from "../internals.ts";
import { balancedSettings, type BalancedSettings } from "./balanced-options.ts";
import { forwardSettings, type ForwardSettings } from "./forward-settings.ts";
import { calledHere, forward } from "./forward.ts";
import { unitHash } from "./hash.ts";
import { createHealthChecks } from "./health-checks.ts";
import type { TargetStatus, UpstreamPlace } from "./place.ts";
import { createPool, isHealthy, type Pool, type PoolTarget } from "./pool.ts";
import { checkTarget } from "./target.ts";
import { reported, type TargetPass } from "./target-gate.ts";
import { TargetHealth } from "./target-health.ts";
import type { BalancedUpstream } from "./types.ts";

/** Answers that say that the server is unwell, not that the request is. */
const UNWELL: ReadonlySet<number> = new Set([502, 503, 504]);

export function bindBalanced(config: BalancedUpstream, place: UpstreamPlace): BoundUpstream {
  const settings = balancedSettings(config, place.where);
  const forwarding = forwardSettings(config, place.where);
  const { main, canary } = pools(settings, place);
  const all = canary === undefined ? main.targets : [...main.targets, ...canary.targets];
  const checks = settings.healthCheck === undefined ? undefined : createHealthChecks(all, settings.healthCheck, place.clock, place.random);
  const side = (c: Context): MaybePromise<Pool> => (canary === undefined || settings.canary === undefined ? main : chooseSide(c, settings.canary, main, canary, place));
  // Targets of one side are replicas; the two sides are two versions, and what one has answered is not the other's.
  const placeOf = (pool: Pool): string => (pool === canary ? `canary ${pool.targets.map(({ url }) => url).join(" ")}` : "");
  const choose = (c: Context): MaybePromise<string> => {
    const chosen = (pool: Pool): string => (requestState(c).side = placeOf(pool));
    const pool = side(c);
    return isPromise(pool) ? pool.then(chosen) : chosen(pool);
  };
  let begun = false;
  const run = async (c: Context): Promise<Response> => {
    const state = requestState(c);
    checks?.start(state.snapshot.core.transport);
    // Checks that begin again begin with no verdict.
    if (checks === undefined && !begun) for (const { health } of all) health.forgetVerdict();
    begun = true;
    const pool = canary === undefined ? main : state.side === undefined ? await calledHere(c, () => side(c)) : state.side === "" ? main : canary;
    state.upstreamPlace = placeOf(pool);
    const key = settings.balance === "consistent-hash" ? await calledHere(c, () => hashKey(c, state, settings)) : "";
    return await callOne(c, state, forwarding, pool, key);
  };
  return Object.assign(run, {
    status: () => all.map((target): TargetStatus => statusOf(target, canary?.targets.includes(target) === true)),
    dispose: () => checks?.stop(),
    ...(canary === undefined ? undefined : { choose }),
  });
}

/** What is known of a target outlives the configuration, as long as URL and route stay. */
function pools({ targets, balance, ejection, healthCheck, canary }: BalancedSettings, place: UpstreamPlace): { main: Pool; canary: Pool | undefined } {
  const make = (url: string, weight: number): PoolTarget => ({
    url,
    to: checkTarget(`"targets" of the upstream of ${place.where}`, url),
    weight,
    health: place.keep(`target:${url}:${JSON.stringify(ejection)}`, () =>
      new TargetHealth(place.clock, ejection, (change) => place.events.emit({ type: "target", route: place.route, target: new URL(url).origin, change }))),
    checked: healthCheck !== undefined,
    pending: 0,
    credit: 0,
  });
  const maxPercent = ejection?.maxPercent ?? 100;
  const pool = (chosen: readonly PoolTarget[]): Pool => createPool(chosen, balance, maxPercent);
  const main = pool(targets.filter((target) => !target.canary).map(({ url, weight }) => make(url, weight)));
  if (canary === undefined) return { main, canary: undefined };
  const marked = targets.filter((target) => target.canary).map(({ url, weight }) => make(url, weight));
  return { main, canary: pool(canary.target === undefined ? marked : [make(canary.target, 1)]) };
}

/** A sticky caller's place on the line from 0 to 100 never moves, so a rising percentage only adds callers. */
function chooseSide(c: Context, { percent, stickyBy }: NonNullable<BalancedSettings["canary"]>, main: Pool, canary: Pool, place: UpstreamPlace): MaybePromise<Pool> {
  const at = (share: number): Pool => (share * 100 < percent ? canary : main);
  if (stickyBy === undefined) return at(place.random.next());
  const found = upstreamCallback("canary.stickyBy", () => stickyBy(c));
  const sided = (text: string | null | undefined): Pool => at(text === undefined || text === null || text === "" ? place.random.next() : unitHash(`canary\n${text}`));
  return isPromise(found) ? found.then(sided) : sided(found);
}

function hashKey(c: Context, state: RequestState, { hashKey: own }: BalancedSettings): MaybePromise<string> {
  return own === undefined ? state.clientIp : upstreamCallback("hashKey", () => own(c));
}

/** Asks the targets' circuits until one lets the call through, where `circuitBreaker` has set such. */
async function callOne(c: Context, state: RequestState, forwarding: ForwardSettings, pool: Pool, key: string): Promise<Response> {
  const { targetGate } = state;
  if (targetGate === undefined) return await call(c, state, forwarding, picked(state, pool.pick(state.triedTargets, key)), undefined);
  const avoid = new Set(state.triedTargets);
  let refused: Extract<TargetPass, { allowed: false }> | undefined;
  for (let tries = 0; tries < pool.targets.length; tries++) {
    const target = picked(state, pool.pick(avoid, key));
    const pass = await targetGate(c, target.url);
    if (pass.allowed) return await call(c, state, forwarding, target, pass);
    refused = pass;
    if (avoid.has(target.url)) break;
    avoid.add(target.url);
  }
  // No call was made: no retry repeats it.
  state.upstreamCalls--;
  return (refused as Extract<TargetPass, { allowed: false }>).refuse();
}

function picked(state: RequestState, target: PoolTarget | undefined): PoolTarget {
  if (target !== undefined) return target;
  state.upstreamCalls--;
  throw stackless(() => new GatewayError(503, "no_healthy_upstream", "No server of the upstream is in service", { "retry-after": "1" }));
}

async function call(c: Context, state: RequestState, forwarding: ForwardSettings, target: PoolTarget, pass: Extract<TargetPass, { allowed: true }> | undefined): Promise<Response> {
  state.upstreamTarget = target.url;
  target.pending++;
  let over = false;
  const onEnd = (): void => {
    if (over) return;
    over = true;
    target.pending--;
  };
  const run = (): MaybePromise<Response> => forward(c, forwarding, target.to, onEnd);
  try {
    const response = await (pass === undefined ? run() : reported(pass.report, run));
    if (UNWELL.has(response.status)) failed(state, target);
    else target.health.succeeded();
    return response;
  } catch (error) {
    onEnd();
    if (isServersFault(error)) failed(state, target);
    throw error;
  }
}

function failed(state: RequestState, target: PoolTarget): void {
  target.health.failed();
  (state.triedTargets ??= new Set()).add(target.url);
}

/** Not what the client or this gateway has broken off. */
function isServersFault(error: unknown): boolean {
  if (!isGatewayError(error) || (error.code !== "upstream_error" && error.code !== "upstream_timeout")) return false;
  return error.cause instanceof TransportError ? error.cause.code !== "REQUEST_INVALID" && error.cause.code !== "BODY_TOO_LONG" : error.cause instanceof Error;
}

function statusOf(target: PoolTarget, canary: boolean): TargetStatus {
  const { url, to, weight, pending, health } = target;
  return { url: to.origin + new URL(url).pathname, weight, canary, pending, healthy: isHealthy(target), ejected: health.ejected, returnsInMs: health.returnsInMs };
}
