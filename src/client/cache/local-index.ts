/** Stored answers of this process: least recently used goes first. */

import type { Entry } from "./entry.ts";

export interface Variants {
  vary: readonly string[];
  readonly entries: Map<string, Entry>;
}

/** Variants of one URL; a server that varies by everything would else fill the index. */
const MAX_VARIANTS = 64;

export class LocalIndex {
  readonly #map = new Map<string, Variants>();
  readonly #maxEntries: number;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get(key: string): Variants | undefined {
    const found = this.#map.get(key);
    if (found === undefined) return undefined;
    // Only where there is a choice to make later does the order matter.
    if (this.#map.size > this.#maxEntries / 2) {
      this.#map.delete(key);
      this.#map.set(key, found);
    }
    return found;
  }

  set(key: string, vary: readonly string[], variant: string, entry: Entry): void {
    let found = this.#map.get(key);
    if (found === undefined || found.vary.join() !== vary.join()) {
      this.#map.delete(key);
      this.#map.set(key, (found = { vary, entries: new Map() }));
    }
    found.entries.delete(variant);
    found.entries.set(variant, entry);
    if (found.entries.size > MAX_VARIANTS) found.entries.delete(found.entries.keys().next().value as string);
    while (this.#map.size > this.#maxEntries) this.#map.delete(this.#map.keys().next().value as string);
  }

  delete(key: string): void {
    this.#map.delete(key);
  }

  /** Drops all keys that begin so. */
  deletePrefix(prefix: string): void {
    for (const key of this.#map.keys()) if (key.startsWith(prefix)) this.#map.delete(key);
  }

  clear(): void {
    this.#map.clear();
  }
}
