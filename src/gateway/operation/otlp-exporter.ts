/** Sends spans to an OpenTelemetry collector, in batches: OTLP over HTTP with JSON. */

import { OtlpQueue, checkCollectorUrl, otlpResource, otlpTraces, type OtlpOptions } from "../../core/otlp.ts";
import type { ReadableSpan, SpanExporter } from "./spans.ts";

export interface OTLPSpanExporterOptions extends OtlpOptions {
  /** URL of the traces endpoint, such as `http://127.0.0.1:4318/v1/traces`. */
  readonly endpoint: string;
  /** @default "sluice" */
  readonly serviceName?: string;
  readonly serviceVersion?: string;
}

export class OTLPSpanExporter implements SpanExporter {
  private readonly queue: OtlpQueue<ReadableSpan>;

  constructor(options: OTLPSpanExporterOptions) {
    const endpoint = checkCollectorUrl("endpoint", options?.endpoint, "the URL of a traces endpoint");
    const resource = otlpResource(options.serviceName, options.serviceVersion);
    this.queue = new OtlpQueue(endpoint, (spans) => otlpTraces(resource, spans), options);
  }

  /** Spans that reached nobody: the queue was full, or the collector refused them. */
  get dropped(): number {
    return this.queue.dropped;
  }

  /** Queues the spans. Resolves once they have been sent or dropped, so that a platform can be kept awake; never rejects. */
  export(spans: readonly ReadableSpan[]): Promise<void> {
    return this.queue.add(spans);
  }

  /** Sends what waits, now. */
  flush(): Promise<void> {
    return this.queue.flush();
  }

  shutdown(): Promise<void> {
    return this.queue.flush();
  }
}
