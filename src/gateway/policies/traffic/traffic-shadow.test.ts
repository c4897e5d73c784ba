import { SignJWT } from "jose";
import { afterEach, describe, expect, it, vi } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { seededRandom } from "../../../testing/seeded-random.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { apiKeyAuth } from "../auth/api-key-auth.ts";
import { jwtAuth } from "../auth/jwt-auth.ts";
import { trafficShadow, type TrafficShadowConfig } from "./traffic-shadow.ts";

afterEach(() => void vi.unstubAllGlobals());

function harness(options: Partial<TrafficShadowConfig> = {}, answer: () => Promise<Response> = async () => new Response("shadow")) {
  const copies: { url: string; method: string; headers: Headers; body: string | undefined }[] = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    copies.push({ url, method: init.method as string, headers: new Headers(init.headers), body: init.body === undefined ? undefined : new TextDecoder().decode(init.body as Uint8Array) });
    return answer();
  });
  const clock = manualClock();
  const made = createPolicyTestHarness(trafficShadow({ target: "https://shadow.example/base/", ...options }), { clock, random: seededRandom(1), upstream: async (c) => c.text(await c.req.text()) });
  return { copies, clock, ...made };
}

describe("trafficShadow", () => {
  it("copies request and body, without credentials, and changes nothing", async () => {
    const { request, copies, adapter } = harness();
    const response = await request("/a?b=1", { method: "POST", body: "hello", headers: { authorization: "s", cookie: "s", "x-api-key": "s", "x-a": "1", connection: "x-b", "x-b": "2" } });
    expect(await response.text()).toBe("hello");
    await adapter.waitAll();
    expect(copies).toMatchObject([{ url: "https://shadow.example/base/a?b=1", method: "POST", body: "hello" }]);
    expect(["authorization", "cookie", "x-api-key", "x-b", "x-a"].map((name) => copies[0]?.headers.has(name))).toEqual([false, false, false, false, true]);
  });

  it("leaves out what auth policies have read, whatever it is called and wherever the copy is made", async () => {
    const auth = [apiKeyAuth({ validate: () => true, headerName: "X-Partner-Key" }), jwtAuth({ secret: "k".repeat(32), headerName: "x-jwt", tokenPrefix: "" })];
    const token = await new SignJWT({ sub: "ann" }).setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode("k".repeat(32)));
    for (const [options, has] of [[{}, false], [{ priority: 0 }, false], [{ forwardCredentials: true }, true]] as const) {
      const { copies } = harness();
      const { request, adapter } = createPolicyTestHarness([...auth, trafficShadow({ target: "https://shadow.example", ...options })], { upstream: (c) => c.text("x") });
      expect((await request("/", { headers: { "x-partner-key": "secret", "x-jwt": token, "x-a": "1" } })).status).toBe(200);
      await adapter.waitAll();
      expect(["x-partner-key", "x-jwt", "x-a"].map((name) => copies[0]?.headers.has(name))).toEqual([has, has, true]);
    }
  });

  it("never waits for, nor fails with, the copy", async () => {
    const errors: unknown[] = [];
    const hung = harness({ timeout: 100, onError: (error) => { errors.push(error); throw new Error("again"); } }, () => new Promise(() => {}));
    expect((await hung.request("/")).status).toBe(200);
    await hung.clock.advanceAsync(100);
    await hung.adapter.waitAll();
    expect(errors).toHaveLength(1);
  });

  it("copies the share, the methods and the sizes it is told to", async () => {
    const some = harness({ percentage: 25 });
    for (let i = 0; i < 400; i++) await some.request("/");
    await some.adapter.waitAll();
    expect(some.copies.length).toBeGreaterThan(60);
    expect(some.copies.length).toBeLessThan(140);
    const none = harness({ percentage: 0 });
    await none.request("/");
    const posts = harness({ methods: ["post"], maxBodyBytes: 4 });
    await posts.request("/");
    await posts.request("/", { method: "POST", body: "12345" });
    await posts.request("/", { method: "POST", body: "1234" });
    await posts.adapter.waitAll();
    expect([none.copies.length, posts.copies.map(({ body }) => body)]).toEqual([0, ["1234"]]);
  });

  it.each([{}, { target: "x" }, { target: "https://a.example", percentage: 101 }, { target: "https://a.example", timeout: 0 }])("refuses %j", (options) => {
    const make = trafficShadow;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
