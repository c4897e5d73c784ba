import { brotliCompressSync, gzipSync } from "node:zlib";
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

  describe("an encoded answer", () => {
    const used = JSON.stringify({ text: "…", usage: { total_tokens: 30 } });
    const as = (body: Uint8Array<ArrayBuffer> | string, coding: string, type = "application/json") => (): Response => new Response(body, { headers: { "content-type": type, "content-encoding": coding } });
    const remaining = async (answer: () => Response, options: Partial<TokenLimitConfig> = {}): Promise<[string | null, string[]]> => {
      const { request, gateway, adapter } = harness(answer, options);
      const warnings: string[] = [];
      gateway.events.on((event) => { if (event.type === "policy.warning") warnings.push(event.message); });
      const body = Buffer.from(await (await request("/")).arrayBuffer());
      expect(body.equals(Buffer.from(await answer().arrayBuffer()))).toBe(true);
      await adapter.waitAll();
      return [(await request("/")).headers.get("x-ratelimit-remaining"), warnings];
    };

    it("is not what the upstream is asked for", async () => {
      let accept: string | undefined;
      await createPolicyTestHarness(tokenLimit({ max: 1, windowSeconds: 1 }), { upstream: (c) => { accept = c.req.header("accept-encoding"); return c.text("x"); } }).request("/", { headers: { "accept-encoding": "gzip" } });
      expect(accept).toBe("identity");
    });

    it("passes as it is, and its usage counts", async () => {
      expect(await remaining(as(gzipSync(used), "gzip"))).toEqual(["70", []]);
      const events = 'data: {"usage":{"input_tokens":8}}\n\ndata: {"usage":{"output_tokens":12}}\n\n';
      expect(await remaining(as(gzipSync(events), "gzip", "text/event-stream"))).toEqual(["80", []]);
      expect(await remaining(as(gzipSync(used), "gzip"), { usage: ({ text }) => text.length - used.length + 40 })).toEqual(["60", []]);
    });

    it.each<[string, Uint8Array<ArrayBuffer>, string]>([
      ["an unknown coding", brotliCompressSync("x".repeat(20_000)), "br"],
      ["a broken one", Buffer.from("no gzip at all"), "gzip"],
    ])("counts by bytes, or by the estimate, and says so: %s", async (_, body, coding) => {
      const [left, warnings] = await remaining(as(body, coding), { usage: ({ text }) => text.length });
      expect([left, warnings.length]).toEqual([String(100 - body.byteLength), 1]);
      expect((await remaining(as(body, coding)))[0]).toBe(String(100 - body.byteLength));
      expect((await remaining(as(body, coding), { estimate: 30 }))[0]).toBe("40");
    });
  });

  it.each<[string, TokenLimitConfig["usage"]]>([
    ["throws", () => { throw new Error("x"); }],
    ["rejects", async () => { throw new Error("x"); }],
    ["finds no JSON", async (response) => ((await response.json()) as { n: number }).n],
    ["gives no number", () => "7" as never],
    ["gives NaN", () => Number.NaN],
    ["gives less than nothing", () => -1],
  ])("a usage function that %s is reported, and nothing is free", async (_, usage) => {
    const { send, gateway, adapter } = harness(() => new Response("twelve bytes"), { usage });
    const errors: unknown[] = [];
    gateway.events.on((event) => { if (event.type === "background.error") errors.push(event.error); });
    await send();
    await adapter.waitAll();
    expect(errors.length).toBe(1);
    expect((await send()).response.headers.get("x-ratelimit-remaining")).toBe("88");
    const estimated = harness(() => new Response("x"), { usage, estimate: 60 });
    await estimated.send();
    await estimated.adapter.waitAll();
    expect((await estimated.send()).response.status).toBe(429);
  });

  it("a usage function reads JSON as of a Response", async () => {
    const { send } = harness(() => Response.json({ n: 10 }), { usage: async (response) => ((await response.json()) as { n: number }).n * 5 });
    expect([(await send()).response.status, (await send()).response.status, (await send()).response.status]).toEqual([200, 200, 429]);
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
