/** The combiner over a driver that puts calls together by itself: each call is passed on at once. */

import { StoreError } from "../../core/errors.ts";
import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { Combiner, CombinerCallOptions, CombinerOptions, CombinerStats } from "../combiner.ts";
import type { Algorithm, Reply, StateDriver } from "../contracts/driver.ts";
import type { Guard } from "../guard.ts";

/** Deadlines and bounds are the driver's own. */
export class DirectCombiner implements Combiner {
  readonly #driver: StateDriver;
  readonly #guard: Guard | undefined;
  #sent = 0;
  #onWire = 0;
  #dropped = 0;
  #closing: Promise<void> | undefined;
  #closed: (() => void) | undefined;

  constructor(driver: StateDriver, options: Pick<CombinerOptions, "guard"> = {}) {
    this.#driver = driver;
    this.#guard = options.guard;
    this.run = this.run.bind(this);
  }

  run<State, Command, R>(algorithm: Algorithm<State, Command, R>, key: string, command: Command, options?: CombinerCallOptions<R>): MaybePromise<R> {
    if (this.#closing !== undefined) return Promise.reject(new StoreError("STORE_CLOSED", `${this.#driver.name}: the store is closed`, { outcome: "not-applied" }));
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const refusal = this.#guard === undefined || this.#guard.state === "up" ? undefined : this.#guard.refusal();
    if (refusal !== undefined) {
      this.#dropped++;
      return Promise.reject(refusal);
    }
    this.#sent++;
    this.#onWire++;
    const batch = [{ algorithm: algorithm as Algorithm, key, commands: [command] }];
    const run = (): MaybePromise<Reply[][]> => this.#driver.run(batch, signal === undefined ? undefined : { signal });
    const replies = (async () => (this.#guard === undefined ? run() : this.#guard.call("run", run, { validate: isOneReply })))();
    return replies.then(
      (rows) => {
        this.#back();
        return one<R>(this.#driver.name, rows);
      },
      (error: unknown) => {
        this.#back();
        throw error;
      },
    );
  }

  stats(): CombinerStats {
    return { commands: this.#sent, batches: this.#sent, keysPerBatch: this.#sent === 0 ? 0 : 1, commandsPerKey: this.#sent === 0 ? 0 : 1, queueMs: 0, wireMs: 0, dropped: this.#dropped, queued: 0, onWire: this.#onWire };
  }

  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing;
    this.#closing = new Promise((resolve) => (this.#closed = resolve));
    if (this.#onWire === 0) this.#closed?.();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #back(): void {
    this.#onWire--;
    if (this.#onWire === 0) this.#closed?.();
  }
}

function isOneReply(rows: unknown): boolean {
  return Array.isArray(rows) && rows.length === 1 && Array.isArray(rows[0]) && rows[0].length === 1;
}

function one<R>(name: string, rows: Reply[][]): R {
  if (!isOneReply(rows)) throw new StoreError("STORE_CORRUPT", `${name}: run gave replies in the wrong shape`, { outcome: "unknown" });
  const reply = rows[0]?.[0];
  if (reply instanceof Error) throw reply;
  return reply as R;
}
