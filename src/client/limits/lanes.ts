/** Requests on the wire at once: places in this process, and leases where the fleet counts together. */

import type { Clock, TimerHandle } from "../../core/clock.ts";
import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { Scope } from "../scope.ts";
import type { StoreAccess } from "../store-access.ts";
import { throttled } from "./pace-line.ts";

export interface LaneSettings {
  readonly limit: number;
  readonly leaseMs: number;
  readonly maxQueue: number;
  readonly maxWaitMs: number;
  readonly wait: boolean;
}

interface Waiter {
  readonly go: (place: Place) => void;
}

/** A place on the wire. */
export interface Place {
  release(): void;
}

/** Bounds of the time between two looks for a free lease, ms. */
const POLL_MS: readonly [least: number, most: number] = [10, 250];

export class Lanes {
  readonly #key: string;
  readonly #settings: LaneSettings;
  readonly #access: StoreAccess | undefined;
  readonly #clock: Clock;
  readonly #waiters: Waiter[] = [];
  #held = 0;
  /** The one who asks the store for the first of the line. */
  #polling = false;
  #pollTimer: TimerHandle;
  #pollNow: (() => void) | undefined;
  usedAt: number;

  constructor(key: string, settings: LaneSettings, access: StoreAccess | undefined, clock: Clock) {
    this.#key = key;
    this.#settings = settings;
    this.#access = access;
    this.#clock = clock;
    this.usedAt = clock.monotonic();
  }

  get idle(): boolean {
    return this.#held === 0 && this.#waiters.length === 0;
  }

  take(scope: Scope, onWait: () => void): MaybePromise<Place> {
    this.usedAt = this.#clock.monotonic();
    const { limit, maxQueue, maxWaitMs, wait } = this.#settings;
    if (this.#access === undefined && this.#held < limit && this.#waiters.length === 0) return this.#place(undefined);
    if (!wait && this.#held >= limit) throw throttled(undefined, "every place on the wire is taken");
    if (this.#waiters.length >= maxQueue) throw throttled(undefined, `more than ${maxQueue} calls wait for a place`);
    return new Promise<Place>((resolve, reject) => {
      let forget = (): void => undefined;
      let timer: TimerHandle = undefined;
      const waiter: Waiter = {
        go: (place) => {
          forget();
          this.#clock.clearTimeout(timer);
          resolve(place);
        },
      };
      const leave = (reason: unknown): void => {
        const at = this.#waiters.indexOf(waiter);
        if (at >= 0) this.#waiters.splice(at, 1);
        this.#clock.clearTimeout(timer);
        forget();
        reject(reason);
      };
      this.#waiters.push(waiter);
      if (this.#held >= limit || this.#waiters.length > 1) onWait();
      forget = scope.onCancel(leave);
      if (scope.cancelled !== undefined) return;
      timer = this.#clock.setTimeout(() => leave(throttled(maxWaitMs, "no place became free in time")), wait ? maxWaitMs : Math.max(1, this.#access?.timeoutMs ?? 1), true);
      void this.#serve();
    });
  }

  /** Places the first of the line while there is room. With a store only one asks, whatever the length of the line. */
  async #serve(): Promise<void> {
    const { limit } = this.#settings;
    if (this.#access === undefined) {
      while (this.#held < limit && this.#waiters.length > 0) (this.#waiters.shift() as Waiter).go(this.#place(undefined));
      return;
    }
    if (this.#polling) {
      this.#pollNow?.();
      return;
    }
    this.#polling = true;
    try {
      while (this.#waiters.length > 0) {
        if (this.#held >= limit) return;
        const answer = await this.#ask(this.#access);
        if (answer.token !== undefined || answer.local) {
          const waiter = this.#waiters.shift();
          if (waiter === undefined) {
            if (answer.token !== undefined) void this.#access.release(this.#key, answer.token).catch(() => false);
            return;
          }
          waiter.go(this.#place(answer.token));
          continue;
        }
        await new Promise<void>((resolve) => {
          this.#pollNow = resolve;
          this.#pollTimer = this.#clock.setTimeout(resolve, Math.min(POLL_MS[1], Math.max(POLL_MS[0], answer.retryInMs)), true);
        });
        this.#clock.clearTimeout(this.#pollTimer);
        this.#pollNow = undefined;
      }
    } finally {
      this.#polling = false;
    }
  }

  async #ask(access: StoreAccess): Promise<{ token?: string; local: boolean; retryInMs: number }> {
    const token = access.random.uuid();
    try {
      const reply = await access.lease(this.#key, token, this.#settings.limit, this.#settings.leaseMs);
      return reply.held ? { token, local: false, retryInMs: 0 } : { local: false, retryInMs: reply.retryInMs };
    } catch (error) {
      // A reply that is late may have taken the place all the same.
      if ((error as { code?: unknown }).code === "STORE_TIMEOUT") access.release(this.#key, token).catch(() => false);
      // Closed: nobody goes while the store is away, and each waiter ends by its own time.
      return { local: access.modes.throttle !== "closed", retryInMs: POLL_MS[1] };
    }
  }

  #place(token: string | undefined): Place {
    this.#held++;
    let timer: TimerHandle;
    const access = this.#access;
    const { leaseMs, limit } = this.#settings;
    const renew = (afterMs = leaseMs / 3): void => {
      timer = this.#clock.setTimeout(() => {
        access?.lease(this.#key, token as string, limit, leaseMs).then((reply) => {
          if (reply.held || over) return;
          // Lost, and the call is still on the wire: it takes a place again as soon as there is one, so that it is counted.
          this.#clock.clearTimeout(timer);
          renew(Math.min(leaseMs / 3, POLL_MS[1], Math.max(POLL_MS[0], reply.retryInMs)));
        }, () => undefined);
        renew();
      }, afterMs);
    };
    let over = false;
    if (token !== undefined) renew();
    return {
      release: () => {
        if (over) return;
        over = true;
        this.#held--;
        this.#clock.clearTimeout(timer);
        const next = (): void => void this.#serve();
        if (token === undefined || access === undefined) next();
        else access.release(this.#key, token).then(next, next);
      },
    };
  }
}
