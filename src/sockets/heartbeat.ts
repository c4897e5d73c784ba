/** One timer for all connections of a hub: pings the silent, closes the dead and those whose credentials have run out. */

import type { TimerHandle } from "../core/clock.ts";
import { CLOSE } from "./close-codes.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";

/** Shortest time between two looks, so that many connections do not make many timers. */
const MIN_LOOK_MS = 250;

export class Heartbeat {
  readonly #hub: Hub;
  #timer: TimerHandle;
  #running = false;

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** There is a connection: looks when the first can be due. */
  watch(): void {
    if (this.#running || this.#hub.server.timers === "none") return;
    this.#arm(this.#firstDue());
  }

  stop(): void {
    this.#running = false;
    this.#hub.clock.clearTimeout(this.#timer);
  }

  #firstDue(): number {
    const { heartbeat } = this.#hub.options;
    return heartbeat === undefined ? 1000 : Math.min(heartbeat.intervalMs, 1000 + heartbeat.timeoutMs);
  }

  #arm(delayMs: number): void {
    this.#running = true;
    this.#timer = this.#hub.clock.setTimeout(() => {
      this.#running = false;
      const next = this.sweep();
      if (next !== undefined && this.#hub.connections.size > 0) this.#arm(Math.max(MIN_LOOK_MS, next));
    }, delayMs);
  }

  /** Milliseconds until the next connection can be due. */
  sweep(): number | undefined {
    const { options: { heartbeat }, connections } = this.#hub;
    const now = this.#hub.monotonic();
    const wall = this.#hub.now();
    let next = Infinity;
    for (const connection of connections.values()) {
      if (connection.isClosing) continue;
      const expiresIn = this.#expiry(connection, wall);
      if (expiresIn <= 0) {
        connection.close(CLOSE.unauthenticated, "credentials expired");
        continue;
      }
      next = Math.min(next, expiresIn);
      if (heartbeat !== undefined) next = Math.min(next, this.#look(connection, now, heartbeat));
    }
    return Math.min(next, this.#firstDue());
  }

  #expiry(connection: Connection, wall: number): number {
    const { expiresAt } = connection.data;
    return typeof expiresAt === "number" ? expiresAt - wall : Infinity;
  }

  #look(connection: Connection, now: number, { intervalMs, timeoutMs }: { readonly intervalMs: number; readonly timeoutMs: number }): number {
    const seenAt = Math.max(connection.lastSeenAt, connection.transport.seenAt?.() ?? 0);
    const silentMs = now - seenAt;
    if (silentMs >= intervalMs + timeoutMs) {
      connection.close(CLOSE.heartbeatLost, "heartbeat lost");
      return Infinity;
    }
    if (silentMs < intervalMs) return intervalMs - silentMs;
    if (connection.pingedAt < seenAt + intervalMs) {
      connection.pingedAt = now;
      connection.transport.ping?.();
    }
    return intervalMs + timeoutMs - silentMs;
  }
}
