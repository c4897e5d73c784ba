import { describe, expect, it } from "vitest";
import { InMemoryRateLimitStore } from "../drivers/memory/in-memory-rate-limit-store.ts";
import { OptionError, StoreError } from "../core/errors.ts";
import { createEvents } from "../core/events.ts";
import { isPromise } from "../core/maybe-promise.ts";
import { systemRandom } from "../core/random.ts";
import type { RateLimitStore } from "../state/contracts/limits.ts";
import { manualClock } from "../testing/manual-clock.ts";
import { StoreFailure, storeCaller, storeSource } from "./store-call.ts";
import { rateLimits } from "./local-kinds.ts";
import { createPrivateStores } from "./local-stores.ts";
import type { GatewayEvent, PolicySite } from "./types.ts";

function siteOf(gatewayName = "g", part: Partial<PolicySite> = {}) {
  const clock = manualClock();
  const seen: GatewayEvent[] = [];
  const site: PolicySite = {
    gatewayName, scopeKey: `${gatewayName}:*:p`, policyName: "p", routePath: "*", upstream: "*", adapter: undefined,
    local: createPrivateStores(clock),
    stores: { timeoutMs: 50, putTimeoutMs: 100, guard: { threshold: 2, cooldownMs: 1000, maxCooldownMs: 1000 } },
    clock, random: systemRandom, events: createEvents<GatewayEvent>((event) => seen.push(event)), keep: (_name, make) => make(), ...part,
  };
  return { site, clock, seen };
}

describe("storeCaller", () => {
  it("answers without a promise where the store does", () => {
    const reply = storeCaller(siteOf().site, "s", {}, "open").call("op", () => 7);
    expect(reply).toBe(7);
  });

  it("makes one value of a throw, a rejection, nonsense and silence, and tells of each kind once", async () => {
    const { site, clock, seen } = siteOf("g", { stores: { timeoutMs: 50, putTimeoutMs: 1, guard: { threshold: 100, cooldownMs: 1, maxCooldownMs: 1 } } });
    const caller = storeCaller(site, "s", {}, "closed");
    const thrown = caller.call("op", () => { throw new Error("secret"); });
    expect(thrown).toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(thrown).toBeInstanceOf(StoreFailure);
    expect(await caller.call("op", () => Promise.reject(new StoreError("STORE_CORRUPT", "secret")))).toMatchObject({ code: "STORE_CORRUPT" });
    expect(caller.call("op", () => 5, (reply) => reply === 6)).toMatchObject({ code: "STORE_CORRUPT" });
    const silent = caller.call("op", () => new Promise(() => {}));
    await clock.advanceAsync(60);
    expect(await silent).toMatchObject({ code: "STORE_TIMEOUT" });
    expect(seen.map((event) => (event as { code?: string }).code)).toEqual(["STORE_UNAVAILABLE", "STORE_CORRUPT", "STORE_TIMEOUT"]);
    expect(seen[0]).toEqual({ type: "store.error", store: "s", policy: "p", code: "STORE_UNAVAILABLE", mode: "closed" });
    expect(JSON.stringify(seen)).not.toContain("secret");
  });

  it("throws what is about the arguments", () => {
    const caller = storeCaller(siteOf().site, "s", {}, "open");
    expect(() => caller.call("op", () => { throw new OptionError("cost", -1, "positive"); })).toThrow(RangeError);
  });

  it("shares outages and suspension among all callers of a store, and tells each gateway once", () => {
    const one = siteOf("one");
    const two = siteOf("two", { clock: one.clock });
    const store = {};
    const callers = [storeCaller(one.site, "s", store, "local"), storeCaller(one.site, "s", store, "local"), storeCaller(two.site, "s", store, "local")];
    const fail = (): never => { throw new Error("down"); };
    callers[0]?.call("op", fail);
    callers[1]?.call("op", fail);
    let asked = 0;
    expect(callers[2]?.call("op", () => asked++)).toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect([asked, callers[2]?.up]).toEqual([0, false]);
    one.clock.advance(1300);
    expect(callers[2]?.call("op", () => "back")).toBe("back");
    expect(callers.map((caller) => caller.outages)).toEqual([1, 1, 1]);
    for (const { seen } of [one, two]) expect(seen.filter((event) => event.type === "store.down" || event.type === "store.up").map((event) => event.type)).toEqual(["store.down", "store.up"]);
  });
});

describe("storeSource", () => {
  it("prefers the option to the adapter's store, and that to the private one", () => {
    const { site } = siteOf();
    const [own, adapters] = [new InMemoryRateLimitStore(), new InMemoryRateLimitStore()] as const;
    expect(storeSource(site, rateLimits, own, "local").of({ rateLimitStore: adapters })?.store).toBe(own);
    expect(storeSource(site, rateLimits, undefined, "local").of({ rateLimitStore: adapters })?.store).toBe(adapters);
    expect(storeSource(site, rateLimits, undefined, "local").of(undefined)?.store).toBe(site.local.of(rateLimits));
  });

  it("follows the adapter of each request, and tells once of one that lacks the store", () => {
    const { site, seen } = siteOf();
    const source = storeSource(site, rateLimits, undefined, "open");
    const stores: RateLimitStore[] = [new InMemoryRateLimitStore(), new InMemoryRateLimitStore()];
    expect(stores.map((rateLimitStore) => source.of({ rateLimitStore })?.store)).toEqual(stores);
    expect([source.of({})?.store, source.of({})?.store]).toEqual([site.local.of(rateLimits), site.local.of(rateLimits)]);
    expect(seen).toMatchObject([{ type: "store.missing", policy: "p" }]);
  });

  it("refuses to be made for a closed policy without a store, and gives none for such a request", () => {
    const { site } = siteOf("g", { adapter: {} });
    expect(() => storeSource(site, rateLimits, undefined, "closed")).toThrow(expect.objectContaining({ code: "config_error" }) as Error);
    expect(storeSource(siteOf().site, rateLimits, undefined, "closed").of({})).toBeUndefined();
    expect(isPromise(storeSource(siteOf().site, rateLimits, undefined, "closed").of(undefined)?.call("op", () => 1))).toBe(false);
  });
});
