/** One connection per identity: the newer one replaces the older, or is refused, in this process and in the fleet. */

import { CLOSE } from "./close-codes.ts";
import type { Hub } from "./hub.ts";

export class Takeovers {
  readonly #hub: Hub;
  /** Claims of one identity run one after the other; the last one made is remembered. */
  readonly #claims = new Map<string, { readonly work: Promise<unknown>; newest: string }>();

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** Whether the newcomer may connect. With `replace` the older ones are closed and gone, or given up on, by then. */
  async claim(identity: string, clientId: string, onConflict: "replace" | "refuse"): Promise<boolean> {
    const before = this.#claims.get(identity);
    if (onConflict === "refuse") {
      // Of simultaneous newcomers the first stays.
      if (before !== undefined || this.#hub.slots.ofIdentity(identity).length > 0) return false;
      const entry = { work: Promise.resolve(), newest: clientId };
      this.#claims.set(identity, entry);
      this.#forgetLater(identity, entry);
      return true;
    }
    const work = (async () => {
      await before?.work;
      await this.#replace(identity);
    })();
    const entry = { work, newest: clientId };
    this.#claims.set(identity, entry);
    await work;
    const stays = this.#claims.get(identity) === entry;
    if (stays) this.#forgetLater(identity, entry);
    this.#hub.topics.announceTakeover(identity, clientId);
    return stays;
  }

  /** Another process has a newer connection of this identity. */
  replacedElsewhere(identity: string): void {
    for (const connection of this.#hub.slots.ofIdentity(identity)) connection.close(CLOSE.replaced, "replaced by a newer connection");
  }

  async #replace(identity: string): Promise<void> {
    const { clock, options, slots } = this.#hub;
    const old = slots.ofIdentity(identity);
    if (old.length === 0) return;
    const gone = old.map((connection) => {
      connection.close(CLOSE.replaced, "replaced by a newer connection");
      return connection.whenGone();
    });
    await new Promise<void>((resolve) => {
      const timer = clock.setTimeout(() => {
        // Nobody keeps a newcomer out by not answering.
        for (const connection of old) {
          connection.transport.terminate();
          void connection.closed(CLOSE.abnormal, "");
        }
        resolve();
      }, options.identity.takeoverTimeoutMs);
      void Promise.all(gone).then(() => {
        clock.clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Until the newcomer is in the hub's books, or its upgrade has failed. */
  #forgetLater(identity: string, entry: { readonly newest: string }): void {
    const { clock, connections } = this.#hub;
    const look = (left: number): void => {
      if (this.#claims.get(identity) !== entry) return;
      if (left === 0 || connections.has(entry.newest)) this.#claims.delete(identity);
      else clock.setTimeout(() => look(left - 1), 100);
    };
    look(20);
  }
}
