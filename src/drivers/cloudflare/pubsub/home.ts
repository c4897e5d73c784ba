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
/** An object of that age has subscribed to what it had before it slept, in ms. */
const SETTLED_MS = 60_000;
/** Names that nobody took a message of; with more, everything late is told. */
const MAX_UNTAKEN = 1024;

/** Messages that came when nobody here wanted their name. */
interface Untaken {
  /** Epoch ms. */
  readonly since: number;
  readonly told: WeakSet<Resident>;
}

export class Home {
  readonly id: string;
  readonly residents: Set<Resident> = new Set();
  readonly #clock: Clock;
  readonly #madeAt: number;
  readonly #arrivals: Set<() => void> = new Set();
  /** By broker and name. Whoever subscribes too late for a message has missed it, and must hear so. */
  readonly #untaken: Map<string, Untaken> = new Map();
  /** By broker: losses it told of, while some may not have subscribed again. */
  readonly #lostSince: Map<string, number> = new Map();

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

  /** Since when messages of a name may be missing that `resident` has just begun to listen to, epoch ms; told once. */
  missedBefore(resident: Resident, broker: string, name: string): number | undefined {
    const untaken = this.#untaken.get(placeOf(broker, name));
    const since = [this.#age() <= SETTLED_MS ? this.#lostSince.get(broker) : undefined];
    if (untaken !== undefined && !untaken.told.has(resident)) {
      untaken.told.add(resident);
      since.push(untaken.since);
    }
    const known = since.filter((at) => at !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }

  async deliver({ broker, messages, lostSince }: PubSubDelivery): Promise<PubSubReceipt> {
    const cameAt = this.#clock.now();
    const names = [...new Set(messages.map(([name]) => name))];
    await this.#awake(names);
    const residents = [...this.residents].filter((resident) => resident.knows(broker));
    if (lostSince !== undefined) {
      this.#lostSince.set(broker, Math.min(lostSince, this.#lostSince.get(broker) ?? lostSince));
      for (const resident of residents) resident.missed(broker, lostSince);
    }
    for (const [name, text] of messages) for (const resident of residents) if (resident.wants(name)) resident.receive(name, text);
    const unwanted = names.filter((name) => !residents.some((resident) => resident.wants(name)));
    for (const name of unwanted) this.#note(broker, name, cameAt);
    return { unwanted };
  }

  /** The message may be what woke the object: then it has not subscribed again yet. */
  async #awake(names: readonly string[]): Promise<void> {
    const ready = (): boolean => names.every((name) => [...this.residents].some((resident) => resident.wants(name)));
    if (this.#age() > YOUNG_MS || ready()) return;
    const done = new AbortController();
    const look = (): void => void (ready() && done.abort());
    this.#arrivals.add(look);
    await sleep(WAKE_MS, this.#clock, done.signal).catch(() => undefined);
    this.#arrivals.delete(look);
  }

  #note(broker: string, name: string, at: number): void {
    const place = placeOf(broker, name);
    if (this.#untaken.has(place)) return;
    if (this.#untaken.size < MAX_UNTAKEN) this.#untaken.set(place, { since: at, told: new WeakSet() });
    else this.#lostSince.set(broker, Math.min(at, this.#lostSince.get(broker) ?? at));
  }

  #age(): number {
    return this.#clock.monotonic() - this.#madeAt;
  }
}

function placeOf(broker: string, name: string): string {
  return `${broker}\n${name}`;
}

const homes: WeakMap<object, Home> = /* @__PURE__ */ new WeakMap();

export function homeOf(state: PubSubObjectState, clock: Clock): Home {
  let home = homes.get(state);
  if (home === undefined) homes.set(state, (home = new Home(state.id.toString(), clock)));
  return home;
}
