/** `dynamicRouting`: rules that send a request to another upstream. */

import type { Context } from "hono";
import { checkFunction, checkString } from "../../../core/check.ts";
import { OptionError, stackless } from "../../../core/errors.ts";
import type { MaybePromise } from "../../../core/maybe-promise.ts";
import { callback } from "../../callback.ts";
import { requestState } from "../../context.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError, configError, policyError } from "../../errors.ts";
import { checkBoolean, checkFields, checkRecord } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";
import { outgoingPlan } from "../../upstreams/outgoing-plan.ts";
import { checkTarget, type Target } from "../../upstreams/target.ts";

export interface RoutingRule {
  /** For logs. */
  readonly name?: string;
  /** Whether the rule is for this request. It may be asked more than once, and gives the same answer. */
  readonly condition: (c: Context) => MaybePromise<boolean>;
  /** Where the request goes: an absolute URL. */
  readonly target: string;
  /** Maps the request path; the query is kept. */
  readonly rewritePath?: (path: string) => string;
  /** Fields set on the request. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface DynamicRoutingConfig extends PolicyOptions {
  /** The first rule whose condition holds decides. */
  readonly rules: readonly RoutingRule[];
  /** Without a rule, the request goes to the route's own upstream; `false` answers 404. @default true */
  readonly fallthrough?: boolean;
}

interface ReadyRule {
  readonly rule: RoutingRule;
  readonly target: Target;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

interface RoutingState {
  readonly rules: readonly ReadyRule[];
  readonly policyName: string;
}

/** Replaces target, path and fields of the route's `url` upstream. No rule and no `fallthrough`: 404 `no_route`. Caches key by the target. On a route with another upstream it is a `config_error`; as a global policy or of a scope it does nothing there. */
export const dynamicRouting: PolicyFactory<DynamicRoutingConfig> = /* @__PURE__ */ definePolicy<DynamicRoutingConfig, RoutingState>({
  name: "dynamic-routing",
  httpOnly: true,
  priority: Priority.REQUEST_TRANSFORM,
  validate(config) {
    rulesOf(config);
    checkBoolean("fallthrough", config.fallthrough);
  },
  setup(config, site) {
    // Of a global policy or one of a scope it is not known which upstreams it stands before.
    if (site.upstream !== "*" && !site.upstream.startsWith("url ")) throw configError(`the upstream of route "${site.routePath}", which policy "${site.policyName}" routes`, site.upstream, "of type url");
    return { rules: rulesOf(config), policyName: site.policyName };
  },
  choose: async (c, state) => {
    const found = await decideRoute(state, c);
    return found === undefined ? "" : targetText(found.target);
  },
  async handler(c, next, { config, state, gateway, debug }) {
    const found = await decideRoute(state, c);
    if (found === undefined) {
      if (config.fallthrough === false) throw stackless(() => new GatewayError(404, "no_route", "No rule applies to the request"));
      return next();
    }
    debug("rule %s", found.rule.name ?? targetText(found.target));
    const plan = outgoingPlan(requestState(c));
    plan.target = found.target;
    plan.rewritePath = found.rule.rewritePath;
    plan.set.push(...found.fields);
    gateway.upstreamTarget = targetText(found.target);
    await next();
  },
});

/** The first rule that applies. */
async function decideRoute({ rules, policyName }: RoutingState, c: Context): Promise<ReadyRule | undefined> {
  for (const ready of rules) {
    const holds: unknown = await callback(policyName, () => ready.rule.condition(c));
    if (typeof holds !== "boolean") throw policyError(policyName, new TypeError("a condition must give true or false"));
    if (holds) return ready;
  }
  return undefined;
}

/** As the upstream itself names where it went. */
function targetText({ origin, basePath, search }: Target): string {
  return `${origin}${basePath}${search}`;
}

function rulesOf(config: DynamicRoutingConfig): readonly ReadyRule[] {
  if (!Array.isArray(config.rules) || config.rules.length === 0) throw new OptionError("rules", config.rules, "a list of at least one rule");
  return config.rules.map((rule: RoutingRule, i: number) => {
    const where = `rules[${i}]`;
    checkRecord(where, rule);
    checkFunction(`${where}.condition`, rule.condition);
    if (rule.name !== undefined) checkString(`${where}.name`, rule.name);
    if (rule.rewritePath !== undefined) checkFunction(`${where}.rewritePath`, rule.rewritePath);
    if (rule.headers !== undefined) checkFields(`${where}.headers`, rule.headers);
    return { rule, target: checkTarget(`${where}.target of policy "dynamic-routing"`, rule.target), fields: Object.entries(rule.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value] as const) };
  });
}
