/** Lets a policy say in a trace what it has decided. */

import type { Context } from "hono";
import { getGatewayContext } from "../context.ts";
import { noopTraceReporter, type TraceNotes, type TraceReporter } from "../operation/trace-report.ts";

/** The reporter of one policy for this request. */
export function policyTrace(c: Context, policyName: string): TraceReporter {
  const notes = notesOf(c);
  return notes === undefined ? noopTraceReporter : (action, data) => notes.note(policyName, action, data);
}

/** Whether the client asked for a trace and may have it. */
export function isTraceRequested(c: Context): boolean {
  return notesOf(c) !== undefined;
}

function notesOf(c: Context): TraceNotes | undefined {
  return (getGatewayContext(c) as { readonly traceNotes?: TraceNotes } | undefined)?.traceNotes;
}
