/** The way to an OpenTelemetry collector: OTLP over HTTP with JSON, in batches, with the retries the protocol asks for. */

import { checkFunction, checkInteger, checkPositive, checkString } from "./check.ts";
import { sleep, systemClock, type Clock, type TimerHandle } from "./clock.ts";
import { OptionError } from "./errors.ts";

export interface OtlpOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Deadline of one request, and of a flush as a whole. @default 10000 */
  readonly timeoutMs?: number;
  /** Items of one request. @default 512 */
  readonly maxBatch?: number;
  /** Longest wait of an item for others. @default 5000 */
  readonly delayMs?: number;
  /** Items that wait; further ones are dropped and counted. @default 2048 */
  readonly maxQueue?: number;
  readonly clock?: Clock;
  /** Sends a request. @default the platform's `fetch` */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/** Answers after which the same batch may pass (OTLP 1.x, "Retryable Response Codes"). */
const RETRYABLE: ReadonlySet<number> = /* @__PURE__ */ new Set([429, 502, 503, 504]);
const ATTEMPTS = 4;
const BASE_DELAY_MS = 500;

/** Items that leave together, batch by batch. */
interface Round<T> {
  readonly items: T[];
  /** Resolves when all of them have been sent or dropped. */
  readonly done: Promise<void>;
  end(): void;
  /** Aborts what is under way, and gives up the rest. */
  readonly cut: AbortController;
  /** Of the flush that waits for it. */
  deadline: TimerHandle;
}

/** What waits for a collector. Nothing here rejects: telemetry that is lost is counted. */
export class OtlpQueue<T> {
  private readonly url: string;
  private readonly payload: (items: readonly T[]) => unknown;
  private readonly options: Required<OtlpOptions>;
  private waiting: Round<T> | undefined;
  private leaving: Round<T> | undefined;
  private timer: TimerHandle;
  /** Items that are leaving, and were neither sent nor given up yet. */
  private underWay = 0;
  /** The last batch reached nobody, so the next ones are tried once: what waits is not held up by each. */
  private unreachable = false;
  private lost = 0;

  /** `payload` makes the document of one request. @throws OptionError */
  constructor(url: string, payload: (items: readonly T[]) => unknown, options: OtlpOptions) {
    this.url = url;
    this.payload = payload;
    this.options = {
      headers: options.headers ?? {},
      timeoutMs: checkPositive("timeoutMs", options.timeoutMs ?? 10_000),
      maxBatch: checkInteger("maxBatch", options.maxBatch ?? 512, 1),
      delayMs: checkPositive("delayMs", options.delayMs ?? 5000),
      maxQueue: checkInteger("maxQueue", options.maxQueue ?? 2048, 1),
      clock: options.clock ?? systemClock,
      fetch: options.fetch === undefined ? (to, init) => fetch(to, init) : checkFunction("fetch", options.fetch),
    };
  }

  /** Items that reached nobody: the queue was full, or the collector refused them. */
  get dropped(): number {
    return this.lost;
  }

  /** Queues items. Resolves once they have been sent or dropped. */
  add(items: readonly T[]): Promise<void> {
    const { maxQueue, maxBatch, delayMs, clock } = this.options;
    const room = Math.max(0, maxQueue - (this.waiting?.items.length ?? 0) - this.underWay);
    this.lost += Math.max(0, items.length - room);
    const taken = items.slice(0, room);
    if (this.waiting === undefined && taken.length === 0) return Promise.resolve();
    const round = (this.waiting ??= newRound<T>());
    round.items.push(...taken);
    if (round.items.length >= maxBatch) this.begin();
    else this.timer ??= clock.setTimeout(() => this.begin(), delayMs);
    return round.done;
  }

  /**
   * Sends what waits, now. It takes one `timeoutMs` at most, however much that is: what has not left by then is dropped. What comes
   * meanwhile leaves after it.
   */
  flush(): Promise<void> {
    this.begin();
    const last = this.waiting ?? this.leaving;
    if (last === undefined) return Promise.resolve();
    last.deadline ??= this.options.clock.setTimeout(() => {
      // It leaves after the other one, if it has not begun to.
      this.leaving?.cut.abort();
      last.cut.abort();
    }, this.options.timeoutMs);
    return last.done;
  }

  private begin(): void {
    if (this.leaving === undefined) void this.drain();
  }

  private async drain(): Promise<void> {
    const { maxBatch, clock } = this.options;
    while (this.waiting !== undefined) {
      const round = (this.leaving = this.waiting);
      this.waiting = undefined;
      clock.clearTimeout(this.timer);
      this.timer = undefined;
      const { items, cut } = round;
      this.underWay = items.length;
      for (let at = 0; at < items.length; at += maxBatch) {
        const batch = items.slice(at, at + maxBatch);
        try {
          await this.send(batch, cut.signal);
        } catch {
          // Something in it cannot be written, or its time is over.
          this.lost += batch.length;
        }
        this.underWay -= batch.length;
      }
      clock.clearTimeout(round.deadline);
      round.end();
    }
    this.leaving = undefined;
  }

  /** Sends a batch, or counts it as lost. @throws when it cannot be written, or `cut` aborts */
  private async send(items: readonly T[], cut: AbortSignal): Promise<void> {
    cut.throwIfAborted();
    const { timeoutMs, clock } = this.options;
    const body = JSON.stringify(this.payload(items));
    for (let attempt = 1; ; attempt++) {
      let waitMs: number | undefined = BASE_DELAY_MS * 2 ** (attempt - 1);
      const deadline = new AbortController();
      const abort = (): void => deadline.abort();
      const late = clock.setTimeout(abort, timeoutMs);
      cut.addEventListener("abort", abort);
      try {
        const response = await this.request(body, deadline.signal);
        response.body?.cancel().catch(() => {});
        this.unreachable = !response.ok && this.unreachable;
        if (response.ok) return;
        const after = Number(response.headers.get("retry-after") ?? Number.NaN);
        if (!RETRYABLE.has(response.status)) waitMs = undefined;
        else if (after >= 0) waitMs = Math.min(after * 1000, timeoutMs);
      } catch {
        // Not reached: the same as an answer that asks to try again.
      } finally {
        clock.clearTimeout(late);
        cut.removeEventListener("abort", abort);
      }
      if (waitMs === undefined || attempt === ATTEMPTS || this.unreachable) {
        this.unreachable = waitMs !== undefined;
        this.lost += items.length;
        return;
      }
      await sleep(waitMs, clock, cut);
    }
  }

  /** One request. Ends with `signal`, also where the `fetch` of a user does not. */
  private request(body: string, signal: AbortSignal): Promise<Response> {
    const { headers } = this.options;
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      this.options.fetch(this.url, { method: "POST", headers: { ...headers, "content-type": "application/json" }, body, signal }).then(resolve, reject);
    });
  }
}

function newRound<T>(): Round<T> {
  let end!: () => void;
  const done = new Promise<void>((resolve) => (end = resolve));
  return { items: [], done, end, cut: new AbortController(), deadline: undefined };
}

/** A URL of a collector, or an error that names the option. @throws OptionError */
export function checkCollectorUrl(option: string, value: unknown, expected: string): string {
  if (typeof value !== "string" || !URL.canParse(value) || !/^https?:/i.test(value)) throw new OptionError(option, withoutCredentials(value), expected);
  return value;
}

/** What is refused as a URL, as an error may quote it: whatever stands before an `@` may be a password. */
function withoutCredentials(value: unknown): unknown {
  const text = value instanceof URL ? value.href : value;
  return typeof text === "string" ? text.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, "$1***@") : value;
}

export type OtlpAttribute = string | number | boolean;

/** Attributes as OTLP's list of typed values. */
export function otlpAttributes(attributes: Readonly<Record<string, OtlpAttribute>>): unknown[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === "string" ? { stringValue: value } : typeof value === "boolean" ? { boolValue: value } : Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value },
  }));
}

/** Nanoseconds since the epoch leave the safe integers: they are text. */
export function otlpNanos(ms: number): string {
  return String(BigInt(Math.round(ms * 1000)) * 1000n);
}

/** Who sends. @throws OptionError */
export function otlpResource(serviceName: string = "sluice", serviceVersion?: string): unknown {
  const version = serviceVersion === undefined ? undefined : { "service.version": checkString("serviceVersion", serviceVersion) };
  return { attributes: otlpAttributes({ "service.name": checkString("serviceName", serviceName), ...version }) };
}

/** A span, finished. */
export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string | undefined;
  readonly name: string;
  readonly kind: "INTERNAL" | "SERVER" | "CLIENT";
  /** Epoch ms. */
  readonly startTimeMs: number;
  readonly endTimeMs: number;
  readonly attributes: Readonly<Record<string, OtlpAttribute>>;
  readonly events?: readonly { readonly name: string; readonly timeMs: number; readonly attributes?: Readonly<Record<string, OtlpAttribute>> | undefined }[];
  readonly status: { readonly code: "UNSET" | "OK" | "ERROR"; readonly message?: string | undefined };
}

const KINDS = { INTERNAL: 1, SERVER: 2, CLIENT: 3 } as const;
const STATUS = { UNSET: 0, OK: 1, ERROR: 2 } as const;

/** The document of one request of spans. */
export function otlpTraces(resource: unknown, spans: readonly OtlpSpan[]): unknown {
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "sluice" }, spans: spans.map(otlpSpan) }] }] };
}

function otlpSpan(span: OtlpSpan): unknown {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentSpanId === undefined ? undefined : { parentSpanId: span.parentSpanId }),
    name: span.name,
    kind: KINDS[span.kind],
    startTimeUnixNano: otlpNanos(span.startTimeMs),
    endTimeUnixNano: otlpNanos(span.endTimeMs),
    attributes: otlpAttributes(span.attributes),
    events: (span.events ?? []).map((event) => ({ name: event.name, timeUnixNano: otlpNanos(event.timeMs), attributes: otlpAttributes(event.attributes ?? {}) })),
    status: { code: STATUS[span.status.code], ...(span.status.message === undefined ? undefined : { message: span.status.message }) },
  };
}
