/** Something that ends by its time. */

/** The slot of an entry that is not armed. */
export const IDLE = -1;

/** Something with a deadline. Extend it: the links are inside, so arming allocates nothing. */
export abstract class Deadline {
  /** On the monotonic clock; 0 while not armed. */
  dueAt = 0;
  /** @internal */ slot: number = IDLE;
  /** @internal */ before: Deadline | undefined = undefined;
  /** @internal */ after: Deadline | undefined = undefined;

  /** Called once when the time has come; the deadline is disarmed by then. Must not throw. */
  abstract expire(): void;
}

/** The deadlines of one clock. */
export interface Deadlines {
  /** Arms `entry` to expire `afterMs` from now. An infinite time arms nothing. */
  arm(entry: Deadline, afterMs: number, now?: number): void;
  /** Takes `entry` out; nothing happens when it is not armed. */
  disarm(entry: Deadline): void;
}
