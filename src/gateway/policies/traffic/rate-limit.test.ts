import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InMemoryRateLimitStore } from "../../../drivers/memory/in-memory-rate-limit-store.ts";
import type { LimitPolicy, RateLimitStore } from "../../../state/contracts/limits.ts";
import type { GatewayAdapter } from "../../../state/contracts/adapter.ts";
import { failingStore, type Fault } from "../../../testing/failing-store.ts";
import { manualClock, type ManualClock } from "../../../testing/manual-clock.ts";
import { createGateway } from "../../create-gateway.ts";
import { definePolicy } from "../../define-policy.ts";
import { createPolicyTestHarness, type PolicyTestHarnessOptions } from "../../sdk/harness.ts";
import type { GatewayEvent, Policy } from "../../types.ts";
import { rateLimit, type RateLimitConfig } from "./rate-limit.ts";

interface Setup extends Omit<PolicyTestHarnessOptions, "clock" | "adapter"> {
  readonly clock?: ManualClock;
  readonly adapter?: GatewayAdapter;
  readonly policies?: readonly Policy[];
}

function setup(config: RateLimitConfig, { clock = manualClock(), adapter = { rateLimitStore: new InMemoryRateLimitStore({ clock }) }, policies = [], ...options }: Setup = {}) {
  const harness = createPolicyTestHarness<GatewayAdapter>([rateLimit(config), ...policies], { clock, adapter, ...options });
  const events: GatewayEvent[] = [];
  harness.gateway.events.on((event) => events.push(event));
  const statuses = async (count: number, init?: RequestInit): Promise<number[]> => {
    const seen: number[] = [];
    for (let i = 0; i < count; i++) seen.push((await harness.request("/x", init)).status);
    return seen;
  };
  return { ...harness, clock, events, statuses };
}

function fields(response: Response): Record<string, string> {
  return Object.fromEntries([...response.headers].filter(([name]) => name.includes("ratelimit") || name === "retry-after"));
}

/** Sees the keys and policies a store is asked about. */
function watched(clock: ManualClock) {
  const inner = new InMemoryRateLimitStore({ clock });
  const asked: { key: string; policy: LimitPolicy; cost: number }[] = [];
  const store: RateLimitStore = {
    increment: (key, seconds) => inner.increment(key, seconds),
    check: (key, policy, cost) => (asked.push({ key, policy, cost }), inner.check(key, policy, cost)),
  };
  return { store, asked };
}

describe("rateLimit", () => {
  it("admits max in a window, refuses the rest and tells every caller what is left", async () => {
    const { request, clock } = setup({ max: 2, windowSeconds: 60 });
    expect(fields(await request("/x"))).toEqual({
      "ratelimit-policy": '"default";q=2;w=60', ratelimit: '"default";r=1;t=60', "x-ratelimit-limit": "2", "x-ratelimit-remaining": "1", "x-ratelimit-reset": "60",
    });
    clock.advance(10_000);
    await request("/x");
    clock.advance(500);
    const refused = await request("/x");
    expect(refused.status).toBe(429);
    expect(fields(refused)).toEqual({
      "ratelimit-policy": '"default";q=2;w=60', ratelimit: '"default";r=0;t=50', "retry-after": "50",
      "x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "50",
    });
    expect(refused.headers.get("content-type")).toBe("application/problem+json");
    expect(await refused.json()).toEqual({
      type: "https://iana.org/assignments/http-problem-types#quota-exceeded", title: "Too Many Requests", status: 429, detail: "Rate limit exceeded",
      code: "rate_limited", requestId: refused.headers.get("x-request-id"), "violated-policies": ["default"],
    });
    clock.advance(49_499);
    expect((await request("/x")).status).toBe(429);
    clock.advance(1);
    expect((await request("/x")).status).toBe(200);
  });

  it("replaces an upstream's fields, on its errors and immutable responses too", async () => {
    const upstream = (): Response => {
      const response = Response.redirect("http://x/elsewhere", 302);
      return response;
    };
    expect(fields(await setup({ max: 5 }, { upstream }).request("/x"))["x-ratelimit-remaining"]).toBe("4");
    const own = { "x-ratelimit-limit": "999", "x-ratelimit-remaining": "998", "x-ratelimit-reset": "1", ratelimit: "up", "ratelimit-policy": "up" };
    const x = { "x-ratelimit-limit": "5", "x-ratelimit-remaining": "4", "x-ratelimit-reset": "60" };
    const ietf = { ratelimit: '"default";r=4;t=60', "ratelimit-policy": '"default";q=5;w=60' };
    for (const [headers, expected] of [["x", x], ["ietf", ietf], ["both", { ...x, ...ietf }], ["none", {}]] as const) {
      expect(fields(await setup({ max: 5, headers }, { upstream: () => new Response("", { status: 500, headers: own }) }).request("/x"))).toEqual(expected);
    }
  });

  it.each([["ietf", ["ratelimit", "ratelimit-policy"]], ["x", ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]], ["none", []]] as const)("headers: %s", async (headers, names) => {
    const { request } = setup({ max: 1, headers });
    expect(Object.keys(fields(await request("/x"))).sort()).toEqual([...names].sort());
    expect((await request("/x")).headers.get("retry-after")).toBe("60");
  });

  it("puts several policies into one list and describes the tightest", async () => {
    const { request } = setup({ max: 3, windowSeconds: 1, name: "burst" }, { policies: [rateLimit({ max: 2, windowSeconds: 3600, name: 'da"ily' }), rateLimit({ max: 30 })] });
    const first = fields(await request("/x"));
    expect(first["ratelimit-policy"]).toBe('"burst";q=3;w=1, "da\\"ily";q=2;w=3600, "default";q=30;w=60');
    expect(first.ratelimit).toBe('"burst";r=2;t=1, "da\\"ily";r=1;t=3600, "default";r=29;t=60');
    expect(first["x-ratelimit-limit"]).toBe("2");
    await request("/x");
    const refused = await request("/x");
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "3600"]);
    expect(fields(refused).ratelimit).toBe('"burst";r=0;t=1, "da\\"ily";r=0;t=3600');
    expect(await refused.json()).toMatchObject({ "violated-policies": ['da"ily'] });
  });

  it("charges all windows or none", async () => {
    const { request, clock, statuses } = setup({ windows: [{ max: 1, windowSeconds: 1 }, { name: "hour", max: 3, windowSeconds: 3600 }] });
    expect(await statuses(5)).toEqual([200, 429, 429, 429, 429]);
    const refused = await request("/x");
    expect(fields(refused)).toMatchObject({ "ratelimit-policy": '"default-1";q=1;w=1, "default-hour";q=3;w=3600', ratelimit: '"default-1";r=0;t=1, "default-hour";r=2;t=3600', "retry-after": "1" });
    expect(await refused.json()).toMatchObject({ "violated-policies": ["default-1"] });
    clock.advance(1000);
    expect((await request("/x")).status).toBe(200);
    clock.advance(1000);
    expect((await request("/x")).status).toBe(200);
    clock.advance(1000);
    expect((await request("/x")).headers.get("retry-after")).toBe("3597");
  });

  it("admits exactly max of any number at once", async () => {
    const { request } = setup({ max: 10 });
    const statuses = (await Promise.all(Array.from({ length: 50 }, () => request("/x")))).map((response) => response.status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
  });

  it("tells each of several callers at once its own remaining", async () => {
    const gate: (() => void)[] = [];
    const { request } = setup({ max: 10 }, { upstream: () => new Promise((resolve) => gate.push(() => resolve(new Response("ok")))) });
    const answers = [request("/x"), request("/x"), request("/x")];
    await Promise.resolve();
    for (const open of gate.reverse()) open();
    expect((await Promise.all(answers)).map((response) => response.headers.get("x-ratelimit-remaining"))).toEqual(["9", "8", "7"]);
  });

  it("takes cost, a number or a function; 0 reads, and what can never pass has no retry-after", async () => {
    const { request } = setup({ max: 10, cost: (c) => Number(c.req.header("x-cost")) });
    const ask = async (cost: string): Promise<(string | number | null)[]> => {
      const response = await request("/x", { headers: { "x-cost": cost } });
      return [response.status, response.headers.get("x-ratelimit-remaining"), response.headers.get("retry-after")];
    };
    expect(await ask("4")).toEqual([200, "6", null]);
    expect(await ask("0")).toEqual([200, "6", null]);
    expect(await ask("7")).toEqual([429, "6", "60"]);
    expect(await ask("11")).toEqual([429, "6", null]);
    for (const wrong of ["-1", "NaN", "1.5", "Infinity"]) expect((await ask(wrong))[0]).toBe(500);
    expect(await ask("6")).toEqual([200, "0", null]);
  });

  it("takes max from a function; 0 refuses everybody, nonsense is a 500 and never a pass", async () => {
    let calls = 0;
    const { request } = setup({ max: async (c) => Number(c.req.header("x-max")) }, { upstream: () => (calls++, new Response("ok")) });
    const ask = (max: string): Promise<Response> => request("/x", { headers: { "x-max": max } });
    expect(fields(await ask("2"))).toMatchObject({ "ratelimit-policy": '"default";q=2;w=60', "x-ratelimit-remaining": "1" });
    expect((await ask("0")).status).toBe(429);
    expect(fields(await ask("3"))["x-ratelimit-remaining"]).toBe("1");
    calls = 0;
    for (const wrong of ["NaN", "-1", "2.5", "Infinity"]) {
      const response = await ask(wrong);
      expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([500, "policy_error"]);
    }
    expect(calls).toBe(0);
  });

  it("is a 500 policy_error when a callback throws or rejects", async () => {
    const boom = (): never => { throw new Error("secret"); };
    const reject = (): Promise<never> => Promise.reject(new Error("secret"));
    for (const config of [{ max: boom }, { max: reject }, { max: 1, cost: boom }, { max: 1, cost: reject }, { max: 1, keyBy: boom }, { max: 1, keyBy: reject }, { max: 1, keyBy: () => 5 }]) {
      const response = await setup(config as unknown as RateLimitConfig).request("/x");
      expect(response.status).toBe(500);
      const problem = await response.text();
      expect(JSON.parse(problem)).toMatchObject({ code: "policy_error", policy: "rate-limit" });
      expect(problem).not.toContain("secret");
    }
  });

  it("token-bucket: holds a burst and refills", async () => {
    const { statuses, clock, request } = setup({ algorithm: "token-bucket", max: 1, windowSeconds: 1, burst: 3 });
    expect(await statuses(4)).toEqual([200, 200, 200, 429]);
    clock.advance(1000);
    expect(await statuses(2)).toEqual([200, 429]);
    expect(fields(await request("/x"))).toMatchObject({ "ratelimit-policy": '"default";q=1;w=1', "x-ratelimit-limit": "3" });
    const fractions = setup({ algorithm: "token-bucket", max: 1, cost: 0.5 });
    expect(await fractions.statuses(3)).toEqual([200, 200, 429]);
  });

  it("honours a window of a fraction of a second", async () => {
    const { statuses, clock, request } = setup({ algorithm: "fixed-window", max: 1, windowSeconds: 0.25 });
    expect(await statuses(2)).toEqual([200, 429]);
    expect(fields(await request("/x"))).toMatchObject({ "ratelimit-policy": '"default";q=1', "retry-after": "1" });
    clock.advance(249);
    expect(await statuses(1)).toEqual([429]);
    clock.advance(1);
    expect(await statuses(1)).toEqual([200]);
  });

  it("only reports in a dry run", async () => {
    const { statuses, request } = setup({ max: 1, dryRun: true });
    expect(await statuses(3)).toEqual([200, 200, 200]);
    expect(fields(await request("/x"))).toMatchObject({ "x-ratelimit-remaining": "0" });
  });

  it("answers with statusCode and message", async () => {
    const { request } = setup({ max: 1, statusCode: 503, message: "slow down" });
    await request("/x");
    const refused = await request("/x");
    expect([refused.status, await refused.json()]).toMatchObject([503, { detail: "slow down", code: "rate_limited" }]);
  });

  describe("whom it counts", () => {
    it("counts by address; a header that nobody vouches for changes nothing", async () => {
      const { request } = setup({ max: 1 });
      expect((await request("/x", { headers: { "x-forwarded-for": "203.0.113.1" } })).status).toBe(200);
      for (const headers of [{ "x-forwarded-for": "203.0.113.2" }, { forwarded: "for=203.0.113.3" }, { "cf-connecting-ip": "203.0.113.4" }, { "x-real-ip": "203.0.113.5" }] as Record<string, string>[]) {
        expect((await request("/x", { headers })).status).toBe(429);
      }
    });

    it("reads ipHeaders where the connected peer is trusted, and only there", async () => {
      const env = { incoming: { socket: { remoteAddress: "10.0.0.1" } } };
      for (const [trustProxy, statuses] of [[["10.0.0.0/8"], [200, 200, 429]], [["192.0.2.0/24"], [200, 429, 429]]] as const) {
        const { request } = setup({ max: 1, ipHeaders: ["x-real-ip"] }, { trustProxy });
        const seen: number[] = [];
        for (const address of ["203.0.113.1", "203.0.113.2", "203.0.113.1"]) seen.push((await request("/x", { headers: { "x-real-ip": address, "x-forwarded-for": "198.51.100.1" } }, env)).status);
        expect(seen).toEqual(statuses);
      }
    });

    it("counts by what keyBy gives, by address where that is nothing", async () => {
      const { request } = setup({ max: 1, keyBy: async (c) => c.req.header("x-user") });
      const ask = async (user?: string): Promise<number> => (await request("/x", user === undefined ? {} : { headers: { "x-user": user } })).status;
      expect([await ask("a"), await ask("b"), await ask("a"), await ask(""), await ask(), await ask("unknown")]).toEqual([200, 200, 429, 200, 429, 200]);
    });

    it("counts by identity, by address where there is none", async () => {
      const login = definePolicy({ name: "login", priority: 10, handler: (c, next, { gateway }) => {
        const id = c.req.header("x-id");
        if (id !== undefined) gateway.identity = { scheme: "test", id };
        return next();
      } });
      const { request } = setup({ max: 1, keyBy: "identity" }, { policies: [login()] });
      const ask = async (id?: string): Promise<number> => (await request("/x", id === undefined ? {} : { headers: { "x-id": id } })).status;
      expect([await ask("1"), await ask("2"), await ask("1"), await ask(), await ask()]).toEqual([200, 200, 429, 200, 429]);
    });

    it("gives different callers different keys, whatever they hold", async () => {
      const clock = manualClock();
      const { store, asked } = watched(clock);
      const { request } = setup({ max: 1, keyBy: (c) => decodeURIComponent(c.req.header("x-user") ?? "") }, { clock, adapter: { rateLimitStore: store } });
      const seen = new Map<string, string>();
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: fc.constantFrom(":", "%", "a", "3", "\u0000", "é", "{", "}", "~", "1", "/") , minLength: 1, maxLength: 6 }), async (user) => {
          await request("/x", { headers: { "x-user": encodeURIComponent(user) } });
          const { key } = asked.at(-1) as { key: string };
          expect(seen.get(key) ?? user).toBe(user);
          // No part of a caller's making can look like a part of ours: what is appended to a key after it stays apart.
          expect(key.split(":").length).toBe(5);
          seen.set(key, user);
        }),
      );
    });

    it("bounds the length of a key", async () => {
      const clock = manualClock();
      const { store, asked } = watched(clock);
      const { request } = setup({ max: 1, keyBy: () => "k".repeat(100_000) }, { clock, adapter: { rateLimitStore: store } });
      await request("/x");
      expect(asked[0]?.key.length).toBeLessThanOrEqual(512);
    });

    it("keeps routes and policies apart, shares a global policy, and joins what keyPrefix joins", async () => {
      const route = (path: string, ...policies: Policy[]) => ({ path, pipeline: { policies, upstream: { type: "handler" as const, handler: () => new Response("ok") } } });
      const build = (policies: Policy[], make: () => Policy[]) => {
        const clock = manualClock();
        return createGateway({ clock, adapter: { rateLimitStore: new InMemoryRateLimitStore({ clock }) }, policies, routes: [route("/a", ...make()), route("/b", ...make())] });
      };
      const ask = async (gateway: ReturnType<typeof build>): Promise<number[]> => [(await gateway.app.request("/a")).status, (await gateway.app.request("/b")).status];
      expect(await ask(build([], () => [rateLimit({ max: 1 })]))).toEqual([200, 200]);
      expect(await ask(build([rateLimit({ max: 1 })], () => []))).toEqual([200, 429]);
      expect(await ask(build([], () => [rateLimit({ max: 1, keyPrefix: "both" })]))).toEqual([200, 429]);
      expect(await ask(build([rateLimit({ max: 2, name: "global" })], () => [rateLimit({ max: 1 })]))).toEqual([200, 200]);
    });
  });

  describe("where it counts", () => {
    it("asks its own store before the adapter's, and the adapter's before a private one", async () => {
      const clock = manualClock();
      const own = watched(clock);
      const adapters = watched(clock);
      await setup({ max: 7, windowSeconds: 3, store: own.store }, { clock, adapter: { rateLimitStore: adapters.store } }).request("/x");
      expect(own.asked).toMatchObject([{ policy: { algorithm: "sliding-window", max: 7, windowMs: 3000 }, cost: 1 }]);
      expect(adapters.asked).toEqual([]);
      await setup({ max: 7 }, { clock, adapter: { rateLimitStore: adapters.store } }).request("/x");
      expect(adapters.asked).toHaveLength(1);
    });

    it("counts in a private store where the adapter has none, and says so once", async () => {
      const { statuses, events, clock } = setup({ max: 1 }, { adapter: {} });
      expect(await statuses(3)).toEqual([200, 429, 429]);
      clock.advance(60_000);
      expect(await statuses(1)).toEqual([200]);
      expect(events.filter((event) => event.type === "store.missing")).toMatchObject([{ policy: "rate-limit" }]);
      expect(() => setup({ max: 1, failMode: "closed" }, { adapter: {} })).toThrow(expect.objectContaining({ code: "config_error", message: expect.stringMatching(/rateLimitStore/) }) as Error);
    });

    it("counts fixed windows on a store that can only increment, and says so once", async () => {
      const clock = manualClock();
      const inner = new InMemoryRateLimitStore({ clock });
      const seen: [string, number][] = [];
      const store: RateLimitStore = { increment: async (key, seconds) => (seen.push([key, seconds]), inner.increment(key, seconds)) };
      const { statuses, events, request } = setup({ max: 2, windowSeconds: 1.5 }, { clock, adapter: { rateLimitStore: store } });
      expect(await statuses(3)).toEqual([200, 200, 429]);
      expect(fields(await request("/x"))).toMatchObject({ ratelimit: '"default";r=0;t=2', "retry-after": "2", "x-ratelimit-limit": "2" });
      clock.advance(1500);
      expect(await statuses(1)).toEqual([200]);
      expect(new Set(seen.map(([, seconds]) => seconds))).toEqual(new Set([1.5]));
      expect(events.filter((event) => event.type === "store.limited")).toHaveLength(1);
      const several = setup({ windows: [{ max: 1, windowSeconds: 1 }, { max: 5, windowSeconds: 60 }] }, { clock, adapter: { rateLimitStore: store } });
      expect(await several.statuses(2)).toEqual([200, 429]);
      expect(() => setup({ max: 5, cost: 2 }, { adapter: { rateLimitStore: store } })).toThrow(expect.objectContaining({ code: "config_error", message: expect.stringMatching(/cost.*check\(\)/) }) as Error);
    });

    it("reads several windows before it charges them where there is no checkAll", async () => {
      const clock = manualClock();
      const { store } = watched(clock);
      const { statuses, clock: time } = setup({ windows: [{ max: 1, windowSeconds: 1 }, { max: 2, windowSeconds: 3600 }] }, { clock, adapter: { rateLimitStore: store } });
      expect(await statuses(4)).toEqual([200, 429, 429, 429]);
      time.advance(1000);
      expect(await statuses(1)).toEqual([200]);
    });
  });

  describe.each([
    ["fails", { kind: "fail", error: new Error("secret-host:6379") }],
    ["hangs", { kind: "hang" }],
    ["answers nonsense", { kind: "garbage", value: { allowed: true, remaining: "many" } }],
    ["answers nothing", { kind: "garbage", value: undefined }],
  ] as [string, Fault][])("with a store that %s", (_, fault) => {
    const build = (failMode: RateLimitConfig["failMode"], max = 2) => {
      const clock = manualClock();
      const outage = { on: true };
      const store = failingStore(new InMemoryRateLimitStore({ clock }), () => (outage.on ? fault : undefined), { clock });
      const made = setup({ max, failMode }, { clock, adapter: { rateLimitStore: store } });
      const ask = async (): Promise<Response> => {
        const answer = made.request("/x");
        await clock.advanceAsync(300);
        return await answer;
      };
      return { ...made, ask, outage };
    };

    it("open: goes on and claims nothing", async () => {
      const { ask } = build("open");
      for (let i = 0; i < 8; i++) {
        const response = await ask();
        expect([response.status, fields(response)]).toEqual([200, {}]);
      }
    });

    it("closed: never lets anybody through, and tells nothing", async () => {
      const { ask } = build("closed");
      for (let i = 0; i < 8; i++) {
        const response = await ask();
        expect([response.status, Number(response.headers.get("retry-after")) >= 1]).toEqual([503, true]);
        const problem = await response.text();
        expect(JSON.parse(problem)).toMatchObject({ code: "store_unavailable" });
        expect(problem).not.toContain("secret");
      }
    });

    it("local: this process limits with headers of its own, and the store is back in charge when it returns", async () => {
      const { ask, outage, events, clock } = build("local");
      const first = await ask();
      expect([first.status, fields(first)["x-ratelimit-remaining"]]).toEqual([200, "1"]);
      expect([(await ask()).status, (await ask()).status]).toEqual([200, 429]);
      for (let i = 0; i < 6; i++) await ask();
      expect(events.filter((event) => event.type === "store.down")).toMatchObject([{ store: "rateLimitStore", policy: "rate-limit" }]);
      expect(events.filter((event) => event.type === "store.error").length).toBeGreaterThan(0);
      expect(JSON.stringify(events)).not.toContain("secret");
      outage.on = false;
      clock.advance(60_000);
      expect(fields(await ask())["x-ratelimit-remaining"]).toBe("1");
      expect(events.filter((event) => event.type === "store.up")).toHaveLength(1);
    });
  });

  it("goes on from what the store last said when it goes away, and forgets that when it is back", async () => {
    const clock = manualClock();
    const outage = { on: false };
    const store = failingStore(new InMemoryRateLimitStore({ clock }), (): Fault => (outage.on ? { kind: "fail" } : { kind: "delay", ms: 0 }), { clock });
    const { request } = setup({ windows: [{ max: 5, windowSeconds: 60 }, { max: 100, windowSeconds: 600 }] }, { clock, adapter: { rateLimitStore: store } });
    const ask = async (): Promise<string | null> => {
      const answer = request("/x");
      await clock.advanceAsync(0);
      return (await answer).headers.get("ratelimit");
    };
    for (let i = 0; i < 3; i++) await ask();
    outage.on = true;
    expect(await ask()).toMatch(/^"default-60";r=1;.*"default-600";r=96;/);
    expect(await ask()).toMatch(/^"default-60";r=0;.*"default-600";r=95;/);
    expect(await ask()).toMatch(/^"default-60";r=0;.*"default-600";r=95;/);
    outage.on = false;
    clock.advance(30_000);
    expect(await ask()).toMatch(/^"default-60";r=1;.*"default-600";r=96;/);
  });

  it("counts every outage from what the store said before it, not from the outage before", async () => {
    const clock = manualClock();
    const outage = { on: false };
    const store = failingStore(new InMemoryRateLimitStore({ clock }), (): Fault => (outage.on ? { kind: "fail" } : { kind: "delay", ms: 0 }), { clock });
    const { request, events } = setup({ max: 5, windowSeconds: 60 }, { clock, adapter: { rateLimitStore: store }, stores: { guard: { threshold: 1, cooldownMs: 100 } } });
    const ask = async (): Promise<string | null> => {
      const answer = request("/x");
      await clock.advanceAsync(0);
      return (await answer).headers.get("x-ratelimit-remaining");
    };
    expect(await ask()).toBe("4");
    outage.on = true;
    expect([await ask(), await ask()]).toEqual(["3", "2"]);
    outage.on = false;
    clock.advance(200);
    expect(await ask()).toBe("3");
    expect(events.filter((event) => event.type === "store.up")).toHaveLength(1);
    outage.on = true;
    expect([await ask(), await ask(), await ask(), await ask()]).toEqual(["2", "1", "0", "0"]);
  });

  it("works behind skip and with a priority of its own", async () => {
    const { statuses, request, gateway } = setup({ max: 1, skip: (c) => c.req.header("x-skip") !== undefined, priority: 3 });
    expect(await statuses(2)).toEqual([200, 429]);
    expect(fields(await request("/x", { headers: { "x-skip": "1" } }))).toEqual({});
    expect(gateway._registry.policies).toMatchObject([{ name: "rate-limit", priority: 3 }]);
  });

  it.each([
    [{}, /max.*undefined/],
    [{ max: 0 }, /max.*0/],
    [{ max: Number.NaN }, /max.*NaN/],
    [{ max: -1 }, /max.*-1/],
    [{ max: 1.5 }, /max.*1\.5/],
    [{ max: "10" }, /max.*"10"/],
    [{ max: 1, windowSeconds: 0 }, /windowSeconds.*0/],
    [{ max: 1, windowSeconds: Infinity }, /windowSeconds.*Infinity/],
    [{ max: 1, algorithm: "leaky" }, /algorithm.*leaky/],
    [{ max: 1, burst: 2 }, /burst.*2/],
    [{ max: 1, algorithm: "token-bucket", burst: 0 }, /burst.*0/],
    [{ max: 1, cost: -1 }, /cost.*-1/],
    [{ max: 1, cost: 0.5 }, /cost.*0\.5/],
    [{ max: 1, keyBy: "user" }, /keyBy.*user/],
    [{ max: 1, keyPrefix: "" }, /keyPrefix/],
    [{ max: 1, failMode: "maybe" }, /failMode.*maybe/],
    [{ max: 1, statusCode: 200 }, /statusCode.*200/],
    [{ max: 1, headers: "all" }, /headers.*all/],
    [{ max: 1, store: {} }, /store/],
    [{ max: 1, ipHeaders: "x-real-ip" }, /ipHeaders.*x-real-ip/],
    [{ windows: [] }, /max/],
    [{ windows: [{ max: 0, windowSeconds: 1 }] }, /windows\[0\]\.max.*0/],
    [{ windows: [{ max: 1 }] }, /windows\[0\]\.windowSeconds.*undefined/],
    [{ windows: [{ max: 1, windowSeconds: 1 }, { max: 2, windowSeconds: 1 }] }, /windows\[1\]\.name/],
  ])("refuses %j at construction", (config, message) => {
    expect(() => rateLimit(config as unknown as RateLimitConfig)).toThrow(expect.objectContaining({ code: "config_error", message: expect.stringMatching(message) }) as Error);
  });
});
