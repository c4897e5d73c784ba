/** The gateway under test: one configuration for every runtime. */

import { apiKeyAuth, bulkhead, cache, circuitBreaker, createGateway, csrf, getGatewayContext, rateLimit, type GatewayInstance } from "sluice/gateway";
import type { GatewayAdapter } from "sluice/state";
import { runtimeName } from "./runtime-name.ts";

/** `upstream` is the origin of the suite's own server. */
export function gatewayApp(upstream: string, adapter: GatewayAdapter): GatewayInstance {
  const url = (prefix: string) => ({ type: "url", target: `${upstream}/up`, rewritePath: (path: string) => path.slice(prefix.length) }) as const;
  let calls = 0;
  let background = "none";
  return createGateway({
    adapter,
    routes: [
      { path: "/runtime", pipeline: { upstream: { type: "handler", handler: (c) => c.json(runtimeName()) } } },
      { path: "/calls", pipeline: { upstream: { type: "handler", handler: (c) => c.json(calls) } } },
      {
        path: "/see/*",
        pipeline: {
          upstream: {
            type: "handler",
            handler: (c) => {
              calls++;
              return c.json({ method: c.req.method, path: c.req.path, host: c.req.header("host") ?? null, urlHost: new URL(c.req.url).host, query: new URL(c.req.url).search, x: c.req.header("x-see") ?? null });
            },
          },
        },
      },
      { path: "/items/:id", methods: ["GET", "POST"], pipeline: { upstream: { type: "handler", handler: (c) => c.json({ id: c.req.param("id") }) } } },
      { path: "/ip", pipeline: { upstream: { type: "handler", handler: (c) => c.json({ ip: getGatewayContext(c)?.clientIp }) } } },
      { path: "/throws", pipeline: { upstream: { type: "handler", handler: () => { throw new Error("secret of /srv/app"); } } } },
      { path: "/empty/:status", pipeline: { upstream: { type: "handler", handler: (c) => new Response(null, { status: Number(c.req.param("status")) }) } } },
      {
        path: "/cookies",
        pipeline: {
          upstream: {
            type: "handler",
            handler: () => {
              const response = new Response("c");
              response.headers.append("set-cookie", "a=1; Path=/");
              response.headers.append("set-cookie", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT");
              return response;
            },
          },
        },
      },
      {
        // Work that outlives its answer, with the gateway's signal and an upstream call of its own.
        path: "/background",
        pipeline: {
          upstream: {
            type: "handler",
            handler: (c) => {
              const gateway = getGatewayContext(c)!;
              background = "running";
              gateway.waitUntil((async () => {
                await new Promise((resolve) => setTimeout(resolve, 150));
                const { signal } = gateway;
                const late = await fetch(`${upstream}/up/count`, { signal }).then((answer) => String(answer.status), (error: unknown) => `failed: ${String(error)}`);
                background = `${late}, ${signal.aborted ? "aborted" : "not aborted"}`;
              })());
              return c.text("accepted", 202);
            },
          },
        },
      },
      { path: "/background/result", pipeline: { upstream: { type: "handler", handler: (c) => c.text(background) } } },
      { path: "/limited", pipeline: { policies: [rateLimit({ max: 3, windowSeconds: 600, keyBy: (c) => c.req.header("x-key") ?? "none" })], upstream: { type: "handler", handler: (c) => c.text("in") } } },
      { path: "/breaker/*", pipeline: { policies: [circuitBreaker({ failureThreshold: 2, resetTimeoutMs: 400 })], upstream: url("/breaker") } },
      { path: "/cached/*", pipeline: { policies: [cache({ ttlSeconds: 600 })], upstream: url("/cached") } },
      { path: "/ws/*", methods: ["GET"], pipeline: { policies: [csrf({ allowedOrigins: ["https://own.example"] })], upstream: url("/ws") } },
      { path: "/slot/*", methods: ["GET"], pipeline: { policies: [bulkhead({ maxConcurrent: 1 })], upstream: url("/slot") } },
      { path: "/api/*", pipeline: { upstream: url("/api") } },
      { path: "/impatient/*", pipeline: { upstream: { ...url("/impatient"), headersTimeoutMs: 100, idleBodyTimeoutMs: 100 } } },
      // Two routes to one upstream, one of them guarded.
      { path: "/paths/admin/*", pipeline: { policies: [apiKeyAuth({ validate: () => false })], upstream: { ...url(""), headers: { "x-form": "admin" } } } },
      { path: "/paths/open/*", pipeline: { upstream: { ...url(""), headers: { "x-form": "open" } } } },
      { path: "/nowhere", pipeline: { upstream: { type: "url", target: "http://127.0.0.1:9" } } },
    ],
  });
}
