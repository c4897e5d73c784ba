/** The gateway: routes to pipelines, swapped atomically, closed gracefully. */

import type { Hono } from "hono";
import { systemClock } from "../core/clock.ts";
import { createEvents } from "../core/events.ts";
import type { OwnTransport } from "../core/transport.ts";
import { createTransport } from "#transport";
import { createApp, type Switch } from "./app.ts";
import { runDetached } from "./detached.ts";
import { GatewayError, configError } from "./errors.ts";
import type { Core, Snapshot } from "./internals.ts";
import { createPrivateStores } from "./local-stores.ts";
import type { SpanExporter } from "./operation/spans.ts";
import { createFigures } from "./operation/figures.ts";
import { compareRoutes, createRegistry } from "./registry.ts";
import { GATEWAY_PLACE, createProcessState } from "./process-state.ts";
import { createSnapshot } from "./snapshot.ts";
import { createTracker } from "./tracker.ts";
import type { GatewayConfig, GatewayEvent, GatewayInstance, GatewayRegistry } from "./types.ts";

const DEFAULT_GRACE_MS = 10_000;

/**
 * Makes a gateway. It does no I/O and starts no timer, so it is cheap enough to be made per request.
 *
 * Throws a `GatewayError` with code `config_error` whose message names the option and quotes the value.
 *
 * ```ts
 * const gateway = createGateway({
 *   routes: [{ path: "/api/*", pipeline: { policies: [rateLimit({ max: 100 })], upstream: { type: "url", target: "http://127.0.0.1:3000" } } }],
 * });
 * ```
 */
export function createGateway(config: GatewayConfig): GatewayInstance {
  const local = createPrivateStores(config.clock);
  const outgoing = createPrivateTransport();
  const core: Core = {
    events: createEvents<GatewayEvent>(),
    tracker: createTracker(),
    local,
    process: createProcessState(),
    transport: outgoing.send,
    detach: runDetached,
    sockets: new Set(),
    closing: false,
    unknownAddressReported: false,
    openAdminReported: false,
    collector: undefined,
    recent: () => [],
  };
  const active: Switch = { snapshot: createSnapshot(core, config) };
  let registry: GatewayRegistry | undefined;
  const app: Hono = createApp(active, {
    core,
    snapshot: () => active.snapshot,
    registry: () => instance._registry,
    purge: (target) => instance.cache.purge(target),
  });
  const figures = createFigures(core, () => active.snapshot.clock.now());
  figures.use(config);
  let closed: Promise<void> | undefined;

  const instance: GatewayInstance = {
    app,
    fetch: (request, env, ctx) => app.fetch(request, env as never, ctx as never),
    get name() {
      return active.snapshot.name;
    },
    get routeCount() {
      return active.snapshot.routes.reduce((count, route) => count + route.methods.length, 0);
    },
    events: core.events,
    cache: {
      async purge(target) {
        checkPurge(target);
        const counts = await Promise.all(active.snapshot.purges.map((purge) => purge(target)));
        return { purged: counts.reduce((sum, count) => sum + count, 0) };
      },
    },
    async update(next) {
      if (core.closing) throw new GatewayError(503, "gateway_closing", "A gateway that was closed cannot be updated");
      const old = active.snapshot;
      const snapshot = createSnapshot(core, next);
      active.snapshot = snapshot;
      figures.use(next);
      registry = undefined;
      retire(old, snapshot.tracing?.exporter);
      core.process.sweep((place) => place === GATEWAY_PLACE || snapshot.places.has(place) || (old.inFlight > 0 && old.places.has(place)));
      return compareRoutes(old, snapshot);
    },
    close(options) {
      return (closed ??= close(active, core, [() => active.snapshot.tracing?.exporter.shutdown?.() ?? Promise.resolve(), () => outgoing.close(), () => local.destroy()], options?.graceMs ?? DEFAULT_GRACE_MS));
    },
    [Symbol.asyncDispose]: () => instance.close(),
    get _registry() {
      return (registry ??= createRegistry(active.snapshot));
    },
  };
  return instance;
}

/** Frees a configuration once its last request is answered; an exporter its successor does not use then sends what it has. */
function retire(snapshot: Snapshot, successor: SpanExporter | undefined): void {
  const exporter = snapshot.tracing?.exporter;
  const { events, tracker } = snapshot.core;
  if (exporter !== undefined && exporter !== successor) {
    const { dispose } = snapshot;
    let told = false;
    const failed = (error: unknown): void => events.emit({ type: "background.error", error });
    snapshot.dispose = () => {
      dispose();
      if (told) return;
      told = true;
      tracker.track(Promise.resolve().then(() => exporter.shutdown?.()), failed);
    };
  }
  snapshot.retired = true;
  if (snapshot.inFlight === 0) snapshot.dispose();
}

async function close(active: Switch, core: Core, owned: readonly (() => Promise<void>)[], graceMs: number): Promise<void> {
  if (typeof graceMs !== "number" || !(graceMs >= 0)) throw configError(`option "graceMs" of close()`, graceMs, "a number of at least 0");
  core.closing = true;
  for (const closeSocket of core.sockets) closeSocket();
  // Grace is real time, whatever clock the policies were given.
  if (!(await core.tracker.drain(graceMs, systemClock))) {
    core.tracker.abort(new GatewayError(503, "gateway_closing", "The gateway was closed before the answer was complete"));
  }
  active.snapshot.retired = true;
  active.snapshot.dispose();
  for (const free of owned) await free();
}

/** Connections of this gateway alone, so that closing it ends them. */
function createPrivateTransport(): Pick<OwnTransport, "send" | "close"> {
  let own: OwnTransport | undefined;
  return {
    send: (request) => (own ??= createTransport()).send(request),
    close: async () => own?.close(),
  };
}

function checkPurge(target: unknown): void {
  const like = target as { url?: unknown; tags?: unknown; prefix?: unknown; all?: unknown } | null;
  const valid =
    typeof like === "object" &&
    like !== null &&
    (typeof like.url === "string" || typeof like.prefix === "string" || like.all === true || (Array.isArray(like.tags) && like.tags.every((tag) => typeof tag === "string")));
  if (!valid) throw configError("the argument of cache.purge()", target, "one of {url}, {tags}, {prefix}, {all: true}");
}

