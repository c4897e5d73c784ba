/** Events as lines for people. */

import { checkOneOf } from "../../core/check.ts";
import { SINK_LEVELS, type SinkLevel, withoutControls } from "../../core/console-line.ts";
import { checked } from "../errors.ts";
import type { StitchEvent, TraceSink } from "../events.ts";

/** How much an event matters. */
export function levelOf(event: StitchEvent): SinkLevel {
  switch (event.type) {
    case "error":
      return "error";
    case "drift":
      return event.finding.severity === "error" ? "error" : event.finding.severity === "warn" ? "warn" : "debug";
    case "progress":
      return event.phase === "retry" || event.phase === "circuit" || event.phase === "reconnect" ? "warn" : "debug";
    case "result":
    case "info":
      return "info";
    default:
      return "debug";
  }
}

/** What an event says, in plain words on one line. */
export function lineOf(event: StitchEvent): string {
  const { at: _, elapsedMs, name, traceId: __, spanId: ___, parentSpanId: ____, type, attempt, ...facts } = event;
  const said = Object.entries(facts).filter(([key, value]) => value !== undefined && key !== "data").map(([key, value]) => `${key}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`);
  return withoutControls(`${name} ${type} ${said.join(" ")} attempt=${attempt} ${Math.round(elapsedMs)}ms`.replace(/\s+/g, " "));
}

/** One line per event on stderr. @default level "info" */
export function consoleSink(options: { readonly level?: SinkLevel; readonly write?: (line: string) => void } = {}): TraceSink {
  const least = SINK_LEVELS.indexOf(checked("consoleSink", () => checkOneOf("level", options.level ?? "info", SINK_LEVELS)));
  const write = options.write ?? ((line: string) => console.error(line));
  return {
    handle(event, context) {
      const level = levelOf(event);
      if (SINK_LEVELS.indexOf(level) >= least) write(`${level.padEnd(5)} ${lineOf(event)}${context.url === "" ? "" : ` ${withoutControls(context.method)} ${withoutControls(context.url)}`}`);
    },
  };
}
