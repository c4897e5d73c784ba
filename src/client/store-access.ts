/** The store as the features use it: verbs that may be missing, a deadline, and what happens while it fails. */

import { sleep, systemClock, type Clock } from "../core/clock.ts";
import type { MaybePromise } from "../core/maybe-promise.ts";
import type { Random } from "../core/random.ts";
import { memoryStore } from "../drivers/memory/memory-store.ts";
import { cursor } from "../state/algorithms/cursor.ts";
import { leaseSet } from "../state/algorithms/lease-set.ts";
import { CompareAndSet } from "../state/compare-and-set.ts";
import type { Algorithm } from "../state/contracts/driver.ts";
import type { LimitTicket } from "../state/contracts/limits.ts";
import type { CursorReply, LeaseReply, StitchStore } from "../state/contracts/key-value.ts";
import { guard, type Guard, type GuardEvent } from "../state/guard.ts";
import { compilePace } from "../state/pace.ts";
import { StitchError, toStitchError } from "./errors.ts";
import type { FailModes } from "./options.ts";
import { reserveInWindows } from "./limits/window-pace.ts";
import { isShared, storeVerbs } from "./store-verbs.ts";

export type StoreFeature = "throttle" | "circuit" | "cache" | "tokens" | "lock";

export interface StoreAccessOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly timeoutMs: number;
  readonly failMode: FailModes;
  readonly onChange: (event: GuardEvent) => void;
}

export type PaceCommand =
  | { readonly spacingMs: number; readonly burst: number; readonly cost: number; readonly maxWaitMs: number | undefined }
  | { readonly refund: LimitTicket; readonly spacingMs: number; readonly burst: number }
  | { readonly pauseMs: number; readonly spacingMs: number; readonly burst: number };

const DEFAULT_MODES: Required<FailModes> = { throttle: "local", circuit: "local", cache: "open", tokens: "local", lock: "open" };
/** How often a lock that another process holds is asked for, ms. */
const LOCK_POLL_MS: readonly [least: number, most: number] = [20, 250];

export class StoreAccess {
  /** Other processes see the same data. */
  readonly shared: boolean;
  readonly store: StitchStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly modes: Required<FailModes>;
  readonly #guard: Guard | undefined;
  readonly #cas: CompareAndSet<unknown> | undefined;
  readonly #own: boolean;
  readonly #options: StoreAccessOptions;
  #twin: StitchStore | undefined;

  constructor(store: StitchStore | undefined, options: StoreAccessOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.random = options.random;
    this.modes = { ...DEFAULT_MODES, ...defined(options.failMode) };
    this.#own = store === undefined;
    this.store = store ?? memoryStore({ clock: options.clock === systemClock ? undefined : options.clock });
    this.shared = isShared(store);
    this.#guard = this.shared ? guard(this.store, { timeoutMs: options.timeoutMs, clock: options.clock, random: options.random, onChange: options.onChange }) : undefined;
    const { cas } = storeVerbs(this.store);
    this.#cas = cas ? new CompareAndSet(revisions(this.store, options.clock), { maxValueBytes: this.store.capabilities?.maxValueBytes ?? 1_048_576, clock: options.clock, random: options.random }) : undefined;
  }

  /** A value; `undefined` also where the store fails and the feature does without. */
  get(feature: StoreFeature, key: string): Promise<unknown> {
    return this.use(feature, "get", (store) => store.get(key), () => undefined);
  }

  set(feature: StoreFeature, key: string, value: unknown, ttlMs?: number): Promise<void> {
    return this.use(feature, "set", (store) => store.set(key, value, ttlMs), () => undefined);
  }

  /** Where the store has no compare-and-set, the last writer wins. */
  compareAndSet(feature: StoreFeature, key: string, expected: unknown, next: unknown, ttlMs?: number): Promise<boolean> {
    return this.use(feature, "compareAndSet", async (store) => {
      if (storeVerbs(store).cas) return store.compareAndSet(key, expected, next, ttlMs);
      await store.set(key, next, ttlMs);
      return true;
    }, () => true);
  }

  /** A turn of a pace. Rejects where the store fails: the throttle has a twin of its own. */
  reserve(key: string, command: PaceCommand): Promise<CursorReply> {
    const verbs = storeVerbs(this.store);
    return this.guarded("reserve", () => {
      if (verbs.reserve) return (this.store.reserve as NonNullable<StitchStore["reserve"]>)(key, command);
      if (this.#cas !== undefined) return this.run(cursor as Algorithm<unknown, unknown, CursorReply>, key, paceCommand(command));
      return reserveInWindows(this.store, key, command, this.clock.now());
    });
  }

  /** The store can hold a pause: counters alone cannot. */
  get paces(): boolean {
    return storeVerbs(this.store).reserve || this.#cas !== undefined;
  }

  lease(key: string, token: string, limit: number, ttlMs: number): Promise<LeaseReply> {
    return this.guarded("lease", () => {
      if (storeVerbs(this.store).lease) return (this.store.lease as NonNullable<StitchStore["lease"]>)(key, { token, limit, ttlMs });
      return this.run(leaseSet as Algorithm<unknown, unknown, LeaseReply>, key, { token, limit, ttlMs: Math.ceil(ttlMs) });
    });
  }

  release(key: string, token: string): Promise<boolean> {
    return this.guarded("release", async () => {
      if (storeVerbs(this.store).lease && this.store.release !== undefined) return this.store.release(key, token);
      return (await this.run(leaseSet as Algorithm<unknown, unknown, LeaseReply>, key, { release: token })).held;
    });
  }

  /** One command of an algorithm by compare-and-set. Unguarded. */
  async run<R>(algorithm: Algorithm<unknown, unknown, R>, key: string, command: unknown): Promise<R> {
    if (this.#cas === undefined) throw new StitchError("STORE_CAPABILITY", `the store has no compareAndSet, which ${algorithm.name} needs`);
    const [reply] = await this.#cas.run(key, { algorithm, key, commands: [command] });
    if (reply instanceof Error) throw reply;
    return reply as R;
  }

  /** A call under the guard, its failure as it is. */
  guarded<T>(operation: string, run: () => MaybePromise<T>): Promise<T> {
    if (this.#guard === undefined) return Promise.resolve(run());
    try {
      return Promise.resolve(this.#guard.call(operation, run));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** A call under the guard, and what the feature does without an answer. */
  async use<T>(feature: StoreFeature, operation: string, run: (store: StitchStore) => MaybePromise<T>, without: () => T): Promise<T> {
    try {
      return await this.guarded(operation, () => run(this.store));
    } catch (error) {
      const mode = this.modes[feature];
      if (mode === "open") return without();
      if (mode === "local") {
        this.#twin ??= memoryStore({ clock: this.clock === systemClock ? undefined : this.clock });
        return run(this.#twin);
      }
      throw toStitchError(error, "STORE_UNAVAILABLE", "the store failed");
    }
  }

  /**
   * One process at a time, as far as the store can tell: without a lease, or while it fails and the mode is open, everybody runs.
   * `lost` aborts when a renewal finds that the lock has ended, as of a process that stood still.
   */
  async exclusively<T>(key: string, ttlMs: number, signal: AbortSignal, work: (locked: boolean, lost: AbortSignal) => Promise<T>): Promise<T> {
    const verbs = storeVerbs(this.store);
    const lost = new AbortController();
    if (this.#own || (!verbs.lease && this.#cas === undefined)) return work(this.#own, lost.signal);
    let token = this.random.uuid();
    const lockKey = `lock:${key}`;
    let held = false;
    let fence = 0;
    let late = false;
    for (;;) {
      signal.throwIfAborted();
      try {
        const reply = await this.lease(lockKey, token, 1, ttlMs);
        ({ held, fence } = reply);
        if (held) break;
        await sleep(Math.min(LOCK_POLL_MS[1], Math.max(LOCK_POLL_MS[0], reply.retryInMs)) * (0.5 + this.random.next() / 2), this.clock, signal);
      } catch (error) {
        const unknown = (error as { code?: unknown }).code === "STORE_TIMEOUT";
        // The late reply may have taken the lock.
        if (unknown) this.release(lockKey, token).catch(() => false);
        // A slow store is no dead one. Under another token: what the late reply took, stores give back by themselves.
        if (unknown && !late && !signal.aborted) {
          late = true;
          token = this.random.uuid();
          continue;
        }
        if (signal.aborted) throw signal.reason;
        if (this.modes.lock === "closed") throw toStitchError(error, "STORE_UNAVAILABLE", "the lock could not be taken");
        break;
      }
    }
    const onLost = (): void => lost.abort(new StitchError("STORE_UNAVAILABLE", "the store gave the lock to another process meanwhile", { sent: false, retryable: true }));
    const stop = held ? renewing(this, lockKey, token, ttlMs, fence, onLost) : undefined;
    try {
      return await work(held, lost.signal);
    } finally {
      stop?.();
      if (held) await this.release(lockKey, token).catch(() => false);
    }
  }

  /** Closes what was made here, never the caller's store. */
  async close(): Promise<void> {
    if (this.#own) await this.store.close?.();
    await this.#twin?.close?.();
  }

  get timeoutMs(): number {
    return this.#options.timeoutMs;
  }
}

function defined(modes: FailModes): FailModes {
  return Object.fromEntries(Object.entries(modes).filter(([, mode]) => mode !== undefined));
}

function paceCommand(command: PaceCommand): unknown {
  const { policy } = compilePace({ spacingMs: command.spacingMs, burst: command.burst });
  if ("refund" in command) return { policy, refund: command.refund };
  if ("pauseMs" in command) return { policy, pauseMs: command.pauseMs };
  return { policy, cost: command.cost, maxWaitMs: command.maxWaitMs };
}

function revisions(store: StitchStore, clock: Clock): ConstructorParameters<typeof CompareAndSet<unknown>>[0] {
  return {
    async read(key) {
      const value = await store.get(key);
      return { bytes: value instanceof Uint8Array ? value : undefined, revision: value };
    },
    // A second beyond the end, so that a store whose clock is ahead does not drop a record that still counts.
    write: (key, bytes, revision, expiresAt) => store.compareAndSet(key, revision, bytes, expiresAt === undefined ? undefined : Math.max(1, Math.ceil(expiresAt - clock.now())) + 1000),
  };
}

/** Renews a lock until the function it gives is called. A renewal that finds that somebody else has had it is the last one. */
export function renewing(access: StoreAccess, lockKey: string, token: string, ttlMs: number, fence: number, onLost: () => void): () => void {
  const { clock } = access;
  let timer: unknown;
  const renew = (): void => {
    timer = clock.setTimeout(() => {
      access.lease(lockKey, token, 1, ttlMs).then((reply) => {
        if (reply.held && reply.fence === fence) return;
        clock.clearTimeout(timer);
        onLost();
      }, () => undefined);
      renew();
    }, ttlMs / 3);
  };
  renew();
  return () => clock.clearTimeout(timer);
}
