/** The admin pages: what the gateway is made of, how it does, and the few things that may be done to it. */

import { isFromThisMachine, isLoopback } from "../../core/loopback.ts";
import type { Context } from "hono";
import { dashboardPage, streamStats } from "#dashboard";
import { requestState, type RequestState } from "../context.ts";
import { GatewayError } from "../errors.ts";
import { isCrossSite } from "../policies/auth/csrf.ts";
import type { PurgeTarget } from "../types.ts";
import { describeConfig } from "./describe-config.ts";
import { upstreamsOf, type AdminHost } from "./admin-host.ts";
import type { AdminSettings } from "./admin-options.ts";
import { healthOf } from "./health.ts";
import { toPrometheusText } from "./metrics.ts";
import { storesOf } from "./stores.ts";

const GET_PAGES: ReadonlySet<string> = new Set(["", "routes", "policies", "config", "metrics", "health", "stores", "upstreams", "events", "stream"]);

/** Answers a request below the admin prefix. `page` is the rest of the path. */
export async function serveAdmin(host: AdminHost, settings: AdminSettings, c: Context, page: string): Promise<Response> {
  const state = requestState(c);
  await allow(host, settings, c, state);
  const { method } = c.req;
  // Addresses on the page are relative to its slash.
  if (page === "" && !state.path.endsWith("/")) return new Response(null, { status: 308, headers: { location: `${state.path.slice(state.path.lastIndexOf("/") + 1)}/` } });
  if (method === "POST") {
    if (settings.auth === undefined) throw new GatewayError(403, "forbidden", `Changing anything needs the option "admin.auth"`);
    // A page elsewhere could send it with the cookies that "auth" looks at.
    if (isCrossSite(c)) throw new GatewayError(403, "csrf_rejected", "The request comes from a page that may not send it");
    return await change(host, c, page);
  }
  if (!GET_PAGES.has(page)) throw new GatewayError(404, "not_found", "There is no such admin page");
  if (method !== "GET" && method !== "HEAD") throw new GatewayError(405, "method_not_allowed", "The method is not allowed for this page", { allow: "GET, HEAD" });
  return await show(host, settings, state, page);
}

async function show(host: AdminHost, settings: AdminSettings, state: RequestState, page: string): Promise<Response> {
  const snapshot = host.snapshot();
  switch (page) {
    case "":
      return dashboardPage(snapshot.name, state.snapshot.random.uuid().replaceAll("-", ""));
    case "stream":
      return streamStats(host, state);
    case "routes":
      return json(host.registry().routes.map((route, index) => ({ ...route, metadata: Object.keys(snapshot.routes[index]?.metadata ?? {}) })));
    case "policies":
      return json(host.registry().policies);
    case "config":
      return json(describeConfig(snapshot.config));
    case "stores":
      return json(storesOf(snapshot.adapter));
    case "upstreams":
      return json(upstreamsOf(snapshot));
    case "events":
      return json(host.core.recent());
    case "health": {
      const report = await healthOf(snapshot, { probes: [], method: "HEAD", timeoutMs: 0, includeStores: true });
      return json({ ...report, inFlight: host.core.tracker.inFlight });
    }
    default: {
      const collector = settings.metrics ?? host.core.collector;
      if (collector === undefined) throw new GatewayError(404, "not_found", `The option "metrics" is off`);
      collector.gauge("gateway_in_flight", host.core.tracker.inFlight, { gateway: snapshot.name });
      return new Response(toPrometheusText(collector.snapshot()), { headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store" } });
    }
  }
}

async function change(host: AdminHost, c: Context, page: string): Promise<Response> {
  if (page === "purge") {
    const target: unknown = await c.req.json().catch(() => undefined);
    try {
      return json(await host.purge(target as PurgeTarget));
    } catch (error) {
      throw new GatewayError(400, "bad_request", `Send one of {"url"}, {"tags"}, {"prefix"}, {"all": true} as JSON`, undefined, { cause: error });
    }
  }
  const reset = /^circuits\/([^/]+)\/reset$/.exec(page);
  if (reset !== null) {
    const { resets } = host.snapshot();
    const key = decoded(reset[1] as string);
    if (resets.length === 0) throw new GatewayError(404, "not_found", "No policy of this gateway keeps circuits");
    for (const one of resets) await one(key);
    return json({ reset: key });
  }
  throw new GatewayError(404, "not_found", "There is no such admin action");
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new GatewayError(400, "bad_request", "The key of the circuit is malformed");
  }
}

/** With `auth` its word counts; without, only a caller on this machine that came straight here may read. */
async function allow(host: AdminHost, { auth }: AdminSettings, c: Context, state: RequestState): Promise<void> {
  const refused = (): GatewayError => new GatewayError(403, "forbidden", "The admin pages are not for this caller");
  if (auth !== undefined) {
    let allowed: unknown;
    try {
      allowed = await auth(c);
    } catch {
      allowed = false;
    }
    if (allowed !== true) throw refused();
    return;
  }
  if (!host.core.openAdminReported) {
    host.core.openAdminReported = true;
    host.core.events.emit({ type: "policy.warning", policy: "admin", message: `The admin pages have no "auth": they are shown to this machine only, for reading only; behind a proxy on this machine set "auth", as everybody is local then` });
  }
  const { headers, url } = state.original;
  if (!isLoopback(state.clientIp) || !isFromThisMachine(state.peer, headers, url)) throw refused();
}

function json(value: unknown): Response {
  return new Response(JSON.stringify(value, (_key, item: unknown) => (typeof item === "function" ? "[Function]" : typeof item === "bigint" ? String(item) : item), 2), {
    headers: { "content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff" },
  });
}
