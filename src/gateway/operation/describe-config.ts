/** A configuration as it may be shown: an allow-list, so what is added later is not shown by accident. */

import type { GatewayConfig, Policy, UpstreamConfig } from "../types.ts";

const PLAIN = ["name", "basePath", "debug", "requestIdHeader", "trustRequestId", "defaultMethods", "trailingSlash", "defaultErrorMessage", "defaultPolicyPriority", "stores"] as const satisfies readonly (keyof GatewayConfig)[];

export function describeConfig(config: GatewayConfig): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const name of PLAIN) if (config[name] !== undefined) shown[name] = config[name];
  return {
    ...shown,
    trustProxy: typeof config.trustProxy === "function" ? "[Function]" : (config.trustProxy ?? false),
    onError: config.onError === undefined ? undefined : "[Function]",
    policies: (config.policies ?? []).map(policyOf),
    unmatchedPolicies: (config.unmatchedPolicies ?? []).map(policyOf),
    adapter: Object.keys(config.adapter ?? {}).sort(),
    admin: config.admin !== undefined && config.admin !== false,
    debugHeaders: config.debugHeaders !== undefined && config.debugHeaders !== false,
    tracing: config.tracing === undefined ? undefined : { sampleRate: config.tracing.sampleRate ?? 1 },
    metrics: config.metrics !== undefined && config.metrics !== false,
    routes: config.routes.map((route) => ({
      path: route.path,
      methods: route.methods,
      policies: (route.pipeline.policies ?? []).map(policyOf),
      upstream: upstreamOf(route.pipeline.upstream),
      metadata: Object.keys(route.metadata ?? {}),
    })),
  };
}

function policyOf({ name, priority, guard }: Policy): object {
  return { name, priority, ...(guard === true ? { guard } : undefined) };
}

/** Origins without paths, which may hold secrets; no header values. */
function upstreamOf(upstream: UpstreamConfig): object {
  const origin = (url: string): string => new URL(url).origin;
  switch (upstream.type) {
    case "handler":
      return { type: "handler", handler: "[Function]" };
    case "service-binding":
      return { type: "service-binding", service: upstream.service };
    case "balanced":
      return { type: "balanced", balance: upstream.balance ?? "round-robin", targets: upstream.targets.map(({ url, weight = 1 }) => ({ url: origin(url), weight })) };
    case "url":
      return { type: "url", target: typeof upstream.target === "string" ? origin(upstream.target) : "[Function]" };
  }
}
