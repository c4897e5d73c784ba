/** Makes a policy: options, identity, `skip` and private state handled once, for built-in and user policies alike. */

import type { Context } from "hono";
import { isSluiceError } from "../core/errors.ts";
import { isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import { callback } from "./callback.ts";
import { type RequestState, boundHandler, requestState } from "./context.ts";
import { httpHandler } from "./evaluation/http-handler.ts";
import { CONTINUE, type EvaluateDefinition, type EvaluateTools, type PolicyEvalContext, type PolicyEvaluator, type PolicyInput, type PolicyResult, type ProcessingPhase } from "./evaluation/protocol.ts";
import { standaloneSite } from "./evaluation/standalone-site.ts";
import { noopTraceReporter, type TraceReporter } from "./operation/trace-report.ts";
import { policyTrace } from "./sdk/policy-trace.ts";
import { skipOf } from "./evaluation/skip-input.ts";
import { noopDebug } from "./debug.ts";
import { takePreparation } from "./prepare.ts";
import { GatewayError, configError, isGatewayError } from "./errors.ts";
import { resolveConfig } from "./sdk/resolve-config.ts";
import { withSkip } from "./sdk/with-skip.ts";
import type { BoundPolicy, DebugLogger, Next, Policy, PolicyContext, PolicyOptions, PolicySite, Preparation, PurgeTarget } from "./types.ts";

export interface PolicyDefinition<Config extends object, State> {
  /** The kind, such as `rate-limit`. */
  readonly name: string;
  /** @default 100 */
  readonly priority?: number;
  /** It can refuse a caller, so no stored response may be served before it. @default false */
  readonly guard?: boolean;
  /** See {@link Policy.preflight}. @default false */
  readonly preflight?: boolean;
  /** See {@link Policy.late}. @default false */
  readonly late?: boolean;
  /** See {@link Policy.ownedFields}. */
  readonly ownedFields?: (config: Config) => readonly string[];
  readonly defaults?: Partial<Config>;
  /** Called at construction with the resolved options; throws what is wrong with them. */
  readonly validate?: (config: Config) => void;
  /** What is legal in the options and hardly meant, or risky: `sluice check` and `safeValidateConfig` report it. */
  readonly warn?: (config: Config) => readonly string[];
  /** Makes what the policy keeps between requests, once per place in a gateway. */
  readonly setup?: (config: Config, site: PolicySite) => State;
  /**
   * Whether `prepare` has a point at this place: a store behind a wire. Asked once, at construction, so that policies on a
   * store in this process pay nothing for it. @default true
   */
  readonly prepares?: (config: Config, site: PolicySite) => boolean;
  /**
   * Begins what the policy asks of its store, when it stands next to others that do so: their questions then leave in one
   * round trip. `first`: no policy stands in between that may end the request; else what is granted must be
   * undone when the policy is not reached, and a policy that cannot gives `undefined` and asks in its turn. `handler` finds
   * the value in `prepared`. What it throws is left to `handler` to run into.
   */
  readonly prepare?: (c: Context, tools: PolicyTools<Config, State>, first: boolean) => Preparation | undefined;
  /** Acts on a request. Not needed beside `evaluate`: the decision is then carried out as it says. */
  readonly handler?: (c: Context, next: Next, tools: PolicyTools<Config, State>) => MaybePromise<Response | void>;
  /** The decision without HTTP around it, which `evaluatePolicies` asks for; without `handler` HTTP requests ask it, too. */
  readonly evaluate?: EvaluateDefinition<Config, State>;
  /** Phases `evaluate` takes part in. @default ["request-headers", "response-headers"] */
  readonly phases?: readonly ProcessingPhase[];
  /** It makes sense for HTTP alone. @default false */
  readonly httpOnly?: boolean;
  readonly dispose?: (state: State) => MaybePromise<void>;
  /** Of a policy that stores responses: serves `gateway.cache.purge`. */
  readonly purge?: (state: State, target: PurgeTarget) => MaybePromise<number>;
  /** See {@link BoundPolicy.resetCircuit}. */
  readonly resetCircuit?: (state: State, key: string) => MaybePromise<void>;
  /** See {@link BoundPolicy.choose}. Not asked where `skip` says so. */
  readonly choose?: (c: Context, state: State) => MaybePromise<string>;
}

export interface PolicyTools<Config, State> {
  readonly config: Config;
  readonly state: State;
  readonly site: PolicySite;
  readonly gateway: PolicyContext;
  /** Logger of `sluice:policy:<name>`; free when debug is off. */
  readonly debug: DebugLogger;
  /** Notes a decision for a client that asked for the trace; free otherwise. */
  readonly trace: TraceReporter;
  /** In `handler`: the value of this request's `prepare`, when that was called and gave something. */
  readonly prepared?: unknown;
}

/** The factory of a policy: options are needed only where the type has required ones. */
export type PolicyFactory<Config> = Record<never, never> extends Config
  ? (config?: Config & PolicyOptions) => Policy
  : (config: Config & PolicyOptions) => Policy;

/**
 * Defines a kind of policy and gives its factory.
 *
 * Every policy made by it takes `name` (an instance name: two of a kind on one route need different ones),
 * `priority` and `skip` beside its own options. A `Response` returned by `handler` is the response.
 *
 * ```ts
 * const teapot = definePolicy<{ when: string }>({
 *   name: "teapot",
 *   priority: Priority.EARLY,
 *   handler: (c, next, { config }) => (c.req.path === config.when ? c.text("short and stout", 418) : next()),
 * });
 * ```
 *
 * The factory throws a `GatewayError` with code `config_error` when the options are wrong.
 */
export function definePolicy<Config extends object = PolicyOptions, State = undefined>(
  definition: PolicyDefinition<Config, State>,
): PolicyFactory<Config> {
  checkDefinition(definition);
  const make = (options?: Config & PolicyOptions): Policy => {
    if (options !== undefined && (typeof options !== "object" || options === null)) {
      throw configError(`the options of policy "${definition.name}"`, options, "an object");
    }
    const config = resolveConfig<Config & PolicyOptions>(definition.defaults as Partial<Config & PolicyOptions>, options);
    const name = identityOf(definition.name, config.name);
    const priority = config.priority ?? definition.priority;
    checkCommon(name, config, priority);
    withConfigErrors(name, () => definition.validate?.(config));
    const ownedFields = definition.ownedFields?.(config).map((field) => field.toLowerCase()) ?? [];
    const { warn } = definition;
    const policy: Policy = {
      name,
      ...(warn === undefined ? undefined : { warnings: () => warn(config) }),
      ...(priority === undefined ? undefined : { priority }),
      ...(definition.guard === true ? { guard: true } : undefined),
      ...(definition.preflight === true ? { preflight: true } : undefined),
      ...(definition.late === true ? { late: true } : undefined),
      ...(ownedFields.length > 0 ? { ownedFields } : undefined),
      ...(definition.phases === undefined ? undefined : { phases: definition.phases }),
      ...(definition.httpOnly === true ? { httpOnly: true as const } : undefined),
      ...(definition.evaluate === undefined ? undefined : { evaluate: evaluator(definition, config, name) }),
      handler: (c, next) => boundHandler(c, policy)(c, next),
      bind: (site) => bind(definition, config, name, site),
    };
    return policy;
  };
  return make as PolicyFactory<Config>;
}

function bind<Config extends object, State>(
  definition: PolicyDefinition<Config, State>,
  config: Config & PolicyOptions,
  name: string,
  site: PolicySite,
): BoundPolicy {
  const state = withConfigErrors(name, () => definition.setup?.(config, site)) as State;
  const namespace = `sluice:policy:${name}`;
  const run = definition.handler ?? decisionHandler(definition, name);
  const { skip } = config;
  const { prepare: begin } = definition;
  /** What `skip` said when the policy was prepared: it is asked once per turn. */
  const asked = begin === undefined || skip === undefined ? undefined : new WeakMap<Context, MaybePromise<boolean>>();
  const skips = skip === undefined ? undefined : (c: Context): MaybePromise<boolean> => {
    const known = asked?.get(c);
    if (known === undefined) return callback(name, () => skip(c));
    asked?.delete(c);
    return known;
  };
  const toolsOf = (c: Context): PolicyTools<Config, State> => {
    const gateway = requestState(c);
    const trace = gateway.traceNotes === undefined ? noopTraceReporter : policyTrace(c, name);
    return { config, state, site, gateway, debug: gateway.debugging ? gateway.debug(namespace) : noopDebug, trace };
  };
  const prepare = begin === undefined || definition.prepares?.(config, site) === false ? undefined : (c: Context, first: boolean): Preparation | undefined => {
    try {
      if (skips !== undefined) {
        const skipped = skips(c);
        asked?.set(c, skipped);
        // An answer that takes its time is waited for in the policy's turn.
        if (isPromise(skipped)) skipped.catch(() => {});
        if (isPromise(skipped) || skipped) return undefined;
      }
      const preparation = begin(c, toolsOf(c), first);
      // The handler hears of a failure, in its turn; nobody does when it is not reached.
      if (isPromise(preparation?.value)) preparation.value.catch(() => {});
      return preparation;
    } catch {
      // The handler runs into the same, and says so.
      return undefined;
    }
  };
  const handler = withSkip(
    skips,
    prepare === undefined ? (c, next) => run(c, next, toolsOf(c)) : (c, next) => {
      const tools = toolsOf(c);
      const prepared = takePreparation(tools.gateway as RequestState, prepare);
      return run(c, next, prepared === undefined ? tools : { ...tools, prepared: prepared.value });
    },
  );
  const { dispose, purge, resetCircuit, choose } = definition;
  return {
    handler,
    ...(prepare === undefined ? undefined : { prepare }),
    ...(dispose === undefined ? undefined : { dispose: () => dispose(state) }),
    ...(purge === undefined ? undefined : { purge: (target) => purge(state, target) }),
    ...(resetCircuit === undefined ? undefined : { resetCircuit: (key) => resetCircuit(state, key) }),
    ...(choose === undefined
      ? undefined
      : {
          choose: (c) => {
            const skipped = skips?.(c) ?? false;
            return isPromise(skipped) ? skipped.then((yes) => (yes ? "" : choose(c, state))) : skipped ? "" : choose(c, state);
          },
        }),
  };
}

/** HTTP requests ask the same function as `evaluatePolicies`. */
function decisionHandler<Config extends object, State>(definition: PolicyDefinition<Config, State>, name: string): NonNullable<PolicyDefinition<Config, State>["handler"]> {
  const { onRequest, onResponse } = definition.evaluate as EvaluateDefinition<Config, State>;
  const current = new WeakMap<Context, EvaluateTools<Config, State>>();
  const of = (decide: typeof onRequest): ((input: PolicyInput, c: Context) => MaybePromise<PolicyResult>) | undefined =>
    decide === undefined ? undefined : (input, c) => callback(name, () => decide(input, current.get(c) as EvaluateTools<Config, State>));
  const handler = httpHandler(definition.phases, of(onRequest), of(onResponse));
  return (c, next, tools) => {
    const { config, state, site, debug, trace, gateway } = tools;
    const { requestId, traceId, adapter } = gateway;
    current.set(c, { config, state, site, debug, trace, requestId, traceId, ...(adapter === undefined ? undefined : { adapter }) });
    return handler(c, next);
  };
}

/** The decision outside a gateway. State is made per adapter, and lives as long as policy and adapter do. */
function evaluator<Config extends object, State>(definition: PolicyDefinition<Config, State>, config: Config & PolicyOptions, name: string): PolicyEvaluator {
  const { onRequest, onResponse } = definition.evaluate as EvaluateDefinition<Config, State>;
  const places = new WeakMap<object, { readonly state: State; readonly site: PolicySite }>();
  const nowhere = {};
  const toolsOf = (ctx: PolicyEvalContext): EvaluateTools<Config, State> => {
    const key = ctx.adapter ?? nowhere;
    let place = places.get(key);
    if (place === undefined) {
      const site = standaloneSite(name, ctx.adapter);
      places.set(key, (place = { site, state: withConfigErrors(name, () => definition.setup?.(config, site)) as State }));
    }
    return { ...ctx, config, ...place };
  };
  const hook = (decide: typeof onRequest): PolicyEvaluator["onRequest"] => {
    if (decide === undefined) return undefined;
    return (input, ctx) => {
      const run = (skipped: boolean): MaybePromise<PolicyResult> => (skipped ? CONTINUE : callback(name, () => decide(input, toolsOf(ctx))));
      if (config.skip === undefined) return run(false);
      const skipped = skipOf(name, config.skip, input);
      return isPromise(skipped) ? skipped.then(run) : run(skipped);
    };
  };
  const [request, response] = [hook(onRequest), hook(onResponse)];
  return { ...(request === undefined ? undefined : { onRequest: request }), ...(response === undefined ? undefined : { onResponse: response }) };
}

function identityOf(kind: string, instance: unknown): string {
  if (instance === undefined || instance === kind) return kind;
  if (typeof instance !== "string" || instance.length === 0) throw configError(`option "name" of policy "${kind}"`, instance, "a non-empty string");
  return `${kind}:${instance}`;
}

function checkDefinition(definition: { name?: unknown; handler?: unknown; evaluate?: unknown }): void {
  if (typeof definition !== "object" || definition === null) throw configError("the policy definition", definition, "an object");
  if (typeof definition.name !== "string" || definition.name.length === 0) throw configError(`"name" of a policy definition`, definition.name, "a non-empty string");
  const decides = typeof definition.evaluate === "object" && definition.evaluate !== null;
  if (typeof definition.handler !== "function" && !(definition.handler === undefined && decides)) throw configError(`"handler" of policy "${definition.name}"`, definition.handler, `a function, or absent beside "evaluate"`);
}

function checkCommon(name: string, config: PolicyOptions, priority: unknown): void {
  if (priority !== undefined && (typeof priority !== "number" || !Number.isFinite(priority))) {
    throw configError(`option "priority" of policy "${name}"`, priority, "a finite number");
  }
  if (config.skip !== undefined && typeof config.skip !== "function") throw configError(`option "skip" of policy "${name}"`, config.skip, "a function");
}

/** Domain errors of the layers below carry the option; here they also get the policy and the gateway's code. */
function withConfigErrors<T>(name: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (isGatewayError(error) || !(isSluiceError(error) || error instanceof RangeError || error instanceof TypeError)) throw error;
    throw new GatewayError(500, "config_error", `policy "${name}": ${error.message}`, undefined, { cause: error });
  }
}
