/** Live frames of topics whose past is on its way to a connection: they wait behind it, and what is in both is sent once. */

import { type LogSlice, type Offset, parseOffset } from "../../state/pubsub/topic-log.ts";
import type { Frame } from "../frame.ts";

interface Live {
  readonly frame: Frame;
  readonly offset: string | undefined;
}

export class ReplayGate {
  /** Topics that are being resumed, and what came live meanwhile. */
  readonly #held = new Map<string, Live[]>();
  /** What the past had already, of topics whose live frames are behind it. */
  readonly #floors = new Map<string, Offset>();

  /** Nothing is waited for any more. */
  get idle(): boolean {
    return this.#held.size === 0 && this.#floors.size === 0;
  }

  hold(topic: string): void {
    this.#held.set(topic, []);
  }

  /** True when the frame is kept back, or was sent with the past. */
  takes(topic: string, frame: Frame, offset: string | undefined): boolean {
    const held = this.#held.get(topic);
    if (held !== undefined) {
      held.push({ frame, offset });
      return true;
    }
    const floor = this.#floors.get(topic);
    if (floor === undefined) return false;
    if (isBehind(offset, floor)) return true;
    this.#floors.delete(topic);
    return false;
  }

  /** The past has been sent: gives what came live and was not in it. */
  release(topic: string, slice?: LogSlice): Frame[] {
    const held = this.#held.get(topic) ?? [];
    this.#held.delete(topic);
    const floor = parseOffset(slice?.last);
    if (floor === undefined) return held.map(({ frame }) => frame);
    const fresh = held.filter(({ offset }) => !isBehind(offset, floor));
    // Another process may be ahead of what is delivered here: what it put into the past comes by once more.
    if (fresh.length === 0) this.#floors.set(topic, floor);
    return fresh.map(({ frame }) => frame);
  }

  /** Topics that still wait. */
  topics(): string[] {
    return [...this.#held.keys()];
  }
}

function isBehind(offset: string | undefined, floor: Offset): boolean {
  const parsed = parseOffset(offset);
  return parsed !== undefined && parsed.epoch === floor.epoch && parsed.n <= floor.n;
}
