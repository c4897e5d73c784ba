/** Events as lines for people. */

import { SINK_LEVELS, type SinkLevel, withoutControls } from "../core/console-line.ts";
import type { EventSink } from "../core/events.ts";
import { checkFunction, checkKeys, checkOneOf } from "./check.ts";
import type { SocketEvent } from "./events.ts";

export interface ConsoleSinkOptions {
  /** What matters less is left out. @default "info" */
  readonly level?: SinkLevel;
  /** @default `console.log`, and `console.error` for warnings and errors */
  readonly write?: (line: string, level: SinkLevel) => void;
}

function levelOf(event: SocketEvent): SinkLevel {
  switch (event.type) {
    case "error": return "error";
    case "connection.refused": case "message.invalid": case "message.unhandled": case "topic.drop": case "limit": case "violation": case "pubsub.gap": return "warn";
    case "connection.open": case "connection.close": case "rpc.end": return "info";
    default: return "debug";
  }
}

/** A line per event, such as `rpc.end messageType=ADD code=OK durationMs=2`. @throws OptionError */
export function consoleSink(options: ConsoleSinkOptions = {}): EventSink<SocketEvent> {
  checkKeys("consoleSink", options, ["level", "write"]);
  const least = SINK_LEVELS.indexOf(checkOneOf("consoleSink.level", options.level ?? "info", SINK_LEVELS));
  const write = options.write === undefined ? toConsole : checkFunction("consoleSink.write", options.write);
  return (event) => {
    const level = levelOf(event);
    if (SINK_LEVELS.indexOf(level) < least) return;
    const { type, at: _, ...facts } = event as SocketEvent & Record<string, unknown>;
    const said = Object.entries(facts).filter(([, value]) => value !== undefined).map(([key, value]) => `${key}=${plain(typeof value === "number" ? String(Math.round(value * 100) / 100) : String(value))}`);
    write([type, ...said].join(" "), level);
  };
}

/** Names come from clients: nothing in them may move a terminal's cursor or begin a line. */
function plain(text: string): string {
  const safe = withoutControls(text);
  return /\s/.test(safe) ? JSON.stringify(safe) : safe;
}

function toConsole(line: string, level: SinkLevel): void {
  if (level === "warn" || level === "error") console.error(line);
  else console.log(line);
}
