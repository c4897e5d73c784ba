/** The suites' program on workerd: jobs are paths, and everything else is the gateway under test. `load` comes from the suite. */

import { cloudflareAdapter } from "sluice/cloudflare";
import type { GatewayInstance } from "sluice/gateway";
import { memoryAdapter } from "sluice/memory";
import { memorySuites, runSuites } from "./contracts.ts";
import { gatewayApp } from "./gateway-app.ts";
import { runtimeName } from "./runtime-name.ts";
import { smoke, type Load } from "./smoke.ts";

interface Env {
  readonly UPSTREAM: string;
}

export function worker(load: Load): { fetch(request: Request, env: Env, context: unknown): Promise<Response> } {
  let gateway: GatewayInstance | undefined;
  return {
    async fetch(request, env, context) {
      const { pathname } = new URL(request.url);
      if (pathname === "/job/contracts") return Response.json({ runtime: runtimeName(), contracts: await runSuites(memorySuites) });
      if (pathname === "/job/smoke") return Response.json({ runtime: runtimeName(), smoke: await smoke(load, "workerd") });
      gateway ??= gatewayApp(env.UPSTREAM, Object.assign(memoryAdapter(), { webSockets: cloudflareAdapter().webSockets }));
      return gateway.fetch(request, env as never, context as never);
    },
  };
}
