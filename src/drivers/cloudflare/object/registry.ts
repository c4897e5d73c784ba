/** The algorithms an object can run, by name: the built-in ones and those of the class. */

import { StoreError } from "../../../core/errors.ts";
import { allOf } from "../../../state/algorithms/all-of.ts";
import { cacheEntry } from "../../../state/algorithms/cache-entry.ts";
import { calendarWindow } from "../../../state/algorithms/calendar-window.ts";
import { circuit } from "../../../state/algorithms/circuit.ts";
import { counter } from "../../../state/algorithms/counter.ts";
import { cursor } from "../../../state/algorithms/cursor.ts";
import { fillLock } from "../../../state/algorithms/fill-lock.ts";
import { keySet } from "../../../state/algorithms/key-set.ts";
import { leaseSet } from "../../../state/algorithms/lease-set.ts";
import { purgeMarks } from "../../../state/algorithms/purge-marks.ts";
import { purgeNumber } from "../../../state/algorithms/purge-number.ts";
import { rawBytesOf } from "../../../state/algorithms/raw-bytes.ts";
import { slidingLog } from "../../../state/algorithms/sliding-log.ts";
import { value } from "../../../state/algorithms/value.ts";
import { leasedFixedWindow, leasedSlidingWindow, leasedTokenBucket } from "../../../state/lease/lease-command.ts";
import type { Algorithm } from "../../../state/contracts/driver.ts";
import { MAX_BYTES } from "./max-bytes.ts";
import type { WireAlgorithm } from "./wire.ts";

/** Limits: what an object of one limited subject needs. Those with leases take every command of those without. */
export const limitAlgorithms: readonly Algorithm[] = [leasedFixedWindow, leasedSlidingWindow, leasedTokenBucket, slidingLog, calendarWindow] as readonly Algorithm[];

export const circuitAlgorithms: readonly Algorithm[] = [circuit] as readonly Algorithm[];

/** A function, so that a Worker without such an object carries none of them. */
export function allAlgorithms(): readonly Algorithm[] {
  return [...limitAlgorithms, ...circuitAlgorithms, counter, cursor, value, rawBytesOf(MAX_BYTES), leaseSet, fillLock, cacheEntry, keySet, purgeMarks, purgeNumber] as readonly Algorithm[];
}

export class Registry {
  readonly #className: string;
  readonly #known: Map<string, Algorithm>;
  readonly #composites: Map<string, Algorithm> = new Map();

  constructor(className: string, algorithms: readonly Algorithm[]) {
    this.#className = className;
    this.#known = new Map(algorithms.map((algorithm) => [idOf(algorithm), algorithm]));
  }

  /**
   * The algorithm that is meant.
   *
   * @throws StoreError `STORE_CAPABILITY` for one that the class does not have, or has in another version.
   */
  find({ name, version, members }: WireAlgorithm): Algorithm {
    if (members !== undefined) return this.#composite(members);
    const known = this.#known.get(idOf({ name, version }));
    if (known !== undefined) return known;
    const others = [...this.#known.values()].filter((other) => other.name === name).map((other) => other.version);
    throw new StoreError(
      "STORE_CAPABILITY",
      others.length === 0
        ? `the class ${this.#className} has no algorithm "${name}"; add it to the static "algorithms" of a class that extends StateDO`
        : `the class ${this.#className} has version ${others.join(" and ")} of "${name}", and ${version} was asked for; deploy the Worker that holds the class`,
      { outcome: "not-applied" },
    );
  }

  #composite(members: readonly WireAlgorithm[]): Algorithm {
    const id = members.map(idOf).join();
    let known = this.#composites.get(id);
    if (known === undefined) {
      known = allOf(members.map((member) => this.find(member) as Parameters<typeof allOf>[0][number])) as Algorithm;
      this.#composites.set(id, known);
    }
    return known;
  }
}

function idOf({ name, version }: { readonly name: string; readonly version: number }): string {
  return `${name} ${version}`;
}
