import { describe, expect, test, vi } from "vitest";
import { manualClock } from "../../testing/manual-clock.ts";
import { memoryAdapter } from "../../drivers/memory/adapter.ts";
import { createGateway } from "../create-gateway.ts";
import { definePolicy } from "../define-policy.ts";
import { GatewayError, errorToResponse } from "../errors.ts";
import { assignMetrics } from "../policies/observability/assign-metrics.ts";
import { metricsReporter } from "../policies/observability/metrics-reporter.ts";
import { serverTiming } from "../policies/observability/server-timing.ts";
import { circuitBreaker, type CircuitBreakerConfig } from "../policies/resilience/circuit-breaker.ts";
import { retry } from "../policies/resilience/retry.ts";
import { cache } from "../policies/traffic/cache.ts";
import { rateLimit } from "../policies/traffic/rate-limit.ts";
import type { GatewayConfig, GatewayEvent, GatewayInstance, Policy } from "../types.ts";
import { health } from "./health.ts";
import { parseDebugRequest } from "./debug-headers.ts";
import { InMemoryMetricsCollector, toPrometheusText } from "./metrics.ts";
import { OTLPSpanExporter } from "./otlp-exporter.ts";
import { consoleSink, openTelemetrySink, prometheusSink } from "./sinks.ts";
import { SpanBuilder, type ReadableSpan, type SpanExporter } from "./spans.ts";

const ok = (): Response => new Response("ok");

function gateway(config: Partial<GatewayConfig> = {}, policies: Policy[] = [], handler: () => Response | Promise<Response> = ok): GatewayInstance {
  return createGateway({ ...config, routes: [{ path: "/a/:id", pipeline: { policies, upstream: { type: "handler", handler } } }, ...(config.routes ?? [])] });
}

/** A request from an address, as Node's server hands it over. */
const from = (address: string) => ({ incoming: { socket: { remoteAddress: address } } });

class Kept implements SpanExporter {
  readonly spans: ReadableSpan[] = [];
  export(spans: readonly ReadableSpan[]): Promise<void> {
    this.spans.push(...spans);
    return Promise.resolve();
  }
}

describe("admin", () => {
  const auth = (c: { req: { header(name: string): string | undefined } }): boolean => {
    if (c.req.header("x-boom")) throw new Error("boom");
    return c.req.header("x-admin") === "yes";
  };

  test("is off by default, and never shadowed or proxied", async () => {
    const seen = vi.fn(ok);
    const wild = [{ path: "/*", pipeline: { upstream: { type: "handler" as const, handler: seen } } }];
    expect((await createGateway({ routes: wild }).app.request("/___gateway/routes", {}, from("127.0.0.1"))).status).toBe(200);
    seen.mockClear();
    const on = createGateway({ routes: wild, admin: { auth: auth as never } });
    for (const path of ["/___gateway/routes", "/___gateway/", "/___gateway", "/___gateway/nope", "/x/../___gateway/config", "/%5f__gateway/config"]) await on.app.request(path, { headers: { "x-admin": "yes" } });
    expect(seen).not.toHaveBeenCalled();
    expect((await createGateway({ routes: wild, admin: { enabled: false } }).app.request("/___gateway/routes")).status).toBe(200);
  });

  test.each<[string, Record<string, string>, number]>([["yes", { "x-admin": "yes" }, 200], ["no", {}, 403], ["throws", { "x-boom": "1", "x-admin": "yes" }, 403]])("auth says %s", async (_name, headers, status) => {
    expect((await gateway({ admin: { auth: auth as never } }).app.request("/___gateway/routes", { headers }, from("127.0.0.1"))).status).toBe(status);
  });

  test.each<[string, string, string, Record<string, string>, number]>([
    ["loopback", "127.0.0.1", "http://localhost", {}, 200], ["loopback v6", "::1", "http://[::1]:8787", {}, 200], ["mapped loopback", "::ffff:127.0.0.1", "http://localhost", {}, 200],
    ["elsewhere", "192.0.2.1", "http://localhost", {}, 403], ["unknown", "", "http://localhost", {}, 403],
    ["behind a local proxy", "127.0.0.1", "http://localhost", { "x-forwarded-for": "127.0.0.1" }, 403], ["another site's name", "127.0.0.1", "http://evil.example", {}, 403],
  ])("without auth: %s", async (_name, address, origin, headers, status) => {
    const made = gateway({ admin: true });
    expect((await made.app.request(`${origin}/___gateway/config`, { headers }, from(address))).status).toBe(status);
    expect((await made.app.request(`${origin}/___gateway/purge`, { method: "POST", headers, body: '{"all":true}' }, from(address))).status).toBe(403);
  });

  test("shows what the gateway is made of, and no secret", async () => {
    const secret = "s3cr3t-canary";
    const made = gateway(
      { admin: { auth: auth as never }, metrics: true, basePath: "/v1", adapter: { store: undefined } as never, onError: (error) => (error instanceof GatewayError ? errorToResponse(error) : new Response(secret)) },
      [rateLimit({ max: 7, keyBy: () => secret })],
      () => new Response(secret),
    );
    await (await made.app.request("/v1/a/1")).text();
    const page = async (name: string) => await made.app.request(`/v1/___gateway/${name}`, { headers: { "x-admin": "yes" } });
    expect(await (await page("routes")).json()).toMatchObject([{ path: "/v1/a/:id", policies: ["rate-limit"], upstream: "handler" }]);
    expect(await (await page("config")).json()).toMatchObject({ onError: "[Function]", routes: [{ upstream: { handler: "[Function]" } }] });
    expect(await (await page("metrics")).text()).toContain('gateway_requests_total{gateway="edge-gateway",route="/v1/a/:id",method="GET",status="200"} 1\n');
    expect(await (await page("health")).json()).toMatchObject({ status: "healthy", inFlight: 1 });
    let all = "";
    for (const name of ["", "routes", "policies", "config", "metrics", "health", "stores", "upstreams", "events"]) {
      const response = await page(name);
      expect([name, response.status, response.headers.get("cache-control")]).toEqual([name, 200, "no-store"]);
      all += await response.text();
    }
    expect(all).not.toContain(secret);
    expect((await page("nope")).status).toBe(404);
    expect((await made.app.request("/v1/___gateway/routes", { method: "DELETE", headers: { "x-admin": "yes" } })).headers.get("allow")).toBe("GET, HEAD");
  });

  test("purges, and resets a circuit", async () => {
    let status = 200;
    const made = gateway({ admin: { auth: auth as never } }, [circuitBreaker({ failureThreshold: 1, key: "k" }), cache({ ttlSeconds: 60 })], () => new Response("x", { status }));
    const post = (name: string, body = "{}") => made.app.request(`/___gateway/${name}`, { method: "POST", headers: { "x-admin": "yes" }, body });
    await made.app.request("/a/1");
    expect((await made.app.request("/a/1")).headers.get("x-cache")).toBe("HIT");
    expect(await (await post("purge", '{"all":true}')).json()).toEqual({ purged: 1 });
    expect((await post("purge", "nonsense")).status).toBe(400);
    const fromPage = async (fields: Record<string, string>): Promise<number> => (await made.app.request("/___gateway/purge", { method: "POST", headers: { "x-admin": "yes", ...fields }, body: '{"all":true}' })).status;
    expect([await fromPage({ origin: "http://evil.example" }), await fromPage({ "sec-fetch-site": "cross-site" }), await fromPage({ referer: "http://evil.example/x" })], "pages elsewhere").toEqual([403, 403, 403]);
    expect([await fromPage({ origin: "http://localhost" }), await fromPage({ "sec-fetch-site": "same-origin" })], "its own page").toEqual([200, 200]);
    status = 503;
    const keys: string[] = [];
    made.events.on((event) => event.type === "circuit" && keys.push(event.key));
    await made.app.request("/a/2");
    expect((await made.app.request("/a/2")).status).toBe(503);
    expect(keys).toEqual(["k"]);
  });

  test("the dashboard needs nothing from elsewhere and runs only its own script", async () => {
    const made = gateway({ admin: { auth: auth as never }, name: `<img src=x onerror=alert(1)>` });
    const response = await made.app.request("/___gateway/", { headers: { "x-admin": "yes" } });
    const html = await response.text();
    const nonce = /script-src 'nonce-([0-9a-f]+)'/.exec(response.headers.get("content-security-policy") ?? "")?.[1];
    expect(nonce).toBeDefined();
    expect(html).toContain(`<script nonce="${nonce}">`);
    expect(html).not.toContain("<img");
    expect(html).not.toMatch(/(?:src|href)="(?!data:)/);
    expect(html).not.toMatch(/https?:\/\/(?!www\.w3\.org\/2000\/svg)/);
    expect((await made.app.request("/___gateway", { headers: { "x-admin": "yes" } })).headers.get("location")).toBe("___gateway/");
  });

  describe("resets the circuit that the page events shows", () => {
    const headers = { "x-admin": "yes" };
    const key = (key: string, store?: object) => ({ failureThreshold: 1, key, ...store });
    const plain = (): Partial<GatewayConfig> => {
      const whole = memoryAdapter().circuitBreakerStore;
      return { adapter: { circuitBreakerStore: { getState: (at) => whole.getState(at), recordSuccess: (at) => whole.recordSuccess(at), recordFailure: (at) => whole.recordFailure(at), transition: (at, to) => whole.transition(at, to), reset: (at) => whole.reset(at) } } };
    };
    test.each<[string, CircuitBreakerConfig, Partial<GatewayConfig>]>([
      ["by its stored key", { failureThreshold: 1 }, {}], ["by its name", key("pay:ments/ü%"), {}],
      ["of a function", { failureThreshold: 1, key: (c) => c.req.param("id") }, {}], ["in a store of its own", key("a", { store: memoryAdapter().circuitBreakerStore }), {}],
      ["with a key longer than keys may be", { failureThreshold: 1 }, { name: "n".repeat(600) }], ["in a store without acquire", { failureThreshold: 1 }, plain()],
    ])("%s", async (_name, breaker, config) => {
      let status = 500;
      const made = gateway({ ...config, admin: { auth: auth as never } }, [circuitBreaker(breaker)], () => new Response("x", { status }));
      const ask = async (): Promise<number> => (await made.app.request("/a/1")).status;
      const events = async () => ((await (await made.app.request("/___gateway/events", { headers })).json()) as { type: string; key: string; to: string }[]).filter((event) => event.type === "circuit");
      for (let round = 0; round < 2; round++) {
        status = 500;
        expect([await ask(), await ask()]).toEqual([500, 503]);
        const shown = (await events()).at(-1);
        expect(shown?.to).toBe("open");
        const answer = await made.app.request(`/___gateway/circuits/${encodeURIComponent(shown?.key as string)}/reset`, { method: "POST", headers });
        expect([answer.status, await answer.json()]).toEqual([200, { reset: shown?.key }]);
        expect((await events()).at(-1)).toMatchObject({ key: shown?.key, from: "open", to: "closed" });
        status = 200;
        expect(await ask()).toBe(200);
      }
    });

    test("and nothing of another gateway", async () => {
      const adapter = memoryAdapter();
      const [one, other] = ["one", "other"].map((name) => gateway({ name, adapter, admin: { auth: auth as never } }, [circuitBreaker({ failureThreshold: 1 })], () => new Response("x", { status: 500 }))) as [GatewayInstance, GatewayInstance];
      let shown = "";
      one.events.on((event) => void (event.type === "circuit" && (shown = event.key)));
      await one.app.request("/a/1");
      const reset = (path: string) => other.app.request(`/___gateway/circuits/${path}/reset`, { method: "POST", headers });
      expect((await reset(encodeURIComponent(shown))).status).toBe(200);
      expect((await one.app.request("/a/1")).status).toBe(503);
      expect((await reset("%ff")).status).toBe(400);
      expect((await gateway({ admin: { auth: auth as never } }).app.request("/___gateway/circuits/a/reset", { method: "POST", headers })).status).toBe(404);
    });
  });

  test("the stream sends figures while somebody looks, and nothing is kept or timed afterwards", async () => {
    const clock = manualClock();
    const made = gateway({ admin: { auth: auth as never }, clock }, [rateLimit({ max: 1 })]);
    const read = async (): Promise<Record<string, any>> => JSON.parse(new TextDecoder().decode((await reader.read()).value).slice(6)) as Record<string, any>;
    const response = await made.app.request("/___gateway/stream", { headers: { "x-admin": "yes" } });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    expect(await read()).toMatchObject({ gateway: "edge-gateway", perSecond: 0 });
    for (const path of ["/a/1", "/a/2", "/nowhere"]) await (await made.app.request(path)).text();
    clock.advance(1000);
    const view = await read();
    expect(view["perSecond"]).toBe(0.3);
    expect(view["routes"]).toMatchObject([{ route: "/a/:id", requests: 2 }, { route: "*", requests: 1 }]);
    expect(view["limits"]).toEqual([{ policy: "rate-limit", counts: { allow: 1, refuse: 1 } }]);
    expect((view["errors"] as { code: string }[]).map((error) => error.code)).toEqual(["not_found", "rate_limited"]);
    await reader.cancel();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("health", () => {
  test("stands before every wildcard, says no-store, and is unhealthy while closing", async () => {
    const made = createGateway({ routes: [{ path: "/*", pipeline: { upstream: { type: "handler", handler: ok } } }, health()] });
    const response = await made.app.request("/health");
    expect([response.status, response.headers.get("cache-control"), await response.json()]).toEqual([200, "no-store", { status: "healthy", gateway: "edge-gateway", timestamp: expect.any(String) }]);
    expect((await made.app.request("/health", { method: "HEAD" })).status).toBe(200);
    await made.close();
    const closing = await made.app.request("/health");
    expect([closing.status, ((await closing.json()) as { status: string }).status]).toEqual([503, "unhealthy"]);
  });

  test("a probe nobody answers is unhealthy, and callers share a round", async () => {
    const made = createGateway({ routes: [health({ path: "/up", upstreamProbes: ["http://127.0.0.1:1/x"], includeUpstreamStatus: true, unhealthyStatusCode: 500 })] });
    const answers = await Promise.all([made.app.request("/up"), made.app.request("/up")]);
    expect(answers.map((answer) => answer.status)).toEqual([500, 500]);
    expect(await answers[0]!.json()).toMatchObject({ upstreams: [{ url: "http://127.0.0.1:1", healthy: false }] });
    await made.close();
  });

  test.each([[{ path: 1 }, /path/], [{ upstreamProbes: ["x"] }, /upstreamProbes.*x/], [{ pth: "/" }, /pth.*did you mean "path"/], [{ cacheMs: -1 }, /cacheMs.*-1/]])("refuses %j", (options, message) => {
    expect(() => createGateway({ routes: [health(options as never)] })).toThrow(message);
  });
});

describe("metrics", () => {
  test("every figure by route pattern and status, none by path or key", async () => {
    const collector = new InMemoryMetricsCollector();
    let status = 503;
    const made = gateway({ metrics: collector, name: "g" }, [rateLimit({ max: 4 }), circuitBreaker({ failureThreshold: 3 }), cache(), retry({ maxRetries: 1, baseDelayMs: 0 }), assignMetrics({ tags: { tenant: () => "t1" } })], () => new Response("x", { status }));
    await made.app.request("/a/secret-1");
    status = 200;
    for (const path of ["/a/secret-2", "/a/secret-2", "/a/secret-3", "/a/secret-4", "/none"]) await (await made.app.request(path, path.endsWith("4") ? { method: "PURGE" as never } : {})).text();
    const text = toPrometheusText(collector.snapshot());
    expect(text).not.toContain("secret");
    for (const part of [
      'gateway_requests_total{gateway="g",route="/a/:id",method="GET",status="200",tenant="t1"} 3',
      'gateway_requests_total{gateway="g",route="*",method="OTHER",status="501"} 1',
      'gateway_request_errors_total{gateway="g",route="*",method="GET",status="404"} 1',
      'gateway_rate_limit_decisions_total{gateway="g",policy="rate-limit",decision="allow"} 4',
      'gateway_cache_requests_total{gateway="g",result="HIT"} 1',
      'gateway_retries_total{gateway="g",route="/a/:id"} 1',
      'gateway_policy_duration_ms_count{gateway="g",route="/a/:id",policy="cache"} 4',
      'gateway_upstream_duration_ms_count{gateway="g",route="/a/:id",status="503"} 2',
      'gateway_store_duration_ms_count{gateway="g",store="rateLimitStore",operation="check"} 4',
    ]) expect(text).toContain(`${part}\n`);
  });

  test("series are bounded, and label sets never collide", () => {
    const collector = new InMemoryMetricsCollector({ maxSeries: 3 });
    for (let i = 0; i < 10; i++) collector.increment("n", 1, { key: `k${i}` });
    expect(collector.snapshot().counters["n"]).toHaveLength(4);
    expect(collector.snapshot().counters["n"]?.at(-1)).toEqual({ value: 7, tags: { key: "__other__" } });
    const apart = new InMemoryMetricsCollector();
    apart.increment("m", 1, { a: "1,b=2" });
    apart.increment("m", 1, { a: "1", b: "2" });
    apart.increment("m", 1, { "a:1": "x" });
    expect(apart.snapshot().counters["m"]).toHaveLength(3);
    apart.increment("__proto__", 1);
    expect(Object.keys(apart.snapshot().counters)).toContain("__proto__");
  });

  test("the text is legal whatever the names and values hold", () => {
    const collector = new InMemoryMetricsCollector({ bounds: [1, 2] });
    collector.histogram("9 bad-näme", 1.5, { "la bel": 'quote " back \\ line\n' });
    collector.histogram("9 bad-näme", 99, { "la bel": 'quote " back \\ line\n' });
    collector.increment("n", Number.NaN);
    const tag = 'la_bel="quote \\" back \\\\ line\\n"';
    expect(toPrometheusText(collector.snapshot())).toBe(
      `# HELP _9_bad_n_me 9 bad-näme\n# TYPE _9_bad_n_me histogram\n_9_bad_n_me_bucket{${tag},le="1"} 0\n_9_bad_n_me_bucket{${tag},le="2"} 1\n_9_bad_n_me_bucket{${tag},le="+Inf"} 2\n_9_bad_n_me_sum{${tag}} 100.5\n_9_bad_n_me_count{${tag}} 2\n`,
    );
    expect(toPrometheusText(new InMemoryMetricsCollector().snapshot())).toBe("\n");
  });

  test("metricsReporter counts into its own collector; a throwing one changes nothing", async () => {
    const collector = new InMemoryMetricsCollector();
    expect(await (await gateway({}, [metricsReporter({ collector })]).app.request("/a/1")).text()).toBe("ok");
    expect(collector.snapshot().counters["gateway_requests_total"]).toMatchObject([{ value: 1, tags: { route: "/a/:id", status: "200" } }]);
    const broken = { ...collector, increment: () => { throw new Error("full"); }, histogram: () => {}, gauge: () => {}, snapshot: () => collector.snapshot(), reset: () => {} };
    expect(await (await gateway({ metrics: broken }, [metricsReporter({ collector: broken })]).app.request("/a/1")).text()).toBe("ok");
    expect(() => metricsReporter({ collector: {} as never })).toThrow(/collector/);
    expect(() => assignMetrics({ tags: { "bad name": "x" } })).toThrow(/bad name/);
    expect(() => assignMetrics({ tags: { status: "x" } })).toThrow(/status/);
  });
});

test("sinks: console, Prometheus and OpenTelemetry follow one stream, and a throwing one changes nothing", async () => {
  const lines: string[] = [];
  const points: [string, number, unknown][] = [];
  const meter = { createHistogram: (name: string) => ({ record: (value: number, attributes?: unknown) => void points.push([name, value, attributes]) }), createCounter: (name: string) => ({ add: (value: number, attributes?: unknown) => void points.push([name, value, attributes]) }) };
  const prometheus = prometheusSink({ gateway: "g" });
  const made = gateway({}, [rateLimit({ max: 1 })]);
  made.events.on(() => { throw new Error("sink"); });
  for (const sink of [consoleSink({ write: (line) => lines.push(line), requests: true }), openTelemetrySink(meter), prometheus.sink]) made.events.on(sink);
  for (const path of ["/a/1", "/a/2"]) await (await made.app.request(path)).text();
  expect(lines.map((line) => JSON.parse(line) as GatewayEvent & { status: number }).filter(({ type }) => type === "request").map(({ status }) => status)).toEqual([200, 429]);
  expect(points.filter(([name]) => name === "http.server.request.duration").map(([, , attributes]) => attributes)).toMatchObject([{ "http.route": "/a/:id", "http.response.status_code": 200, "http.request.method": "GET" }, { "http.response.status_code": 429 }]);
  expect(points.some(([name, , attributes]) => name === "gateway.rate_limit.decisions" && (attributes as Record<string, string>)["gateway.decision"] === "refuse")).toBe(true);
  expect(prometheus.text()).toContain('gateway_request_errors_total{gateway="g",route="/a/:id",method="GET",status="429"} 1\n');
});

describe("tracing", () => {
  const PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

  test("a server span, one per policy, one per attempt, under the caller's span", async () => {
    const exporter = new Kept();
    let calls = 0;
    const made = gateway({ tracing: { exporter, serviceName: "shop", serviceVersion: "1" } }, [rateLimit({ max: 9 }), retry({ baseDelayMs: 0 })], () => new Response("x", { status: calls++ === 0 ? 503 : 200 }));
    const response = await made.app.request("/a/1?token=secret", { headers: { traceparent: PARENT } });
    await response.text();
    const [server] = exporter.spans.filter((span) => span.kind === "SERVER");
    expect(server).toMatchObject({ name: "GET /a/:id", traceId: PARENT.slice(3, 35), parentSpanId: PARENT.slice(36, 52), attributes: { "http.request.method": "GET", "http.route": "/a/:id", "http.response.status_code": 200, "url.path": "/a/1", "service.name": "shop" } });
    expect(exporter.spans.filter((span) => span.kind === "INTERNAL").map((span) => span.name).sort()).toEqual(["policy rate-limit", "policy retry"]);
    const clients = exporter.spans.filter((span) => span.kind === "CLIENT");
    expect(clients.map((span) => [span.status.code, span.attributes["http.request.resend_count"]])).toEqual([["ERROR", undefined], ["UNSET", 1]]);
    expect(clients.every((span) => span.parentSpanId === server!.spanId)).toBe(true);
    expect(response.headers.get("traceparent")).toBe(`00-${server!.traceId}-${server!.spanId}-01`);
    expect(JSON.stringify(exporter.spans)).not.toContain("secret");
  });

  test.each<[string, string | undefined, number, number, string]>([
    ["an unsampled parent stays unsampled", PARENT.replace(/01$/, "00"), 1, 0, "00"], ["a malformed one begins a new trace", "00-zz", 1, 1, "01"], ["none, sampled", undefined, 1, 1, "01"], ["none, not sampled", undefined, 0, 0, "00"],
    ["a sampled parent goes before the rate", PARENT, 0, 1, "01"],
  ])("%s", async (_name, traceparent, sampleRate, count, flags) => {
    const exporter = new Kept();
    const response = await gateway({ tracing: { exporter, sampleRate } }).app.request("/a/1", traceparent === undefined ? {} : { headers: { traceparent } });
    await response.text();
    expect(exporter.spans.filter((span) => span.kind === "SERVER")).toHaveLength(count);
    expect(response.headers.get("traceparent")?.slice(-2)).toBe(flags);
  });

  test("errors are codes; a failing exporter is an event", async () => {
    const exporter = new Kept();
    const boom = definePolicy({ name: "boom", handler: () => { throw new GatewayError(503, "overloaded", "secret text"); } });
    await (await gateway({ tracing: { exporter } }, [boom()]).app.request("/a/1")).text();
    expect(exporter.spans.find((span) => span.kind === "SERVER")).toMatchObject({ status: { code: "ERROR" }, attributes: { "error.type": "overloaded" } });
    expect(JSON.stringify(exporter.spans)).not.toContain("secret text");
    const failing = gateway({ tracing: { exporter: { export: () => { throw new Error("away"); } } } });
    const events: string[] = [];
    failing.events.on((event) => events.push(event.type));
    expect(await (await failing.app.request("/a/1")).text()).toBe("ok");
    await Promise.resolve();
    expect(events).toContain("background.error");
  });

  test("OTLP: batches, retries, counts what is lost, flushes on shutdown", async () => {
    const clock = manualClock();
    const bodies: any[] = [];
    const statuses = [503, 200, 400];
    const exporter = new OTLPSpanExporter({ endpoint: "http://127.0.0.1:4318/v1/traces", headers: { "x-key": "k" }, clock, maxBatch: 2, maxQueue: 3, delayMs: 1000, serviceName: "s", fetch: async (_url, init) => (bodies.push(JSON.parse(init.body as string)), new Response(null, { status: statuses.shift() ?? 200 })) });
    const span = (name: string): ReadableSpan => new SpanBuilder(name, "SERVER", "a".repeat(32), "b".repeat(16), undefined, 1_700_000_000_000.5).setAttribute("n", 1).setAttribute("f", 0.5).setAttribute("b", true).end(1_700_000_000_001);
    void exporter.export([span("one")]);
    expect(bodies).toEqual([]);
    await clock.advanceAsync(1000);
    await clock.advanceAsync(500);
    expect(bodies).toHaveLength(2);
    expect(bodies[1].resourceSpans[0].resource.attributes).toEqual([{ key: "service.name", value: { stringValue: "s" } }]);
    expect(bodies[1].resourceSpans[0].scopeSpans[0].spans[0]).toMatchObject({ name: "one", kind: 2, startTimeUnixNano: "1700000000000500000", endTimeUnixNano: "1700000000001000000", attributes: [{ key: "n", value: { intValue: "1" } }, { key: "f", value: { doubleValue: 0.5 } }, { key: "b", value: { boolValue: true } }] });
    await exporter.export([span("two"), span("three")]);
    expect(exporter.dropped).toBe(2);
    void exporter.export([span("4")]);
    await exporter.shutdown();
    expect(bodies.at(-1).resourceSpans[0].scopeSpans[0].spans).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
    expect(() => new OTLPSpanExporter({ endpoint: "nowhere" })).toThrow(/endpoint.*nowhere/);
  });
});

describe("debug headers", () => {
  const ask = async (config: Partial<GatewayConfig>, wanted: string | undefined, field = "x-sluice-debug", policies: Policy[] = [rateLimit({ max: 9 }), circuitBreaker(), cache()]) => {
    const made = gateway(config, policies);
    await (await made.app.request("/a/1")).text();
    const { headers } = await made.app.request("/a/1", wanted === undefined ? {} : { headers: { [field]: wanted } });
    return Object.fromEntries([...headers].filter(([name]) => name.startsWith("x-sluice-")));
  };

  test("only what is asked for, and only where they are on", async () => {
    expect(await ask({}, "*")).toEqual({});
    expect(await ask({ debugHeaders: true }, undefined)).toEqual({});
    expect(await ask({ debugHeaders: true }, "x-sluice-cache-status, ratelimit-window")).toEqual({ "x-sluice-cache-status": "HIT", "x-sluice-ratelimit-window": "60" });
    expect(Object.keys(await ask({ debugHeaders: true }, "*")).sort()).toEqual(["cache-expires-in", "cache-key", "cache-status", "cache-ttl", "circuit-failures", "circuit-key", "circuit-state", "ratelimit-key", "ratelimit-window", "trace"].map((name) => `x-sluice-${name}`));
    expect(await ask({ debugHeaders: { allow: ["cache-status"] } }, "*")).toEqual({ "x-sluice-cache-status": "HIT" });
    expect(await ask({ debugHeaders: { allow: ["cache-status"] } }, "trace, cache-key")).toEqual({});
    expect(await ask({ debugHeaders: { requestHeader: "x-why" } }, "cache-status", "x-why")).toEqual({ "x-sluice-cache-status": "HIT" });
    for (const authorize of [() => false, () => Promise.resolve(false), () => { throw new Error("x"); }, () => Promise.reject(new Error("x"))]) expect(await ask({ debugHeaders: { authorize } }, "*")).toEqual({});
    expect(Object.keys(await ask({ debugHeaders: { authorize: () => Promise.resolve(true) } }, "trace"))).toEqual(["x-sluice-trace"]);
  });

  test("the trace tells what each policy did, in ASCII and within 8 KiB", async () => {
    const noisy = Array.from({ length: 60 }, (_, i) => definePolicy({ name: "noisy", handler: (_c, next, { trace }) => { trace("thought", { about: `ünïcode ${"x".repeat(300)}` }); return next(); } })({ name: `n${i}` }));
    const fields = await ask({ debugHeaders: true }, "trace", undefined, [rateLimit({ max: 9 }), ...noisy]);
    const text = fields["x-sluice-trace"] as string;
    expect(text.length).toBeLessThanOrEqual(8192);
    expect(text).toMatch(/^[\x20-\x7e]+$/);
    const trace = JSON.parse(text) as { entries: { name: string; calledNext: boolean }[]; cut: number; route: string };
    expect([trace.route, trace.entries[0]?.name, trace.entries[0]?.calledNext]).toEqual(["/a/:id", "rate-limit", true]);
    expect(trace.entries.length + trace.cut).toBe(61);
  });

  test("parseDebugRequest", () => {
    expect(parseDebugRequest(null)).toBe(undefined);
    expect(parseDebugRequest(" , ")).toBe(undefined);
    expect(parseDebugRequest("*")).toMatchObject({ all: true });
    expect([...(parseDebugRequest("*", ["x-sluice-a", "b"])?.names ?? [])]).toEqual(["a", "b"]);
  });
});

describe("serverTiming", () => {
  test("shows itself to whom it may", async () => {
    const fields = async (policy: Policy, config: Partial<GatewayConfig> = { metrics: true }, headers: Record<string, string> = {}) => {
      const response = await gateway(config, [policy, rateLimit({ max: 9, name: "a b" })]).app.request("/a/1", { headers });
      return [response.headers.get("server-timing"), response.headers.get("x-response-time")];
    };
    const [timing, total] = await fields(serverTiming({ visibility: "always", precision: 2, descriptionFn: (name) => `"${name}"` }));
    expect(timing).toMatch(/^total;dur=\d+\.\d\d, rate-limit_a_b;desc="\\"rate-limit:a b\\"";dur=\d+\.\d\d$/);
    expect(total).toMatch(/^\d+\.\d\dms$/);
    expect(await fields(serverTiming())).toEqual([null, null]);
    expect((await fields(serverTiming(), { debugHeaders: true }, { "x-sluice-debug": "*" }))[1]).not.toBe(null);
    expect(await fields(serverTiming({ visibility: "conditional", visibilityFn: () => Promise.resolve(false) }))).toEqual([null, null]);
    expect(await fields(serverTiming({ visibility: "always", serverTimingHeader: false, responseTimeHeader: false }))).toEqual([null, null]);
    expect(() => serverTiming({ precision: 9 })).toThrow(/precision.*9/);
    expect(() => serverTiming({ visibility: "conditional" })).toThrow(/visibilityFn/);
  });
});

test.each<[object, RegExp]>([
  [{ admin: { prefix: "../x" } }, /admin\.prefix/], [{ admin: 5 }, /"admin"/], [{ admin: { oauth: 1 } }, /oauth.*auth/], [{ debugHeaders: { allow: "x" } }, /debugHeaders\.allow/],
  [{ tracing: {} }, /tracing\.exporter/], [{ tracing: { exporter: new Kept(), sampleRate: 2 } }, /sampleRate.*2/], [{ metrics: {} }, /"metrics"/],
])("refuses %j", (config, message) => {
  expect(() => gateway(config)).toThrow(message);
});
