/** Checks a configuration without making a gateway of it: all issues at once, and what is legal but hardly meant. */

import { createEvents } from "../../core/events.ts";
import { systemClock } from "../../core/clock.ts";
import { quote } from "../../core/errors.ts";
import { systemRandom } from "../../core/random.ts";
import { isGatewayError } from "../errors.ts";
import { adminSettings } from "../operation/admin-options.ts";
import { debugSettings } from "../operation/debug-headers.ts";
import { checkTracing } from "../operation/tracing.ts";
import { Priority } from "../priority.ts";
import { createProcessState } from "../process-state.ts";
import type { GatewayConfig, GatewayEvent, RouteConfig } from "../types.ts";
import { bindUpstream } from "../upstreams/bind.ts";
import { validateGatewayConfig } from "../validate.ts";

/** What is wrong, or looks wrong. */
export interface ConfigIssue {
  /** Such as `routes[2].pipeline.upstream.target`; empty for the configuration as a whole. */
  readonly path: string;
  /** Names the option and quotes the value. */
  readonly message: string;
}

export type ConfigCheck =
  | { readonly success: true; readonly data: GatewayConfig; readonly warnings: readonly ConfigIssue[] }
  | { readonly success: false; readonly issues: readonly ConfigIssue[]; readonly warnings: readonly ConfigIssue[] };

/** Thrown by {@link validateConfig}. */
export class ConfigValidationError extends Error {
  readonly code = "config_error" as const;
  readonly issues: readonly ConfigIssue[];

  constructor(issues: readonly ConfigIssue[]) {
    super(issues.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join("\n"));
    this.issues = issues;
  }

  override get name(): string {
    return "ConfigValidationError";
  }
}

/** The very configuration that was given, or a {@link ConfigValidationError} with every issue. */
export function validateConfig(config: unknown): GatewayConfig {
  const checked = safeValidateConfig(config);
  if (!checked.success) throw new ConfigValidationError(checked.issues);
  return checked.data;
}

/** The same without throwing. `data` is the object that was given: adapter, handlers and policies keep their identity. */
export function safeValidateConfig(config: unknown): ConfigCheck {
  const issues: ConfigIssue[] = [];
  const given = config as GatewayConfig;
  if (typeof config !== "object" || config === null || Array.isArray(config)) {
    return { success: false, issues: [{ path: "", message: `a configuration must be an object, got ${quote(config)}` }], warnings: [] };
  }
  const routes: readonly unknown[] = Array.isArray(given.routes) ? given.routes : [];
  // Option by option and route by route, so that one mistake does not hide the others.
  for (const name of Object.keys(given)) {
    if (name === "routes") continue;
    collect(issues, name, () => {
      const alone = { [name]: given[name as keyof GatewayConfig], routes: [FINE] } as unknown as GatewayConfig;
      validateGatewayConfig(alone);
      checkTracing(alone.tracing);
      debugSettings(alone.debugHeaders);
      adminSettings(alone.admin, "");
    });
  }
  if (routes.length === 0) collect(issues, "routes", () => validateGatewayConfig({ routes: given.routes }));
  routes.forEach((route, index) => {
    const path = `routes[${index}]`;
    const ok = collect(issues, path, () => validateGatewayConfig({ routes: [route as RouteConfig] }));
    if (ok) collect(issues, `${path}.pipeline.upstream`, () => checkUpstream(route as RouteConfig));
    if (ok) twice((route as RouteConfig).pipeline.policies, `${path}.pipeline.policies`, issues);
  });
  twice(given.policies, "policies", issues);
  const warnings = issues.length === 0 ? warningsOf(given) : [];
  return issues.length === 0 ? { success: true, data: given, warnings } : { success: false, issues, warnings };
}

const FINE: RouteConfig = { path: "/", pipeline: { upstream: { type: "handler", handler: () => new Response() } } };

function collect(issues: ConfigIssue[], path: string, check: () => unknown): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (!isGatewayError(error) && !(error instanceof RangeError)) throw error;
    // The message of a lone route speaks of routes[0].
    issues.push({ path, message: error.message.replaceAll("routes[0]", path) });
    return false;
  }
}

/** Makes the call and lets go of it: nothing is sent, and no timer starts before the first request. */
function checkUpstream(route: RouteConfig): void {
  const state = createProcessState();
  bindUpstream(route.pipeline.upstream, {
    where: `route ${quote(route.path)}`, route: route.path, clock: systemClock, random: systemRandom, events: createEvents<GatewayEvent>(), keep: (name, make) => state.keep("", name, make),
  }).dispose?.();
}

function twice(policies: GatewayConfig["policies"], path: string, issues: ConfigIssue[]): void {
  if (!Array.isArray(policies)) return;
  const seen = new Set<string>();
  policies.forEach((policy: { readonly name?: string } | undefined, index) => {
    const name = policy?.name;
    if (name === undefined) return;
    if (seen.has(name)) issues.push({ path: `${path}[${index}]`, message: `policy ${quote(name)} is twice in this list; give one of them a different "name"` });
    seen.add(name);
  });
}

const ALL = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

function warningsOf(config: GatewayConfig): ConfigIssue[] {
  const warnings: ConfigIssue[] = [];
  for (const [path, policies] of [["policies", config.policies], ...config.routes.map(({ pipeline }, i) => [`routes[${i}].pipeline.policies`, pipeline.policies] as const), ["unmatchedPolicies", config.unmatchedPolicies]] as const) {
    policies?.forEach((policy, i) => warnings.push(...(policy.warnings?.() ?? []).map((message) => ({ path: `${path}[${i}]`, message: `policy ${quote(policy.name)}: ${message}` }))));
  }
  const before: { readonly path: string; readonly methods: readonly string[]; readonly index: number }[] = [];
  config.routes.forEach((route, index) => {
    const methods = route.methods ?? config.defaultMethods ?? ALL;
    for (const earlier of before) {
      if (!methods.every((method) => earlier.methods.includes(method))) continue;
      if (shape(earlier.path) === shape(route.path)) warnings.push({ path: `routes[${index}].path`, message: `${quote(route.path)} is the same as routes[${earlier.index}]: it gets no request` });
      else if (covers(earlier.path, route.path)) warnings.push({ path: `routes[${index}].path`, message: `${quote(route.path)} stands behind the wildcard ${quote(earlier.path)} of routes[${earlier.index}]: it gets no request` });
      else continue;
      break;
    }
    before.push({ path: route.path, methods, index });
    const policies = [...(config.policies ?? []), ...(route.pipeline.policies ?? [])];
    policies.forEach((policy) => {
      if (policy.guard === true && (policy.priority ?? Priority.DEFAULT) > 39) warnings.push({ path: `routes[${index}]`, message: `guard ${quote(policy.name)} asks for priority ${policy.priority ?? Priority.DEFAULT}; it runs at 39, before stored responses are served` });
    });
  });
  return warnings;
}

/** Parameters without their names. */
function shape(path: string): string {
  return path.replace(/:[A-Za-z_]\w*/g, ":").replace(/(.)\/$/, "$1");
}

function covers(wildcard: string, path: string): boolean {
  if (!wildcard.endsWith("*")) return false;
  const prefix = wildcard.slice(0, -1);
  return !/[:*{]/.test(prefix) && (path.startsWith(prefix) || `${path}/` === prefix);
}
