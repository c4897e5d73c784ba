/** The per-request context: what `getGatewayContext(c)` gives. Everything that costs something is made when read. */

import type { Context } from "hono";
import { stackless } from "../core/errors.ts";
import type { Events } from "../core/events.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";
import type { GatewayAdapter } from "../state/contracts/adapter.ts";
import type { BodyEnd, SocketEnd } from "./body-end.ts";
import { awaitsClient, createCancellation, type Cancel, type Cancellation } from "./cancellation.ts";
import { peerAddress, resolveClientIp } from "./client-ip.ts";
import { noopDebug } from "./debug.ts";
import { configError } from "./errors.ts";
import type { BoundEntry, BoundUpstream, CompiledRoute, Snapshot } from "./internals.ts";
import type { DebugNotes } from "./operation/debug-headers.ts";
import type { TraceNotes } from "./operation/trace-report.ts";
import type { RequestSpans } from "./operation/tracing.ts";
import type { Preparations } from "./prepare.ts";
import { publicOrigin } from "./public-origin.ts";
import type { TargetGate } from "./upstreams/target-gate.ts";
import type { OutgoingPlan } from "./upstreams/outgoing-plan.ts";
import { traceIds, type TraceIds } from "../core/trace-context.ts";
import type { DebugLogger, GatewayEvent, Identity, Policy, PolicyContext, PolicyHandler } from "./types.ts";

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
  readonly path: string;
  readonly startTime: number;
  /** The request as it came: a policy may have put another one into `c.req.raw`. */
  readonly original: Request;
  identity?: Identity;
  upstreamTarget: string | undefined;
  /** What stands for `upstreamTarget` in keys, where several targets are one place. */
  upstreamPlace: string | undefined;
  /** Side of a canary a key was made for: the answer must be of that side. */
  side: string | undefined;
  upstreamCalls: number;
  upstreamStatus: number | undefined;
  upstreamError: unknown;
  upstreamGate: (() => void) | undefined;
  /** Circuits per target, see `upstreams/target-gate.ts`. */
  targetGate: TargetGate | undefined;
  /** Targets that failed this request: a retry prefers others. */
  triedTargets: Set<string> | undefined;
  /** What policies have decided about the call of the upstream. */
  plan: OutgoingPlan | undefined;
  /** The chain this request runs through: a detached run starts inside it. */
  policies: readonly BoundEntry[] | undefined;
  call: BoundUpstream | undefined;
  /** What has been asked of stores for policies whose turn has not come. */
  prepared: Preparations | undefined;
  /** The answer is with the runtime; its body may still be on the way. */
  answered: boolean;
  /** What a client that may have a trace has asked for; `undefined` when it has not. */
  traceNotes: TraceNotes | undefined;
  debugNotes: DebugNotes | undefined;
  /** Spans of a sampled request. */
  spans: RequestSpans | undefined;
  /** The attempt under way, as upstreams see it in `traceparent`. */
  attemptSpanId: string | undefined;
  /** Code of the problem document that answers. */
  errorCode: string | undefined;
  tags: Record<string, string> | undefined;
  /** Monotonic. */
  readonly beganAt: number;
  /** Who wants to know when the body has ended; `undefined` while nobody does. */
  bodyEnd: ((end: BodyEnd) => void)[] | undefined;
  /** The WebSocket this request has become. */
  socket: SocketEnd | undefined;
  private lazySignal: AbortSignal | undefined;
  private lazyCancellation: Cancellation | undefined;
  private lazyTrace: TraceIds | undefined;
  private lazyAddress: string | undefined;
  private lazyPeer: string | null | undefined;

  constructor(snapshot: Snapshot, c: Context, route: CompiledRoute | undefined, path: string, requestId: string) {
    this.snapshot = snapshot;
    this.c = c;
    this.route = route;
    this.requestId = requestId;
    this.path = path;
    this.startTime = snapshot.clock.now();
    this.original = c.req.raw;
    // One shape for every request: properties added later would cost each reader.
    this.identity = undefined;
    this.upstreamTarget = undefined;
    this.upstreamPlace = undefined;
    this.side = undefined;
    this.upstreamCalls = 0;
    this.upstreamStatus = undefined;
    this.upstreamError = undefined;
    this.upstreamGate = undefined;
    this.targetGate = undefined;
    this.triedTargets = undefined;
    this.plan = undefined;
    this.policies = undefined;
    this.call = undefined;
    this.prepared = undefined;
    this.answered = false;
    this.traceNotes = undefined;
    this.debugNotes = undefined;
    this.spans = undefined;
    this.attemptSpanId = undefined;
    this.errorCode = undefined;
    this.tags = undefined;
    this.beganAt = snapshot.clock.monotonic();
    this.bodyEnd = undefined;
    this.socket = undefined;
    this.lazySignal = undefined;
    this.lazyCancellation = undefined;
    this.lazyTrace = undefined;
    this.lazyAddress = undefined;
    this.lazyPeer = undefined;
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

  get events(): Events<GatewayEvent> {
    return this.snapshot.core.events;
  }

  /** Origin of a url upstream whose target is fixed. */
  get fixedTarget(): string | undefined {
    const label = this.upstream;
    return label.startsWith("url http") ? label.slice(4) : undefined;
  }

  get upstream(): string {
    return this.route === undefined ? "*" : this.route.upstreamLabel;
  }

  get chooseTarget(): (() => MaybePromise<string>) | undefined {
    const choose = this.call?.choose;
    const { routedTarget } = this;
    if (routedTarget === undefined) return choose === undefined ? undefined : () => choose(this.c);
    return async () => {
      const chosen = await routedTarget();
      return chosen === "" && choose !== undefined ? await choose(this.c) : chosen;
    };
  }

  /** Where a policy of the chain sends this request instead of its upstream, empty for nowhere; `undefined` when none can. */
  get routedTarget(): (() => Promise<string>) | undefined {
    const { policies = [] } = this;
    for (const { choose } of policies) if (choose !== undefined) return () => lastChoice(policies, this.c);
    return undefined;
  }

  get trace(): TraceIds {
    return (this.lazyTrace ??= traceIds(this.c.req.raw.headers.get("traceparent")));
  }

  /** Sets the sampled flag of a trace that this gateway takes part in. */
  sampled(yes: boolean): void {
    const { trace } = this;
    this.lazyTrace = { ...trace, flags: yes ? trace.flags | 1 : trace.flags & 0xfe };
  }

  /** Keeps the platform awake for `promise`; `close()` does not wait for it. */
  keepAwake(promise: Promise<unknown>): void {
    const { core, adapter } = this.snapshot;
    const settled = promise.catch((error: unknown) => core.events.emit({ type: "background.error", error }));
    if (adapter?.waitUntil !== undefined) adapter.waitUntil(settled);
    else executionContext(this.c)?.waitUntil?.(settled);
  }

  get traceId(): string {
    return this.trace.traceId;
  }

  get spanId(): string {
    return this.trace.spanId;
  }

  /** Address of the connected peer; the caller's when no proxy stands between. */
  get peer(): string | undefined {
    if (this.lazyPeer === undefined) this.lazyPeer = peerAddress(this.c, this.original) ?? null;
    return this.lazyPeer ?? undefined;
  }

  get publicOrigin(): string {
    return publicOrigin(this);
  }

  get clientIp(): string {
    return (this.lazyAddress ??= resolveClientIp(this.snapshot, this.c.req.raw.headers, this.peer));
  }

  get clientAddress(): (ipHeaders: readonly string[]) => string {
    return (ipHeaders) => resolveClientIp(this.snapshot, this.c.req.raw.headers, this.peer, ipHeaders);
  }

  get awaitsClient(): boolean {
    return awaitsClient(this.c);
  }

  get debugging(): boolean {
    return this.snapshot.debug !== undefined;
  }

  get debug(): (namespace: string) => DebugLogger {
    return this.snapshot.debug ?? silent;
  }

  get signal(): AbortSignal {
    return (this.lazySignal ??= this.createSignal());
  }

  set signal(signal: AbortSignal) {
    this.lazySignal = signal;
  }

  /** The signal, if anybody has asked for it. */
  get madeSignal(): AbortSignal | undefined {
    return this.lazySignal;
  }

  get waitUntil(): (promise: Promise<unknown>) => void {
    return (promise) => runInBackground(this, promise);
  }

  get onBodyEnd(): (callback: (end: BodyEnd) => void) => void {
    return (callback) => {
      (this.bodyEnd ??= []).push(callback);
    };
  }

  /** What the client sees: a handshake's answer is the runtime's, and on most of them no `Response` can say so. */
  statusOf({ status }: Response): number {
    return this.socket !== undefined && status < 300 ? 101 : status;
  }

  /** Calls `cancel` once when `signal` aborts, without making a signal nobody has asked for; gives what forgets it. */
  onCancel(cancel: Cancel): () => void {
    const signal = this.lazySignal;
    if (signal === undefined) return this.onGone(cancel);
    if (signal.aborted) {
      cancel(signal.reason);
      return () => {};
    }
    const onAbort = (): void => cancel(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    return () => signal.removeEventListener("abort", onAbort);
  }

  /** Calls `cancel` once when the client leaves or the grace period of `close()` ends. */
  private onGone(cancel: Cancel): () => void {
    this.lazyCancellation ??= createCancellation(this.c, this.snapshot.core.tracker.onAbort, () => this.answered);
    return this.lazyCancellation.add(cancel);
  }

  get detached(): (policyName: string, request: Request) => Promise<Response> {
    return (policyName, request) => this.snapshot.core.detach(this, policyName, request);
  }

  /** The trace, if anybody has asked for it. */
  get madeTrace(): TraceIds | undefined {
    return this.lazyTrace;
  }

  /** Takes over what another request's connection and earlier policies have established. */
  inherit(from: RequestState): void {
    this.identity = from.identity;
    this.side = from.side;
    this.lazyPeer = from.peer ?? null;
    this.lazyAddress = from.lazyAddress;
  }

  private createSignal(): AbortSignal {
    const controller = new AbortController();
    const forget = this.onGone((reason) => controller.abort(reason));
    this.onBodyEnd(forget);
    return controller.signal;
  }
}

/** The last policy that chooses decides, as it does when the request gets there. */
async function lastChoice(policies: readonly BoundEntry[], c: Context): Promise<string> {
  let chosen = "";
  for (const { choose } of policies) if (choose !== undefined) chosen = (await choose(c)) || chosen;
  return chosen;
}

const silent = (): DebugLogger => noopDebug;

/** The adapter's `waitUntil`, else the runtime's; the gateway's own list, which `close()` waits for, in any case. */
function runInBackground(state: RequestState, promise: Promise<unknown>): void {
  const { core, adapter } = state.snapshot;
  core.tracker.track(promise, (error) => core.events.emit({ type: "background.error", error }));
  if (adapter?.waitUntil !== undefined) adapter.waitUntil(promise);
  else executionContext(state.c)?.waitUntil?.(promise.catch(() => {}));
}

function executionContext(c: Context): { waitUntil?: (promise: Promise<unknown>) => void } | undefined {
  try {
    // Hono throws where a runtime has none, as on every server.
    return stackless(() => c.executionCtx);
  } catch {
    return undefined;
  }
}
