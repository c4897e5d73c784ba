/** A store that fails as told: late, before the effect, after it, for ever, or with a senseless reply. */

import { type Clock, sleep, systemClock } from "../core/clock.ts";
import { StoreError } from "../core/errors.ts";
import { isPromise } from "../core/maybe-promise.ts";

/** What happens to one call. */
export type Fault =
  /** The call is made after `ms`, and then answers as usual. */
  | { readonly kind: "delay"; readonly ms: number }
  /** Nothing is done and the call fails, by default with `STORE_UNAVAILABLE`, outcome `not-applied`. */
  | { readonly kind: "fail"; readonly error?: unknown }
  /** The call takes effect, and its reply is lost: by default `STORE_UNAVAILABLE`, outcome `unknown`. */
  | { readonly kind: "drop"; readonly error?: unknown }
  /** The call never settles. With `effect` it is carried out first. */
  | { readonly kind: "hang"; readonly effect?: boolean }
  /** The call takes effect (unless `effect` is false) and answers `value` in place of its reply. */
  | { readonly kind: "garbage"; readonly value: unknown; readonly effect?: boolean };

export interface FaultCall {
  readonly method: string;
  readonly args: readonly unknown[];
  /** Which call of this method it is, from 1. */
  readonly nth: number;
  /** Which call of the store it is, from 1. */
  readonly total: number;
}

export interface FaultRule {
  /** Methods it is for; default all. */
  readonly method?: string | readonly string[];
  /** Only the n-th call of the method, from 1. */
  readonly nth?: number;
  /** Only every n-th call of the method. */
  readonly every?: number;
  readonly fault: Fault;
}

/** Rules, of which the first that matches is taken, or a function asked at every call. */
export type FaultScript = readonly FaultRule[] | ((call: FaultCall) => Fault | undefined);

export interface FailingStoreOptions {
  /** Measures delays. @default the system's clock */
  readonly clock?: Clock;
}

/**
 * Wraps a store or driver so that its methods fail as `script` says. Calls that the store makes to itself are not
 * touched. A faulted method answers with a promise; one whose name ends in `Sync` throws or answers at once, and can
 * neither be delayed nor hang.
 *
 * ```ts
 * const flaky = failingStore(memoryStore(), [{ method: "get", every: 3, fault: { kind: "drop" } }]);
 * let down = false;
 * const switchable = failingStore(memoryStore(), () => (down ? { kind: "hang" } : undefined));
 * ```
 */
export function failingStore<T extends object>(target: T, script: FaultScript, options: FailingStoreOptions = {}): T {
  const clock = options.clock ?? systemClock;
  const choose = typeof script === "function" ? script : (call: FaultCall) => firstMatch(script, call);
  const counts = new Map<string, number>();
  const wrapped = new Map<PropertyKey, unknown>();
  let total = 0;

  const wrap = (method: string, run: (...args: unknown[]) => unknown) => (...args: unknown[]): unknown => {
    const nth = (counts.get(method) ?? 0) + 1;
    counts.set(method, nth);
    total++;
    const fault = choose({ method, args, nth, total });
    const call = (): unknown => run.apply(target, args);
    if (fault === undefined) return call();
    return method.endsWith("Sync") ? applySync(fault, method, call) : apply(fault, method, call, clock);
  };

  // The proxy's own target is an empty object, so that a frozen store can be wrapped as well.
  return new Proxy(Object.create(Object.getPrototypeOf(target)) as T, {
    get(_, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function" || typeof property === "symbol") return typeof value === "function" ? value.bind(target) : value;
      let method = wrapped.get(property);
      if (method === undefined) wrapped.set(property, (method = wrap(property, value as (...args: unknown[]) => unknown)));
      return method;
    },
    set: (_, property, value) => Reflect.set(target, property, value, target),
    has: (_, property) => Reflect.has(target, property),
  });
}

function firstMatch(rules: readonly FaultRule[], call: FaultCall): Fault | undefined {
  for (const rule of rules) {
    if (rule.method !== undefined && !(typeof rule.method === "string" ? rule.method === call.method : rule.method.includes(call.method))) continue;
    if (rule.nth !== undefined && rule.nth !== call.nth) continue;
    if (rule.every !== undefined && call.nth % rule.every !== 0) continue;
    return rule.fault;
  }
  return undefined;
}

async function apply(fault: Fault, method: string, call: () => unknown, clock: Clock): Promise<unknown> {
  switch (fault.kind) {
    case "delay":
      await sleep(fault.ms, clock);
      return await call();
    case "hang":
      if (fault.effect === true) await call();
      return await new Promise(() => {});
    case "fail":
      throw failure(fault, method);
    case "drop":
      await call();
      throw failure(fault, method);
    case "garbage":
      if (fault.effect !== false) await call();
      return fault.value;
  }
}

function applySync(fault: Fault, method: string, call: () => unknown): unknown {
  if (fault.kind === "delay" || fault.kind === "hang") throw new TypeError(`${method} is synchronous: it cannot ${fault.kind}`);
  if (fault.kind === "fail") throw failure(fault, method);
  if (fault.kind === "drop" || fault.effect !== false) {
    const value = call();
    if (isPromise(value)) throw new TypeError(`${method} gave a promise`);
  }
  if (fault.kind === "drop") throw failure(fault, method);
  return fault.value;
}

function failure(fault: { readonly kind: "fail" | "drop"; readonly error?: unknown }, method: string): unknown {
  if (fault.error !== undefined) return fault.error;
  return fault.kind === "fail"
    ? new StoreError("STORE_UNAVAILABLE", `${method} failed on purpose, before it did anything`, { outcome: "not-applied" })
    : new StoreError("STORE_UNAVAILABLE", `${method} was carried out and its reply dropped on purpose`, { outcome: "unknown" });
}
