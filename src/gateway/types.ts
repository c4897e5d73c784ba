/** The types of the gateway's surface. Hono's `Context` is the request and the response a policy works on. */

import type { Context, Hono } from "hono";
import type { Clock } from "../core/clock.ts";
import type { EventSource, Events } from "../core/events.ts";
import type { Random } from "../core/random.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";
import type { RateLimitStore } from "../state/contracts/limits.ts";
import type { CircuitBreakerStore } from "../state/contracts/circuits.ts";
import type { CacheStore } from "../state/contracts/cache.ts";
import type { StitchStore } from "../state/contracts/key-value.ts";
import type { GatewayAdapter } from "../state/contracts/adapter.ts";
import type { PolicyEvaluator, ProcessingPhase } from "./evaluation/protocol.ts";
import type { AdminOptions } from "./operation/admin-options.ts";
import type { DebugHeadersOptions } from "./operation/debug-headers.ts";
import type { MetricsCollector } from "./operation/metrics.ts";
import type { TracingConfig } from "./operation/tracing.ts";
import type { BalancedUpstream, CanaryOptions, ServiceBindingUpstream } from "./upstreams/types.ts";

/** The usual ones, and those of WebDAV, of caches and of devices that a route may list beside them. */
export type HttpMethod =
  | "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "QUERY"
  | "ACL" | "BIND" | "CHECKOUT" | "COPY" | "LINK" | "LOCK" | "M-SEARCH" | "MERGE" | "MKACTIVITY" | "MKCALENDAR" | "MKCOL" | "MOVE" | "NOTIFY"
  | "PROPFIND" | "PROPPATCH" | "PURGE" | "REBIND" | "REPORT" | "SEARCH" | "SUBSCRIBE" | "UNBIND" | "UNLINK" | "UNLOCK" | "UNSUBSCRIBE";

// ------------------------------------------------------------------------------------------------------------ config

export interface GatewayConfig {
  readonly routes: readonly RouteConfig[];
  /** In logs, metrics and `Cache-Status`. @default "edge-gateway" */
  readonly name?: string;
  /** Prefixed to every route. */
  readonly basePath?: string;
  /** Policies of every route. One such policy is one instance: its limit is shared by all routes. */
  readonly policies?: readonly Policy[];
  /** Where the shared state lives. The object in the request context is this very object. */
  readonly adapter?: GatewayAdapter;
  /**
   * Replaces an error response. Fields the error carries, such as `www-authenticate`, are added to an answer of 400 or
   * above that lacks them. When it throws or returns no `Response`, the default problem document is sent.
   */
  readonly onError?: (error: unknown, c: Context) => MaybePromise<Response>;
  /** `true` or a comma list of globs over `sluice:gateway`, `sluice:pipeline`, `sluice:upstream`, `sluice:policy:<name>`. @default false */
  readonly debug?: boolean | string;
  /** Response header with the request id. @default "x-request-id" */
  readonly requestIdHeader?: string;
  /** Reuse an incoming id of 1 to 128 characters of `[A-Za-z0-9._-]`. @default false */
  readonly trustRequestId?: boolean;
  /** Methods of a route that names none. @default GET POST PUT PATCH DELETE OPTIONS */
  readonly defaultMethods?: readonly HttpMethod[];
  /** `alias`: both forms match; `redirect`: 308 to the configured form; `strict`. @default "alias" */
  readonly trailingSlash?: "alias" | "redirect" | "strict";
  /** Detail of an error nobody described. @default "An unexpected error occurred" */
  readonly defaultErrorMessage?: string;
  /** @default 100 */
  readonly defaultPolicyPriority?: number;
  /**
   * Whose forwarded headers count: `false` nobody's, a number of proxies (the connected one included), CIDR blocks, or
   * a function of the address. @default false
   */
  readonly trustProxy?: TrustProxy;
  /** Deadlines and guard of the stores. */
  readonly stores?: StoreOptions;
  /** Policies that also run when no route matched. @default [] */
  readonly unmatchedPolicies?: readonly Policy[];
  /** Pages about the running gateway, the dashboard among them. @default false */
  readonly admin?: boolean | AdminOptions;
  /** Fields that explain decisions, for clients that ask. @default false */
  readonly debugHeaders?: boolean | DebugHeadersOptions;
  /** Spans of requests, policies and upstream attempts. @default off */
  readonly tracing?: TracingConfig;
  /** Counts into a collector; `true` makes one in memory, which the admin pages show. @default off */
  readonly metrics?: boolean | MetricsCollector;
  readonly clock?: Clock;
  readonly random?: Random;
}

export type TrustProxy = false | number | readonly string[] | ((address: string) => boolean);

export interface StoreOptions {
  /** Longest wait for one store operation before the answer; then the policy's fail mode decides. @default 250 */
  readonly timeoutMs?: number;
  /** Longest wait for a cache write, which no client waits for. @default 5000 */
  readonly putTimeoutMs?: number;
  readonly guard?: {
    /** Consecutive failures after which a store is not asked for a while. @default 5 */
    readonly threshold?: number;
    /** @default 1000 */
    readonly cooldownMs?: number;
    /** The longest time a store that is back may go unnoticed, in ms: then one request asks it again, and pays `timeoutMs` if it still hangs. @default 1500 */
    readonly maxCooldownMs?: number;
  };
}

export interface RouteConfig {
  /** Hono path syntax, starting with `/`. */
  readonly path: string;
  /** Methods of other protocols on HTTP, such as `PROPFIND`, are served where they are listed, and are 501 elsewhere. @default `defaultMethods` */
  readonly methods?: readonly HttpMethod[];
  readonly pipeline: PipelineConfig;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface PipelineConfig {
  readonly policies?: readonly Policy[];
  readonly upstream: UpstreamConfig;
}

export type UpstreamConfig = UrlUpstream | HandlerUpstream | BalancedUpstream | ServiceBindingUpstream;

export interface UrlUpstream {
  readonly type: "url";
  /** An absolute URL, or a function of the request; the function form requires `allowOrigins`. */
  readonly target: string | ((c: Context) => MaybePromise<string | URL>);
  /** Origins a function target may choose from, such as `https://api.example.com`. */
  readonly allowOrigins?: readonly string[];
  /** Maps the request path; the query is kept. */
  readonly rewritePath?: (path: string) => string;
  /** Fields set on the request to the upstream. */
  readonly headers?: Readonly<Record<string, string>>;
  /** 0 is off. @default 5000 */
  readonly connectTimeoutMs?: number;
  /** To the response's first header; 0 is off. @default 30000 */
  readonly headersTimeoutMs?: number;
  /** Longest silence between two body chunks, in either direction; 0 is off. @default 60000 */
  readonly idleBodyTimeoutMs?: number;
  /** Which forwarding fields the upstream gets. @default "x-forwarded" */
  readonly forwarded?: "x-forwarded" | "rfc7239" | "both" | false;
  /** `Via` in both directions. @default true */
  readonly via?: boolean;
  /** Send the client's `Host`. @default false */
  readonly preserveHost?: boolean;
  /** Rewrite a `Location` on the upstream's origin to the gateway's. @default false */
  readonly rewriteLocation?: boolean;
  /** A longer response body is aborted. */
  readonly maxResponseBytes?: number;
  /**
   * Pass interim responses (102, 103 and the like) on, where the runtime can: on Node. No policy sees them, and
   * `Set-Cookie` is left out. @default true
   */
  readonly interimResponses?: boolean;
  /** Sends a share of the callers elsewhere; not beside a target function. */
  readonly canary?: CanaryOptions;
}

export interface HandlerUpstream {
  readonly type: "handler";
  readonly handler: (c: Context) => MaybePromise<Response>;
}

// ---------------------------------------------------------------------------------------------------------- instance

export interface GatewayInstance {
  readonly app: Hono;
  /** The gateway as a fetch handler: `env` and `ctx` are the runtime's. */
  readonly fetch: (request: Request, env?: unknown, ctx?: unknown) => MaybePromise<Response>;
  readonly name: string;
  /** (route, method) pairs as configured. */
  readonly routeCount: number;
  readonly events: EventSource<GatewayEvent>;
  readonly cache: {
    /** Drops stored responses of every cache policy of this gateway. */
    purge(target: PurgeTarget): Promise<{ purged: number }>;
  };
  /** Swaps the configuration atomically; on a bad one it rejects and the old one keeps serving. */
  update(config: GatewayConfig): Promise<{ added: string[]; removed: string[]; changed: string[] }>;
  /** Refuses new requests, finishes work in flight within `graceMs` (default 10000), then frees everything. Idempotent. */
  close(options?: { readonly graceMs?: number }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
  readonly _registry: GatewayRegistry;
}

/** Which stored responses to drop. */
export type PurgeTarget = { readonly url: string } | { readonly tags: readonly string[] } | { readonly prefix: string } | { readonly all: true };

export interface GatewayRegistry {
  readonly gatewayName: string;
  readonly routes: readonly { readonly path: string; readonly methods: readonly string[]; readonly policies: readonly string[]; readonly upstream: string }[];
  readonly policies: readonly { readonly name: string; readonly priority: number; readonly routes: readonly string[] }[];
}

/**
 * What a gateway reports. The frequent ones (`request`, `policy`, `limit`, `cache`, `upstream`, `retry`, `store.call`,
 * `concurrency`) are made
 * only while a sink with `{ detailed: true }` listens, and go to such sinks alone. A sink gets it by `gateway.events.on(sink)`; nothing in it is secret.
 */
export type GatewayEvent =
  | { readonly type: "store.down" | "store.up"; readonly store: string; readonly policy: string; readonly code?: string; readonly suppressed?: number }
  | { readonly type: "store.error"; readonly store: string; readonly policy: string; readonly code: string; readonly mode: FailMode }
  | { readonly type: "store.missing" | "store.limited" | "policy.warning"; readonly policy: string; readonly message: string }
  | { readonly type: "target"; readonly route: string; readonly target: string; readonly change: "ejected" | "returned" | "unhealthy" | "healthy" }
  | { readonly type: "circuit"; readonly key: string; readonly from: string; readonly to: string; readonly policy?: string; readonly route?: string }
  | {
      /** A request is over, its body included. */
      readonly type: "request";
      readonly requestId: string;
      /** Route pattern, or `*`. */
      readonly route: string;
      readonly method: string;
      readonly status: number;
      readonly durationMs: number;
      readonly bytes: number;
      readonly aborted: boolean;
      /** Of a problem document of this gateway. */
      readonly code?: string;
      /** What `assignMetrics` has added. */
      readonly tags?: Readonly<Record<string, string>>;
    }
  | { readonly type: "policy"; readonly policy: string; readonly route: string; readonly durationMs: number }
  | { readonly type: "limit"; readonly policy: string; readonly route: string; readonly decision: "allow" | "refuse" | "local-allow" | "local-refuse" }
  | { readonly type: "cache"; readonly policy: string; readonly route: string; readonly result: string }
  | {
      /** One attempt, up to the headers of its answer. */
      readonly type: "upstream";
      readonly route: string;
      readonly method: string;
      /** URL of the target without query, where it is known. */
      readonly target?: string;
      readonly status?: number;
      /** Code of the failure. */
      readonly error?: string;
      readonly durationMs: number;
      readonly attempt: number;
    }
  | {
      /** The limit `adaptiveConcurrency` has found, whenever it changes by a whole request. */
      readonly type: "concurrency";
      readonly policy: string;
      readonly route: string;
      readonly limit: number;
    }
  | { readonly type: "retry"; readonly policy: string; readonly route: string }
  | { readonly type: "store.call"; readonly store: string; readonly operation: string; readonly durationMs: number; readonly ok: boolean; readonly mode: FailMode }
  | { readonly type: "error"; readonly code: string; readonly requestId: string; readonly error: unknown }
  | { readonly type: "background.error"; readonly error: unknown }
  | { readonly type: "client-address.unknown" };

/** What a failure of a store means: go on without it, refuse, or let an in-process twin decide. */
export type FailMode = "open" | "closed" | "local";

// ---------------------------------------------------------------------------------------------------------- policies

/**
 * Runs the layers inside this one. It never rejects for what they throw: that has become `c.res`. It may be called
 * again once it settled (`retry` does): the inner layers and the upstream then run once more, and `c.res` is replaced.
 * A handler that answers while `next()` still runs (`timeout`) abandons it: what the inner layers do later changes no
 * response, and a body they still produce is cancelled.
 */
export type Next = () => Promise<void>;
export type PolicyHandler = (c: Context, next: Next) => MaybePromise<Response | void>;

/** One step of a pipeline. `definePolicy` makes these; a plain `{name, handler}` is one, too. */
export interface Policy {
  /** Identity: the kind, or `kind:instance`. A route's policy replaces a global one of the same identity. */
  readonly name: string;
  readonly handler: PolicyHandler;
  /** Lower runs first. @default 100 */
  readonly priority?: number;
  /** It can refuse a caller: it then runs before any stored response is served (effective priority at most 39). */
  readonly guard?: boolean;
  /** It answers CORS preflights: an `OPTIONS` request the route does not list runs the chain up to this policy only. */
  readonly preflight?: boolean;
  /** Among policies of equal priority it runs after all others, wherever it stands. */
  readonly late?: boolean;
  /** Request fields that only this gateway may set: a client's own copy is removed before any policy of the chain runs. */
  readonly ownedFields?: readonly string[];
  /** Gives the handler for one place in one gateway. Without it `handler` serves everywhere. */
  readonly bind?: (site: PolicySite) => BoundPolicy;
  /** The same decision for a message that is not HTTP; see `evaluatePolicies`. */
  readonly evaluate?: PolicyEvaluator;
  /** Phases `evaluate` takes part in. @default ["request-headers", "response-headers"] */
  readonly phases?: readonly ProcessingPhase[];
  /** What is legal in its options and hardly meant; see `safeValidateConfig`. */
  readonly warnings?: () => readonly string[];
  /** It makes sense for HTTP alone, so it has no `evaluate`. */
  readonly httpOnly?: true;
}

export interface BoundPolicy {
  readonly handler: PolicyHandler;
  /** Frees what the binding owns, after its last request. */
  readonly dispose?: () => MaybePromise<void>;
  /** Of a policy that stores responses: drops some of them, gives the number dropped. Called by `gateway.cache.purge`. */
  readonly purge?: (target: PurgeTarget) => MaybePromise<number>;
  /** Of a policy that keeps circuits: closes the one events call by this key, if it is its own. Called by the admin pages. */
  readonly resetCircuit?: (key: string) => MaybePromise<void>;
  /** Of a policy that sends a request elsewhere than its route's upstream: where, as a part of keys; empty when it does not. */
  readonly choose?: (c: Context) => MaybePromise<string>;
  /**
   * Begins what the policy asks of a store behind a wire, before policies further out have decided: adjacent policies that
   * have it share a round trip. `first`: nothing stands between, so the policy will be reached. It never throws.
   */
  readonly prepare?: (c: Context, first: boolean) => Preparation | undefined;
}

/** What `prepare` of a policy has begun. */
export interface Preparation<T = unknown> {
  /** What the handler gets as `prepared`: mostly a promise of the store's reply. */
  readonly value: T;
  /** Called in the background when the policy is not reached: gives back what the store has granted. */
  readonly undo?: () => MaybePromise<unknown>;
}

/** Where a policy stands, and what the gateway gives it there. */
export interface PolicySite {
  readonly gatewayName: string;
  /** Escaped key prefix of this policy at this place: gateway, route or `*`, identity. Two places never share it. */
  readonly scopeKey: string;
  readonly policyName: string;
  /** Route pattern, or `*` for a global policy. */
  readonly routePath: string;
  /** Upstream of the route in a word for keys and logs: `url https://api.example.com`, `handler`; `*` for a global policy. */
  readonly upstream: string;
  readonly adapter: GatewayAdapter | undefined;
  /** In-memory stores of this gateway, made when first asked for by `local.of(localRateLimits)` and the like; they survive `update()`. */
  readonly local: LocalStores;
  readonly stores: Required<Pick<StoreOptions, "timeoutMs" | "putTimeoutMs">> & { readonly guard: Required<NonNullable<StoreOptions["guard"]>> };
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events<GatewayEvent>;
  /**
   * A value of this place that outlives its policy object: kept across `update()`, and on platforms where a gateway is
   * made per request for as long as the process lives. `make` is called when there is none yet. `whole`: one value for all
   * places of the gateway.
   */
  readonly keep: <T>(name: string, make: () => T, whole?: boolean) => T;
}

export interface LocalStores {
  /** One per kind and gateway. */
  of<Name extends keyof StoreKinds>(kind: StoreKind<Name>): StoreKinds[Name];
}

/** What stores are called in an adapter. */
export interface StoreKinds {
  readonly rateLimitStore: RateLimitStore;
  readonly circuitBreakerStore: CircuitBreakerStore;
  readonly cacheStore: CacheStore;
  readonly store: StitchStore;
}

/** How a gateway makes its own store of a kind. */
export interface StoreKind<Name extends keyof StoreKinds = keyof StoreKinds> {
  readonly name: Name;
  readonly make: (clock: Clock | undefined) => StoreKinds[Name];
}

/** Options every built-in policy takes. */
export interface PolicyOptions {
  /** Instance name: two policies of one kind on one route need different ones. */
  readonly name?: string;
  /** Place in the pipeline; lower runs first. @default that of the kind */
  readonly priority?: number;
  /** True makes the policy transparent for this request. */
  readonly skip?: (c: Context) => MaybePromise<boolean>;
}

export type DebugLogger = (message: string, ...args: unknown[]) => void;

/** The caller as an auth policy established it. */
export interface Identity {
  readonly scheme: string;
  readonly id: string;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly roles?: readonly string[];
  readonly permissions?: readonly string[];
  readonly scopes?: readonly string[];
}

/** What `getGatewayContext(c)` gives. */
export interface PolicyContext {
  readonly requestId: string;
  /** Epoch ms. */
  readonly startTime: number;
  readonly gatewayName: string;
  readonly routePath: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly debug: (namespace: string) => DebugLogger;
  readonly adapter: GatewayAdapter | undefined;
  /** The caller's address, or `unknown`. */
  readonly clientIp: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The canonical path: what the route matched, and what keys and the upstream see. */
  readonly path: string;
  identity?: Identity;
  /** Aborts when the client leaves, the gateway's grace period ends, or a `timeout` policy gives up. */
  signal: AbortSignal;
  readonly waitUntil: (promise: Promise<unknown>) => void;
  /**
   * Runs the layers inside the policy of that identity, and the upstream, once more for `request`, in a context of its
   * own: the client's leaving does not abort it and `c.res` does not change. For background work such as refreshing a
   * stale entry; hand the promise to `waitUntil`. It never rejects for what the layers throw.
   */
  readonly detached?: (policyName: string, request: Request) => Promise<Response>;
  /** Upstream of the matched route in a word, as in {@link PolicySite.upstream}. */
  readonly upstream: string;
  /** Where the upstream's target function would send this request now; absent when the target is fixed. */
  readonly chooseTarget?: (() => MaybePromise<string>) | undefined;
  /** The origin by which the client knows this gateway: the request's, or what a trusted proxy says it was. */
  readonly publicOrigin: string;
  /** Where the latest call of the upstream went, when it had a choice. */
  upstreamTarget: string | undefined;
  /** Calls of the upstream begun for this request, every attempt counted; whatever takes the upstream's place counts itself. */
  upstreamCalls: number;
  /** Status of the upstream's own latest answer, before any policy changed it; `undefined` when there is none. */
  upstreamStatus: number | undefined;
  /** What the latest call of the upstream threw; `undefined` when it answered. */
  upstreamError: unknown;
  /** Called before each call of the upstream; what it throws is the answer. Set by `circuitBreaker` while the circuit is open. */
  upstreamGate: (() => void) | undefined;
  /** The rest of the request's body has not come yet, so whatever is slow is the client. Known on Node alone. */
  readonly awaitsClient: boolean;
  /** The caller's address by these fields instead of the default ones, under the same `trustProxy` rules. */
  readonly clientAddress: (ipHeaders: readonly string[]) => string;
  /** Calls back once, when the response body has ended or broken. `aborted`: it did not reach its end. */
  readonly onBodyEnd: (callback: (end: { readonly bytes: number; readonly aborted: boolean }) => void) => void;
}
