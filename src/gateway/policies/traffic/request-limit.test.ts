import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { definePolicy } from "../../define-policy.ts";
import { requestLimit } from "./request-limit.ts";

const stream = (...parts: string[]): ReadableStream<Uint8Array> => new ReadableStream({ pull: (controller) => { const part = parts.shift(); if (part === undefined) controller.close(); else controller.enqueue(new TextEncoder().encode(part)); } });

describe("requestLimit", () => {
  const harness = () => {
    let aborted = false;
    const made = createPolicyTestHarness(requestLimit({ maxBytes: 5 }), {
      clock: manualClock(),
      upstream: async (c) => {
        try {
          return c.text(await c.req.text());
        } catch (error) {
          aborted = true;
          throw error;
        }
      },
    });
    return { send: (init: object) => made.request("/", { method: "POST", duplex: "half", ...init } as RequestInit), aborted: () => aborted };
  };

  it.each(["text", "json", "arrayBuffer", "blob"] as const)("counts a body that an earlier policy has read as %s", async (as) => {
    const reader = definePolicy({ name: "reader", priority: 0, handler: async (c, next) => { await c.req[as](); await next(); } });
    const { request } = createPolicyTestHarness([reader(), requestLimit({ maxBytes: 10 })], { upstream: async (c) => c.text(await c.req.text()) });
    const send = (body: string): Promise<Response> => request("/", { method: "POST", body: stream(body), duplex: "half" } as RequestInit);
    expect([(await send(JSON.stringify("x".repeat(1000)))).status, await (await send('"12345678"')).text()]).toEqual([413, '"12345678"']);
  });

  it("passes what fits, byte for byte", async () => {
    expect(await (await harness().send({ body: "12345" })).text()).toBe("12345");
    expect(await (await harness().send({ body: stream("12", "345") })).text()).toBe("12345");
    expect((await harness().send({})).status).toBe(200);
  });

  it("refuses by the declared length, and by real bytes where that is absent or a lie", async () => {
    for (const init of [{ body: "123456", headers: { "content-length": "6" } }, { body: stream("123", "456") }, { body: stream("123", "456"), headers: { "content-length": "3" } }]) {
      const response = await harness().send(init);
      expect([response.status, await response.json()]).toMatchObject([413, { code: "request_too_large" }]);
    }
  });

  it("aborts whoever reads", async () => {
    const { send, aborted } = harness();
    await send({ body: stream("123", "456") });
    expect(aborted()).toBe(true);
  });

  it.each([{}, { maxBytes: -1 }, { maxBytes: 1.5 }])("refuses %j", (options) => {
    const make = requestLimit;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
