/** Which targets of an upstream get traffic: passive ejection and the verdicts of active checks. */

import type { Clock } from "../../core/clock.ts";
import type { EjectionOptions } from "./types.ts";

export type EjectionSettings = Required<EjectionOptions>;

/** What a target's state became, for events. */
export type TargetChange = "ejected" | "returned" | "unhealthy" | "healthy";

/** One target's record. Times come from the monotonic clock. */
export class TargetHealth {
  private failures = 0;
  /** Ejections in a row: what the next one's length is made of. */
  private ejections = 0;
  private out = false;
  private outUntil = 0;
  private quietUntil = 0;
  private verdict = true;
  private streak = 0;
  private readonly clock: Clock;
  private readonly settings: EjectionSettings | undefined;
  private readonly changed: (change: TargetChange) => void;

  constructor(clock: Clock, settings: EjectionSettings | undefined, changed: (change: TargetChange) => void) {
    this.clock = clock;
    this.settings = settings;
    this.changed = changed;
  }

  /** The verdict of active checks; a target without one is healthy. */
  get healthy(): boolean {
    return this.verdict;
  }

  forgetVerdict(): void {
    this.verdict = true;
    this.streak = 0;
  }

  get ejected(): boolean {
    if (this.out && this.clock.monotonic() >= this.outUntil) {
      this.out = false;
      this.failures = 0;
      this.changed("returned");
    }
    return this.out;
  }

  /** Milliseconds until it returns; 0 when it is not out. */
  get returnsInMs(): number {
    return this.ejected ? Math.max(0, this.outUntil - this.clock.monotonic()) : 0;
  }

  succeeded(): void {
    this.failures = 0;
    // As long in service again as it was last out: forgiven.
    if (this.ejections > 0 && !this.out && this.clock.monotonic() >= this.quietUntil) this.ejections = 0;
  }

  failed(): void {
    const { settings } = this;
    if (settings === undefined || ++this.failures < settings.consecutiveFailures || this.ejected) return;
    const lengthMs = Math.min(settings.maxMs, settings.baseMs * 2 ** Math.min(this.ejections, 30));
    this.ejections++;
    this.failures = 0;
    this.out = true;
    this.outUntil = this.clock.monotonic() + lengthMs;
    this.quietUntil = this.outUntil + lengthMs;
    this.changed("ejected");
  }

  /** The outcome of one active check; `needed` of the same kind in a row change the verdict. */
  checked(good: boolean, needed: { readonly healthy: number; readonly unhealthy: number }): void {
    if (good === this.verdict) {
      this.streak = 0;
      return;
    }
    if (++this.streak < (good ? needed.healthy : needed.unhealthy)) return;
    this.verdict = good;
    this.streak = 0;
    this.changed(good ? "healthy" : "unhealthy");
  }
}
