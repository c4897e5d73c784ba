/** What every store on Postgres stands on: a driver with a combiner in front. */

import { type Combiner, createCombiner } from "../../state/combiner.ts";
import type { Run } from "../../state/stores/runner.ts";
import type { PostgresClient } from "./client.ts";
import { type PostgresDriver, type PostgresDriverOptions, postgresDriver } from "./driver.ts";

export class Line {
  readonly driver: PostgresDriver;
  readonly run: Run;
  readonly #combiner: Combiner;
  #closed: Promise<void> | undefined;

  constructor(client: PostgresClient, options: PostgresDriverOptions) {
    this.driver = postgresDriver(client, options);
    this.#combiner = createCombiner(this.driver, { clock: options.clock });
    this.run = (algorithm, key, command) => this.#combiner.run(algorithm, key, command);
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#combiner.close().then(() => this.driver.close()));
  }
}
