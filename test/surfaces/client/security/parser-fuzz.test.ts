/** Hostile fields, events, links and cookies: an error or an answer, never anything else, and in time that grows with their length. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { cookieSession, isStitchError, linkHeader, seam, stitch } from "../../../../src/client.ts";
import { mockAdapter, type MockResponse } from "../../../../src/testing.ts";

const ask = async (respond: MockResponse, config: object = {}): Promise<void> => {
  const result = await stitch({ url: "https://api.test/", adapter: mockAdapter([{ respond }]), timeout: 20_000, ...config })().safe();
  if (!result.ok) expect(isStitchError(result.error)).toBe(true);
};
const header = fc.string({ unit: fc.constantFrom(..."abz019<>;,=\"'\\/ \t?&#%:()[]{}*-_.") }, ).filter((text) => text.trim() !== "");

it("fields of answers that are read by rules", async () => {
  await fc.assert(fc.asyncProperty(fc.constantFrom("cache-control", "vary", "retry-after", "ratelimit", "link", "content-type", "content-encoding", "set-cookie", "age", "date", "expires", "etag", "location", "content-disposition"), header, fc.constantFrom(200, 302, 429, 503), async (name, value, status) => {
    await ask({ status, headers: { [name]: value }, body: "x" }, { cache: {}, throttle: { rate: "1000/s", feedback: { maxPauseMs: 1 } }, paginate: name === "link" ? linkHeader({ maxPages: 3 }) : undefined });
  }), { numRuns: 300 });
});

it("server-sent events and lines, cut anywhere", async () => {
  const unit = fc.constantFrom("data:", "data", "id: 1", "event: x", "retry: 5", ":", "\n", "\r", "\r\n", "\u0000", "\ufeff", "é", "{", '{"a":1}', " ");
  await fc.assert(fc.asyncProperty(fc.array(fc.array(unit, { maxLength: 6 }).map((parts) => parts.join("")), { maxLength: 12 }), fc.constantFrom("sse", "ndjson", "lines"), async (stream, kind) => {
    await ask({ headers: { "content-type": kind === "sse" ? "text/event-stream" : "application/x-ndjson" }, stream }, kind === "sse" ? { kind: "sse", sse: { reconnect: false } } : { kind: "stream", stream: { decode: kind } });
  }), { numRuns: 200 });
});

it("cookies: at most fifty of a domain, four kilobytes each", async () => {
  const many = Array.from({ length: 500 }, (_, i) => `c${i}=${"v".repeat(i === 0 ? 10_000 : 10)}; Path=/`);
  const adapter = mockAdapter([{ match: "/login", respond: { body: 1, headers: { "set-cookie": many } } }, { respond: { body: 1, headers: { "set-cookie": many.map((cookie) => `x${cookie}`) } } }]);
  const api = seam({ baseUrl: "https://api.test", adapter, auth: cookieSession({ login: seam({ baseUrl: "https://api.test", adapter }).stitch("POST /login"), credentials: () => ({}) }) }).as("anna");
  for (let i = 0; i < 3; i++) await api.stitch("/x")();
  const sent = adapter.lastRequest?.headers["cookie"] ?? "";
  expect(sent.split("; ").length).toBeLessThanOrEqual(50);
  expect(sent).not.toContain("c0=");
});

it("twice the length takes about twice the time, not four times", async () => {
  const shapes: ((n: number) => MockResponse)[] = [
    (n) => ({ headers: { link: "<a>;".repeat(n) } }), (n) => ({ headers: { link: `<a>; x="${"\\".repeat(n)}` } }), (n) => ({ headers: { "cache-control": "a=,".repeat(n) } }), (n) => ({ headers: { vary: "a, ".repeat(n) } }),
    (n) => ({ headers: { ratelimit: `"${"a".repeat(n)}` } }), (n) => ({ headers: { "content-type": `application/${"x".repeat(n)}` } }), (n) => ({ headers: { "content-disposition": `attachment; ${"a=b; ".repeat(n)}` } }),
    (n) => ({ headers: { "retry-after": "1".repeat(n) }, status: 429 }), (n) => ({ headers: { "content-type": "text/event-stream" }, stream: ["data: x\n".repeat(n)] }),
  ];
  for (const shape of shapes) {
    const cpu = async (n: number): Promise<number> => {
      let best = Infinity;
      for (let i = 0; i < 5; i++) {
        const began = process.cpuUsage();
        await ask({ body: "x", ...shape(n) }, { cache: {}, throttle: { rate: "1000/s", feedback: { maxPauseMs: 1 } }, ...(shape(1).stream === undefined ? {} : { kind: "sse", sse: { reconnect: false } }) });
        const { user, system } = process.cpuUsage(began);
        best = Math.min(best, user + system);
      }
      return best;
    };
    await cpu(2000);
    const [small, large] = [await cpu(4000), await cpu(16_000)];
    // Quadratic work would be sixteen times as much.
    expect(large, String(shape)).toBeLessThan(10 * small + 5000);
  }
});
