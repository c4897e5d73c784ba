/** Asks the targets of an upstream regularly whether they are well. */

import type { Clock, TimerHandle } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import type { Transport } from "../../core/transport.ts";
import type { PoolTarget } from "./pool.ts";
import type { HealthCheckOptions } from "./types.ts";

export interface HealthChecks {
  /** Begins, at the first call; further ones cost nothing. */
  start(send: Transport): void;
  /** Ends for good. */
  stop(): void;
}

/** One question to one target at a time: a slow target is not asked again before it has answered or the time is over. */
export function createHealthChecks(targets: readonly PoolTarget[], options: Required<HealthCheckOptions>, clock: Clock, random: Random): HealthChecks {
  let timer: TimerHandle;
  let begun = false;
  const stopped = new AbortController();

  const ask = async (send: Transport, target: PoolTarget): Promise<void> => {
    const deadline = new AbortController();
    const late = clock.setTimeout(() => deadline.abort(new Error("no answer in time")), options.timeoutMs);
    try {
      const response = await send({
        url: { origin: target.to.origin, pathname: options.path, search: "" },
        method: "GET",
        headers: ["user-agent", "sluice-health-check", "accept", "*/*"],
        body: null,
        signal: AbortSignal.any([deadline.signal, stopped.signal]),
      });
      response.body?.cancel().catch(() => {});
      target.health.checked(response.status >= 200 && response.status < 400, options);
    } catch {
      if (!stopped.signal.aborted) target.health.checked(false, options);
    } finally {
      clock.clearTimeout(late);
    }
  };

  const round = (send: Transport): void => {
    void Promise.all(targets.map((target) => ask(send, target))).then(() => {
      // Gateways that began together must not ask together for ever.
      if (!stopped.signal.aborted) timer = clock.setTimeout(() => round(send), options.intervalMs * (0.9 + random.next() / 5));
    });
  };

  return {
    start(send) {
      if (begun) return;
      begun = true;
      round(send);
    },
    stop() {
      stopped.abort();
      clock.clearTimeout(timer);
    },
  };
}
