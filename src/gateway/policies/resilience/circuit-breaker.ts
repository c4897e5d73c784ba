/** `circuitBreaker`: leaves an upstream alone that keeps failing. */

import type { Context } from "hono";
import { checkFunction, checkInteger, checkOneOf } from "../../../core/check.ts";
import { OptionError, stackless } from "../../../core/errors.ts";
import { boundKey, joinKey } from "../../../core/keys.ts";
import { isPromise, type MaybePromise } from "../../../core/maybe-promise.ts";
import { circuitPolicy } from "../../../state/algorithms/circuit-policy.ts";
import type { CircuitBreakerSnapshot, CircuitBreakerStore, CircuitOutcome, CircuitPermit, CircuitPolicy, CircuitRefusal, CircuitState, CircuitTransition } from "../../../state/contracts/circuits.ts";
import { definePolicy, type PolicyFactory, type PolicyTools } from "../../define-policy.ts";
import { GatewayError, isGatewayError, policyError } from "../../errors.ts";
import { requestState, type RequestState } from "../../context.ts";
import { isDebugRequested, setDebugHeader } from "../../operation/debug-headers.ts";
import { Priority } from "../../priority.ts";
import { circuits } from "../../local-kinds.ts";
import { StoreFailure, isRemote, storeSource, storeUnavailable, type StoreCaller, type StoreSource } from "../../store-call.ts";
import type { FailMode, Next, PolicyContext, PolicyOptions, PolicySite } from "../../types.ts";
import type { TargetPass } from "../../upstreams/target-gate.ts";
import { atomicStore } from "./circuit-breaker/plain-store.ts";

export interface CircuitBreakerConfig extends PolicyOptions {
  /** Failures inside the window that open the circuit. @default 5 */
  readonly failureThreshold?: number;
  /** Length of the rolling window, in ms. @default 10000 */
  readonly windowMs?: number;
  /** Share of failures, in (0, 1], that opens it as well, once `minimumThroughput` calls are in the window. */
  readonly failureRate?: number;
  /** Calls in the window below which `failureRate` says nothing. @default 20 */
  readonly minimumThroughput?: number;
  /** How long an open circuit refuses before it lets a probe through, in ms. @default 30000 */
  readonly resetTimeoutMs?: number;
  /** Probes out at once, over all processes that share the store. @default 1 */
  readonly halfOpenMax?: number;
  /** Good probes that close the circuit. @default 1 */
  readonly successThreshold?: number;
  /** A probe without an outcome gives its place back after this time, in ms. @default resetTimeoutMs */
  readonly probeTimeoutMs?: number;
  /** Statuses of the upstream that are failures, beside errors and timeouts. @default [500, 502, 503, 504] */
  readonly failureOn?: readonly number[];
  /** Where the circuits are kept. @default the adapter's `circuitBreakerStore`, else one in memory */
  readonly store?: CircuitBreakerStore;
  /** Name of the circuit; equal names within one gateway share it, for each target that `dynamicRouting` chooses one. @default route and upstream, or the target `dynamicRouting` chooses */
  readonly key?: string | ((c: Context) => MaybePromise<string | null | undefined>);
  /**
   * `target`: a circuit for every target of a url or balanced upstream; one that is open is passed over for another
   * target, and the request refused when there is none. @default "route"
   */
  readonly scope?: "route" | "target";
  /** Status of a refusal. @default 503 */
  readonly openStatusCode?: number;
  /** Called once per transition, with the name given by `key`, else (and for a target that `dynamicRouting` chose) the stored key. What it throws is ignored. */
  readonly onStateChange?: (key: string, from: CircuitState, to: CircuitState) => unknown;
  /** When the store is away: call anyway, refuse with 503, or count in this process. @default "local" */
  readonly failMode?: FailMode;
}

/**
 * Opens after `failureThreshold` failures inside `windowMs`, refuses with 503 `circuit_open` and `retry-after` for
 * `resetTimeoutMs`, then probes. It guards the call of the upstream: what a `cache` policy inside can answer by itself is
 * answered while the circuit is open, too. Only the upstream's own answers count; a client that leaves and a policy
 * that refuses do not.
 */
export const circuitBreaker: PolicyFactory<CircuitBreakerConfig> = /* @__PURE__ */ definePolicy<CircuitBreakerConfig, BreakerState>({
  name: "circuit-breaker",
  httpOnly: true,
  priority: Priority.CIRCUIT_BREAKER,
  validate,
  setup: (config, site) => {
    if (config.scope === "target" && (site.upstream === "handler" || site.upstream.startsWith("service-binding"))) throw new OptionError("scope", config.scope, `"route" on a route whose upstream has no targets`);
    return new BreakerState(config, site);
  },
  resetCircuit: (state, key) => state.reset(key),
  prepares: (config, site) => config.scope !== "target" && isRemote(config.store ?? site.adapter?.circuitBreakerStore),
  prepare: (c, tools) => {
    const asked = ask(c, tools);
    return { value: asked, undo: async () => giveBack(tools, await asked) };
  },
  handler: (c, next, tools) => {
    if (tools.config.scope === "target") return perTarget(c, next, tools);
    const asked = tools.prepared === undefined ? ask(c, tools) : (tools.prepared as MaybePromise<Asked>);
    return isPromise(asked) ? asked.then((known) => answer(c, next, tools, known)) : answer(c, next, tools, asked);
  },
});

type Store = CircuitBreakerStore & Required<Pick<CircuitBreakerStore, "acquire" | "report">>;
type Admission = CircuitPermit | CircuitRefusal;
type Tools = PolicyTools<CircuitBreakerConfig, BreakerState>;

/** Circuits whose latest refusal is remembered for the time the store is away. */
const REMEMBERED = 1000;

class BreakerState {
  readonly policy: CircuitPolicy;
  readonly failureOn: ReadonlySet<number>;
  readonly failMode: FailMode;
  readonly source: StoreSource<CircuitBreakerStore>;
  readonly site: PolicySite;
  private readonly config: CircuitBreakerConfig;
  private readonly keys = new Map<string, string>();
  private readonly openUntil: Map<string, number>;
  private atomic: Store | undefined;
  private atomicOf: CircuitBreakerStore | undefined;

  constructor(config: CircuitBreakerConfig, site: PolicySite) {
    this.config = config;
    this.site = site;
    this.openUntil = site.keep("open-until", () => new Map());
    this.policy = policyOf(config);
    this.failureOn = new Set(config.failureOn ?? [500, 502, 503, 504]);
    this.failMode = config.failMode ?? "local";
    this.source = storeSource(site, circuits, config.store, this.failMode);
  }

  /** The circuit's name if the options give one. */
  nameOf(c: Context): MaybePromise<string | undefined> {
    const { key } = this.config;
    if (typeof key !== "function") return key;
    const failed = (error: unknown): GatewayError => policyError(this.site.policyName, error);
    try {
      const name = key(c);
      return isPromise(name) ? name.then(checkName).catch((error: unknown) => Promise.reject(failed(error))) : checkName(name);
    } catch (error) {
      throw failed(error);
    }
  }

  keyOf(name: string | undefined, gateway: PolicyContext, chosen = ""): string {
    const { site } = this;
    const id = name === undefined ? `-${gateway.routePath}\n${gateway.upstream}\n${chosen}` : `=${joinKey(name, chosen)}`;
    let key = this.keys.get(id);
    if (key === undefined) {
      key = name === undefined ? boundKey(`${site.scopeKey}:${joinKey(gateway.routePath, chosen || gateway.upstream)}`) : namedKey(site, name, chosen);
      if (this.keys.size >= REMEMBERED) this.keys.clear();
      this.keys.set(id, key);
    }
    return key;
  }

  /** The store's atomic pair of verbs, or the best that can be made of one without. */
  verbsOf(store: CircuitBreakerStore): Store {
    if (this.atomicOf !== store || this.atomic === undefined) {
      this.atomicOf = store;
      if (store.acquire !== undefined && store.report !== undefined) this.atomic = store as Store;
      else {
        const { site } = this;
        const { policyName, events, clock } = site;
        events.emit({ type: "store.limited", policy: policyName, message: "The circuitBreakerStore has no acquire() and report(): failures are counted in this process, and half-open probes are counted per process" });
        const kept = site.keep("plain-store", () => ({ store, atomic: atomicStore(store, clock) }));
        this.atomic = kept.store === store ? kept.atomic : atomicStore(store, clock);
      }
    }
    return this.atomic;
  }

  /** While the store is away this process decides, and keeps what the store last refused. */
  standIn(key: string, outage: number): { store: Store; key: string; until: number } {
    return { store: this.site.local.of(circuits) as Store, key: `${key}:~${outage}`, until: this.openUntil.get(key) ?? 0 };
  }

  noteRefusal(key: string, retryAfterMs: number): void {
    if (this.openUntil.size >= REMEMBERED) this.openUntil.clear();
    this.openUntil.set(key, this.site.clock.now() + retryAfterMs);
  }

  /** Closes the circuit that events call `shown`: by its name, or by its key when it has none. */
  async reset(shown: string): Promise<void> {
    const { site } = this;
    const caller = this.source.of(site.adapter);
    if (caller === undefined) throw storeUnavailable();
    const store = this.verbsOf(caller.store);
    const own = shown.startsWith(`${site.scopeKey}:`) || [...this.keys.values()].includes(shown);
    const key = own ? shown : namedKey(site, shown);
    const was = await caller.call("getState", () => store.getState(key));
    const done = was instanceof StoreFailure ? was : await caller.call("reset", () => store.reset(key));
    if (done instanceof StoreFailure) throw storeUnavailable(done.retryAfterMs);
    this.openUntil.delete(key);
    if (!(was instanceof StoreFailure) && was.state !== "closed") this.changed(shown, { from: was.state, to: "closed" });
  }

  changed(name: string, change: CircuitTransition | undefined): void {
    if (change === undefined) return;
    this.site.events.emit({ type: "circuit", key: name, from: change.from, to: change.to, policy: this.site.policyName, route: this.site.routePath });
    try {
      const ended: unknown = this.config.onStateChange?.(name, change.from, change.to);
      if (isPromise(ended)) ended.catch(() => {});
    } catch {
      // An observer's failure must not become the request's.
    }
  }
}

/** What was asked of the store, and its word. */
interface Asked {
  readonly caller: StoreCaller<CircuitBreakerStore>;
  readonly verbs: Store;
  readonly key: string;
  /** As events and observers know the circuit. */
  readonly name: string;
  readonly admission: MaybePromise<Admission | StoreFailure>;
}

function ask(c: Context, tools: Tools): MaybePromise<Asked> {
  const name = tools.state.nameOf(c);
  return isPromise(name) ? name.then((found) => askFor(tools, found)) : askFor(tools, name);
}

/** A circuit stands for one upstream, whatever its name, also where a policy such as `dynamicRouting` chooses it. */
function askFor(tools: Tools, name: string | undefined): MaybePromise<Asked> {
  const choose = (tools.gateway as RequestState).routedTarget;
  return choose === undefined ? acquire(tools, name, "") : choose().then((chosen) => acquire(tools, name, chosen));
}

function acquire(tools: Tools, name: string | undefined, chosen: string): Asked {
  const { state, gateway } = tools;
  const caller = state.source.of(gateway.adapter);
  if (caller === undefined) throw storeUnavailable();
  const key = state.keyOf(name, gateway, chosen);
  const verbs = state.verbsOf(caller.store);
  return { caller, verbs, key, name: name === undefined || chosen !== "" ? key : name, admission: caller.call("acquire", () => verbs.acquire(key, state.policy), isAdmission) };
}

/** The policy was not reached: what its permit has moved is told, and its place is free again. */
async function giveBack({ state }: Tools, { caller, verbs, key, name, admission }: Asked): Promise<void> {
  const found = await admission;
  if (found instanceof StoreFailure || !found.allowed) return;
  state.changed(name, found.transition);
  // A closed circuit gave nothing that could be given back.
  if (found.token !== undefined) await caller.call("report", () => verbs.report(key, state.policy, found, "unused"));
}

function answer(c: Context, next: Next, tools: Tools, asked: Asked): MaybePromise<void> {
  const { admission } = asked;
  return isPromise(admission) ? admission.then((found) => decide(c, next, tools, asked, found)) : decide(c, next, tools, asked, admission);
}

function decide(c: Context, next: Next, tools: Tools, { caller, verbs, key, name }: Asked, found: Admission | StoreFailure): MaybePromise<void> {
  const known = admitted(tools, caller, verbs, key, found);
  return known === undefined ? next() : admit(c, next, tools, name, known.admission, known.report);
}

function explain({ gateway, state }: Tools, key: string, found: Admission | StoreFailure): void {
  const { c } = gateway as RequestState;
  setDebugHeader(c, "x-sluice-circuit-key", key);
  setDebugHeader(c, "x-sluice-circuit-state", found instanceof StoreFailure ? "unknown" : found.state);
  if (!isDebugRequested(c, "circuit-failures")) return;
  // One more question of the store, for a client that has asked for it.
  const store = state.source.of(gateway.adapter)?.store;
  const show = ({ failureCount }: CircuitBreakerSnapshot): void => setDebugHeader(c, "x-sluice-circuit-failures", failureCount);
  const shown = store?.getState(key);
  // Shown if it comes before the answer does.
  if (isPromise(shown)) shown.then(show, () => {});
  else if (shown !== undefined) show(shown);
}

/** The store's word, or that of its stand-in; `undefined` when nothing decides because the store is away. */
function admitted(tools: Tools, caller: StoreCaller<CircuitBreakerStore>, verbs: Store, key: string, found: Admission | StoreFailure): { admission: Admission; report: Report } | undefined {
  const { state, debug } = tools;
  if ((tools.gateway as RequestState).debugNotes !== undefined) explain(tools, key, found);
  if (!(found instanceof StoreFailure)) {
    if (!found.allowed) state.noteRefusal(key, found.retryAfterMs);
    return { admission: found, report: (outcome) => caller.call("report", () => verbs.report(key, state.policy, found as CircuitPermit, outcome)) };
  }
  debug("store failed with %s, mode %s", found.code, state.failMode);
  if (state.failMode === "open") return undefined;
  if (state.failMode === "closed") throw storeUnavailable(found.retryAfterMs);
  const local = state.standIn(key, caller.outages);
  const restMs = local.until - state.site.clock.now();
  const admission = restMs > 0 ? { allowed: false as const, state: "open" as const, retryAfterMs: restMs } : (local.store.acquire(local.key, state.policy) as Admission);
  return { admission, report: (outcome) => local.store.report(local.key, state.policy, admission as CircuitPermit, outcome) };
}

/** The circuits are asked once the upstream knows where it calls. */
function perTarget(c: Context, next: Next, tools: Tools): Promise<void> {
  const state = requestState(c);
  state.targetGate = (at, target) => {
    const named = tools.state.nameOf(at);
    const ask = (name: string | undefined): MaybePromise<TargetPass> => passTarget(at, tools, name === undefined ? `${state.routePath}\n${target}` : `${name}\n${target}`);
    return isPromise(named) ? named.then(ask) : ask(named);
  };
  return next();
}

function passTarget(c: Context, tools: Tools, name: string): MaybePromise<TargetPass> {
  const { state, gateway, config } = tools;
  const caller = state.source.of(gateway.adapter);
  if (caller === undefined) throw storeUnavailable();
  const key = state.keyOf(name, gateway);
  const verbs = state.verbsOf(caller.store);
  const admission = caller.call("acquire", () => verbs.acquire(key, state.policy), isAdmission);
  const pass = (found: Admission | StoreFailure): TargetPass => {
    const known = admitted(tools, caller, verbs, key, found);
    if (known === undefined) return { allowed: true, report: () => {} };
    const { admission: given, report } = known;
    if (!given.allowed) return { allowed: false, refuse: () => { throw refusal(config.openStatusCode ?? 503, given.retryAfterMs)(); } };
    state.changed(name, given.transition);
    return { allowed: true, report: (response, error) => settle(tools, name, report, outcomeOf(c, gateway, state.failureOn, response?.status, error)) };
  };
  return isPromise(admission) ? admission.then(pass) : pass(admission);
}

type Report = (outcome: CircuitOutcome) => MaybePromise<CircuitTransition | undefined | StoreFailure>;

function admit(c: Context, next: Next, tools: Tools, name: string, admission: Admission, report: Report): Promise<void> {
  const { state, gateway, config, debug } = tools;
  if (!admission.allowed) {
    debug("%s, refusing for %d ms", admission.state, admission.retryAfterMs);
    const refused = refusal(config.openStatusCode ?? 503, admission.retryAfterMs);
    // The refusal stands before the upstream and not here, so that a cache inside may still answer.
    gateway.upstreamGate = () => {
      throw refused();
    };
    return next();
  }
  state.changed(name, admission.transition);
  const callsBefore = gateway.upstreamCalls;
  return next().then(() => {
    const outcome = gateway.upstreamCalls === callsBefore ? "unused" : outcomeOf(c, gateway, state.failureOn, gateway.upstreamStatus, gateway.upstreamError);
    // A closed circuit gave nothing that an unused permit could give back.
    if (outcome === "unused" && admission.token === undefined) return;
    settle(tools, name, report, outcome);
  });
}

function settle({ state, gateway }: Tools, name: string, report: Report, outcome: CircuitOutcome): void {
  const change = report(outcome);
  if (isPromise(change)) gateway.waitUntil(change.then((late) => (late instanceof StoreFailure ? undefined : state.changed(name, late))));
  else if (!(change instanceof StoreFailure)) state.changed(name, change);
}

/** What the upstream's answer says about the upstream. */
function outcomeOf(c: Context, gateway: PolicyContext, failureOn: ReadonlySet<number>, answered: number | undefined, error: unknown): CircuitOutcome {
  if (error === undefined) return answered !== undefined && failureOn.has(answered) ? "failure" : "success";
  if (isGatewayError(error) && (error.code === "gateway_timeout" || error.code === "upstream_timeout")) return gateway.awaitsClient ? "unused" : "failure";
  if (c.req.raw.signal.aborted || gateway.signal.aborted) return "unused";
  const status = isGatewayError(error) ? error.statusCode : (error as { status?: unknown } | null)?.status;
  // A handler may answer by throwing; what says that the request was wrong says that the handler is well.
  return typeof status === "number" && status >= 400 && status < 500 && !failureOn.has(status) ? "success" : "failure";
}

function refusal(statusCode: number, retryAfterMs: number): () => GatewayError {
  const seconds = String(Math.max(1, Math.ceil(retryAfterMs / 1000)));
  return () => stackless(() => new GatewayError(statusCode, "circuit_open", "The upstream has been failing and is left alone for a while", { "retry-after": seconds }));
}

/** A named circuit stands outside of route and policy: an empty part spells no route, and so no other key. */
function namedKey({ gatewayName }: PolicySite, name: string, chosen = ""): string {
  return boundKey(chosen === "" ? joinKey(gatewayName, "", "circuit", name) : joinKey(gatewayName, "", "circuit", name, chosen));
}

function isAdmission(reply: unknown): boolean {
  const { allowed, retryAfterMs } = (reply ?? {}) as { allowed?: unknown; retryAfterMs?: unknown };
  return allowed === true || (allowed === false && typeof retryAfterMs === "number" && retryAfterMs >= 0);
}

function checkName(name: unknown): string | undefined {
  if (name === undefined || name === null || name === "") return undefined;
  if (typeof name !== "string") throw new OptionError("key", name, "a function that gives a string");
  return name;
}

function policyOf(config: CircuitBreakerConfig): CircuitPolicy {
  const { failureThreshold, windowMs, failureRate, minimumThroughput, resetTimeoutMs, halfOpenMax, successThreshold, probeTimeoutMs } = config;
  return circuitPolicy({ failureThreshold, windowMs, failureRate, minimumThroughput, resetTimeoutMs, halfOpenMax, successThreshold, probeTimeoutMs });
}

function validate(config: CircuitBreakerConfig): void {
  policyOf(config);
  if (config.failureOn !== undefined) {
    if (!Array.isArray(config.failureOn)) throw new OptionError("failureOn", config.failureOn, "a list of statuses");
    config.failureOn.forEach((status, i) => checkInteger(`failureOn[${i}]`, status, 100, 599));
  }
  if (config.key !== undefined && typeof config.key !== "function" && (typeof config.key !== "string" || config.key === "")) {
    throw new OptionError("key", config.key, "a non-empty string or a function");
  }
  checkOneOf("scope", config.scope ?? "route", ["route", "target"]);
  checkInteger("openStatusCode", config.openStatusCode ?? 503, 400, 599);
  if (config.onStateChange !== undefined) checkFunction("onStateChange", config.onStateChange);
  checkOneOf("failMode", config.failMode ?? "local", ["open", "closed", "local"]);
  const { store } = config;
  if (store === undefined) return;
  if (typeof store !== "object" || store === null) throw new OptionError("store", store, "a circuit breaker store");
  if (typeof store.acquire === "function" && typeof store.report === "function") return;
  for (const verb of ["getState", "recordSuccess", "recordFailure", "transition"] as const) checkFunction(`store.${verb}`, store[verb]);
}
