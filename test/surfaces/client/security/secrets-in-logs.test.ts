/** Canary secrets are searched for in everything that is emitted: events, errors, `JSON.stringify`, `util.inspect`, console, file. */

import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { expect, it, vi } from "vitest";
import { apiKey, awsSigV4, basic, bearer, consoleSink, cookieSession, fileSink, loggerSink, oauth2, otelSink, seam, sentrySink, stitch, toOpenApi, type AuthStrategy, type TraceSink } from "../../../../src/client.ts";
import { mockAdapter } from "../../../../src/testing.ts";

const CANARY = "canary5ecretValue";

const strategies: [string, () => AuthStrategy][] = [
  ["bearer", () => bearer(async () => CANARY)], ["basic", () => basic({ user: "u", pass: CANARY })], ["apiKey header", () => apiKey({ name: "x-mine", value: CANARY })], ["apiKey query", () => apiKey({ in: "query", name: "mine", value: CANARY })],
  ["apiKey cookie", () => apiKey({ in: "cookie", name: "mine", value: CANARY })], ["oauth2", () => oauth2({ tokenUrl: "https://api.test/token", clientId: "c", clientSecret: CANARY })],
  ["cookieSession", () => cookieSession({ login: stitch({ method: "POST", url: "https://api.test/login", adapter: upstream() }), credentials: () => ({ body: { password: CANARY } }) })],
  ["awsSigV4", () => awsSigV4({ region: "r", service: "s", credentials: { accessKeyId: "AKID", secretAccessKey: CANARY, sessionToken: `${CANARY}-session` } })],
];

/** Says everything it was told in whatever it answers. */
function upstream() {
  return mockAdapter([
    { match: "/token", respond: { body: { access_token: `${CANARY}-token`, refresh_token: `${CANARY}-refresh`, token_type: "Bearer" } } },
    { match: "/login", respond: { body: 1, headers: { "set-cookie": `sid=${CANARY}-cookie; Path=/` } } },
    { match: "/broken", respond: (request) => ({ error: Object.assign(new Error(`write failed: ${request.url} ${JSON.stringify(request.headers)}`), { code: "ECONNRESET" }) }) },
    { match: "/refused", respond: (request) => ({ status: 403, headers: { "x-echo-token": `${CANARY}`, "set-cookie": `a=${CANARY}` }, body: { said: JSON.stringify(request.headers), url: request.url } }) },
    { match: "/moved", respond: { status: 302, headers: { location: `https://other.test/?code=${CANARY}&state=1#${CANARY}` } } },
    { respond: { body: { token: CANARY } } },
  ]);
}

it.each(strategies)("%s", async (_, make) => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-secrets-"));
  const seen: string[] = [];
  const say = (...values: unknown[]): void => void seen.push(...values.map((value) => (typeof value === "string" ? value : `${inspect(value, { depth: 12, showHidden: false })} ${JSON.stringify(value)}`)));
  const printed = vi.spyOn(console, "error").mockImplementation(say);
  const span = { setAttributes: say, setStatus: say, end: say };
  const payloads: TraceSink = { payloads: true, handle: say };
  const sinks: TraceSink[] = [
    consoleSink({ level: "debug" }), fileSink(join(folder, "events.jsonl")), payloads, { handle: say }, loggerSink({ debug: say, info: say, warn: say, error: say }),
    sentrySink({ addBreadcrumb: say, captureException: say }, { lifecycle: true, captureDrift: true }), otelSink({ tracer: { startSpan: (name, options) => (say(name, options), span) } }),
  ];
  try {
    const api = seam({ name: "s", baseUrl: "https://api.test", adapter: upstream(), auth: make(), trace: sinks, headers: { "x-auth-token": CANARY }, query: { signature: CANARY } });
    const view = api.as("anna");
    for (const path of ["/fine", "/broken", "/refused", "/moved"]) {
      const call = view.stitch({ method: "POST", path, retry: 1 });
      const input = { body: { password: CANARY, nested: { api_key: CANARY } }, query: { token: CANARY } };
      const result = await call(input).safe();
      if (!result.ok) {
        const { error } = result;
        say(error, error.message, error.stack, JSON.stringify(error), JSON.stringify(error.toProblem()), error.url, String(error.cause), inspect(error.cause));
      }
      const inspection = await call.inspect(input);
      const { data: __, headers: ___, ...rest } = inspection;
      say(rest, call.config, JSON.stringify(call.config), api.describe(), toOpenApi({ call: call as never }, { title: "t", version: "1" }));
    }
    await api.close();
    seen.push(readFileSync(join(folder, "events.jsonl"), "utf8"));
    expect(statSync(join(folder, "events.jsonl")).mode & 0o777).toBe(0o600);
    expect(seen.length).toBeGreaterThan(60);
    expect(seen.filter((text) => text?.includes(CANARY))).toEqual([]);
  } finally {
    printed.mockRestore();
    rmSync(folder, { recursive: true });
  }
});

it("control characters of an upstream cannot fake a line of the log", async () => {
  const lines: string[] = [];
  const adapter = mockAdapter([{ respond: { status: 500, body: "x\n\u001b[31mroot logged in" } }]);
  await stitch({ url: "https://api.test/", adapter, trace: consoleSink({ level: "debug", write: (line) => void lines.push(line) }) })().safe();
  for (const line of lines) expect(line).not.toMatch(/[\n\r\u001b]/);
});
