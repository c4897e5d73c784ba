/** `StateDO`: the state driver as a Durable Object. */

import type { Algorithm } from "../../state/contracts/driver.ts";
import { allAlgorithms } from "./object/registry.ts";
import { StateObject } from "./object/state-object.ts";
import type { DurableObjectStateLike } from "./types.ts";

/** Expired records wait this long for each other: an alarm is a write and a request. */
const SWEEP_EVERY_MS = 60_000;

/**
 * Keeps any number of keys, for every store of the package and every algorithm: limits, circuits, values with their TTL,
 * leases, counters. Export it from the Worker, bind it, and list it under `new_sqlite_classes` in a migration
 * (`new_classes` works, too). Algorithms of your own are run when a class of yours names them:
 *
 * @example
 * export class State extends StateDO {
 *   static override readonly algorithms = [highest];
 * }
 */
export class StateDO extends StateObject {
  /** Algorithms beside the built-in ones. */
  static readonly algorithms: readonly Algorithm[] = [];

  constructor(ctx: DurableObjectStateLike, env: unknown) {
    super(ctx, env, [...allAlgorithms(), ...new.target.algorithms], SWEEP_EVERY_MS);
  }
}
