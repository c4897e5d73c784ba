import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { context, trace } from "@opentelemetry/api";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { describe, expect, test } from "vitest";
import type { SpanLike, TracerLike } from "../../core/open-telemetry.ts";
import { manualClock } from "../../testing/manual-clock.ts";
import { mockAdapter } from "../../testing/mock-adapter.ts";
import { bearer } from "../auth/simple.ts";
import type { StitchEvent, TraceSink } from "../events.ts";
import { seam } from "../seam.ts";
import { filenameOf } from "../download.ts";
import { consoleSink } from "./console.ts";
import { fileSink } from "./file.ts";
import { loggerSink, multiplex } from "./logger.ts";
import { otlpSink } from "./otlp.ts";
import { otelSink } from "./otel.ts";
import { sentrySink } from "./sentry.ts";

const CANARY = "canary-5f3a9c";

/** Calls that succeed, are tried again and fail, with a secret in every place it could be in. */
async function traffic(sink: TraceSink): Promise<void> {
  const adapter = mockAdapter([
    { match: "/ok", respond: { body: { password: CANARY, a: 1 }, headers: { "set-cookie": `s=${CANARY}` } } },
    { match: "/flaky", respond: [{ status: 503 }, { body: 1 }] },
    { respond: { status: 500, body: `bad token ${CANARY}` } },
  ]);
  const api = seam({ baseUrl: "https://api.test", adapter, auth: bearer(CANARY), trace: sink, retry: { attempts: 2, baseDelayMs: 0 } });
  await api.stitch({ method: "POST", path: "/ok" })({ body: { token: CANARY, visible: "yes" }, query: { api_key: CANARY } });
  await api.stitch("/flaky")();
  await api.stitch("/bad")().safe();
  await api.close();
}

describe("sinks", () => {
  test("no secret in anything any of them emits", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-sink-"));
    const path = join(folder, "events.jsonl");
    const seen: unknown[] = [];
    const keep = (...args: unknown[]): void => void seen.push(...args.map((each) => (each instanceof Error ? [each.message, JSON.stringify(each), String(each.cause)] : each)));
    const logger = { debug: keep, info: keep, warn: keep, error: keep };
    const payloads: TraceSink = { payloads: true, handle: (event, facts) => keep(event, facts) };
    await traffic(multiplex(consoleSink({ level: "debug", write: keep }), loggerSink(logger), sentrySink({ addBreadcrumb: keep, captureException: keep }, { lifecycle: true }), fileSink(path), payloads));
    const text = JSON.stringify(seen) + readFileSync(path, "utf8");
    expect(seen.length).toBeGreaterThan(50);
    expect(text).toContain("visible");
    expect(text).not.toContain(CANARY);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, "utf8").trim().split("\n").map((line) => (JSON.parse(line) as StitchEvent).type)).toContain("done");
    rmSync(folder, { recursive: true });
  });

  test("no secret of an answer longer than what is shown, or cut in the middle of one", async () => {
    const shown: string[] = [];
    const trace: TraceSink = { payloads: true, handle: (_event, { responseBody }) => void (responseBody !== undefined && shown.push(responseBody)) };
    for (const body of [{ access_token: CANARY, pad: "x".repeat(9000) }, { pad: "x".repeat(1_048_500), access_token: CANARY.repeat(20) }, { tokens: [CANARY], pad: "x".repeat(1_100_000) }]) {
      await seam({ baseUrl: "https://api.test", adapter: mockAdapter([{ respond: { body } }]), trace }).stitch("/x")();
    }
    expect(shown.length).toBeGreaterThan(1);
    expect(shown[0]).toContain("xxx");
    for (const text of shown) expect(text).not.toContain(CANARY);
  });

  test("a sink that throws, rejects or hangs changes no call; what waits is bounded", async () => {
    const broken: TraceSink[] = [{ handle() { throw new Error("a"); } }, { handle: () => Promise.reject(new Error("b")) }, { handle: () => new Promise(() => undefined) }];
    const api = seam({ baseUrl: "https://api.test", adapter: mockAdapter([{ respond: { body: 1 } }]), trace: broken });
    const call = api.stitch("/x");
    for (let i = 0; i < 300; i++) expect(await call()).toBe(1);
    expect(api.describe()["droppedEvents"]).toBeGreaterThan(0);
  });

  test("OpenTelemetry: a span per call, a child per try", async () => {
    const exporter = new InMemorySpanExporter();
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
    const recorded: [number, object][] = [];
    const meter = { createHistogram: () => ({ record: (value: number, labels?: object) => void recorded.push([value, labels ?? {}]) }), createCounter: () => ({ add: () => undefined }) };
    await traffic(otelSink({ tracer: provider.getTracer("t") as unknown as TracerLike, meter, contextOf: (span: SpanLike) => trace.setSpan(context.active(), span as never) }));
    const spans = exporter.getFinishedSpans();
    const roots = spans.filter((span) => span.parentSpanContext === undefined);
    expect(roots).toHaveLength(3);
    expect(spans).toHaveLength(3 + 5);
    const flaky = roots.find((span) => String(span.attributes["url.full"]).endsWith("/flaky"));
    const tries = spans.filter((span) => span.parentSpanContext?.spanId === flaky?.spanContext().spanId);
    expect(tries.map((span) => [span.attributes["http.response.status_code"], span.attributes["http.request.resend_count"], span.status.code])).toEqual([[503, undefined, 2], [200, 1, 0]]);
    expect(flaky).toMatchObject({ kind: 2, attributes: { "http.request.method": "GET", "server.address": "api.test", "server.port": 443 } });
    expect(recorded).toHaveLength(5);
    expect(JSON.stringify(spans.map((span) => [span.attributes, span.name]))).not.toContain(CANARY);
  });

  test("OTLP: spans with the ids of the events and sums of the figures, in the collector's form", async () => {
    const sent: { readonly url: string; readonly headers: Record<string, string>; readonly body: any }[] = [];
    const statuses = [503];
    const fetch = async (url: string, init: RequestInit): Promise<Response> => {
      sent.push({ url, headers: init.headers as Record<string, string>, body: JSON.parse(init.body as string) });
      return new Response(null, { status: statuses.shift() ?? 200, headers: { "retry-after": "0" } });
    };
    const ids = new Map<string, string>();
    const sink = otlpSink({ endpoint: "http://127.0.0.1:4318/", headers: { "x-key": "k" }, serviceName: "shop", fetch });
    await traffic(multiplex(sink, { handle: (event) => void (event.type === "start" && ids.set(event.spanId, event.traceId)) }));
    expect(new Set(sent.map(({ url }) => url))).toEqual(new Set(["http://127.0.0.1:4318/v1/traces", "http://127.0.0.1:4318/v1/metrics"]));
    expect(sent.every(({ headers }) => headers["x-key"] === "k" && headers["content-type"] === "application/json")).toBe(true);
    const traces = sent.filter(({ url }) => url.endsWith("/traces"));
    const spans: any[] = traces.at(-1)?.body.resourceSpans[0].scopeSpans[0].spans;
    expect(spans).toHaveLength(3 + 5);
    const roots = spans.filter((span) => span.parentSpanId === undefined);
    expect(Object.fromEntries(roots.map((span) => [span.spanId, span.traceId]))).toEqual(Object.fromEntries(ids));
    expect(spans.filter((span) => roots.some((root) => root.spanId === span.parentSpanId && root.traceId === span.traceId))).toHaveLength(5);
    const failed = roots.find((span) => JSON.stringify(span).includes("/bad"));
    expect(failed.status).toEqual({ code: 2, message: "HTTP_STATUS" });
    expect(failed.attributes).toContainEqual({ key: "http.response.status_code", value: { intValue: "500" } });
    const metrics: any[] = sent.filter(({ url }) => url.endsWith("/metrics")).at(-1)?.body.resourceMetrics[0].scopeMetrics[0].metrics;
    const duration = metrics.find(({ name }) => name === "http.client.request.duration");
    expect(duration).toMatchObject({ unit: "s", histogram: { aggregationTemporality: 2 } });
    expect(duration.histogram.dataPoints.reduce((sum: number, point: any) => sum + Number(point.count), 0)).toBe(5);
    for (const point of duration.histogram.dataPoints) expect(point.bucketCounts.map(Number).reduce((a: number, b: number) => a + b)).toBe(Number(point.count));
    expect(metrics.find(({ name }) => name === "sluice.client.retries").sum).toMatchObject({ isMonotonic: true, dataPoints: [{ asDouble: 1 }, { asDouble: 1 }] });
    expect(sent[0]?.body.resourceSpans?.[0].resource.attributes ?? sent[0]?.body.resourceMetrics[0].resource.attributes).toEqual([{ key: "service.name", value: { stringValue: "shop" } }]);
    expect(JSON.stringify(sent)).not.toContain(CANARY);
    expect(sink.dropped).toBe(0);
  });

  test("OTLP: figures leave by themselves, a collector that refuses costs no call, and bad options are named", async () => {
    const clock = manualClock();
    const urls: string[] = [];
    const sink = otlpSink({ endpoint: "http://127.0.0.1:4318/v1/traces", metricsIntervalMs: 10_000, delayMs: 1000, clock, fetch: async (url) => (urls.push(url), new Response(null, { status: 400 })) });
    const api = seam({ baseUrl: "https://api.test", adapter: mockAdapter([{ respond: { body: 1 } }]), trace: sink, clock });
    const call = api.stitch("/x");
    expect(await call()).toBe(1);
    await clock.advanceAsync(1000);
    expect(urls).toEqual(["http://127.0.0.1:4318/v1/traces"]);
    await clock.advanceAsync(9000);
    expect(urls).toEqual(["http://127.0.0.1:4318/v1/traces", "http://127.0.0.1:4318/v1/metrics"]);
    expect(sink.dropped).toBe(3);
    expect(clock.pendingTimers).toBe(0);
    expect(() => otlpSink({ endpoint: "nowhere" })).toThrow(/otlpSink\.endpoint.*nowhere/);
    expect(() => otlpSink({ endpoint: "http://c", metricsIntervalMs: -1 })).toThrow(/metricsIntervalMs.*-1/);
    expect(() => otlpSink({ endpoint: "http://c", interval: 1 } as never)).toThrow(/otlpSink\.interval/);
    expect(() => otlpSink({ endpoint: "http://c", headers: { a: 1 } as never })).toThrow(/otlpSink\.headers\.a/);
  });

  test.each<[string, object, RegExp]>([
    ["fetch", { fetch: "node-fetch" }, /^otlpSink\.fetch must be a function, got "node-fetch"$/],
    ["serviceName", { serviceName: 7 }, /^otlpSink\.serviceName must be a string, got 7$/],
    ["serviceVersion", { serviceVersion: null }, /^otlpSink\.serviceVersion must be a string, got null$/],
  ])("OTLP: %s of another type is refused when the sink is made", (_name, options, message) => {
    expect(() => otlpSink({ endpoint: "http://c", ...options } as never)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringMatching(message) as string }));
  });

  test.each<[string, string, string]>([
    ["http://c:4318/?key=k", "http://c:4318/v1/traces?key=k", "http://c:4318/v1/metrics?key=k"],
    ["http://c:4318/otlp/v1/traces?key=a/", "http://c:4318/otlp/v1/traces?key=a/", "http://c:4318/otlp/v1/metrics?key=a/"],
    ["http://c:4318/otlp//", "http://c:4318/otlp/v1/traces", "http://c:4318/otlp/v1/metrics"],
  ])("OTLP: the query of %s stays behind the path", async (endpoint, ...expected) => {
    const urls: string[] = [];
    await traffic(otlpSink({ endpoint, fetch: async (url) => (urls.push(url), new Response()) }));
    expect([...new Set(urls)].sort().reverse()).toEqual(expected);
  });

  test.each<[unknown]>([[`ftp://me:${CANARY}@c`], [`http://me:${CANARY}/@c`], [`me:${CANARY}@c:4318`], [new URL(`http://me:${CANARY}@c`)]])("OTLP: an endpoint that is refused shows no password", (endpoint) => {
    let failure: (Error & { cause?: unknown }) | undefined;
    try {
      otlpSink({ endpoint } as never);
    } catch (error) {
      failure = error as Error;
    }
    expect(failure?.message).toMatch(/^otlpSink\.endpoint must be .*\*\*\*@c/);
    expect(inspect(failure, { depth: 5 })).not.toContain(CANARY);
  });

  test("console lines hold no control characters of an upstream", async () => {
    const lines: string[] = [];
    const clock = manualClock();
    consoleSink({ level: "debug", write: (line) => void lines.push(line) }).handle({ type: "info", topic: "x", detail: "a\u001b[31m\nforged", at: clock.now(), elapsedMs: 0, name: "n", traceId: "t", spanId: "s", attempt: 1 }, { method: "GET", template: "", url: "", principal: false });
    expect(lines.join("")).not.toMatch(/[\u0000-\u001f]/);
  });
});

test("names of downloads are base names", () => {
  expect(filenameOf("attachment; filename=\"a b.txt\"")).toBe("a b.txt");
  expect(filenameOf("attachment; filename=x.txt; filename*=UTF-8''%e2%82%ac.txt")).toBe("€.txt");
  for (const [text, name] of [["../../etc/passwd", "passwd"], ["C:\\\\x\\\\y.exe", "y.exe"], ["..", undefined], ["a\u0000b", "ab"]] as const) expect(filenameOf(`attachment; filename="${text}"`)).toBe(name);
});
