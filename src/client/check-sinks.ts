/** Where events go, as declared. */

import { configError } from "./errors.ts";
import type { TraceSink } from "./events.ts";

/** @throws StitchError `CONFIG_INVALID` */
export function checkSinks(trace: unknown): readonly TraceSink[] {
  if (trace === undefined || trace === false) return [];
  const sinks = Array.isArray(trace) ? (trace as unknown[]) : [trace];
  for (const sink of sinks) if (typeof (sink as TraceSink | null)?.handle !== "function") throw configError("trace", sink, "a sink with handle(event, context), a list of them, or false");
  return sinks as TraceSink[];
}
