import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { definePolicy } from "../../define-policy.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { getGatewayContext } from "../../context.ts";
import type { PolicyContext } from "../../types.ts";
import { timeout } from "./timeout.ts";

describe("timeout", () => {
  it("answers 504 at the deadline, aborts the upstream and leaves no timer", async () => {
    const clock = manualClock();
    let reason: unknown;
    const { request } = createPolicyTestHarness(timeout({ timeoutMs: 100, message: "too slow" }), {
      clock,
      upstream: (c) => {
        const { signal } = getGatewayContext(c) as PolicyContext;
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject((reason = signal.reason) as Error)));
      },
    });
    const answer = request("/");
    await clock.advanceAsync(99);
    expect(reason).toBeUndefined();
    await clock.advanceAsync(1);
    const response = await answer;
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({ code: "gateway_timeout", detail: "too slow", status: 504 });
    expect(reason).toMatchObject({ code: "gateway_timeout" });
    expect(clock.pendingTimers).toBe(0);
  });

  it("answers also when the upstream ignores the signal, and drops what it says later", async () => {
    const clock = manualClock();
    let answerLate: (response: Response) => void = () => {};
    let cancelled = false;
    const { request } = createPolicyTestHarness(timeout({ timeoutMs: 100, statusCode: 503 }), { clock, upstream: () => new Promise((resolve) => (answerLate = resolve)) });
    const answer = request("/");
    await clock.advanceAsync(100);
    const response = await answer;
    answerLate(new Response(new ReadableStream({ cancel: () => void (cancelled = true) })));
    await clock.advanceAsync(0);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: "gateway_timeout" });
    expect(cancelled).toBe(true);
  });

  it("passes an answer in time and disarms when its body has ended", async () => {
    const clock = manualClock();
    const { request } = createPolicyTestHarness(timeout({ timeoutMs: 100 }), { clock, upstream: () => new Response("in time", { status: 201, headers: { "x-a": "1" } }) });
    const response = await request("/");
    expect([response.status, response.headers.get("x-a"), await response.text()]).toEqual([201, "1", "in time"]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("cuts a body that outlives the deadline: it breaks and does not end", async () => {
    const clock = manualClock();
    let cancelled = false;
    const { request } = createPolicyTestHarness(timeout({ timeoutMs: 100 }), {
      clock,
      upstream: () => new Response(new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("begin")), cancel: () => void (cancelled = true) })),
    });
    const reader = ((await request("/")).body as ReadableStream<Uint8Array>).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("begin");
    const rest = reader.read();
    rest.catch(() => {});
    await clock.advanceAsync(100);
    await expect(rest).rejects.toMatchObject({ code: "gateway_timeout" });
    expect(cancelled).toBe(true);
  });

  it("aborts at the client's leaving too, and that is no timeout", async () => {
    const clock = manualClock();
    const client = new AbortController();
    let aborted: AbortSignal | undefined;
    const { request } = createPolicyTestHarness(timeout({ timeoutMs: 100 }), {
      clock,
      upstream: (c) => {
        aborted = (getGatewayContext(c) as PolicyContext).signal;
        return new Promise((_, reject) => aborted?.addEventListener("abort", () => reject(aborted?.reason as Error)));
      },
    });
    const answer = request(new Request("http://x/", { signal: client.signal }));
    await clock.advanceAsync(1);
    client.abort();
    await answer;
    expect(aborted?.aborted).toBe(true);
    expect((aborted as unknown as { reason: { code?: unknown } }).reason.code).not.toBe("gateway_timeout");
  });

  it("tells those who judge the upstream", async () => {
    const clock = manualClock();
    let seen: unknown;
    const judge = definePolicy({
      name: "judge",
      priority: 30,
      handler: async (_c, next, { gateway }) => {
        await next();
        seen = gateway.upstreamError;
      },
    });
    const { request } = createPolicyTestHarness([judge(), timeout({ timeoutMs: 5 })], { clock, upstream: () => new Promise(() => {}) });
    const answer = request("/");
    await clock.advanceAsync(5);
    await answer;
    expect(seen).toMatchObject({ code: "gateway_timeout" });
  });

  it.each([[{ timeoutMs: 0 }, /timeoutMs.*0/], [{ timeoutMs: Number.NaN }, /timeoutMs.*NaN/], [{ timeoutMs: Infinity }, /timeoutMs.*Infinity/], [{ statusCode: 200 }, /statusCode.*200/]])(
    "refuses %j",
    (config, message) => {
      expect(() => timeout(config)).toThrow(expect.objectContaining({ code: "config_error", message: expect.stringMatching(message) }) as Error);
    },
  );
});
