/** The throttle of a stitch or a seam: a pace and places per key, and what servers say about both. */

import type { Clock } from "../../core/clock.ts";
import { steadyNow } from "../../core/clock.ts";
import { joinKey } from "../../core/keys.ts";
import { chain, type MaybePromise } from "../../core/maybe-promise.ts";
import type { Random } from "../../core/random.ts";
import type { CursorPolicy } from "../../state/algorithms/cursor.ts";
import { compilePace } from "../../state/pace.ts";
import type { CallInput } from "../config.ts";
import { configError } from "../errors.ts";
import type { ThrottleRules } from "../limit-options.ts";
import type { Scope } from "../scope.ts";
import type { StoreAccess } from "../store-access.ts";
import { feedbackPauseMs, type FeedbackResponse } from "./feedback.ts";
import { Lanes, type Place } from "./lanes.ts";
import { PaceLine, type Turn } from "./pace-line.ts";

/** Keys of one throttle remembered in this process; idle ones go first. */
const MAX_KEYS = 10_000;

/** The pace of a throttle without a rate: it stands in nobody's way, and can be paused. */
const FREE = { spacingMs: 0.001, burst: 1_000_000 } as const;

const NO_PLACE: Place = Object.freeze({ release: () => undefined });

export class Throttle {
  readonly rules: ThrottleRules;
  readonly #name: string;
  readonly #access: StoreAccess | undefined;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #now: () => number;
  readonly #pace: { readonly spacingMs: number; readonly burst: number; readonly policy: CursorPolicy };
  readonly #paceAccess: StoreAccess | undefined;
  readonly #lines = new Map<string, PaceLine>();
  readonly #lanes = new Map<string, Lanes>();

  /** `access` only where the fleet shares the store. */
  constructor(name: string, rules: ThrottleRules, access: StoreAccess | undefined, clock: Clock, random: Random) {
    this.#name = name;
    this.rules = rules;
    this.#access = access;
    this.#clock = clock;
    this.#random = random;
    this.#now = steadyNow(clock);
    const pace = rules.spacingMs === undefined ? FREE : { spacingMs: rules.spacingMs, burst: rules.burst };
    this.#pace = { ...pace, policy: compilePace(pace).policy };
    // Without a rate the store is asked for pauses alone: where nobody can make one, there is nothing to ask for.
    this.#paceAccess = rules.spacingMs === undefined && (rules.feedback === undefined || access?.paces !== true) ? undefined : access;
  }

  /** The partition of a call: the same key is one budget. */
  keyOf(input: CallInput, host: string): string {
    const { pool, key } = this.rules;
    const part = key?.(input);
    if (part !== undefined && typeof part !== "string") throw configError("throttle.key", part, "a function that gives a text");
    const base = pool === "host" ? joinKey("host", host) : joinKey("name", this.#name);
    return part === undefined ? base : `${base}:${joinKey("key", part)}`;
  }

  costOf(input: CallInput): number {
    const cost = input.cost ?? this.rules.cost?.(input) ?? 1;
    if (typeof cost !== "number" || !Number.isFinite(cost) || cost <= 0) throw configError("cost", cost, "a finite number above 0");
    return cost;
  }

  /** Waits for a turn of the pace. */
  turn(key: string, cost: number, scope: Scope, onWait: (waitMs: number) => void): MaybePromise<Turn> {
    return this.#line(key).take(cost, scope, onWait);
  }

  /** A turn only if one is free now, for hedges. */
  tryTurn(key: string, cost: number): MaybePromise<boolean> {
    return this.#line(key).tryTake(cost);
  }

  /** Waits for a place on the wire. */
  place(key: string, scope: Scope, onWait: () => void): MaybePromise<Place> {
    const { concurrency, leaseMs, maxQueue, maxWaitMs, mode } = this.rules;
    if (concurrency === undefined) return NO_PLACE;
    let lanes = this.#lanes.get(key);
    if (lanes === undefined) {
      trim(this.#lanes);
      this.#lanes.set(key, (lanes = new Lanes(`lease:${key}`, { limit: concurrency, leaseMs, maxQueue, maxWaitMs, wait: mode === "wait" }, this.#access, this.#clock)));
    }
    return chain(lanes.take(scope, onWait), (place) => place);
  }

  /** What an answer says: pauses the key when it asks for it. Gives the pause, 0 for none. */
  heard(key: string, response: FeedbackResponse): number {
    const { feedback } = this.rules;
    if (feedback === undefined) return 0;
    const asked = feedbackPauseMs(response, feedback, this.#clock.now());
    if (asked <= 0) return 0;
    // A tenth more by chance: those who were told the same do not come back together.
    const pauseMs = Math.min(feedback.maxPauseMs, asked) * (1 + this.#random.next() / 10);
    this.#line(key).pause(pauseMs);
    return pauseMs;
  }

  #line(key: string): PaceLine {
    let line = this.#lines.get(key);
    if (line === undefined) {
      trim(this.#lines);
      const { maxQueue, maxWaitMs, mode } = this.rules;
      this.#lines.set(key, (line = new PaceLine(`throttle:${key}`, { ...this.#pace, maxQueue, maxWaitMs, wait: mode === "wait" }, this.#paceAccess, this.#clock, this.#now)));
    }
    return line;
  }
}

/** Drops idle keys, least recently used first, when there are too many. */
function trim(map: Map<string, { readonly idle: boolean; readonly usedAt: number }>): void {
  if (map.size < MAX_KEYS) return;
  const idle = [...map].filter(([, entry]) => entry.idle).sort(([, a], [, b]) => a.usedAt - b.usedAt);
  for (const [key] of idle.slice(0, Math.ceil(MAX_KEYS / 10))) map.delete(key);
}
