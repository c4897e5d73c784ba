/** How long each message takes, and how it ends. */

import type { Clock } from "../../core/clock.ts";
import { systemClock } from "../../core/clock.ts";
import { checkFunction, checkKeys } from "../check.ts";
import type { ConnectionData, Middleware } from "../types.ts";
import { around } from "./around.ts";

/** One message that was handled. */
export interface MessageMeasure {
  readonly type: string;
  readonly kind: "event" | "rpc" | "lifecycle";
  /** From here to the end of the handler, with fractions. */
  readonly durationMs: number;
  /** `OK`, the code of an error that was thrown, or `INTERNAL`. */
  readonly code: string;
}

export interface MetricsOptions {
  /** Told of each message. What it throws changes nothing. */
  readonly record: (measure: MessageMeasure) => void;
  /** @default the system's */
  readonly clock?: Pick<Clock, "monotonic">;
}

/** Measures what is inside of it: for some routes only, or with labels of your own. For everything there are sinks. */
export function metrics<Data = ConnectionData>(options: MetricsOptions): Middleware<Data> {
  checkKeys("metrics", options, ["record", "clock"]);
  const { record, clock = systemClock } = options;
  checkFunction("metrics.record", record);
  return ({ type, kind }, next) => {
    const began = clock.monotonic();
    const ended = (code: string): void => {
      try {
        record({ type, kind, durationMs: clock.monotonic() - began, code });
      } catch {
        // A measure observes; it changes no message.
      }
    };
    return around(next, () => ended("OK"), (error) => {
      const code = (error as { code?: unknown } | undefined)?.code;
      ended(typeof code === "string" ? code : "INTERNAL");
    });
  };
}
