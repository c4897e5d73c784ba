/** A client that waits before it connects again, while somebody asks: the wait is cut short. */

import { type TimerHandle, systemClock } from "../../core/clock.ts";

/** What ioredis shows of its state. */
interface WaitingClient {
  readonly status?: unknown;
  reconnectTimeout?: TimerHandle | null;
  connect?(): Promise<unknown>;
}

/** Shortest time between two tries that a call causes, in ms. */
const PAUSE_MS = 100;

/**
 * ioredis waits longer after every failed try, for up to 2 s by default, also when the server has been back for long. A call that comes
 * meanwhile lets it try at once. Its own timer is taken away first, as it is not one that `disconnect()` would find.
 */
export function reconnectOnUse(client: object): () => void {
  const waiting = client as WaitingClient;
  let nextAt = 0;
  return () => {
    if (waiting.status !== "reconnecting" || waiting.reconnectTimeout === null || waiting.reconnectTimeout === undefined || typeof waiting.connect !== "function") return;
    const now = systemClock.monotonic();
    if (now < nextAt) return;
    nextAt = now + PAUSE_MS;
    systemClock.clearTimeout(waiting.reconnectTimeout);
    waiting.reconnectTimeout = null;
    waiting.connect().catch(ignore);
  };
}

function ignore(): void {}
