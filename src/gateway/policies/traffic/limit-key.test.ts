import type { Context } from "hono";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Identity, PolicyContext } from "../../types.ts";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { callerKey } from "./limit-key.ts";
import { quota } from "./quota.ts";
import { tokenLimit } from "./token-limit.ts";

type Caller = { readonly address: string } | { readonly key: string } | { readonly identity: Identity };

const keyOf = (caller: Caller): string => {
  const gateway = { clientIp: "address" in caller ? caller.address : "192.0.2.1", identity: "identity" in caller ? caller.identity : undefined } as PolicyContext;
  const keyBy = "key" in caller ? () => caller.key : "identity" in caller ? ("identity" as const) : undefined;
  return callerKey({} as Context, gateway, "p", "gateway:route:policy", keyBy) as string;
};

/** Separators, NUL, percent signs, prototypes, Unicode with lone surrogates, and texts longer than a key may be. */
const part = fc.oneof(
  fc.string({ unit: "binary", minLength: 1 }),
  fc.constantFrom(":", "%3a", "%", "a:b", "\u0000", "__proto__", "constructor", "{x}", "192.0.2.1", "i:a:b", "\ud800", "\udfff", "sha256=00"),
  fc.string({ minLength: 600, maxLength: 700 }),
);
const caller: fc.Arbitrary<Caller> = fc.oneof(
  part.map((key) => ({ key })),
  fc.tuple(part, part).map(([scheme, id]) => ({ identity: { scheme, id } })),
  fc.ipV4().map((address) => ({ address })),
);

describe("callerKey", () => {
  it("counts the /64 of an IPv6 address as one caller, unless it must be exact", () => {
    const of = (clientIp: string, exact?: boolean): unknown => callerKey({} as Context, { clientIp } as PolicyContext, "p", "x", undefined, exact);
    expect(of("2001:db8:1:2::1")).toBe(of("2001:db8:1:2:ffff::9"));
    expect(of("2001:db8:1:2::1")).not.toBe(of("2001:db8:1:3::1"));
    expect(of("2001:db8:1:2::1", true)).not.toBe(of("2001:db8:1:2::2", true));
    expect(of("192.0.2.1")).toBe("x:a:192.0.2.1");
  });

  it.each([["tokenLimit", tokenLimit({ max: 1, windowSeconds: 60, estimate: 1 })], ["quota", quota({ max: 1, keyBy: () => "" })]])("%s has one account for a /64", async (_, policy) => {
    const { request } = createPolicyTestHarness(policy, { clock: manualClock(), upstream: (c) => c.text("x") });
    const from = async (remoteAddress: string): Promise<number> => (await request("/", undefined, { incoming: { socket: { remoteAddress } } })).status;
    expect([await from("2001:db8::1"), await from("2001:db8::2"), await from("2001:db8:0:1::1")]).toEqual([200, 429, 200]);
  });

  it("gives no two callers one key, whatever their texts hold (S7)", () => {
    fc.assert(fc.property(caller, caller, (a, b) => {
      expect(keyOf(a) === keyOf(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
    }), { numRuns: 5000 });
  });

  it("stays below its scope, and within the bound of a key", () => {
    fc.assert(fc.property(caller, (one) => {
      const key = keyOf(one);
      expect(key.startsWith("gateway:route:policy:") || key.startsWith("sha256=")).toBe(true);
      expect(new TextEncoder().encode(key).length).toBeLessThanOrEqual(512);
    }));
  });

  it("falls back to the address for nothing, and takes nonsense for a fault", () => {
    const gateway = { clientIp: "192.0.2.1" } as PolicyContext;
    for (const nothing of [undefined, null, ""]) expect(callerKey({} as Context, gateway, "p", "s", () => nothing)).toBe("s:a:192.0.2.1");
    expect(callerKey({} as Context, gateway, "p", "s", "identity")).toBe("s:a:192.0.2.1");
    expect(() => callerKey({} as Context, gateway, "p", "s", () => 7 as never)).toThrow(expect.objectContaining({ code: "policy_error" }));
    expect(() => callerKey({} as Context, gateway, "p", "s", () => { throw new Error("x"); })).toThrow(expect.objectContaining({ code: "policy_error" }));
  });
});
