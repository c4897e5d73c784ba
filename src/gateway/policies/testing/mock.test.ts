import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import type { GatewayEvent } from "../../types.ts";
import { circuitBreaker } from "../resilience/circuit-breaker.ts";
import { mock, type MockConfig } from "./mock.ts";

describe("mock", () => {
  it("answers in the place of the upstream", async () => {
    let calls = 0;
    const { request } = createPolicyTestHarness(mock({ status: 201, body: { id: 1 }, headers: { "x-a": "b" } }), { upstream: () => (calls++, new Response("real")) });
    const response = await request("/");
    expect([response.status, await response.text(), response.headers.get("content-type"), response.headers.get("x-a"), calls]).toEqual([201, '{"id":1}', "application/json", "b", 0]);
  });

  it("takes text as it is, null as nothing, and a content type of its own", async () => {
    const text = await createPolicyTestHarness(mock({ body: "hi", headers: { "Content-Type": "text/html" } })).request("/");
    expect([await text.text(), text.headers.get("content-type")]).toEqual(["hi", "text/html"]);
    const nothing = await createPolicyTestHarness(mock({ status: 204, body: "ignored" })).request("/");
    expect([nothing.status, nothing.body]).toEqual([204, null]);
    expect(await (await createPolicyTestHarness(mock()).request("/")).text()).toBe("");
  });

  it("answers every request with a body of its own", async () => {
    const { request } = createPolicyTestHarness(mock({ body: [1] }));
    expect(await (await request("/")).text()).toBe("[1]");
    expect(await (await request("/")).text()).toBe("[1]");
  });

  it("waits delayMs, and not for a client that has left", async () => {
    const clock = manualClock();
    const { request } = createPolicyTestHarness(mock({ delayMs: 50 }), { clock });
    let answered = false;
    const answer = request("/").then(() => (answered = true));
    await clock.advanceAsync(49);
    expect(answered).toBe(false);
    await clock.advanceAsync(1);
    await answer;
    const client = new AbortController();
    const left = request(new Request("http://x/", { signal: client.signal }));
    await clock.advanceAsync(1);
    client.abort();
    await left;
    expect(clock.pendingTimers).toBe(0);
  });

  it("is an upstream to a circuit breaker", async () => {
    const { request } = createPolicyTestHarness([circuitBreaker({ failureThreshold: 2 }), mock({ status: 500 })]);
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) statuses.push((await request("/")).status);
    expect(statuses).toEqual([500, 500, 503]);
  });

  it("warns once unless allowed", async () => {
    for (const [allowInProduction, warnings] of [[false, 1], [true, 0]] as const) {
      const { request, gateway } = createPolicyTestHarness(mock({ allowInProduction }));
      const events: GatewayEvent[] = [];
      gateway.events.on((event) => events.push(event));
      await request("/");
      await request("/");
      expect(events.filter((event) => event.type === "policy.warning")).toHaveLength(warnings);
    }
  });

  it.each([
    [{ status: 99 }, /status.*99/],
    [{ status: 600 }, /status.*600/],
    [{ delayMs: -1 }, /delayMs.*-1/],
    [{ body: 10n }, /body.*10n/],
    [{ headers: { "a b": "c" } }, /headers\.a b/],
    [{ headers: { a: "c\r\nd: e" } }, /headers\.a/],
  ])("refuses %s", (config, message) => {
    expect(() => mock(config as MockConfig)).toThrow(expect.objectContaining({ code: "config_error", message: expect.stringMatching(message) }) as Error);
  });
});
