/** Events for Sentry: where a failure came from, never what was sent. */

import { configError, isStitchError } from "../errors.ts";
import type { TraceSink } from "../events.ts";

/** What is used of a Sentry SDK. */
export interface SentryLike {
  addBreadcrumb(breadcrumb: { category: string; level: "debug" | "info" | "warning" | "error"; message: string; data?: Record<string, unknown> }): void;
  captureException(error: unknown, hint?: { tags?: Record<string, string>; fingerprint?: string[]; contexts?: Record<string, Record<string, unknown>> }): unknown;
}

export interface SentrySinkOptions {
  /** @default true */
  readonly captureErrors?: boolean;
  /** Findings of severity `error` are captured as well. @default false */
  readonly captureDrift?: boolean;
  /** Breadcrumbs for the beginning and end of calls. @default false */
  readonly lifecycle?: boolean;
}

export function sentrySink(sentry: SentryLike, options: SentrySinkOptions = {}): TraceSink {
  if (typeof sentry?.addBreadcrumb !== "function" || typeof sentry.captureException !== "function") throw configError("Sentry", sentry, "an object with addBreadcrumb and captureException");
  const { captureErrors = true, captureDrift = false, lifecycle = false } = options;
  return {
    handle(event, context) {
      const url = context.url.split("?")[0];
      const crumb = (level: "debug" | "info" | "warning" | "error", message: string, data: Record<string, unknown> = {}): void =>
        sentry.addBreadcrumb({ category: "sluice", level, message, data: { stitch: event.name, method: context.method, url, attempt: event.attempt, ...data } });
      if (event.type === "progress") {
        const { phase, delayMs, status } = event;
        if (phase === "retry" || phase === "circuit") crumb("warning", phase, { delayMs, status });
        else if (phase === "throttled" || phase === "paginate") crumb("debug", phase, { delayMs });
      } else if (event.type === "start" && lifecycle) crumb("info", "start");
      else if (event.type === "done" && lifecycle) crumb("info", "done", { ok: event.ok, attempts: event.attempts });
      else if (event.type === "drift" && captureDrift && event.finding.severity === "error") {
        sentry.captureException(new Error(`${event.name}: the answer has drifted at ${event.finding.path}`), { tags: { stitch: event.name, code: event.finding.kind }, fingerprint: [event.name, event.finding.kind, event.finding.path] });
      } else if (event.type === "error" && captureErrors) {
        const { error } = context;
        sentry.captureException(isStitchError(error) ? error : new Error(`${event.name}: ${event.code}`), {
          tags: { stitch: event.name, code: event.code, status: String(event.status ?? "none") },
          fingerprint: [event.name, event.code],
          contexts: { sluice: { method: context.method, url, attempts: event.attempt, elapsedMs: event.elapsedMs } },
        });
      }
    },
  };
}
