/** Places for connections: of the hub, of an address, of an identity. Taken before anybody is asked who it is. */

import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";
import { type SyncRateLimiter } from "../state/stores/rate-limiter.ts";
import { memoryRateLimiter } from "../drivers/memory/memory-rate-limiter.ts";

export interface SlotRefusal {
  readonly observed: number;
  readonly limit: number;
  readonly retryAfterMs: number;
}

/** When a full server may have room again, in ms. */
const FULL_RETRY_MS = 1000;

export class Slots {
  readonly #hub: Hub;
  readonly #byIp = new Map<string, number>();
  readonly #byIdentity = new Map<string, Set<Connection>>();
  #taken = 0;
  #rate: SyncRateLimiter | undefined;

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** Places given out: open connections and upgrades on their way. */
  get taken(): number {
    return this.#taken;
  }

  take(ip: string | undefined): SlotRefusal | undefined {
    const { limits } = this.#hub.options;
    const maxConnections = limits.maxConnections ?? this.#hub.server.platformConnections;
    if (this.#taken >= maxConnections) return { observed: this.#taken + 1, limit: maxConnections, retryAfterMs: FULL_RETRY_MS };
    if (ip !== undefined) {
      const own = this.#byIp.get(ip) ?? 0;
      if (own >= limits.maxConnectionsPerIp) return { observed: own + 1, limit: limits.maxConnectionsPerIp, retryAfterMs: FULL_RETRY_MS };
      if (limits.connectionRate !== false) {
        this.#rate ??= memoryRateLimiter(limits.connectionRate, { clock: this.#hub.clock, maxKeys: 10_000 });
        const decision = this.#rate.consumeSync(ip, 1);
        if (!decision.allowed) return { observed: limits.connectionRate.capacity + 1, limit: limits.connectionRate.capacity, retryAfterMs: decision.retryAfterMs ?? FULL_RETRY_MS };
      }
      this.#byIp.set(ip, own + 1);
    }
    this.#taken++;
    return undefined;
  }

  /** A place that did not become a connection. */
  giveBack(ip: string | undefined): void {
    this.#taken--;
    if (ip === undefined) return;
    const left = (this.#byIp.get(ip) ?? 1) - 1;
    if (left > 0) this.#byIp.set(ip, left);
    else this.#byIp.delete(ip);
  }

  /** Connections of an identity in this hub. */
  ofIdentity(identity: string): readonly Connection[] {
    return [...(this.#byIdentity.get(identity) ?? [])];
  }

  /** The connection holds its place, under its identity. */
  hold(connection: Connection): void {
    const { identity } = connection;
    if (identity === undefined) return;
    let set = this.#byIdentity.get(identity);
    if (set === undefined) this.#byIdentity.set(identity, (set = new Set()));
    set.add(connection);
  }

  /** A connection that was here before this process was. */
  adopt(connection: Connection): void {
    const { ip } = connection.request;
    this.#taken++;
    if (ip !== undefined) this.#byIp.set(ip, (this.#byIp.get(ip) ?? 0) + 1);
    this.hold(connection);
  }

  release(connection: Connection): void {
    this.giveBack(connection.request.ip);
    const { identity } = connection;
    if (identity === undefined) return;
    const set = this.#byIdentity.get(identity);
    if (set?.delete(connection) === true && set.size === 0) this.#byIdentity.delete(identity);
  }
}
