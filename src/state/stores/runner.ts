/** How a store built on a driver gets a command there: at once where the data is in this process, else as it is told. */

import { chain, type MaybePromise } from "../../core/maybe-promise.ts";
import type { CombinerCallOptions } from "../combiner.ts";
import type { Algorithm, StateDriver } from "../contracts/driver.ts";

/**
 * Runs one command on one key. `createCombiner(driver).run` is the one for drivers behind a wire. One that passes the options on
 * lets a lease that comes too late be given back; without them its units are lost as refusals.
 */
export type Run = <State, Command, R>(algorithm: Algorithm<State, Command, R>, key: string, command: Command, options?: CombinerCallOptions<R>) => MaybePromise<R>;

/** `runSync` where there is one; else `run`; else a batch per command. A reply that is an error is thrown. */
export function runnerOn(driver: Pick<StateDriver, "run" | "runSync">, run?: Run): Run {
  if (driver.runSync !== undefined) return (algorithm, key, command) => driver.runSync!(algorithm as Algorithm, key, command) as never;
  if (run !== undefined) return run;
  return <State, Command, R>(algorithm: Algorithm<State, Command, R>, key: string, command: Command) =>
    chain(driver.run([{ algorithm, key, commands: [command] }]), (replies) => {
      const reply = replies[0]?.[0];
      if (reply instanceof Error) throw reply;
      return reply as R;
    });
}
