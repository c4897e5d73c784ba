/** The pub/subs of one object: it is one listener for the brokers, however many it makes. */

import { type Clock, sleep } from "../../../core/clock.ts";
import type { PubSubDelivery, PubSubReceipt } from "./protocol.ts";

/** What is used of the state of a Durable Object. */
export interface PubSubObjectState {
  readonly id: { toString(): string };
}

export interface Resident {
  /** Whether the delivery comes from a broker of its namespace. */
  knows(broker: string): boolean;
  wants(name: string): boolean;
  receive(name: string, text: string): void;
  missed(broker: string, since: number): void;
}

/** How long after it was made an object may still be waking up, in ms. */
const YOUNG_MS = 10_000;
/** A woken object subscribes again within that time of its first message, in ms. */
const WAKE_MS = 1000;

export class Home {
  readonly id: string;
  readonly residents: Set<Resident> = new Set();
  readonly #clock: Clock;
  readonly #madeAt: number;
  readonly #arrivals: Set<() => void> = new Set();

  constructor(id: string, clock: Clock) {
    this.id = id;
    this.#clock = clock;
    this.#madeAt = clock.monotonic();
  }

  /** Whether somebody else here wants the name. */
  shares(broker: string, name: string, than: Resident): boolean {
    for (const resident of this.residents) if (resident !== than && resident.knows(broker) && resident.wants(name)) return true;
    return false;
  }

  /** A name is wanted that was not. */
  arrived(): void {
    for (const look of this.#arrivals) look();
  }

  async deliver({ broker, messages, lostSince }: PubSubDelivery): Promise<PubSubReceipt> {
    const names = [...new Set(messages.map(([name]) => name))];
    await this.#awake(names);
    const residents = [...this.residents].filter((resident) => resident.knows(broker));
    if (lostSince !== undefined) for (const resident of residents) resident.missed(broker, lostSince);
    for (const [name, text] of messages) for (const resident of residents) if (resident.wants(name)) resident.receive(name, text);
    return { unwanted: names.filter((name) => !residents.some((resident) => resident.wants(name))) };
  }

  /** The message may be what woke the object: then it has not subscribed again yet. */
  async #awake(names: readonly string[]): Promise<void> {
    const ready = (): boolean => names.every((name) => [...this.residents].some((resident) => resident.wants(name)));
    if (this.#clock.monotonic() - this.#madeAt > YOUNG_MS || ready()) return;
    const done = new AbortController();
    const look = (): void => void (ready() && done.abort());
    this.#arrivals.add(look);
    await sleep(WAKE_MS, this.#clock, done.signal).catch(() => undefined);
    this.#arrivals.delete(look);
  }
}

const homes: WeakMap<object, Home> = /* @__PURE__ */ new WeakMap();

export function homeOf(state: PubSubObjectState, clock: Clock): Home {
  let home = homes.get(state);
  if (home === undefined) homes.set(state, (home = new Home(state.id.toString(), clock)));
  return home;
}
