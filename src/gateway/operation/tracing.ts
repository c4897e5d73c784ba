/** The spans of one request: SERVER for the whole, INTERNAL per policy, CLIENT per upstream attempt. */

import type { RequestState } from "../context.ts";
import { configError } from "../errors.ts";
import { known } from "../validate.ts";
import { SemConv, SpanBuilder, type ReadableSpan, type SpanExporter } from "./spans.ts";

export interface TracingConfig {
  readonly exporter: SpanExporter;
  /** Attribute `service.name` of the server span. @default the gateway's name */
  readonly serviceName?: string;
  readonly serviceVersion?: string;
  /** Share of the traces begun here that are exported, from 0 to 1; a trace begun by the caller follows its flag. @default 1 */
  readonly sampleRate?: number;
}

/** Throws a `config_error`. */
export function checkTracing(tracing: TracingConfig | undefined): void {
  if (tracing === undefined) return;
  if (typeof tracing !== "object" || tracing === null) throw configError(`option "tracing"`, tracing, "an object with an exporter");
  known(`option of "tracing"`, tracing, ["exporter", "serviceName", "serviceVersion", "sampleRate"]);
  if (typeof tracing.exporter?.export !== "function") throw configError(`option "tracing.exporter"`, tracing.exporter, "an exporter with a method export");
  const { sampleRate = 1 } = tracing;
  if (typeof sampleRate !== "number" || !(sampleRate >= 0 && sampleRate <= 1)) throw configError(`option "tracing.sampleRate"`, sampleRate, "a number from 0 to 1");
}

const KNOWN_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "CONNECT", "TRACE"]);
/** Spans of one request: retries and policies are few, a loop in a user's policy is not. */
const MAX_SPANS = 256;

/** Decides about sampling, and begins the server span of a sampled request. */
export function beginTrace(state: RequestState, tracing: TracingConfig): RequestSpans | undefined {
  const { trace } = state;
  const sampled = trace.parentSpanId === undefined ? state.snapshot.random.next() < (tracing.sampleRate ?? 1) : (trace.flags & 1) === 1;
  state.sampled(sampled);
  return sampled ? new RequestSpans(state, tracing) : undefined;
}

export class RequestSpans {
  private readonly state: RequestState;
  private readonly tracing: TracingConfig;
  private readonly done: ReadableSpan[] = [];
  private readonly root: SpanBuilder;
  private attempts = 0;

  constructor(state: RequestState, tracing: TracingConfig) {
    this.state = state;
    this.tracing = tracing;
    const { traceId, spanId, parentSpanId } = state.trace;
    const { method } = state.c.req;
    const shown = KNOWN_METHODS.has(method) ? method : "_OTHER";
    const root = new SpanBuilder(state.route === undefined ? shown : `${shown} ${state.routePath}`, "SERVER", traceId, spanId, parentSpanId, state.startTime);
    root.setAttribute(SemConv.HTTP_METHOD, shown).setAttribute(SemConv.URL_PATH, state.path).setAttribute(SemConv.URL_SCHEME, state.publicOrigin.startsWith("https:") ? "https" : "http");
    if (shown === "_OTHER") root.setAttribute(SemConv.HTTP_METHOD_ORIGINAL, method.slice(0, 32));
    if (state.route !== undefined) root.setAttribute(SemConv.HTTP_ROUTE, state.routePath);
    root.setAttribute(SemConv.CLIENT_ADDRESS, state.clientIp).setAttribute(SemConv.SERVER_ADDRESS, hostOf(state.publicOrigin)).setAttribute("gateway.name", state.gatewayName);
    const agent = state.original.headers.get("user-agent");
    if (agent !== null) root.setAttribute(SemConv.USER_AGENT, agent.slice(0, 256));
    root.setAttribute("service.name", tracing.serviceName ?? state.gatewayName);
    if (tracing.serviceVersion !== undefined) root.setAttribute("service.version", tracing.serviceVersion);
    this.root = root;
  }

  policy(name: string): SpanBuilder {
    return this.child(`policy ${name}`, "INTERNAL").setAttribute("gateway.policy", name);
  }

  attempt(): SpanBuilder {
    const { method } = this.state.c.req;
    const span = this.child(KNOWN_METHODS.has(method) ? method : "_OTHER", "CLIENT").setAttribute(SemConv.HTTP_METHOD, KNOWN_METHODS.has(method) ? method : "_OTHER");
    if (this.attempts++ > 0) span.setAttribute(SemConv.HTTP_RESEND_COUNT, this.attempts - 1);
    return span;
  }

  endAttempt(span: SpanBuilder, target: string | undefined, status: number | undefined, error: string | undefined): void {
    if (target !== undefined && URL.canParse(target)) {
      const { hostname, port, protocol, origin } = new URL(target);
      span.setAttribute(SemConv.SERVER_ADDRESS, hostname).setAttribute(SemConv.SERVER_PORT, Number(port === "" ? (protocol === "https:" ? 443 : 80) : port));
      // Without the query, which may hold secrets.
      span.setAttribute(SemConv.URL_FULL, origin + this.state.path);
    }
    if (status !== undefined) span.setAttribute(SemConv.HTTP_STATUS_CODE, status);
    const failed = error ?? (status !== undefined && status >= 400 ? String(status) : undefined);
    if (failed !== undefined) span.setAttribute(SemConv.ERROR_TYPE, failed).setStatus("ERROR");
    this.finish(span);
  }

  endPolicy(span: SpanBuilder, error: string | undefined): void {
    if (error !== undefined) span.setAttribute(SemConv.ERROR_TYPE, error).setStatus("ERROR");
    this.finish(span);
  }

  /** Ends the request's span and hands all of them to the exporter. */
  end(status: number, code: string | undefined, aborted: boolean): void {
    const { root, state } = this;
    root.setAttribute(SemConv.HTTP_STATUS_CODE, status);
    if (aborted) root.addEvent("client closed", undefined, this.now());
    if (status >= 500) root.setAttribute(SemConv.ERROR_TYPE, code ?? String(status)).setStatus("ERROR");
    this.done.push(root.end(this.now()));
    let sent: Promise<void>;
    try {
      sent = Promise.resolve(this.tracing.exporter.export(this.done));
    } catch (error) {
      sent = Promise.reject(error);
    }
    state.keepAwake(sent);
  }

  private now(): number {
    return this.state.snapshot.clock.now();
  }

  private child(name: string, kind: "INTERNAL" | "CLIENT"): SpanBuilder {
    return new SpanBuilder(name, kind, this.root.traceId, undefined, this.root.spanId, this.now());
  }

  private finish(span: SpanBuilder): void {
    const ended = span.end(this.now());
    if (this.done.length < MAX_SPANS) this.done.push(ended);
  }
}

function hostOf(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).hostname : "";
}
