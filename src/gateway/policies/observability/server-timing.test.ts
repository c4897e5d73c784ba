import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createGateway } from "../../create-gateway.ts";
import { definePolicy } from "../../define-policy.ts";
import { scope } from "../../scope.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import type { RouteConfig } from "../../types.ts";
import { serverTiming } from "./server-timing.ts";

describe("serverTiming", () => {
  it("is one field that tells the time of the whole, and keeps the upstream's", async () => {
    const clock = manualClock();
    const { request } = createPolicyTestHarness(serverTiming({ visibility: "always" }), { clock, upstream: (c) => { clock.advance(25); return c.text("x", 200, { "server-timing": "db;dur=3" }); } });
    const field = (await request("/a")).headers.get("server-timing");
    expect(field).toContain("db;dur=3");
    expect(field).toMatch(/dur=25/);
  });

  it("lists the policies inside it, wherever in the configuration it stands, and describes them", async () => {
    const timing = serverTiming({ visibility: "always", precision: 0, includeTotal: false, descriptionFn: (name) => `the ${name}` });
    const clock = manualClock();
    const slow = definePolicy({ name: "slow", handler: (_c, next) => (clock.advance(7), next()) });
    const route: RouteConfig = { path: "/a", pipeline: { policies: [slow()], upstream: { type: "handler", handler: (c) => c.text("x") } } };
    for (const config of [{ policies: [timing], routes: [route] }, { routes: [{ ...route, pipeline: { ...route.pipeline, policies: [timing, slow()] } }] }, { routes: scope({ prefix: "/", policies: [timing], routes: [route] }) }]) {
      const gateway = createGateway({ ...config, clock });
      expect((await gateway.app.request("/a")).headers.get("server-timing")).toBe('slow;desc="the slow";dur=7');
      await gateway.close();
    }
  });

  it("a descriptionFn that throws is a policy_error naming it", async () => {
    const errors: unknown[] = [];
    const slow = definePolicy({ name: "slow", handler: (_c, next) => next() });
    const { request, gateway } = createPolicyTestHarness([serverTiming({ visibility: "always", descriptionFn: () => { throw new Error("own"); } }), slow()]);
    gateway.events.on((event) => event.type === "error" && errors.push(event.error));
    const response = await request("/a");
    expect([response.status, await response.json()]).toMatchObject([500, { code: "policy_error", policy: "server-timing" }]);
    expect(errors).toMatchObject([{ message: expect.stringContaining("descriptionFn"), cause: { message: "own" } }]);
  });
});
