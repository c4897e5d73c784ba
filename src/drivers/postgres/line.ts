/** What every store on Postgres stands on: a driver with a combiner in front. */

import { type Combiner, type CombinerOptions, createCombiner } from "../../state/combiner.ts";
import type { Run } from "../../state/stores/runner.ts";
import type { PostgresClient } from "./client.ts";
import { type PostgresDriver, type PostgresDriverOptions, postgresDriver } from "./driver.ts";

const shared: WeakMap<object, PostgresDriver> = /* @__PURE__ */ new WeakMap();

/** Stores that are made with this very `connection` have one driver, so what they are asked at the same time leaves as one statement. */
export function shareDriver(connection: PostgresClient, options: LineOptions): PostgresDriver {
  const driver = driverOn(connection, options);
  shared.set(connection, driver);
  return driver;
}

export interface LineOptions extends PostgresDriverOptions {
  /** Bounds and deadline of the batches. */
  readonly combiner?: Omit<CombinerOptions, "clock">;
}

export class Line {
  readonly driver: PostgresDriver;
  readonly run: Run;
  readonly #combiner: Combiner;
  readonly #own: boolean;
  #closed: Promise<void> | undefined;

  constructor(client: PostgresClient, options: LineOptions) {
    const driver = shared.get(client);
    this.#own = driver === undefined;
    this.driver = driver ?? driverOn(client, options);
    this.#combiner = createCombiner(this.driver, { ...options.combiner, clock: options.clock });
    this.run = this.#combiner.run;
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#combiner.close().then(() => (this.#own ? this.driver.close() : undefined)));
  }
}

/** What waits longer for a batch waits longer for a statement. */
function driverOn(client: PostgresClient, options: LineOptions): PostgresDriver {
  return postgresDriver(client, { hungMs: options.combiner?.timeoutMs, ...options });
}
