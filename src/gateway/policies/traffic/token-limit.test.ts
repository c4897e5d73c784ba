import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { tokenLimit, type TokenLimitConfig } from "./token-limit.ts";

function harness(answer: () => Response, options: Partial<TokenLimitConfig> = {}) {
  const clock = manualClock();
  const made = createPolicyTestHarness(tokenLimit({ max: 100, windowSeconds: 100, ...options }), { clock, upstream: () => answer() });
  return { clock, ...made, send: async () => { const response = await made.request("/"); return { response, text: await response.text() }; } };
}
const json = (usage: object) => (): Response => Response.json({ id: 1, usage });

describe("tokenLimit", () => {
  it.each<[string, () => Response, number]>([
    ["total_tokens", json({ total_tokens: 30 }), 70],
    ["prompt and completion", json({ prompt_tokens: 10, completion_tokens: 15 }), 75],
    ["input and output", json({ input_tokens: 10, output_tokens: 20 }), 70],
    ["usageMetadata", () => Response.json({ usageMetadata: { totalTokenCount: 25 } }), 75],
    ["the last event", () => new Response('data: {"message":{"usage":{"input_tokens":8}}}\n\ndata: {"usage":{"output_tokens":12}}\n\ndata: [DONE]\n\n', { headers: { "content-type": "text/event-stream" } }), 80],
    ["no usage", () => Response.json({}), 100],
    ["negative usage", json({ total_tokens: -5 }), 100],
    ["__proto__", () => new Response('{"__proto__":{"usage":{"total_tokens":50}}}', { headers: { "content-type": "application/json" } }), 100],
  ])("settles %s", async (_, answer, left) => {
    const { send } = harness(answer);
    await send();
    const { response } = await send();
    expect(response.headers.get("x-ratelimit-remaining")).toBe(String(left));
  });

  it("charges into debt, which later requests wait out", async () => {
    const { send, clock } = harness(json({ total_tokens: 130 }));
    expect((await send()).response.status).toBe(200);
    const { response, text } = await send();
    expect([response.status, JSON.parse(text)]).toMatchObject([429, { code: "rate_limited" }]);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(30);
    clock.advance(Number(response.headers.get("retry-after")) * 1000);
    expect((await send()).response.status).toBe(200);
  });

  it("lets the estimate stand where nothing is known, and gives back what was too much", async () => {
    const standing = harness(() => new Response("x"), { estimate: 60 });
    expect((await standing.send()).response.status).toBe(200);
    expect((await standing.send()).response.status).toBe(429);
    const settled = harness(json({ total_tokens: 10 }), { estimate: 60 });
    for (let i = 0; i < 4; i++) expect((await settled.send()).response.status).toBe(200);
  });

  it("passes the body untouched and charges what an aborted one has shown", async () => {
    const parts = ['data: {"usage":{"total_tokens":100}}\n\n', "data: more\n\n"];
    const { request, send } = harness(() => new Response(new ReadableStream({ pull: (controller) => { const part = parts.shift(); if (part === undefined) return new Promise(() => {}); controller.enqueue(new TextEncoder().encode(part)); return undefined; } }), { headers: { "content-type": "text/event-stream" } }));
    const response = await request("/");
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toContain("total_tokens");
    await reader.cancel();
    await Promise.resolve();
    expect((await send()).response.status).toBe(429);
  });

  it("asks a usage function, and names a store that cannot settle", async () => {
    const { send } = harness(() => new Response("seven"), { usage: ({ text }) => text.length * 20 });
    await send();
    expect((await send()).response.status).toBe(429);
    const store = { increment: () => ({ count: 1, resetAt: 0 }) };
    expect(() => createPolicyTestHarness(tokenLimit({ max: 1, windowSeconds: 1, store }))).toThrow(/rateLimitStore has no reserve/);
  });

  it.each([{}, { max: 1 }, { max: 0, windowSeconds: 1 }, { max: 1, windowSeconds: 0 }, { max: 1, windowSeconds: 1, estimate: -1 }])("refuses %j", (options) => {
    const make = tokenLimit;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
