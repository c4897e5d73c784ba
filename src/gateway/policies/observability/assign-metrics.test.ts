import { describe, expect, it } from "vitest";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import type { GatewayEvent } from "../../types.ts";
import { assignMetrics } from "./assign-metrics.ts";

describe("assignMetrics", () => {
  it("adds tags, also computed ones, to the request's event", async () => {
    const { request, gateway } = createPolicyTestHarness(assignMetrics({ tags: { tier: "gold", tenant: (c) => c.req.header("x-tenant") ?? "none" } }));
    const events: GatewayEvent[] = [];
    gateway.events.on((event) => void events.push(event), { detailed: true });
    await (await request("/a", { headers: { "x-tenant": "t1" } })).text();
    expect(events.find((event) => event.type === "request")).toMatchObject({ tags: { tier: "gold", tenant: "t1" } });
  });

  it.each<[Record<string, string>, RegExp]>([[{ "bad name": "x" }, /bad name/], [{ status: "x" }, /status/]])("refuses %j", (tags, message) => {
    expect(() => assignMetrics({ tags })).toThrow(message);
  });
});
