/** What a call tells while it runs. */

import type { StitchErrorCode } from "./errors.ts";

/** What every event carries. */
export interface EventBase {
  /** Epoch ms on the stitch's clock. */
  readonly at: number;
  /** Milliseconds since the call began. */
  readonly elapsedMs: number;
  /** Name of the stitch. */
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  /** The try it belongs to, from 1; 0 before the first. */
  readonly attempt: number;
}

export type ProgressPhase = "cache" | "throttled" | "auth" | "request" | "response" | "retry" | "hedge" | "reconnect" | "paginate" | "circuit";

/** A difference between what came and what was declared. `path` names where, never what. */
export interface Finding {
  readonly kind: "undeclared" | "coerced" | "defaulted" | "missing" | "invalid" | "flag";
  readonly severity: "verbose" | "info" | "warn" | "error";
  readonly path: string;
  /** The first concrete path, where `path` stands for several. */
  readonly sample?: string;
}

export type ResultSource = "live" | "cache" | "stale" | "revalidated" | "shared";

/** The facts of an event, without what all have. */
export type EventFacts =
  | { readonly type: "start"; readonly method: string; readonly url: string }
  | {
      readonly type: "progress"; readonly phase: ProgressPhase; readonly waitedMs?: number; readonly delayMs?: number; readonly status?: number; readonly detail?: string;
      readonly direction?: "upload" | "download"; readonly loadedBytes?: number; readonly totalBytes?: number;
    }
  | { readonly type: "info"; readonly topic: string; readonly detail: string }
  | { readonly type: "drift"; readonly finding: Finding }
  | { readonly type: "delta"; readonly data: unknown; readonly id?: string; readonly event?: string }
  | { readonly type: "result"; readonly data: unknown; readonly status: number; readonly source: ResultSource }
  | { readonly type: "error"; readonly code: StitchErrorCode; readonly status?: number; readonly retryAfterMs?: number }
  | { readonly type: "done"; readonly ok: boolean; readonly attempts: number };

/** One event of a call. Order: `start`, then anything, then `result` or `error`, then `done`. */
export type StitchEvent = EventBase & EventFacts;

/** What a sink is told beside the event. */
export interface SinkContext {
  readonly method: string;
  /** Template of the URL: few values, so fit for labels. */
  readonly template: string;
  /** The whole URL, secrets masked. */
  readonly url: string;
  readonly principal: boolean;
  /** Only for a sink with `payloads: true`, and never of a `sensitive` stitch: bodies after redaction, cut. */
  readonly requestBody?: string;
  readonly responseBody?: string;
  /** The failure behind an `error` event. */
  readonly error?: unknown;
}

/** Receives events. What it throws, rejects with or takes its time over changes no call. */
export interface TraceSink {
  handle(event: StitchEvent, context: SinkContext): void | Promise<void>;
  flush?(): void | Promise<void>;
  close?(): void | Promise<void>;
  /** Bodies are passed, redacted and cut to `maxBodyBytes`. @default false */
  readonly payloads?: boolean;
  /** @default 2048 */
  readonly maxBodyBytes?: number;
}
