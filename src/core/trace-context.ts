/** W3C Trace Context: the part of it every request needs. */

export interface TraceIds {
  readonly traceId: string;
  /** Id of this part of the trace; sent on as the parent id. */
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  /** `trace-flags`; `01` is sampled. */
  readonly flags: number;
}

const PATTERN = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZERO_TRACE = "0".repeat(32);
const ZERO_SPAN = "0".repeat(16);

/** Ids from a `traceparent` field, or fresh ones when there is none or it is malformed (W3C Trace Context 3.2 and 4.3). */
export function traceIds(traceparent: string | null | undefined): TraceIds {
  const match = typeof traceparent === "string" ? PATTERN.exec(traceparent.trim()) : null;
  if (match !== null) {
    const [, version, traceId, parent, flags, rest] = match as unknown as [string, string, string, string, string, string | undefined];
    // Version ff is forbidden; version 00 ends after the flags; later ones may go on.
    if (version !== "ff" && traceId !== ZERO_TRACE && parent !== ZERO_SPAN && (version !== "00" || rest === undefined)) {
      return { traceId, spanId: randomHex(8), parentSpanId: parent, flags: Number.parseInt(flags, 16) };
    }
  }
  return { traceId: randomHex(16), spanId: randomHex(8), parentSpanId: undefined, flags: 0 };
}

export function formatTraceparent(ids: TraceIds, spanId: string = ids.spanId): string {
  return `00-${ids.traceId}-${spanId}-${(ids.flags & 0xff).toString(16).padStart(2, "0")}`;
}

/** A fresh id of a span. */
export function newSpanId(): string {
  return randomHex(8);
}

const HEX: readonly string[] = /* @__PURE__ */ Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Entropy is fetched for many ids at once: one call of the generator costs more than the ids. */
const POOL_BYTES = 1024;
let pool: Uint8Array<ArrayBuffer> | undefined;
let used = POOL_BYTES;

/** Random lower-case hex digits, two per byte, never all zero. */
export function randomHex(bytes: number): string {
  if (used + bytes > POOL_BYTES) {
    pool = crypto.getRandomValues(pool ?? new Uint8Array(POOL_BYTES));
    used = 0;
  }
  let text = "";
  let any = 0;
  for (let i = 0; i < bytes; i++) {
    const byte = (pool as Uint8Array)[used++] as number;
    any |= byte;
    text += HEX[byte] as string;
  }
  // An id of zeros is invalid by definition.
  return any === 0 ? randomHex(bytes) : text;
}
