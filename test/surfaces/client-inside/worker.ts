/** The client's cases inside workerd, and one member of a fleet whose store is a Durable Object. */

import { oauth2, seam } from "sluice/client";
import { durableObjectStore, StateDO } from "sluice/cloudflare";
import { runtimeName } from "../../runtimes/inside/runtime-name.ts";
import { runCases } from "./cases.ts";

export { StateDO };

interface Env {
  readonly UPSTREAM: string;
  readonly STATE: Parameters<typeof durableObjectStore>[0];
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/cases") return Response.json({ runtime: runtimeName(), cases: await runCases(env.UPSTREAM) });
    const store = durableObjectStore(env.STATE);
    if (pathname === "/paced") {
      const api = seam({ name: "paced", baseUrl: env.UPSTREAM, store, storeTimeoutMs: 20_000, throttle: { rate: "50/s", maxWaitMs: 60_000 } });
      const call = api.stitch("/paced");
      await Promise.all(Array.from({ length: Number(searchParams.get("calls")) }, () => call()));
      await api.close();
      return Response.json("done");
    }
    if (pathname === "/lanes") {
      const api = seam({ name: "lanes", baseUrl: env.UPSTREAM, store, storeTimeoutMs: 20_000, throttle: { concurrency: 2 } });
      await Promise.all(Array.from({ length: 4 }, () => api.stitch("/lane")()));
      await api.close();
      return Response.json("done");
    }
    const api = seam({ name: "auth", baseUrl: env.UPSTREAM, store, storeTimeoutMs: 20_000, auth: oauth2({ tokenUrl: `${env.UPSTREAM}/token`, clientId: "c", clientSecret: "secret" }) });
    const results = await Promise.all(Array.from({ length: 3 }, () => api.stitch("/guarded")().safe()));
    await api.close();
    return Response.json(results.map((result) => (result.ok ? "ok" : `${result.error.code}: ${result.error.message}`)));
  },
};
