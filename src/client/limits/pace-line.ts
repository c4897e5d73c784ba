/** Waiting for a turn of a pace: one line per key and process, first come first served. */

import type { Clock, TimerHandle } from "../../core/clock.ts";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { cursor, type CursorAlgorithmCommand } from "../../state/algorithms/cursor.ts";
import type { RowMachine } from "../../state/contracts/driver.ts";
import type { LimitTicket } from "../../state/contracts/limits.ts";
import type { CursorReply } from "../../state/contracts/key-value.ts";
import type { CursorPolicy } from "../../state/algorithms/cursor.ts";
import type { Scope } from "../scope.ts";
import type { StoreAccess } from "../store-access.ts";
import { StitchError } from "../errors.ts";

export interface PaceSettings {
  readonly spacingMs: number;
  readonly burst: number;
  readonly policy: CursorPolicy;
  readonly maxWaitMs: number;
  readonly maxQueue: number;
  readonly wait: boolean;
}

export interface Turn {
  readonly waitedMs: number;
  /** Gives an unused turn back. */
  refund(): void;
}

interface Waiter {
  turnAt: number;
  ticket: LimitTicket | undefined;
  readonly cost: number;
  timer: TimerHandle;
  readonly wake: () => void;
}

const row = cursor.row as RowMachine<CursorAlgorithmCommand, CursorReply>;

export class PaceLine {
  readonly #key: string;
  readonly #settings: PaceSettings;
  readonly #access: StoreAccess | undefined;
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #waiters: Waiter[] = [];
  /** The pace of this process: alone, or while the store fails. */
  #cells: Float64Array | undefined;
  #pausedUntil = -Infinity;
  /** Calls between asking and their turn. */
  #asking = 0;
  usedAt: number;

  constructor(key: string, settings: PaceSettings, access: StoreAccess | undefined, clock: Clock, now: () => number) {
    this.#key = key;
    this.#settings = settings;
    this.#access = access;
    this.#clock = clock;
    this.#now = now;
    this.usedAt = clock.monotonic();
  }

  get idle(): boolean {
    return this.#waiters.length === 0 && this.#asking === 0;
  }

  /** A turn, at once or by waiting for it. @throws StitchError `THROTTLED`, or the reason of the scope */
  take(cost: number, scope: Scope, onWait: (waitMs: number) => void): MaybePromise<Turn> {
    const { maxQueue, wait, maxWaitMs } = this.#settings;
    this.usedAt = this.#clock.monotonic();
    if (this.#waiters.length + this.#asking > maxQueue) throw throttled(undefined, `more than ${maxQueue} calls wait for their turn`);
    this.#asking++;
    try {
      const reply = this.#reserve(cost, wait ? maxWaitMs : 0, true);
      if (!isPromise(reply)) {
        this.#asking--;
        return this.#granted(reply, cost, scope, onWait);
      }
      return reply.then((late) => {
        this.#asking--;
        // Somebody who left meanwhile must not take the turn with them.
        if (scope.cancelled !== undefined) {
          if (late.granted) this.#giveBack(late.ticket);
          throw scope.cancelled.reason;
        }
        return this.#granted(late, cost, scope, onWait);
      }, (error: unknown) => {
        this.#asking--;
        throw error;
      });
    } catch (error) {
      this.#asking--;
      throw error;
    }
  }

  /** A turn only if there is one now. */
  tryTake(cost: number): MaybePromise<boolean> {
    const reply = this.#reserve(cost, 0, false);
    return isPromise(reply) ? reply.then((late) => late.granted, () => false) : reply.granted;
  }

  /** Nobody goes before this has passed, here and, through the store, anywhere. */
  pause(pauseMs: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#clock.monotonic() + pauseMs);
    const { spacingMs, burst, policy } = this.#settings;
    if (this.#access === undefined) this.#local({ policy, pauseMs });
    else this.#access.reserve(this.#key, { pauseMs, spacingMs, burst }).catch(() => void this.#local({ policy, pauseMs }));
  }

  #granted(reply: CursorReply, cost: number, scope: Scope, onWait: (waitMs: number) => void): MaybePromise<Turn> {
    if (!reply.granted) throw throttled(reply.waitMs, "the next turn is too far away");
    if (reply.waitMs <= 0 && this.#waiters.length === 0) return this.#turn(reply.ticket, 0);
    onWait(reply.waitMs);
    return this.#wait(reply, cost, scope);
  }

  #turn(ticket: LimitTicket | undefined, waitedMs: number): Turn {
    let used = false;
    return {
      waitedMs,
      refund: () => {
        if (used) return;
        used = true;
        this.#giveBack(ticket);
      },
    };
  }

  #wait(reply: CursorReply, cost: number, scope: Scope): Promise<Turn> {
    const began = this.#clock.monotonic();
    return new Promise<Turn>((resolve, reject) => {
      let forget = (): void => undefined;
      const waiter: Waiter = {
        turnAt: began + reply.waitMs, ticket: reply.ticket, cost, timer: undefined,
        wake: () => {
          const now = this.#clock.monotonic();
          // A pause that came after the turn was promised: it is given up for one after the pause.
          if (now < this.#pausedUntil) {
            this.#again(waiter, scope, reject);
            return;
          }
          this.#leave(waiter);
          forget();
          resolve(this.#turn(waiter.ticket, now - began));
        },
      };
      this.#waiters.push(waiter);
      this.#arm(waiter);
      forget = scope.onCancel((reason) => {
        this.#abandon(waiter);
        reject(reason);
      });
    });
  }

  #again(waiter: Waiter, scope: Scope, reject: (error: unknown) => void): void {
    const settle = (reply: CursorReply): void => {
      if (scope.cancelled !== undefined) return;
      if (!reply.granted) {
        this.#leave(waiter);
        reject(throttled(reply.waitMs, "the pace was paused for too long"));
        return;
      }
      waiter.ticket = reply.ticket;
      waiter.turnAt = this.#clock.monotonic() + reply.waitMs;
      this.#arm(waiter);
    };
    const reply = this.#reserve(waiter.cost, this.#settings.maxWaitMs, true);
    if (isPromise(reply)) reply.then(settle, reject);
    else settle(reply);
  }

  #arm(waiter: Waiter): void {
    this.#clock.clearTimeout(waiter.timer);
    waiter.timer = this.#clock.setTimeout(waiter.wake, Math.max(0, waiter.turnAt - this.#clock.monotonic()), true);
  }

  #leave(waiter: Waiter): void {
    const at = this.#waiters.indexOf(waiter);
    if (at >= 0) this.#waiters.splice(at, 1);
  }

  /** One who leaves hands the turn to the next of the line; what is left over at its end goes back. */
  #abandon(waiter: Waiter): void {
    const at = this.#waiters.indexOf(waiter);
    if (at < 0) return;
    this.#clock.clearTimeout(waiter.timer);
    const rest = this.#waiters.slice(at + 1);
    this.#waiters.splice(at, 1);
    let { turnAt, ticket } = waiter;
    if (rest.every((next) => next.cost === waiter.cost)) {
      for (const next of rest) {
        [next.turnAt, turnAt] = [turnAt, next.turnAt];
        [next.ticket, ticket] = [ticket, next.ticket];
        this.#arm(next);
      }
    }
    this.#giveBack(ticket);
  }

  #giveBack(ticket: LimitTicket | undefined): void {
    if (ticket === undefined) return;
    const { spacingMs, burst, policy } = this.#settings;
    if (this.#access === undefined) this.#local({ policy, refund: ticket });
    else this.#access.reserve(this.#key, { refund: ticket, spacingMs, burst }).catch(() => undefined);
  }

  #reserve(cost: number, maxWaitMs: number, failsOpen: boolean): MaybePromise<CursorReply> {
    const { spacingMs, burst, policy } = this.#settings;
    if (this.#access === undefined) return this.#local({ policy, cost, maxWaitMs });
    return this.#access.reserve(this.#key, { spacingMs, burst, cost, maxWaitMs }).catch((error: unknown) => {
      const mode = this.#access?.modes.throttle;
      if (!failsOpen || mode === "closed") throw error;
      return mode === "open" ? { granted: true, waitMs: 0 } : this.#local({ policy, cost, maxWaitMs });
    });
  }

  #local(command: CursorAlgorithmCommand): CursorReply {
    this.#cells ??= new Float64Array(row.width);
    const reply = row.reply();
    row.apply(this.#cells, 0, command, this.#now(), reply);
    return reply;
  }
}

/** The own limiter refuses; nothing was sent. */
export function throttled(waitMs: number | undefined, message: string): StitchError {
  return new StitchError("THROTTLED", `the throttle refused the call: ${message}`, { sent: false, retryable: true, retryAfterMs: waitMs === undefined ? undefined : Math.ceil(waitMs) });
}
