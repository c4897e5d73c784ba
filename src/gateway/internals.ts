/** What the parts of the gateway share and nobody outside sees. */

import type { Context } from "hono";
import type { Clock } from "../core/clock.ts";
import type { Events } from "../core/events.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";
import type { Random } from "../core/random.ts";
import type { Transport } from "../core/transport.ts";
import type { GatewayAdapter } from "../state/contracts/adapter.ts";
import type { DebugFactory } from "./debug.ts";
import type { MetricsCollector } from "./operation/metrics.ts";
import type { AdminSettings } from "./operation/admin-options.ts";
import type { DebugSettings } from "./operation/debug-headers.ts";
import type { TracingConfig } from "./operation/tracing.ts";
import type { ProcessState } from "./process-state.ts";
import type { Tracker } from "./tracker.ts";
import type { TargetStatus } from "./upstreams/place.ts";
import type { BoundPolicy, GatewayConfig, GatewayEvent, LocalStores, Policy, PolicyContext, PolicyHandler, PolicySite, PurgeTarget, RouteConfig } from "./types.ts";

/** Whether the forwarded fields of the hop at `address` count; the connected peer is hop 0. `undefined` trusts nobody. */
export type AddressTrust = ((address: string | undefined, hop: number) => boolean) | undefined;

/** What every site of a configuration has in common. */
export type SiteBase = Omit<PolicySite, "scopeKey" | "policyName" | "routePath" | "upstream" | "keep"> & { readonly process: ProcessState };

/** What lives as long as the gateway, across `update()`. */
export interface Core {
  readonly events: Events<GatewayEvent>;
  readonly tracker: Tracker;
  readonly local: LocalStores;
  /** Of this gateway alone; an adapter may bring one that outlives it. */
  readonly process: ProcessState;
  /** Sends the requests of url upstreams; its connections are made by the first one. */
  readonly transport: Transport;
  /** Runs the inner part of a chain once more. */
  readonly detach: (gateway: PolicyContext, policyName: string, request: Request) => Promise<Response>;
  /** Closes a WebSocket that goes through; `close()` calls them all. */
  readonly sockets: Set<() => void>;
  /** Set once by `close()`. */
  closing: boolean;
  unknownAddressReported: boolean;
  openAdminReported: boolean;
  /** What `metrics` counts into. */
  collector: MetricsCollector | undefined;
  /** The latest events that are worth a look, oldest first. */
  recent: () => readonly unknown[];
}

/** One configuration, compiled. A request runs wholly on one of these. */
export interface Snapshot {
  readonly core: Core;
  readonly config: GatewayConfig;
  readonly name: string;
  readonly adapter: GatewayAdapter | undefined;
  readonly local: LocalStores;
  readonly admin: AdminSettings | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly debug: DebugFactory | undefined;
  readonly requestIdHeader: string;
  readonly trustRequestId: boolean;
  readonly trust: AddressTrust;
  readonly defaultErrorMessage: string;
  readonly onError: GatewayConfig["onError"];
  readonly tracing: TracingConfig | undefined;
  readonly debugHeaders: DebugSettings | undefined;
  readonly routes: readonly CompiledRoute[];
  /** Pipeline of requests no route matched. */
  readonly unmatched: readonly BoundEntry[];
  /** Global policies that watch or filter: they also stand before the admin pages. */
  readonly early: readonly BoundEntry[];
  /** Makes the site of a policy that is called outside the chain it was configured in. */
  readonly looseSite: (policy: Policy) => PolicySite;
  readonly loose: Map<Policy, PolicyHandler>;
  /** Requests that run on this configuration; see `in-flight.ts` for when they are over. */
  inFlight: number;
  retired: boolean;
  /** Of every policy that stores responses: drops some of them, gives the number dropped. */
  readonly purges: readonly ((target: PurgeTarget) => MaybePromise<number>)[];
  readonly resets: readonly ((circuit: string) => MaybePromise<void>)[];
  /** Scope keys of its policies: state of other places goes when it takes over. */
  readonly places: ReadonlySet<string>;
  dispose: () => void;
}

export interface CompiledRoute {
  readonly configured: RouteConfig;
  readonly path: string;
  readonly methods: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly policies: readonly BoundEntry[];
  readonly upstream: BoundUpstream;
  /** `url https://api.example.com`, `handler`. */
  readonly upstreamLabel: string;
  /** The chain up to the policy that answers CORS preflights, when there is one. */
  readonly preflight: readonly BoundEntry[] | undefined;
}

/** A policy at its place in one chain. */
export interface BoundEntry {
  readonly name: string;
  readonly priority: number;
  readonly handler: PolicyHandler;
  readonly preflight: boolean;
  readonly late: boolean;
  /** It may be there to refuse callers: declared, or unknown. */
  readonly guard: boolean;
  /** Request fields, in lower case, that are removed before the chain runs. */
  readonly owned: readonly string[] | undefined;
  /** It has something to dispose, which its requests may use to the end of their bodies. */
  readonly disposes: boolean;
  readonly choose: BoundPolicy["choose"];
  readonly prepare: BoundPolicy["prepare"];
}

export interface BoundUpstream {
  (c: Context): MaybePromise<Response>;
  /** Where it would send a request now, as a part of keys; only of an upstream whose target is a function, or that has a canary. */
  readonly choose?: (c: Context) => MaybePromise<string>;
  /** Its targets as they are now; only of a balanced upstream. */
  readonly status?: () => readonly TargetStatus[];
  readonly dispose?: () => void;
  /** It also answers while the gateway closes: health checks do. */
  readonly whileClosing?: boolean;
}
