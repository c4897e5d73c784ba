/** Listens to the stream for the options `metrics` and `admin`. */

import type { Core } from "../internals.ts";
import { configError } from "../errors.ts";
import type { GatewayConfig, GatewayEvent } from "../types.ts";
import { InMemoryMetricsCollector, type MetricsCollector } from "./metrics.ts";
import { metricsSink } from "./sinks.ts";

/** Events the admin page `events` remembers. */
const RECENT = 200;
/** Worth a look one by one; the others are figures. */
const RARE: ReadonlySet<GatewayEvent["type"]> = new Set(["store.down", "store.up", "store.error", "store.missing", "store.limited", "policy.warning", "circuit", "target", "background.error", "client-address.unknown", "error"]);

export interface Figures {
  /** Follows a configuration: a collector that stays keeps its counts. */
  use(config: GatewayConfig): void;
}

export function createFigures(core: Core, now: () => number): Figures {
  let stop: (() => void) | undefined;
  let stopRecent: (() => void) | undefined;
  let own: MetricsCollector | undefined;
  return {
    use({ metrics, admin, name = "edge-gateway" }) {
      stop?.();
      stop = undefined;
      core.collector = collectorOf(metrics, () => (own ??= new InMemoryMetricsCollector()));
      if (core.collector !== undefined) stop = core.events.on(metricsSink(name, core.collector));
      const on = admin !== undefined && admin !== false;
      if (on === (stopRecent !== undefined)) return;
      if (on) stopRecent = remember(core, now);
      else {
        stopRecent?.();
        stopRecent = undefined;
      }
    },
  };
}

function collectorOf(metrics: GatewayConfig["metrics"], make: () => MetricsCollector): MetricsCollector | undefined {
  if (metrics === undefined || metrics === false) return undefined;
  if (metrics === true) return make();
  if (typeof metrics?.increment !== "function" || typeof metrics.histogram !== "function" || typeof metrics.gauge !== "function") {
    throw configError(`option "metrics"`, metrics, "a boolean or a metrics collector");
  }
  return metrics;
}

function remember(core: Core, now: () => number): () => void {
  const kept: unknown[] = [];
  core.recent = () => kept;
  return core.events.on((event) => {
    if (!RARE.has(event.type)) return;
    // No error object: its message and stack are for the log.
    const { error: _, ...shown } = event as GatewayEvent & { error?: unknown };
    kept.push({ at: Math.round(now()), ...shown });
    if (kept.length > RECENT) kept.shift();
  });
}
