import type { Context } from "hono";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Identity, PolicyContext } from "../../types.ts";
import { callerKey } from "./limit-key.ts";

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
