/** The per-request context: what `getGatewayContext(c)` gives. Everything that costs something is made when read. */

import type { Context } from "hono";
import type { GatewayAdapter } from "../state/contracts.ts";
import type { BodyEnd } from "./body-end.ts";
import { resolveClientIp } from "./client-ip.ts";
import { noopDebug } from "./debug.ts";
import { configError } from "./errors.ts";
import type { CompiledRoute, Snapshot } from "./internals.ts";
import { traceIds, type TraceIds } from "./trace-context.ts";
import type { DebugLogger, Identity, Policy, PolicyContext, PolicyHandler } from "./types.ts";

/** Where a request's state hangs on its Hono context: reading a property costs less than a look-up in a map. */
const STATE: unique symbol = Symbol.for("sluice.gateway.context");

interface WithState {
  [STATE]?: RequestState;
}

/** The gateway's context of this request, or `undefined` outside a gateway. */
export function getGatewayContext(c: Context): PolicyContext | undefined {
  return (c as WithState)[STATE];
}

/** The same for code that runs only inside a gateway. */
export function requestState(c: Context): RequestState {
  const state = (c as WithState)[STATE];
  if (state === undefined) throw configError("a policy", "a request outside of any gateway", "used in the pipeline of a gateway");
  return state;
}

export function attachState(c: Context, state: RequestState): void {
  (c as WithState)[STATE] = state;
}

/** The handler of a policy that is called directly, say by another policy: bound once per configuration. */
export function boundHandler(c: Context, policy: Policy): PolicyHandler {
  const { snapshot } = requestState(c);
  let handler = snapshot.loose.get(policy);
  if (handler === undefined) {
    handler = policy.bind === undefined ? policy.handler : policy.bind(snapshot.looseSite(policy)).handler;
    snapshot.loose.set(policy, handler);
  }
  return handler;
}

const NO_METADATA: Readonly<Record<string, unknown>> = Object.freeze({});

export class RequestState implements PolicyContext {
  readonly snapshot: Snapshot;
  readonly c: Context;
  readonly route: CompiledRoute | undefined;
  readonly requestId: string;
  readonly startTime: number;
  readonly path: string;
  identity?: Identity;
  upstreamCalls: number;
  upstreamStatus: number | undefined;
  upstreamError: unknown;
  upstreamGate: (() => void) | undefined;
  #signal: AbortSignal | undefined;
  #trace: TraceIds | undefined;
  #clientIp: string | undefined;
  #waitUntil: ((promise: Promise<unknown>) => void) | undefined;
  #onBodyEnd: ((callback: (end: BodyEnd) => void) => void) | undefined;
  /** Who wants to know when the body has ended; `undefined` while nobody does. */
  bodyEnd: ((end: BodyEnd) => void)[] | undefined;

  constructor(snapshot: Snapshot, c: Context, route: CompiledRoute | undefined, path: string, requestId: string) {
    this.snapshot = snapshot;
    this.c = c;
    this.route = route;
    this.requestId = requestId;
    this.path = path;
    this.startTime = snapshot.clock.now();
    this.identity = undefined;
    this.upstreamCalls = 0;
    this.upstreamStatus = undefined;
    this.upstreamError = undefined;
    this.upstreamGate = undefined;
    this.bodyEnd = undefined;
  }

  get gatewayName(): string {
    return this.snapshot.name;
  }

  get routePath(): string {
    return this.route === undefined ? "*" : this.route.path;
  }

  get metadata(): Readonly<Record<string, unknown>> {
    return this.route === undefined ? NO_METADATA : this.route.metadata;
  }

  get adapter(): GatewayAdapter | undefined {
    return this.snapshot.adapter;
  }

  get trace(): TraceIds {
    return (this.#trace ??= traceIds(this.c.req.raw.headers.get("traceparent")));
  }

  get traceId(): string {
    return this.trace.traceId;
  }

  get spanId(): string {
    return this.trace.spanId;
  }

  get clientIp(): string {
    return (this.#clientIp ??= resolveClientIp(this.snapshot, this.c));
  }

  get clientAddress(): (ipHeaders: readonly string[]) => string {
    return (ipHeaders) => resolveClientIp(this.snapshot, this.c, ipHeaders);
  }

  get upstream(): string {
    return this.route === undefined ? "*" : this.route.upstreamLabel;
  }

  get debugging(): boolean {
    return this.snapshot.debug !== undefined;
  }

  get debug(): (namespace: string) => DebugLogger {
    return this.snapshot.debug ?? silent;
  }

  get signal(): AbortSignal {
    return (this.#signal ??= this.#createSignal());
  }

  set signal(signal: AbortSignal) {
    this.#signal = signal;
  }

  get waitUntil(): (promise: Promise<unknown>) => void {
    return (this.#waitUntil ??= (promise) => runInBackground(this, promise));
  }

  get onBodyEnd(): (callback: (end: BodyEnd) => void) => void {
    return (this.#onBodyEnd ??= (callback) => {
      (this.bodyEnd ??= []).push(callback);
    });
  }

  /** Aborts when the client leaves, and when the grace period of `close()` ends. */
  #createSignal(): AbortSignal {
    const controller = new AbortController();
    const client = this.c.req.raw.signal;
    const abort = (reason: unknown): void => controller.abort(reason);
    if (client.aborted) abort(client.reason);
    else client.addEventListener("abort", () => abort(client.reason), { once: true });
    const forget = this.snapshot.core.tracker.onAbort(abort);
    this.onBodyEnd(forget);
    return controller.signal;
  }
}

const silent = (): DebugLogger => noopDebug;

/** The adapter's `waitUntil`, else the runtime's, else the gateway's own list, which `close()` waits for. */
function runInBackground(state: RequestState, promise: Promise<unknown>): void {
  const { core, adapter } = state.snapshot;
  const reported = Promise.resolve(promise).catch((error: unknown) => core.events.emit({ type: "background.error", error }));
  core.tracker.track(reported, () => {});
  if (adapter?.waitUntil !== undefined) {
    adapter.waitUntil(promise);
    return;
  }
  const ctx = executionContext(state.c);
  ctx?.waitUntil?.(reported);
}

function executionContext(c: Context): { waitUntil?: (promise: Promise<unknown>) => void } | undefined {
  try {
    return c.executionCtx;
  } catch {
    return undefined;
  }
}
