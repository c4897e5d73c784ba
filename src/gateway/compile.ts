/** Turns a checked configuration into chains: merged, ordered, bound to their places. */

import { joinKey } from "../core/keys.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";
import { quote } from "../core/errors.ts";
import { LATEST_GUARD, Priority } from "./priority.ts";
import { GatewayError } from "./errors.ts";
import type { BoundEntry, CompiledRoute, SiteBase } from "./internals.ts";
import { HEALTH } from "./operation/health.ts";
import { observed, WANTS_TIMES } from "./operation/observe.ts";
import { canonicalEscape } from "./path.ts";
import { GATEWAY_PLACE } from "./process-state.ts";
import { LAYERS, joinPath, type ScopeLayer, type ScopeOrigin, type ScopedPipeline } from "./scope.ts";
import type { BoundPolicy, GatewayConfig, Policy, PolicySite, PurgeTarget, RouteConfig } from "./types.ts";
import { bindUpstream, upstreamLabel } from "./upstreams/bind.ts";

export interface Compiled {
  readonly routes: readonly CompiledRoute[];
  readonly unmatched: readonly BoundEntry[];
  readonly early: readonly BoundEntry[];
  readonly looseSite: (policy: Policy) => PolicySite;
  readonly purges: readonly ((target: PurgeTarget) => MaybePromise<number>)[];
  readonly resets: readonly ((circuit: string) => MaybePromise<void>)[];
  readonly places: ReadonlySet<string>;
  readonly dispose: () => void;
}

/** Policies of unmatched requests: the global ones that watch or filter, such as logs, metrics, CORS, address filters. */
const UNMATCHED_PRIORITY = Priority.EARLY;

/** A policy at a layer, before it is known whether an inner one replaces it. */
interface Placed {
  readonly policy: Policy;
  readonly layer: object;
  /** Where its keys live: `*`, a scope's prefix, or the methods and path of a route. */
  readonly place: string;
  readonly routePath: string;
  readonly upstream: string;
}

const GLOBAL = {};

export function compile(config: GatewayConfig, base: SiteBase, defaultMethods: readonly string[]): Compiled {
  const binder = createBinder(config, base);
  const globals = placeAll(config.policies ?? [], { layer: GLOBAL, place: "*", routePath: "*", upstream: "*" }, "the gateway");
  const scopes = new Map<string, ScopeOrigin[]>();
  const routes = config.routes.map((route) => compileRoute(route));
  // No wildcard stands before a health check.
  routes.sort((a, b) => Number(isHealth(b)) - Number(isHealth(a)));

  function compileRoute(route: RouteConfig): CompiledRoute {
    const path = canonicalPattern(joinPath(config.basePath ?? "", route.path));
    const methods = Object.freeze([...new Set<string>(route.methods ?? defaultMethods)]);
    const here = `${methods.join(",")} ${path}`;
    const place = joinKey(base.gatewayName, here, "");
    binder.places.add(place);
    const { clock, random, events } = base;
    const upstream = bindUpstream(route.pipeline.upstream, { where: `route ${quote(path)}`, route: path, clock, random, events, keep: (name, make) => base.process.keep(place, name, make) });
    if (upstream.dispose !== undefined) binder.owns(upstream.dispose);
    const label = upstreamLabel(route.pipeline.upstream);
    const { layers, own } = splitLayers(route);
    const placed = [...globals];
    for (const layer of layers) {
      const place = joinPath(config.basePath ?? "", layer.prefix) + suffix(scopes, layer);
      override(placed, placeAll(layer.policies, { layer: layer.origin, place, routePath: layer.prefix, upstream: "*" }, `scope ${quote(layer.prefix)}`));
    }
    override(placed, placeAll(own, { layer: route, place: here, routePath: path, upstream: label }, `route ${quote(path)}`));
    const policies = order(placed, binder);
    const preflightAt = policies.findIndex((entry) => entry.preflight);
    return {
      configured: route,
      path,
      methods,
      metadata: Object.freeze({ ...route.metadata }),
      policies,
      preflight: preflightAt === -1 ? undefined : policies.slice(0, preflightAt + 1),
      upstream,
      upstreamLabel: label,
    };
  }

  const early = globals.filter((placed) => binder.priority(placed.policy) <= UNMATCHED_PRIORITY);
  const watching = order(early, binder);
  override(early, placeAll(config.unmatchedPolicies ?? [], { layer: {}, place: "unmatched", routePath: "*", upstream: "*" }, `"unmatchedPolicies"`));
  return {
    routes,
    unmatched: order(early, binder),
    early: watching,
    looseSite: (policy) => siteOf(base, { policy, place: "*", routePath: "*", upstream: "*" }),
    places: binder.places,
    purges: binder.purges,
    resets: binder.resets,
    dispose: () => binder.dispose(),
  };
}

/** Literal characters as the canonical path of a request spells them; regular expressions in braces stay. */
function canonicalPattern(path: string): string {
  return path.replace(/\{[^}]*\}|%[0-9a-fA-F]{2}|[^\x21-\x7e]+/g, (part) => (part.startsWith("{") ? part : part.startsWith("%") ? canonicalEscape(part) : encodeURIComponent(part)));
}

/** The scopes of a route and its own policies. A list that was changed after `scope()` counts as the route's own. */
function splitLayers(route: RouteConfig): { layers: readonly ScopeLayer[]; own: readonly Policy[] } {
  const policies = route.pipeline.policies ?? [];
  const layers = (route.pipeline as ScopedPipeline)[LAYERS] ?? [];
  const outer = layers.flatMap((layer) => layer.policies);
  if (!outer.every((policy, index) => policies[index] === policy)) return { layers: [], own: policies };
  return { layers, own: policies.slice(outer.length) };
}

/** Two scopes of one prefix are two places. */
function suffix(scopes: Map<string, ScopeOrigin[]>, layer: ScopeLayer): string {
  const known = scopes.get(layer.prefix) ?? [];
  scopes.set(layer.prefix, known);
  let index = known.indexOf(layer.origin);
  if (index === -1) index = known.push(layer.origin) - 1;
  return index === 0 ? "" : `#${index + 1}`;
}

function placeAll(policies: readonly Policy[], at: Omit<Placed, "policy">, where: string): Placed[] {
  const seen = new Set<string>();
  return policies.map((policy) => {
    if (seen.has(policy.name)) {
      throw new GatewayError(500, "config_error", `policy ${quote(policy.name)} is twice in the list of ${where}; give one of them a different "name"`);
    }
    seen.add(policy.name);
    return { ...at, policy };
  });
}

/** An inner policy takes the place of an outer one of the same identity. */
function override(placed: Placed[], inner: readonly Placed[]): void {
  const names = new Set(inner.map((entry) => entry.policy.name));
  for (let i = placed.length - 1; i >= 0; i--) if (names.has((placed[i] as Placed).policy.name)) placed.splice(i, 1);
  placed.push(...inner);
}

/** Ascending priority; the sort is stable, so ties keep global, scope, route and list order, with late ones last. */
function order(placed: readonly Placed[], binder: Binder): readonly BoundEntry[] {
  return placed.map((entry) => binder.bind(entry)).sort((a, b) => a.priority - b.priority || Number(a.late) - Number(b.late));
}

interface Binder {
  bind(placed: Placed): BoundEntry;
  priority(policy: Policy): number;
  readonly purges: readonly ((target: PurgeTarget) => MaybePromise<number>)[];
  readonly resets: readonly ((circuit: string) => MaybePromise<void>)[];
  readonly places: Set<string>;
  /** Something to free with the configuration. */
  owns(dispose: () => void): void;
  dispose(): void;
}

/** One instance per policy and layer: a global policy is the same instance on every route. */
function createBinder(config: GatewayConfig, base: SiteBase): Binder {
  const entries = new Map<object, Map<Policy, BoundEntry>>();
  const disposals: (() => void)[] = [];
  const purges: ((target: PurgeTarget) => MaybePromise<number>)[] = [];
  const resets: ((circuit: string) => MaybePromise<void>)[] = [];
  const places = new Set<string>();
  const observes = isOn(config.metrics) || config.tracing !== undefined || isOn(config.debugHeaders) || config.admin !== undefined || wantsTimes(config);
  const priority = (policy: Policy): number => {
    const wanted = policy.priority ?? config.defaultPolicyPriority ?? Priority.DEFAULT;
    return policy.guard === true ? Math.min(wanted, LATEST_GUARD) : wanted;
  };
  return {
    priority,
    purges,
    resets,
    places,
    bind(placed) {
      const { policy, layer } = placed;
      let ofLayer = entries.get(layer);
      if (ofLayer === undefined) entries.set(layer, (ofLayer = new Map()));
      let entry = ofLayer.get(policy);
      if (entry === undefined) {
        const site = siteOf(base, placed);
        places.add(site.scopeKey);
        const bound: BoundPolicy = policy.bind === undefined ? { handler: policy.handler } : policy.bind(site);
        const handler = observes ? observed(policy.name, priority(policy), bound.handler) : bound.handler;
        entry = { name: policy.name, priority: priority(policy), handler, preflight: policy.preflight === true, late: policy.late === true, guard: policy.guard ?? policy.bind === undefined, owned: policy.ownedFields, disposes: bound.dispose !== undefined, choose: bound.choose, prepare: bound.prepare };
        const { dispose, purge, resetCircuit } = bound;
        if (purge !== undefined) purges.push(purge);
        if (resetCircuit !== undefined) resets.push(resetCircuit);
        if (dispose !== undefined) disposals.push(() => reportFailure(base, dispose));
        ofLayer.set(policy, entry);
      }
      return entry;
    },
    owns(dispose) {
      disposals.push(dispose);
    },
    dispose() {
      for (const dispose of disposals.splice(0)) dispose();
    },
  };
}

function isHealth(route: CompiledRoute): boolean {
  return (route.upstream as { [HEALTH]?: true })[HEALTH] === true;
}

function wantsTimes({ policies = [], unmatchedPolicies = [], routes }: GatewayConfig): boolean {
  const some = (list: readonly Policy[] = []): boolean => list.some((policy) => WANTS_TIMES in policy);
  return some(policies) || some(unmatchedPolicies) || routes.some((route) => some(route.pipeline.policies));
}

function isOn(option: unknown): boolean {
  return option !== undefined && option !== false;
}

function siteOf(base: SiteBase, { policy, place, routePath, upstream }: Omit<Placed, "layer">): PolicySite {
  const scopeKey = joinKey(base.gatewayName, place, policy.name);
  return { ...base, policyName: policy.name, routePath, upstream, scopeKey, keep: (name, make, whole = false) => base.process.keep(whole ? GATEWAY_PLACE : scopeKey, name, make) };
}

function reportFailure(base: SiteBase, dispose: () => unknown): void {
  const report = (error: unknown): void => base.events.emit({ type: "background.error", error });
  try {
    Promise.resolve(dispose()).catch(report);
  } catch (error) {
    report(error);
  }
}
