/** Runs policies in a real gateway, for tests. */

import type { Context, Hono } from "hono";
import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { GatewayAdapter } from "../../state/contracts/adapter.ts";
import { createGateway } from "../create-gateway.ts";
import type { GatewayConfig, GatewayInstance, Policy, RouteConfig, UpstreamConfig } from "../types.ts";
import { TestAdapter } from "./test-adapter.ts";

export interface PolicyTestHarnessOptions extends Omit<GatewayConfig, "routes" | "name" | "adapter" | "policies"> {
  /** What answers behind the policies: a handler or an upstream. @default `{ ok: true }` as JSON */
  readonly upstream?: ((c: Context) => MaybePromise<Response>) | UpstreamConfig;
  /** @default "/*" */
  readonly path?: string;
  readonly methods?: RouteConfig["methods"];
  readonly metadata?: RouteConfig["metadata"];
  /** @default "test-gateway" */
  readonly gatewayName?: string;
  /** @default a new TestAdapter on the `clock` given here */
  readonly adapter?: GatewayAdapter;
}

export interface PolicyTestHarness<Adapter extends GatewayAdapter = TestAdapter> {
  /** Sends a request; a path is enough. */
  readonly request: (input: string | URL | Request, init?: RequestInit, env?: unknown) => Promise<Response>;
  readonly app: Hono;
  readonly adapter: Adapter;
  readonly gateway: GatewayInstance;
}

/**
 * Puts one policy or a list of them in front of an upstream, in the real pipeline: errors, header fields and context
 * are those of a gateway.
 */
export function createPolicyTestHarness<Adapter extends GatewayAdapter = TestAdapter>(
  policies: Policy | readonly Policy[],
  options: PolicyTestHarnessOptions & { readonly adapter?: Adapter } = {},
): PolicyTestHarness<Adapter> {
  const { upstream, path = "/*", methods, metadata, gatewayName = "test-gateway", adapter = new TestAdapter({ clock: options.clock }) as GatewayAdapter as Adapter, ...config } = options;
  const gateway = createGateway({
    ...config,
    name: gatewayName,
    adapter,
    routes: [
      {
        path,
        ...(methods === undefined ? undefined : { methods }),
        ...(metadata === undefined ? undefined : { metadata }),
        pipeline: { policies: Array.isArray(policies) ? policies : [policies as Policy], upstream: upstreamOf(upstream) },
      },
    ],
  });
  return {
    app: gateway.app,
    adapter,
    gateway,
    request: async (input, init, env) => {
      if (typeof input === "string" || input instanceof URL) return gateway.app.request(String(input), init, env as never);
      // Not by `instanceof`: servers put a `Request` of their own in the place of the runtime's, and clones are of the other kind.
      return gateway.app.fetch(init === undefined ? input : new Request(input, init), env as never);
    },
  };
}

function upstreamOf(upstream: PolicyTestHarnessOptions["upstream"]): UpstreamConfig {
  if (typeof upstream === "function") return { type: "handler", handler: upstream };
  return upstream ?? { type: "handler", handler: (c) => c.json({ ok: true }) };
}
