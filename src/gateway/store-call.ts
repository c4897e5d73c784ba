/** How a policy asks its store: precedence, deadline and guard in one place, and a failure is a value. */

import { isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import { isSluiceError, stackless } from "../core/errors.ts";
import type { GatewayAdapter } from "../state/contracts/adapter.ts";
import { type Guard, type GuardEvent, guard } from "../state/guard.ts";
import { GatewayError } from "./errors.ts";
import type { FailMode, GatewayEvent, PolicySite, StoreKind, StoreKinds } from "./types.ts";
import type { Events } from "../core/events.ts";

/** A store that gave no usable answer: it threw, rejected, took too long, replied nonsense or is suspended. */
export class StoreFailure {
  /** Code of the `StoreError`. The error itself goes no further: its text may name hosts and keys. */
  readonly code: string;
  /** When the store is asked again, in ms. */
  readonly retryAfterMs: number;

  constructor(code: string, retryAfterMs: number) {
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** One store as one policy uses it. */
export interface StoreCaller<Store extends object> {
  readonly store: Store;
  /** Times this store has come back from an outage: a twin of an earlier one is not used again. */
  readonly outages: number;
  /** True while the store is in use and not suspended. */
  readonly up: boolean;
  /**
   * Runs one operation under the gateway's deadline. A store that answers without a promise is answered for without
   * one. `valid` says whether a reply has the shape it must have. A `RangeError` of the store is thrown: it is about
   * the arguments, not about the store.
   */
  call<T>(operation: string, run: (store: Store) => MaybePromise<T>, valid?: (reply: T) => boolean): MaybePromise<T | StoreFailure>;
}

/** A caller of `store` at `site`. `storeName` is how events call it, such as `rateLimitStore`; `timeoutMs` defaults to the gateway's. */
export function storeCaller<Store extends object>(
  site: PolicySite,
  storeName: string,
  store: Store,
  mode: FailMode,
  timeoutMs: number = site.stores.timeoutMs,
): StoreCaller<Store> {
  return new Caller(site, storeName, store, mode, timeoutMs);
}

/** Where a policy finds its store: its own option, then the adapter of the request, then the gateway's in-memory one. */
export interface StoreSource<Store extends object> {
  /** The caller to use, or `undefined` when the adapter has no such store and the policy must not do without. */
  of(adapter: GatewayAdapter | undefined): StoreCaller<Store> | undefined;
}

/**
 * Throws a `config_error` when `mode` is `closed` and the adapter lacks the store: such a policy could only refuse.
 */
export function storeSource<Name extends keyof StoreKinds>(
  site: PolicySite,
  kind: StoreKind<Name>,
  own: StoreKinds[Name] | undefined,
  mode: FailMode,
): StoreSource<StoreKinds[Name]> {
  const storeName = kind.name;
  const make = (store: StoreKinds[Name]): StoreCaller<StoreKinds[Name]> => storeCaller(site, storeName, store, mode);
  if (own !== undefined) {
    const caller = make(own);
    return { of: () => caller };
  }
  if (mode === "closed" && site.adapter !== undefined && site.adapter[storeName] === undefined) {
    throw new GatewayError(500, "config_error", `policy "${site.policyName}": failMode "closed" needs the adapter to have a ${storeName}, or the option store`);
  }
  let latest: StoreCaller<StoreKinds[Name]> | undefined;
  let reported = false;
  return {
    of(adapter) {
      let store = adapter?.[storeName] as StoreKinds[Name] | null | undefined;
      if (store === undefined || store === null) {
        if (adapter !== undefined && mode === "closed") return undefined;
        if (adapter !== undefined && !reported) {
          reported = true;
          site.events.emit({ type: "store.missing", policy: site.policyName, message: `The adapter has no ${storeName}: an in-memory one is used, which other processes do not share` });
        }
        store = site.local.of(kind);
      }
      if (latest === undefined || latest.store !== store) latest = make(store);
      return latest;
    },
  };
}

/** Whether asking `store` means going over a wire, so that asking together with others saves a round trip. */
export function isRemote(store: { readonly capabilities?: { readonly shared?: boolean } } | null | undefined): boolean {
  return store?.capabilities?.shared === true;
}

/** The answer of a policy that must not go on without its store. */
export function storeUnavailable(retryAfterMs: number = 1000): GatewayError {
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000));
  return stackless(() => new GatewayError(503, "store_unavailable", "A store this request depends on is unavailable", { "retry-after": String(seconds) }));
}

/** What callers of one store share: its outages, and who is told of them. Held once per gateway name, so a gateway made per request adds nothing. */
class Watch {
  outages = 0;
  readonly tell = new Map<string, { storeName: string; policy: string; events: Events<GatewayEvent> }>();
  readonly onEvent = (event: GuardEvent): void => {
    if (event.type === "store.error") return;
    if (event.type === "store.up") this.outages++;
    for (const { storeName, policy, events } of this.tell.values()) {
      events.emit({ type: event.type, store: storeName, policy, code: event.code, suppressed: event.suppressed });
    }
  };
}

const watches: WeakMap<Guard, Watch> = /* @__PURE__ */ new WeakMap();

/** What stands for a store in this process: itself, or where stores are made per request, one object per kind of store. */
export function storeSubject(site: PolicySite, storeName: string, store: object): object {
  return site.adapter?.privateState === undefined ? store : site.keep(`subject:${storeName}`, () => ({}), true);
}

class Caller<Store extends object> implements StoreCaller<Store> {
  readonly store: Store;
  private readonly site: PolicySite;
  private readonly storeName: string;
  private readonly mode: FailMode;
  private readonly timeoutMs: number;
  private readonly guard: Guard;
  private readonly watch: Watch;
  /** Codes told of since the store last changed between up and down. */
  private told = new Set<string>();
  private toldIn = 0;

  constructor(site: PolicySite, storeName: string, store: Store, mode: FailMode, timeoutMs: number) {
    this.site = site;
    this.storeName = storeName;
    this.store = store;
    this.mode = mode;
    this.timeoutMs = timeoutMs;
    this.guard = guard(storeSubject(site, storeName, store), { ...site.stores.guard, timeoutMs: site.stores.timeoutMs, name: storeName, clock: site.clock, random: site.random });
    let watch = watches.get(this.guard);
    if (watch === undefined) {
      watches.set(this.guard, (watch = new Watch()));
      this.guard.events.on(watch.onEvent);
    }
    watch.tell.set(`${site.gatewayName}\n${storeName}`, { storeName, policy: site.policyName, events: site.events });
    this.watch = watch;
  }

  get outages(): number {
    return this.watch.outages;
  }

  get up(): boolean {
    return this.guard.state === "up";
  }

  call<T>(operation: string, run: (store: Store) => MaybePromise<T>, valid?: (reply: T) => boolean): MaybePromise<T | StoreFailure> {
    return this.site.events.detailed ? this.timed(operation, run, valid) : this.ask(operation, run, valid);
  }

  /** The same, and tells how long it took. */
  private timed<T>(operation: string, run: (store: Store) => MaybePromise<T>, valid: ((reply: T) => boolean) | undefined): MaybePromise<T | StoreFailure> {
    const { clock, events } = this.site;
    const beganAt = clock.monotonic();
    const tell = (reply: T | StoreFailure): T | StoreFailure => {
      events.detail({ type: "store.call", store: this.storeName, operation, durationMs: clock.monotonic() - beganAt, ok: !(reply instanceof StoreFailure), mode: this.mode });
      return reply;
    };
    const reply = this.ask(operation, run, valid);
    return isPromise(reply) ? reply.then(tell) : tell(reply);
  }

  private ask<T>(operation: string, run: (store: Store) => MaybePromise<T>, valid: ((reply: T) => boolean) | undefined): MaybePromise<T | StoreFailure> {
    try {
      const reply = this.guard.call(operation, () => run(this.store), { timeoutMs: this.timeoutMs, validate: valid });
      return isPromise(reply) ? reply.catch((error: unknown) => this.failed(error)) : reply;
    } catch (error) {
      return this.failed(error);
    }
  }

  private failed(error: unknown): StoreFailure {
    if (error instanceof RangeError) throw error;
    const known = isSluiceError(error) ? error : undefined;
    const code = known?.code ?? "STORE_UNAVAILABLE";
    if (this.toldIn !== this.watch.outages) {
      this.told.clear();
      this.toldIn = this.watch.outages;
    }
    if (!this.told.has(code)) {
      this.told.add(code);
      this.site.events.emit({ type: "store.error", store: this.storeName, policy: this.site.policyName, code, mode: this.mode });
    }
    return new StoreFailure(code, known?.retryAfterMs ?? 1000);
  }
}
