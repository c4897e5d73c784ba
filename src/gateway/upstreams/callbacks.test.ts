import { describe, expect, test } from "vitest";
import { createGateway } from "../create-gateway.ts";
import { GatewayError } from "../errors.ts";
import { circuitBreaker } from "../policies/resilience/circuit-breaker.ts";
import { retry } from "../policies/resilience/retry.ts";
import { cache } from "../policies/traffic/cache.ts";
import type { GatewayEvent, UpstreamConfig } from "../types.ts";

const DEAD = "http://127.0.0.1:1";
const fails = (): never => { throw new Error("own"); };
const failsLate = (): Promise<never> => Promise.reject(new Error("own"));

describe("a function of an upstream that throws", () => {
  const cases: [option: string, upstream: UpstreamConfig][] = [
    ["target", { type: "url", target: fails, allowOrigins: [DEAD] }],
    ["target", { type: "url", target: failsLate, allowOrigins: [DEAD] }],
    ["rewritePath", { type: "url", target: DEAD, rewritePath: fails }],
    ["hashKey", { type: "balanced", balance: "consistent-hash", targets: [{ url: DEAD }], hashKey: fails }],
    ["hashKey", { type: "balanced", balance: "consistent-hash", targets: [{ url: DEAD }], hashKey: failsLate }],
    ["canary.stickyBy", { type: "url", target: DEAD, canary: { target: "http://127.0.0.1:2", percent: 50, stickyBy: fails } }],
    ["canary.stickyBy", { type: "url", target: DEAD, canary: { target: "http://127.0.0.1:2", percent: 50, stickyBy: failsLate } }],
  ];
  test.each(cases)("%s: policy_error naming it, no retry, and no failure of the upstream", async (option, upstream) => {
    for (const policies of [[], [retry()], [circuitBreaker({ failureThreshold: 1 })], [cache()]]) {
      const gateway = createGateway({ routes: [{ path: "/", pipeline: { policies, upstream } }] });
      const events: GatewayEvent[] = [];
      gateway.events.on((event) => event.type === "error" && events.push(event));
      for (let i = 0; i < 2; i++) {
        const response = await gateway.app.request("/");
        expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([500, "policy_error"]);
      }
      expect(events).toHaveLength(2);
      expect(events[0]).toMatchObject({ code: "policy_error", error: { message: expect.stringContaining(`"${option}"`), cause: { message: "own" } } });
      await gateway.close();
    }
  });

  test("may answer by a GatewayError", async () => {
    const gateway = createGateway({ routes: [{ path: "/", pipeline: { upstream: { type: "url", target: DEAD, rewritePath: () => { throw new GatewayError(404, "not_found", "no such tenant"); } } } }] });
    expect((await gateway.app.request("/")).status).toBe(404);
    await gateway.close();
  });
});
