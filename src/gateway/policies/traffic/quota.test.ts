import { describe, expect, it } from "vitest";
import type { Clock } from "../../../core/clock.ts";
import { memoryAdapter } from "../../../drivers/memory/adapter.ts";
import type { GatewayAdapter } from "../../../state/contracts/adapter.ts";
import { manualClock } from "../../../testing/manual-clock.ts";
import { type PolicyTestHarness, createPolicyTestHarness } from "../../sdk/harness.ts";
import { quota, quotaPeriod } from "./quota.ts";
import { rateLimit } from "./rate-limit.ts";
import { tokenLimit } from "./token-limit.ts";

const stores = new WeakMap<Clock, GatewayAdapter>();
/** One store on `clock`, for gateways whose own clocks are wrong. */
function shared(clock: Clock): GatewayAdapter {
  const known = stores.get(clock) ?? memoryAdapter({ clock });
  stores.set(clock, known);
  const { rateLimitStore: store } = known;
  return { rateLimitStore: { increment: (key, seconds) => store!.increment(key, seconds), check: async (key, policy, cost) => store!.check!(key, policy, cost), capabilities: { shared: true } } };
}

const at = (text: string): number => Date.parse(text);

describe("quota", () => {
  it("counts a calendar month per caller, and opens with the next one", async () => {
    const clock = manualClock({ now: at("2026-01-31T23:59:00Z") });
    const { request } = createPolicyTestHarness(quota({ max: 2, keyBy: (c) => c.req.header("x-k") }), { clock });
    const send = (k: string): Promise<Response> => request("/", { headers: { "x-k": k } });
    expect((await send("a")).headers.get("ratelimit")).toBe('"quota";r=1;t=60');
    await send("a");
    const refused = await send("a");
    expect([refused.status, refused.headers.get("retry-after"), await refused.json()]).toMatchObject([429, "60", { code: "quota_exceeded", "violated-policies": ["quota"] }]);
    expect((await send("b")).status).toBe(200);
    clock.advance(60_000);
    expect((await send("a")).headers.get("x-ratelimit-remaining")).toBe("1");
  });

  it("begins and ends its periods by the store's clock", async () => {
    const clock = manualClock({ now: at("2026-01-31T23:30:00Z") });
    const [behind, ahead] = [-3_600_000, 3_600_000].map((offMs) => {
      const own: Clock = { ...clock, now: () => clock.now() + offMs };
      return createPolicyTestHarness<GatewayAdapter>(quota({ max: 4, keyBy: () => "k" }), { clock: own, adapter: shared(clock) });
    }) as [PolicyTestHarness<GatewayAdapter>, PolicyTestHarness<GatewayAdapter>];
    const left = async (one: PolicyTestHarness<GatewayAdapter>): Promise<unknown[]> => {
      const { headers } = await one.request("/");
      return [headers.get("x-ratelimit-remaining"), headers.get("x-ratelimit-reset")];
    };
    expect(await left(behind)).toEqual(["3", "1800"]);
    expect(await left(ahead), "its own clock is in February already").toEqual(["2", "1800"]);
    clock.advance(1_800_000);
    expect(await left(behind), "its own clock is in January still").toEqual(["3", String(28 * 86_400)]);
    expect(await left(ahead)).toEqual(["2", String(28 * 86_400)]);
  });

  it("tells what is left together with other limits: the fewest are the caller's", async () => {
    const { request } = createPolicyTestHarness([rateLimit({ name: "minute", max: 600 }), quota({ max: 2, keyBy: () => "k" }), tokenLimit({ max: 1000, windowSeconds: 60 })], { clock: manualClock({ now: at("2026-01-31T23:59:00Z") }) });
    const { headers } = await request("/");
    expect([headers.get("x-ratelimit-remaining"), headers.get("ratelimit")]).toEqual(["1", '"minute";r=599;t=61, "quota";r=1;t=60, "tokens";r=1000;t=1']);
    await request("/");
    const refused = await request("/");
    expect([refused.status, refused.headers.get("x-ratelimit-remaining"), refused.headers.get("ratelimit")?.split(", ").length]).toEqual([429, "0", 2]);
    expect(await refused.json()).toMatchObject({ "violated-policies": ["quota"] });
  });

  it("knows days of 23 and 25 hours", () => {
    const hours = (text: string): number => {
      const [start, end] = quotaPeriod("day", "Europe/Paris", at(text));
      return (end - start) / 3_600_000;
    };
    expect([hours("2026-03-29T12:00:00Z"), hours("2026-10-25T12:00:00Z"), hours("2026-06-01T12:00:00Z")]).toEqual([23, 25, 24]);
    expect(quotaPeriod("hour", "Asia/Kolkata", at("2026-01-01T00:10:00Z"))[0]).toBe(at("2025-12-31T23:30:00Z"));
    expect(quotaPeriod("week", "UTC", at("2026-01-01T00:00:00Z"))[0]).toBe(at("2025-12-29T00:00:00Z"));
  });

  it("charges a cost, refuses one that can never fit without retry-after, and takes nonsense for a fault", async () => {
    let cost: unknown = 3;
    const { request } = createPolicyTestHarness(quota({ max: 5, keyBy: () => "k", cost: () => cost as number }), { clock: manualClock() });
    expect((await request("/")).headers.get("x-ratelimit-remaining")).toBe("2");
    cost = 6;
    const never = await request("/");
    expect([never.status, never.headers.has("retry-after")]).toEqual([429, false]);
    for (cost of [-1, Number.NaN, Infinity, "1", 0.5]) expect(await (await request("/")).json()).toMatchObject({ code: "policy_error", policy: "quota" });
  });

  it("is closed by default while its store is away, and counts here with local", async () => {
    for (const [failMode, statuses] of [[undefined, [503, 503]], ["open", [200, 200]], ["local", [200, 429]]] as const) {
      const { request, adapter } = createPolicyTestHarness(quota({ max: 1, keyBy: () => "k", ...(failMode === undefined ? {} : { failMode }) }), { clock: manualClock() });
      (adapter.rateLimitStore as { check?: unknown }).check = () => Promise.reject(new Error("down"));
      expect([(await request("/")).status, (await request("/")).status]).toEqual(statuses);
    }
  });

  it.each([{}, { max: 0, keyBy: () => "k" }, { max: 1 }, { max: 1, keyBy: () => "k", period: "year" }, { max: 1, keyBy: () => "k", timeZone: "Mars" }])("refuses %j", (options) => {
    const make = quota;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
