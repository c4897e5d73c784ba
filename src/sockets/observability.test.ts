import { AsyncLocalStorage } from "node:async_hooks";
import { ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { z } from "zod";
import { describe, expect, it } from "vitest";
import { manualClock } from "../testing/manual-clock.ts";
import { consoleSink } from "./console-sink.ts";
import { message, rpc } from "./message.ts";
import { type MessageMeasure, metrics } from "./middleware/metrics.ts";
import { tracing } from "./middleware/tracing.ts";
import { otelSink } from "./otel-sink.ts";
import { socketMetrics } from "./metrics.ts";
import { createRouter } from "./router.ts";
import type { SpanLike, TracerLike } from "../core/open-telemetry.ts";
import { createTestRouter } from "./testing/test-router.ts";

const PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const SECRET = "canary-8d1f";
const Say = message("SAY", { text: z.string() });
const Add = rpc("ADD", { a: z.number() }, "ADDED", { sum: z.number() });

function telemetry() {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  const recorded: [string, number, Record<string, unknown>][] = [];
  const instrument = (name: string) => {
    const keep = (value: number, labels: object = {}): void => void recorded.push([name, value, labels as Record<string, unknown>]);
    return { add: keep, record: keep };
  };
  return {
    tracer: provider.getTracer("t") as unknown as TracerLike,
    meter: { createHistogram: instrument, createCounter: instrument, createUpDownCounter: instrument },
    contextOf: (parent: object) => trace.setSpanContext(ROOT_CONTEXT, parent as never),
    spans: () => exporter.getFinishedSpans(),
    sum: (name: string) => recorded.filter(([own]) => own === name).reduce((sum, [, value]) => sum + value, 0),
    recorded,
  };
}

function chat(router = createRouter({ logger: false })) {
  return router
    .on(Say, async (ctx) => {
      await ctx.topics.subscribe("room");
      if (ctx.payload.text === "fail") throw new Error(SECRET);
      await ctx.publish("room", Say, { text: SECRET });
    })
    .rpc(Add, (ctx) => {
      if (ctx.payload.a < 0) return void ctx.error("NOT_FOUND", "no");
      return { sum: ctx.payload.a + 1 };
    });
}

describe("the OpenTelemetry sink", () => {
  it("makes a span per message, call and publish, below the client's, and the metrics of the conventions", async () => {
    const { tracer, meter, contextOf, spans, sum, recorded } = telemetry();
    const router = chat();
    router.observe(otelSink({ tracer, meter, contextOf }));
    const clock = manualClock();
    const test = createTestRouter(router, { clock });
    const client = await test.connect();
    client.sendRaw(JSON.stringify({ type: "SAY", meta: { traceparent: PARENT }, payload: { text: "hello" } }));
    await test.settle();
    client.sendRaw(JSON.stringify({ type: "SAY", payload: { text: "fail" } }));
    await test.settle();
    expect(await client.request(Add, { a: 1 })).toEqual({ sum: 2 });
    await client.request(Add, { a: -1 }).catch(() => undefined);
    client.sendRaw("{}");
    await client.close();

    const [published, processed, failed, called, refused] = spans();
    expect(spans()).toHaveLength(5);
    expect(published).toMatchObject({ name: "publish SAY", kind: 3, attributes: { "messaging.destination.name": "room", "sluice.matched": 1 } });
    expect(processed).toMatchObject({ name: "process SAY", kind: 4, attributes: { "messaging.operation.type": "process", "messaging.client.id": client.clientId }, status: { code: 0 } });
    expect(processed?.spanContext().traceId).toBe("0af7651916cd43dd8448eb211c80319c");
    expect(processed?.parentSpanContext?.spanId).toBe("b7ad6b7169203331");
    expect(failed).toMatchObject({ attributes: { "error.type": "INTERNAL" }, status: { code: 2 } });
    expect(failed?.parentSpanContext).toBeUndefined();
    expect(called).toMatchObject({ name: "ADD", kind: 1, attributes: { "rpc.method": "ADD", "rpc.response.status_code": "OK" } });
    expect(refused?.attributes["rpc.response.status_code"]).toBe("NOT_FOUND");
    expect(refused?.status.code).toBe(2);

    expect([sum("sluice.sockets.connections"), sum("messaging.client.consumed.messages"), sum("sluice.sockets.deliveries"), sum("sluice.sockets.violations"), sum("sluice.sockets.errors")]).toEqual([0, 4, 1, 1, 1]);
    expect(recorded.filter(([name]) => name === "messaging.process.duration")).toHaveLength(2);
    expect(recorded.filter(([name]) => name === "rpc.server.call.duration").map(([, , labels]) => labels["rpc.response.status_code"])).toEqual(["OK", "NOT_FOUND"]);
    expect(JSON.stringify([spans().map(({ name, attributes, status }) => [name, attributes, status]), recorded])).not.toContain(SECRET);
    await test.close();
  });

  it("refuses what is no tracer, and an option it does not know", () => {
    expect(() => otelSink({})).toThrow(/otelSink/);
    expect(() => otelSink({ tracer: {} as never })).toThrow(/otelSink\.tracer\.startSpan/);
    expect(() => otelSink({ tracer: telemetry().tracer, trace: 1 } as never)).toThrow(/otelSink\.trace/);
    expect(() => tracing({} as never)).toThrow(/tracing\.tracer\.startSpan/);
    expect(() => metrics({} as never)).toThrow(/metrics\.record/);
    expect(() => consoleSink({ level: "loud" } as never)).toThrow(/consoleSink\.level/);
  });
});

describe("the middleware", () => {
  it("tracing keeps its span active while the handler runs, and marks what fails", async () => {
    const { tracer, contextOf, spans } = telemetry();
    const active = new AsyncLocalStorage<SpanLike>();
    const seen: unknown[] = [];
    const traced = createRouter({ logger: false }).use(tracing({ tracer, contextOf, within: (span, work) => active.run(span, work) })).on(Say, async (ctx) => {
      ctx.span?.setAttributes({ own: 1 });
      await undefined;
      seen.push(active.getStore() === ctx.span);
      if (ctx.payload.text === "fail") throw new TypeError("no");
    });
    const test = createTestRouter(traced);
    const client = await test.connect();
    client.sendRaw(JSON.stringify({ type: "SAY", meta: { traceparent: PARENT }, payload: { text: "a" } }));
    client.send(Say, { text: "fail" });
    await test.settle();
    expect(seen).toEqual([true, true]);
    expect(spans().map(({ name, attributes, status, parentSpanContext }) => [name, attributes["own"], attributes["error.type"], status.code, parentSpanContext?.spanId])).toEqual([
      ["process SAY", 1, undefined, 0, "b7ad6b7169203331"],
      ["process SAY", 1, "TypeError", 2, undefined],
    ]);
    await test.close();
  });

  it("metrics measures what is inside of it, and is harmed by no recorder", async () => {
    const clock = manualClock();
    const measured: MessageMeasure[] = [];
    const router = createRouter({ logger: false, clock }).use(metrics({ clock, record: (measure) => {
      measured.push(measure);
      throw new Error("full");
    } })).on(Say, async ({ payload }) => {
      await new Promise<void>((resolve) => void clock.setTimeout(resolve, 25));
      if (payload.text === "fail") throw Object.assign(new Error("no"), { code: "NO_ROOM" });
    });
    const test = createTestRouter(router, { clock });
    const client = await test.connect();
    for (const text of ["a", "fail"]) {
      client.send(Say, { text });
      await test.settle();
      await clock.advance(25);
      await test.settle();
    }
    expect(measured).toEqual([{ type: "SAY", kind: "event", durationMs: 25, code: "OK" }, { type: "SAY", kind: "event", durationMs: 25, code: "NO_ROOM" }]);
    await test.close();
  });
});

describe("a sink that comes late", () => {
  it("counts down only the connections it has seen open", async () => {
    const { meter, sum } = telemetry();
    const router = chat();
    const test = createTestRouter(router, { clock: manualClock() });
    const early = await test.connect();
    const figures = socketMetrics();
    router.observe(figures.sink);
    router.observe(otelSink({ meter }));
    const open = (): number[] => [figures.values()["sluice_sockets_connections"] as number, sum("sluice.sockets.connections")];
    const late = await test.connect();
    expect(open()).toEqual([1, 1]);
    await early.close();
    expect(open()).toEqual([1, 1]);
    await late.close();
    expect(open()).toEqual([0, 0]);
    expect(figures.text()).toContain("sluice_sockets_closes_total");
    await test.close();
  });
});

describe("the console sink", () => {
  it("writes a line per event that matters, without control characters of a client", async () => {
    const lines: string[] = [];
    const router = chat();
    router.observe(consoleSink({ write: (line, level) => void lines.push(`${level} ${line}`) }));
    const test = createTestRouter(router, { clock: manualClock() });
    const client = await test.connect();
    await client.request(Add, { a: 1 });
    client.sendRaw(JSON.stringify({ type: "x\u001b[31m\nforged", payload: SECRET }));
    await client.close();
    expect(lines[0]).toMatch(/^info connection\.open clientId=\S+ ip=127\.0\.0\.1$/);
    expect(lines).toContainEqual(expect.stringMatching(/^info rpc\.end .*messageType=ADD .*code=OK durationMs=0/));
    expect(lines).toContainEqual(expect.stringMatching(/^warn message\.unhandled .*messageType="x \[31m forged"/));
    expect(lines.join("")).not.toMatch(/[\u0000-\u001f]/);
    expect(lines.join("")).not.toContain(SECRET);
    await test.close();
  });
});
