/** What the stitches of a seam share while they run: the way out, time, store, sinks, and who is still at work. */

import type { Adapter } from "../core/adapter.ts";
import { systemClock, type Clock } from "../core/clock.ts";
import { chain, isPromise, kept, type MaybePromise } from "../core/maybe-promise.ts";
import { systemRandom, type Random } from "../core/random.ts";
import { createRetryBudget, type RetryBudget } from "../resilience/retry-budget.ts";
import type { StitchStore } from "../state/contracts/key-value.ts";
import type { Deadlines } from "../state/deadline.ts";
import { deadlinesOf } from "#deadlines";
import type { GuardEvent } from "../state/guard.ts";
import { features } from "#client-features";
import { defaultAdapter } from "./adapters.ts";
import type { Encryption, Vault } from "./auth/vault.ts";
import type { Call } from "./call.ts";
import type { SeamConfig } from "./config.ts";
import type { TraceSink } from "./events.ts";
import { StitchError } from "./errors.ts";
import type { Features } from "./features/features.ts";
import type { ThrottleRules } from "./limit-options.ts";
import type { RetryRules } from "./options.ts";
import { checkSinks } from "./check-sinks.ts";
import type { SinkLines } from "./sink-lines.ts";
import type { StoreAccess } from "./store-access.ts";
import type { Throttle } from "./limits/throttle.ts";

/** A stitch of the seam. */
export interface Member {
  readonly name: string;
  readonly stitch: unknown;
  invalidate(principal: string | undefined): Promise<void>;
}

/** Stitches remembered for `seam.invalidate()`; more than anybody declares. */
const MAX_MEMBERS = 10_000;

export class Runtime {
  /** For `featuresOf`. */
  private readonly features: Features = features;
  readonly adapter: Adapter;
  readonly clock: Clock;
  readonly random: Random;
  readonly deadlines: Deadlines;
  readonly store: StitchStore | undefined;
  /** Who is told of calls: there before the first of them begins, and only where somebody is. */
  sinks: SinkLines | undefined;
  readonly #told: readonly TraceSink[];
  #opening: Promise<void> | undefined;
  readonly config: SeamConfig;
  readonly seamName: string | undefined;
  /** Of the seam's `baseUrl`: where trace context may go. */
  readonly origin: string | undefined;
  readonly throttleRules: ThrottleRules | undefined;
  readonly members: Member[] = [];
  /** Caches of stitches, for calls that change what they hold. */
  readonly caches: Set<{ dropUrl(call: Call, url: string): Promise<void> }> = new Set();
  readonly onStoreChange: Set<(event: GuardEvent) => void> = new Set();
  readonly #background = new Set<Promise<unknown>>();
  readonly #adapters = new Set<Adapter>();
  #calls = 0;
  #idle: (() => void)[] = [];
  #access: MaybePromise<StoreAccess> | undefined;
  #vault: MaybePromise<Vault> | undefined;
  #secretAccess: StoreAccess | undefined;
  #throttle: MaybePromise<Throttle> | undefined;
  #budget: RetryBudget | undefined;
  #closing: Promise<void> | undefined;

  constructor(config: SeamConfig, facts: { readonly seamName?: string; readonly origin?: string; readonly throttle?: ThrottleRules }) {
    this.config = config;
    this.adapter = config.adapter ?? defaultAdapter();
    this.clock = config.clock ?? systemClock;
    this.random = config.random ?? systemRandom;
    this.deadlines = deadlinesOf(this.clock);
    this.store = config.store;
    this.#told = checkSinks(config.trace);
    void this.openSinks();
    this.seamName = facts.seamName;
    this.origin = facts.origin;
    this.throttleRules = facts.throttle;
  }

  /** Brings who is to be told. Nothing to wait for where they are here. */
  openSinks(): MaybePromise<void> {
    if (this.sinks !== undefined || this.#told.length === 0) return undefined;
    if (this.#opening !== undefined) return this.#opening;
    const opened: MaybePromise<void> = chain(features.sinks(), ({ SinkLines: Made }) => void (this.sinks = new Made(this.#told)));
    // Sinks observe: a chunk of a browser's that does not load costs what they would have been told, and no call. The next call asks again.
    return isPromise(opened) ? (this.#opening = opened.catch(() => void (this.#opening = undefined))) : undefined;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  join(member: Member): void {
    if (this.members.length < MAX_MEMBERS) this.members.push(member);
  }

  enter(): void {
    if (this.#closing !== undefined) throw new StitchError("CLOSED", "the seam is closed", { sent: false });
    this.#calls++;
  }

  leave(): void {
    if (--this.#calls > 0 || this.#idle.length === 0) return;
    const waiting = this.#idle;
    this.#idle = [];
    for (const wake of waiting) wake();
  }

  /** Work that goes on after its call: `close` waits for it. */
  background(work: Promise<unknown>): void {
    const done: Promise<unknown> = work.catch(() => undefined).finally(() => this.#background.delete(done));
    this.#background.add(done);
  }

  access(): MaybePromise<StoreAccess> {
    return (this.#access ??= kept(chain(features.limits(), ({ StoreAccess: Access }) => this.#open(Access, this.store)), () => (this.#access = undefined)));
  }

  /** Where secrets are kept. */
  vault(encryption: Encryption | undefined = this.config.encryption): MaybePromise<Vault> {
    return (this.#vault ??= kept(chain(features.auth(), ({ createVault, StoreAccess: Access }) => {
      if (this.config.secretStore === undefined) return chain(this.access(), (access) => createVault(access, encryption));
      return createVault((this.#secretAccess = this.#open(Access, this.config.secretStore)), encryption);
    }), () => (this.#vault = undefined)));
  }

  #open(Access: typeof StoreAccess, store: StitchStore | undefined): StoreAccess {
    const { clock, random, config } = this;
    return new Access(store, {
      clock, random, timeoutMs: config.storeTimeoutMs ?? 1000, failMode: config.failMode ?? {},
      onChange: (event) => {
        for (const listener of this.onStoreChange) listener(event);
      },
    });
  }

  /** The seam's own throttle. */
  throttle(): MaybePromise<Throttle> | undefined {
    const rules = this.throttleRules;
    if (rules === undefined) return undefined;
    return (this.#throttle ??= kept(this.makeThrottle(this.seamName === undefined ? undefined : `seam:${this.seamName}`, rules), () => (this.#throttle = undefined)));
  }

  /** Turns are counted in the store under `name`; without one, in this seam alone. */
  makeThrottle(name: string | undefined, rules: ThrottleRules): MaybePromise<Throttle> {
    return chain(features.limits(), ({ Throttle: Made }) => {
      if (this.store === undefined || name === undefined) return new Made(name ?? "", rules, undefined, this.clock, this.random);
      return chain(this.access(), (access) => new Made(name, rules, access, this.clock, this.random));
    });
  }

  budget(rules: Exclude<RetryRules["budget"], false>): RetryBudget {
    return (this.#budget ??= createRetryBudget({ ratio: rules.ratio, minPerSecond: rules.minPerSecond, clock: this.clock }));
  }

  /** An adapter of a member that the seam has to close. */
  owns(adapter: Adapter): void {
    this.#adapters.add(adapter);
  }

  async flush(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background);
    await this.#opening;
    await this.sinks?.flush();
  }

  close(): Promise<void> {
    return (this.#closing ??= (async () => {
      if (this.#calls > 0) await new Promise<void>((resolve) => void this.#idle.push(resolve));
      await this.flush();
      await this.sinks?.close();
      const access = await this.#access;
      await access?.close();
      await this.#secretAccess?.close();
      for (const adapter of this.#adapters) await adapter.close?.();
    })());
  }
}
