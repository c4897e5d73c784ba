/** What goes to one broker, in order: what is asked while a call is on its way leaves with the next one. */

import { StoreError } from "../../../core/errors.ts";
import { waitUntil } from "#workers";
import { type WireError, fromWireError } from "../object/wire.ts";
import { type BrokerOperation, MAX_BATCH_UNITS } from "./protocol.ts";

interface Asked {
  readonly operation: BrokerOperation;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class BrokerLine {
  readonly #send: (operations: readonly BrokerOperation[]) => Promise<unknown>;
  readonly #onIdle: () => void;
  /** One call at a time. A Worker's requests cannot wait for each other's calls: there each turn has its own. */
  readonly #single: boolean;
  #queue: Asked[] = [];
  #flights = 0;
  #gathering = false;

  constructor(options: { readonly send: (operations: readonly BrokerOperation[]) => Promise<unknown>; readonly single: boolean; readonly onIdle: () => void }) {
    this.#send = options.send;
    this.#single = options.single;
    this.#onIdle = options.onIdle;
  }

  ask(operation: BrokerOperation): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ operation, resolve, reject });
      this.#gather();
    });
  }

  #gather(): void {
    if (this.#gathering || (this.#single && this.#flights > 0)) return;
    this.#gathering = true;
    queueMicrotask(() => {
      this.#gathering = false;
      void this.#exchange();
    });
  }

  async #exchange(): Promise<void> {
    const batch = this.#take();
    this.#flights++;
    try {
      const sent = this.#send(batch.map(({ operation }) => operation));
      waitUntil(sent.then(ignore, ignore));
      const answers = await sent;
      if (!Array.isArray(answers) || answers.length !== batch.length) throw new StoreError("STORE_CORRUPT", "the broker gave an answer in the wrong shape", { outcome: "unknown" });
      batch.forEach(({ resolve, reject }, i) => {
        const error = answers[i] as WireError | null;
        if (error === null) resolve();
        else reject(fromWireError(error));
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
    this.#flights--;
    if (this.#queue.length > 0) this.#gather();
    else if (this.#flights === 0) this.#onIdle();
  }

  #take(): Asked[] {
    let count = 0;
    for (let units = 0; count < this.#queue.length && units < MAX_BATCH_UNITS; count++) units += (this.#queue[count] as Asked).operation[2]?.length ?? 0;
    return this.#queue.splice(0, count);
  }
}

function ignore(): void {}
