/** `requestLog`: one entry per request, written when its body has ended. */

import type { Context } from "hono";
import { checkFunction, checkInteger } from "../../../core/check.ts";
import { OptionError } from "../../../core/errors.ts";
import { isPromise } from "../../../core/maybe-promise.ts";
import { requestState } from "../../context.ts";
import { definePolicy, type PolicyFactory, type PolicyTools } from "../../define-policy.ts";
import { policyError } from "../../errors.ts";
import { Priority } from "../../priority.ts";
import type { Next, PolicyContext, PolicyOptions } from "../../types.ts";
import { capture, type Capture } from "./request-log/capture.ts";
import { loggedBody, redactPath } from "./request-log/redact.ts";

/** What is known of a request when its answer has been sent. No query value, credential or cookie is in it. */
export interface RequestLogEntry {
  /** When the request came, ISO 8601. */
  readonly timestamp: string;
  readonly requestId: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** 499 when the client left before the answer was known. */
  readonly statusCode: number;
  /** Until the body had ended or broken off. */
  readonly durationMs: number;
  readonly clientIp: string;
  readonly userAgent: string;
  readonly gatewayName: string;
  readonly routePath: string;
  readonly upstream: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Bytes of the answer's body. */
  readonly bytes: number;
  /** The body did not reach its end. */
  readonly aborted: boolean;
  /** Parsed and redacted, or `{bytes}` where it is not shown. */
  readonly requestBody?: unknown;
  readonly responseBody?: unknown;
  /** What `extractFields` gave. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

export interface RequestLogConfig extends PolicyOptions {
  /** Further facts for the entry, under `extra`. Called when the answer is known. */
  readonly extractFields?: (c: Context) => Readonly<Record<string, unknown>> | undefined;
  /** Takes the entries. It is not waited for, and its failure changes nothing. @default JSON to the console */
  readonly sink?: (entry: RequestLogEntry) => unknown;
  /** Request fields that may hold the client's address, where `trustProxy` lets them count. */
  readonly ipHeaders?: readonly string[];
  /** Puts the request body into the entry, redacted. @default false */
  readonly logRequestBody?: boolean;
  /** The same for the response body. @default false */
  readonly logResponseBody?: boolean;
  /** A longer body is logged as its size, in bytes. @default 8192 */
  readonly maxBodyLength?: number;
  /** Dot paths into JSON and form bodies, such as `user.password` or `items.*.secret`; what lies there is not logged. */
  readonly redactPaths?: readonly string[];
}

interface LogState {
  readonly paths: readonly (readonly string[])[];
  readonly sink: (entry: RequestLogEntry) => unknown;
  /** Entries that the sink failed to take. */
  failures: number;
}

type Tools = PolicyTools<RequestLogConfig, LogState>;

/** Logs every request of the route. */
export const requestLog: PolicyFactory<RequestLogConfig> = /* @__PURE__ */ definePolicy<RequestLogConfig, LogState>({
  name: "request-log",
  httpOnly: true,
  priority: Priority.OBSERVABILITY,
  validate(config) {
    if (config.extractFields !== undefined) checkFunction("extractFields", config.extractFields);
    if (config.sink !== undefined) checkFunction("sink", config.sink);
    checkInteger("maxBodyLength", config.maxBodyLength ?? 8192, 0);
    checkNames("ipHeaders", config.ipHeaders);
    checkNames("redactPaths", config.redactPaths);
  },
  setup: (config) => ({ paths: (config.redactPaths ?? []).map(redactPath), sink: config.sink ?? toConsole, failures: 0 }),
  handler: (c, next, tools) => logged(c, next, tools),
});

function logged(c: Context, next: Next, tools: Tools): Promise<Response | void> {
  const { config, site, gateway } = tools;
  const startedAt = site.clock.monotonic();
  const limit = config.maxBodyLength ?? 8192;
  const request = config.logRequestBody === true ? captureRequest(c, limit) : undefined;
  const { method } = c.req;
  const requestHeaders = c.req.raw.headers;
  return next().then(() => {
    const { res } = c;
    const left = gateway.upstreamError !== undefined && c.req.raw.signal.aborted;
    const extra = extraOf(c, tools);
    const response = config.logResponseBody === true && res.body !== null ? capture(res.body, limit) : undefined;
    const facts = {
      timestamp: new Date(gateway.startTime).toISOString(),
      requestId: gateway.requestId,
      method,
      path: gateway.path,
      statusCode: left ? 499 : requestState(c).statusOf(res),
      clientIp: addressOf(gateway, config),
      userAgent: requestHeaders.get("user-agent") ?? "",
      gatewayName: gateway.gatewayName,
      routePath: gateway.routePath,
      upstream: gateway.upstream,
      traceId: gateway.traceId,
      spanId: gateway.spanId,
    };
    const responseHeaders = res.headers;
    gateway.onBodyEnd((end) => {
      const entry: RequestLogEntry = {
        ...facts,
        durationMs: Math.max(0, Math.round((site.clock.monotonic() - startedAt) * 1000) / 1000),
        bytes: end.bytes,
        aborted: end.aborted || left,
        ...(request === undefined ? undefined : { requestBody: shown(request, requestHeaders, tools.state) }),
        ...(response === undefined ? undefined : { responseBody: shown(response, responseHeaders, tools.state) }),
        ...(extra === undefined ? undefined : { extra }),
      };
      emit(entry, tools);
    });
    return response === undefined ? undefined : new Response(response.stream, { status: res.status, statusText: res.statusText, headers: res.headers });
  });
}

function addressOf(gateway: PolicyContext, config: RequestLogConfig): string {
  return config.ipHeaders === undefined ? gateway.clientIp : gateway.clientAddress(config.ipHeaders);
}

function captureRequest(c: Context, limit: number): Capture | undefined {
  const { raw } = c.req;
  if (raw.body === null) return undefined;
  const seen = capture(raw.body, limit);
  c.req.raw = new Request(raw, { body: seen.stream, duplex: "half" } as RequestInit);
  return seen;
}

function shown(seen: Capture, headers: Headers, state: LogState): unknown {
  const { bytes, whole, size } = seen.read();
  const encoding = headers.get("content-encoding");
  return loggedBody(bytes, whole, size, headers.get("content-type"), encoding !== null && encoding.toLowerCase() !== "identity", state.paths);
}

function extraOf(c: Context, tools: Tools): Readonly<Record<string, unknown>> | undefined {
  try {
    return tools.config.extractFields?.(c);
  } catch (error) {
    throw policyError(tools.site.policyName, error);
  }
}

function emit(entry: RequestLogEntry, tools: Tools): void {
  const failed = (error: unknown): void => {
    tools.state.failures++;
    tools.site.events.emit({ type: "background.error", error });
  };
  try {
    const written = tools.state.sink(entry);
    if (isPromise(written)) written.catch(failed);
  } catch (error) {
    failed(error);
  }
}

function toConsole(entry: RequestLogEntry): void {
  console.log(JSON.stringify(entry));
}

function checkNames(option: string, names: readonly string[] | undefined): void {
  if (names === undefined) return;
  if (!Array.isArray(names)) throw new OptionError(option, names, "a list of names");
  for (const name of names) if (typeof name !== "string" || name === "") throw new OptionError(option, name, "a list of non-empty strings");
}
