import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness, type PolicyTestHarnessOptions } from "../../sdk/harness.ts";
import type { GatewayEvent } from "../../types.ts";
import { requestLog, type RequestLogConfig, type RequestLogEntry } from "./request-log.ts";
import { loggedBody, redact, redactPath } from "./request-log/redact.ts";

function setup(config: RequestLogConfig = {}, options: PolicyTestHarnessOptions = {}) {
  const entries: RequestLogEntry[] = [];
  const harness = createPolicyTestHarness(requestLog({ sink: (entry) => void entries.push(entry), ...config }), options);
  return { ...harness, entries };
}

describe("requestLog", () => {
  it("writes one entry when the body has ended, with its size and time", async () => {
    const clock = manualClock(1_700_000_000_000);
    let more: ReadableStreamDefaultController<Uint8Array> | undefined;
    const { request, entries } = setup({}, { clock, path: "/things/:id", upstream: () => new Response(new ReadableStream({ start: (controller) => void (more = controller) }), { status: 201 }) });
    const response = await request("/things/7?token=hidden", { headers: { "user-agent": "test/1", authorization: "Bearer hidden", cookie: "a=hidden" } });
    const body = response.text();
    clock.advance(1234);
    more?.enqueue(new TextEncoder().encode("héllo"));
    more?.close();
    expect(entries).toEqual([]);
    expect(await body).toBe("héllo");
    expect(entries).toEqual([
      {
        timestamp: "2023-11-14T22:13:20.000Z",
        requestId: response.headers.get("x-request-id"),
        method: "GET",
        path: "/things/7",
        statusCode: 201,
        durationMs: 1234,
        clientIp: "unknown",
        userAgent: "test/1",
        gatewayName: "test-gateway",
        routePath: "/things/:id",
        upstream: "handler",
        traceId: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
        spanId: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
        bytes: 6,
        aborted: false,
      },
    ]);
    expect(JSON.stringify(entries)).not.toContain("hidden");
  });

  it("says so when the body broke off", async () => {
    const { request, entries } = setup({}, { upstream: () => new Response(new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(3)) })) });
    const reader = ((await request("/")).body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel();
    expect(entries).toMatchObject([{ bytes: 3, aborted: true, statusCode: 200 }]);
  });

  it("logs 499 for a client that left before the answer", async () => {
    const client = new AbortController();
    const { request, entries } = setup({}, {
      upstream: () => new Promise((_, reject) => client.signal.addEventListener("abort", () => reject(new Error("gone")))),
    });
    const answer = request(new Request("http://x/", { signal: client.signal }));
    client.abort();
    await (await answer).text();
    expect(entries).toMatchObject([{ statusCode: 499, aborted: true }]);
  });

  it("logs errors with the status the caller sees", async () => {
    const { request, entries } = setup({}, { upstream: () => { throw new Error("secret-host:1234"); } });
    await (await request("/")).text();
    expect(entries).toMatchObject([{ statusCode: 500 }]);
    expect(JSON.stringify(entries)).not.toContain("secret-host");
  });

  it("adds what extractFields gives", async () => {
    const { request, entries } = setup({ extractFields: (c) => ({ tenant: c.req.header("x-tenant") }) });
    await (await request("/", { headers: { "x-tenant": "t1" } })).text();
    expect(entries[0]?.extra).toEqual({ tenant: "t1" });
  });

  it("survives a sink that throws or rejects, does not wait for one, and counts", async () => {
    const events: GatewayEvent[] = [];
    for (const sink of [() => { throw new Error("x"); }, () => Promise.reject(new Error("x")), () => new Promise(() => {})]) {
      const { request, gateway } = setup({ sink });
      gateway.events.on((event) => events.push(event));
      expect((await (await request("/")).text()).length).toBeGreaterThan(0);
      await Promise.resolve();
    }
    expect(events.filter((event) => event.type === "background.error")).toHaveLength(2);
  });

  it("logs bodies only when asked, redacted, and passes them on untouched", async () => {
    const json = { "content-type": "application/json" };
    const options: PolicyTestHarnessOptions = { upstream: async (c) => new Response(await c.req.raw.text(), { headers: json }) };
    const sent = JSON.stringify({ user: { name: "a", password: "hidden" }, items: [{ secret: "hidden", n: 1 }] });
    const silent = setup({}, options);
    await (await silent.request("/", { method: "POST", body: sent, headers: json })).text();
    expect(silent.entries[0]).not.toHaveProperty("requestBody");
    const { request, entries } = setup({ logRequestBody: true, logResponseBody: true, redactPaths: ["user.password", "items.secret"] }, options);
    expect(await (await request("/", { method: "POST", body: sent, headers: json })).text()).toBe(sent);
    const shown = { user: { name: "a", password: "[REDACTED]" }, items: [{ secret: "[REDACTED]", n: 1 }] };
    expect(entries[0]).toMatchObject({ requestBody: shown, responseBody: shown });
    expect(JSON.stringify(entries)).not.toContain("hidden");
  });

  it("logs a body above the limit, or one nobody read to its end, as its size", async () => {
    const { request, entries } = setup({ logRequestBody: true, logResponseBody: true, maxBodyLength: 4 }, { upstream: () => new Response("12345", { headers: { "content-type": "text/plain" } }) });
    expect(await (await request("/", { method: "POST", body: "abc", headers: { "content-type": "text/plain" } })).text()).toBe("12345");
    expect(entries[0]).toMatchObject({ responseBody: { bytes: 5 } });
    expect(entries[0]?.requestBody).toBeUndefined();
  });

  it.each([
    [{ sink: 1 }, /sink.*1/],
    [{ extractFields: {} }, /extractFields/],
    [{ maxBodyLength: -1 }, /maxBodyLength.*-1/],
    [{ redactPaths: "a" }, /redactPaths.*a/],
    [{ redactPaths: [""] }, /redactPaths/],
  ])("refuses %j", (config, message) => {
    expect(() => requestLog(config as unknown as RequestLogConfig)).toThrow(expect.objectContaining({ code: "config_error", message: expect.stringMatching(message) }) as Error);
  });
});

describe("loggedBody", () => {
  const log = (text: string, type: string | null, paths: string[] = ["a"], whole = true, encoded = false): unknown => {
    const bytes = new TextEncoder().encode(text);
    return loggedBody(bytes, whole, bytes.byteLength, type, encoded, paths.map(redactPath));
  };

  it.each([
    ["JSON that does not parse", '{"a":"hidden"', "application/json"],
    ["text, where something is to be redacted", "a=hidden", "text/plain"],
    ["an unknown type", "hidden", null],
  ])("gives the size alone for %s", (_, text, type) => {
    expect(log(text, type)).toEqual({ bytes: text.length });
  });

  it("gives the size alone for what is cut, encoded or not UTF-8, or too deep", () => {
    expect(log('{"a":1}', "application/json", [], false)).toEqual({ bytes: 7 });
    expect(log('{"a":1}', "application/json", [], true, true)).toEqual({ bytes: 7 });
    expect(loggedBody(new Uint8Array([0xff]), true, 1, "text/plain", false, [])).toEqual({ bytes: 1 });
    expect(log("[".repeat(5000) + "]".repeat(5000), "application/json")).toEqual({ bytes: 10_000 });
  });

  it("parses JSON of every +json type and forms, and redacts both", () => {
    expect(log('{"a":1,"b":2}', "Application/Problem+JSON; charset=utf-8")).toEqual({ a: "[REDACTED]", b: 2 });
    expect(log("a=1&b=2&b=3", "application/x-www-form-urlencoded")).toEqual({ a: "[REDACTED]", b: ["2", "3"] });
    expect(log("plain", "text/plain", [])).toBe("plain");
  });
});

describe("redact", () => {
  it("walks lists at every level, takes * for a name, and treats odd names as plain ones", () => {
    const value = JSON.parse('{"__proto__":{"x":1},"list":[[{"k":1}],{"k":2}],"map":{"one":{"s":1},"two":{"s":2}}}') as Record<string, unknown>;
    redact(value, ["__proto__.x", "list.k", "map.*.s", "missing.deep", "constructor.name"].map(redactPath));
    expect(JSON.stringify(value)).toBe(
      '{"__proto__":{"x":"[REDACTED]"},"list":[[{"k":"[REDACTED]"}],{"k":"[REDACTED]"}],"map":{"one":{"s":"[REDACTED]"},"two":{"s":"[REDACTED]"}}}',
    );
    expect(Object.name).toBe("Object");
  });
});
