/** The dashboard's feed: server-sent events, one view per second, while somebody listens. */

import type { TimerHandle } from "../../../core/clock.ts";
import type { RequestState } from "../../context.ts";
import { upstreamsOf, type AdminHost } from "../admin-host.ts";
import { storesOf } from "../stores.ts";
import { DashboardStats } from "./stats.ts";

const EVERY_MS = 1000;

/** Viewers of one gateway share the figures; the last one to leave ends their collection. */
interface Watch {
  readonly stats: DashboardStats;
  viewers: number;
  readonly stop: () => void;
}

const watches: WeakMap<object, Watch> = /* @__PURE__ */ new WeakMap();

export function streamStats(host: AdminHost, state: RequestState): Response {
  const { clock } = state.snapshot;
  const { core } = host;
  let watch = watches.get(core);
  if (watch === undefined) {
    const stats = new DashboardStats(clock);
    watches.set(core, (watch = { stats, viewers: 0, stop: core.events.on(stats.take, { detailed: true }) }));
  }
  const own = watch;
  own.viewers++;
  let timer: TimerHandle;
  let over = false;
  const leave = (): void => {
    if (over) return;
    over = true;
    clock.clearTimeout(timer);
    core.sockets.delete(end);
    if (--own.viewers > 0) return;
    own.stop();
    watches.delete(core);
  };
  let end = leave;
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const send = (): void => {
        // A viewer that reads nothing gets nothing more.
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(`data: ${JSON.stringify(frame(host, own.stats))}\n\n`));
        timer = clock.setTimeout(send, EVERY_MS);
      };
      end = () => {
        leave();
        try {
          controller.close();
        } catch {
          // The viewer has left already.
        }
      };
      core.sockets.add(end);
      send();
    },
    cancel: () => leave(),
  }, { highWaterMark: 4 });
  return new Response(body, { headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" } });
}

/** Everything the page shows. */
function frame(host: AdminHost, stats: DashboardStats): unknown {
  const snapshot = host.snapshot();
  const registry = host.registry();
  return {
    gateway: snapshot.name,
    now: Math.round(snapshot.clock.now()),
    inFlight: host.core.tracker.inFlight,
    closing: host.core.closing,
    ...stats.view(),
    registry: registry.routes.slice(0, 200).map(({ path, methods, policies, upstream }) => ({ path, methods, policies, upstream })),
    targets: upstreamsOf(snapshot).filter(({ targets }) => targets.length > 0),
    adapterStores: storesOf(snapshot.adapter).map(({ store, kind, state, shared }) => ({ store, kind, state, shared })),
  };
}
