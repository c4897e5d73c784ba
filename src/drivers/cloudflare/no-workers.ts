/**
 * The same names outside workerd, so that the entry can be imported and type-checked anywhere. A class made on this base has
 * `fetch` and `alarm`, and no RPC: the stores notice and use `fetch`.
 */

import type { DurableObjectStateLike } from "./types.ts";

export interface DurableObjectInstance {
  readonly ctx: DurableObjectStateLike;
  readonly env: unknown;
  /** The platform's types look for it in classes whose methods can be called by RPC. */
  readonly __DURABLE_OBJECT_BRAND: never;
}

export type DurableObjectBase = new (ctx: DurableObjectStateLike, env: unknown) => DurableObjectInstance;

class PlainObject {
  declare readonly __DURABLE_OBJECT_BRAND: never;
  readonly ctx: DurableObjectStateLike;
  readonly env: unknown;

  constructor(ctx: DurableObjectStateLike, env: unknown) {
    this.ctx = ctx;
    this.env = env;
  }
}

export const DurableObject: DurableObjectBase = PlainObject;

/** Nothing ends an event early here, and nothing keeps one alive. */
export function waitUntil(_promise: Promise<unknown>): boolean {
  return false;
}
