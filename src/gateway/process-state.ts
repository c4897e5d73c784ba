/** What a gateway keeps in its process beside the stores: by place, across `update()`, and where the adapter says so across gateways. */

/** Values by name, grouped by the place they belong to. */
export interface ProcessState {
  /** The value of that name at that place; `make` is called when there is none yet. */
  keep<T>(place: string, name: string, make: () => T): T;
  /** Drops what belongs to no place that `lives`. */
  sweep(lives: (place: string) => boolean): void;
}

/** Places kept at once in a map that outlives gateways: at the bound the one made first goes, and starts again from nothing. */
const MAX_PLACES = 10_000;

/** On `map`, which somebody else may hold, or on one of its own. */
export function createProcessState(map: Map<string, unknown> = new Map()): ProcessState {
  const places = map as Map<string, Map<string, unknown>>;
  return {
    keep<T>(place: string, name: string, make: () => T): T {
      let values = places.get(place);
      if (values === undefined) {
        if (places.size >= MAX_PLACES) places.delete(places.keys().next().value as string);
        places.set(place, (values = new Map()));
      }
      if (!values.has(name)) values.set(name, make());
      return values.get(name) as T;
    },
    sweep(lives) {
      for (const place of places.keys()) if (!lives(place)) places.delete(place);
    },
  };
}

/** The place of what belongs to the gateway as a whole. */
export const GATEWAY_PLACE = "";
