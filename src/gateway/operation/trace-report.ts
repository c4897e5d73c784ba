/** The trace a client may ask for with the answer: what each policy did, and how long it took. */

/** Notes what a policy has decided; free when nobody asked for a trace. */
export type TraceReporter = (action: string, data?: Readonly<Record<string, unknown>>) => void;

export const noopTraceReporter: TraceReporter = () => {};

export interface PolicyTraceDetail {
  readonly action: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

export interface PolicyTraceEntry {
  readonly name: string;
  readonly priority: number;
  /** Time in this policy and everything inside it, in ms. */
  readonly durationMs: number;
  readonly calledNext: boolean;
  readonly error: string | null;
  readonly detail?: PolicyTraceDetail;
}

/** The value of `x-sluice-trace`. */
export interface PolicyTrace {
  readonly requestId: string;
  readonly traceId: string;
  readonly route: string;
  readonly totalMs: number;
  readonly entries: readonly PolicyTraceEntry[];
  /** Entries left out, so that the field stays within 8 KiB. */
  readonly cut?: number;
}

/** What one request collects; made only when its trace was asked for. */
export class TraceNotes {
  readonly entries: PolicyTraceEntry[] = [];
  private readonly details = new Map<string, PolicyTraceDetail>();

  note(policy: string, action: string, data: Readonly<Record<string, unknown>> | undefined): void {
    this.details.set(policy, data === undefined ? { action } : { action, data });
  }

  add(entry: Omit<PolicyTraceEntry, "detail">): void {
    const detail = this.details.get(entry.name);
    this.entries.push(detail === undefined ? entry : { ...entry, detail });
  }
}

/** Longest value of the field, in bytes; proxies refuse longer header sections. */
export const MAX_TRACE_BYTES = 8192;

/** The field's text: ASCII, and short enough; entries that do not fit are counted. */
export function formatTrace(trace: PolicyTrace): string {
  const whole = ascii(trace);
  if (whole.length <= MAX_TRACE_BYTES) return whole;
  let low = 0;
  let high = trace.entries.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (ascii(shortened(trace, middle)).length <= MAX_TRACE_BYTES) low = middle;
    else high = middle - 1;
  }
  return ascii(shortened(trace, low));
}

function shortened(trace: PolicyTrace, count: number): PolicyTrace {
  return { ...trace, entries: trace.entries.slice(0, count), cut: trace.entries.length - count };
}

function ascii(trace: PolicyTrace): string {
  let text: string;
  try {
    text = JSON.stringify(trace);
  } catch {
    // Details of users may have no JSON form (a cycle, a bigint).
    text = JSON.stringify({ ...trace, entries: trace.entries.map(({ detail: _, ...entry }) => entry) });
  }
  return text.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
