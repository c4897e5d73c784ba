/** Events for a logger of the application, and several sinks as one. */

import type { SinkLevel } from "../../core/console-line.ts";
import { configError } from "../errors.ts";
import type { StitchEvent, TraceSink } from "../events.ts";
import { levelOf, lineOf } from "./console.ts";

/** Shaped like pino: facts, then a message. */
export interface LoggerLike {
  debug(facts: object, message?: string): void;
  info(facts: object, message?: string): void;
  warn(facts: object, message?: string): void;
  error(facts: object, message?: string): void;
}

export interface LoggerSinkOptions {
  /** Level per type of event; `false` leaves a type out. */
  readonly levels?: Readonly<Partial<Record<StitchEvent["type"], SinkLevel | false>>>;
}

export function loggerSink(logger: LoggerLike, options: LoggerSinkOptions = {}): TraceSink {
  for (const level of ["debug", "info", "warn", "error"] as const) if (typeof logger?.[level] !== "function") throw configError("logger", logger, "an object with debug, info, warn and error");
  return {
    handle(event, { method, url }) {
      const level = options.levels?.[event.type] ?? levelOf(event);
      if (level === false) return;
      const { data: _, ...facts } = event as StitchEvent & { data?: unknown };
      logger[level]({ ...facts, method, url }, lineOf(event));
    },
  };
}

/** Several sinks as one: a failing one does not keep the others from an event. */
export function multiplex(...sinks: readonly TraceSink[]): TraceSink {
  for (const sink of sinks) if (typeof sink?.handle !== "function") throw configError("multiplex", sink, "given sinks with handle(event, context)");
  const each = async (run: (sink: TraceSink) => unknown): Promise<void> => {
    await Promise.allSettled(sinks.map(async (sink) => run(sink)));
  };
  return {
    handle: (event, context) => each((sink) => sink.handle(event, sink.payloads === true ? context : { ...context, requestBody: undefined, responseBody: undefined })),
    flush: () => each((sink) => sink.flush?.()),
    close: () => each((sink) => sink.close?.()),
    payloads: sinks.some((sink) => sink.payloads === true),
    maxBodyBytes: Math.max(0, ...sinks.map((sink) => sink.maxBodyBytes ?? 2048)),
  };
}
