/** What waits for one listener: handed over in order, in one call at a time. */

import type { Clock } from "../../../core/clock.ts";
import { StoreError } from "../../../core/errors.ts";
import { timed } from "../../../state/timed.ts";
import { MAX_BATCH_UNITS } from "./protocol.ts";

type Message = readonly [name: string, text: string];

export interface OutboxOptions {
  readonly deliver: (messages: readonly Message[]) => Promise<void>;
  /** Messages were not handed over; `error` is absent when there were too many. */
  readonly onLost: (error?: unknown) => void;
  readonly onIdle: () => void;
  readonly clock: Clock;
}

/** Messages that wait for one listener; above it the oldest is dropped. */
const MAX_QUEUED = 1024;
/** Longest time of a delivery, in ms. */
const DELIVERY_MS = 5000;

interface Entry {
  readonly message: Message;
  readonly done: () => void;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #queue: Entry[] = [];
  #busy = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Settles when the message was handed over, or is known to be lost. Never rejects. */
  push(message: Message): Promise<void> {
    return new Promise((done) => {
      this.#queue.push({ message, done });
      if (this.#queue.length > MAX_QUEUED) {
        this.#queue.shift()?.done();
        this.#options.onLost();
      }
      if (!this.#busy) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    // Messages of one publish call leave together.
    await undefined;
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) {
      try {
        const late = (): Error => new StoreError("STORE_TIMEOUT", `the object that listens gave no answer within ${DELIVERY_MS} ms`, { outcome: "unknown" });
        await timed(this.#options.deliver(batch.map(({ message }) => message)), DELIVERY_MS, late, this.#options.clock);
      } catch (error) {
        this.#options.onLost(error);
      }
      for (const { done } of batch) done();
    }
    this.#busy = false;
    this.#options.onIdle();
  }

  #take(): Entry[] {
    let count = 0;
    for (let units = 0; count < this.#queue.length && units < MAX_BATCH_UNITS; count++) units += (this.#queue[count] as Entry).message[1].length;
    return this.#queue.splice(0, count);
  }
}
