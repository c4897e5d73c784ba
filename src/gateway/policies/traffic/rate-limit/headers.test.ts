import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LimitDecision } from "../../../../state/contracts/limits.ts";
import { fieldString, limitLabel, retryAfterSeconds, writeRateLimitHeaders, type AppliedLimit, type RateLimitHeaders } from "./headers.ts";

function decision(part: Partial<LimitDecision>): LimitDecision {
  return { allowed: true, limit: 100, remaining: 50, retryAfterMs: 0, resetAfterMs: 30_000, debt: 0, ...part };
}

function applied(part: Partial<LimitDecision>, name = "default", windowMs = 60_000, headers: RateLimitHeaders = "both", max = 100): AppliedLimit {
  return { label: limitLabel(name, windowMs, max), max, decision: decision(part), headers };
}

function written(limits: readonly AppliedLimit[], upstream: Record<string, string> = {}): Record<string, string> {
  const headers = new Headers(upstream);
  writeRateLimitHeaders(headers, limits);
  return Object.fromEntries(headers);
}

describe("writeRateLimitHeaders", () => {
  it("writes both forms, exactly", () => {
    expect(written([applied({})])).toEqual({
      "ratelimit-policy": '"default";q=100;w=60',
      ratelimit: '"default";r=50;t=30',
      "x-ratelimit-limit": "100",
      "x-ratelimit-remaining": "50",
      "x-ratelimit-reset": "30",
    });
  });

  it("makes a list of several limits and describes the tightest in the x- form", () => {
    const limits = [applied({ remaining: 9, limit: 10, resetAfterMs: 900 }, "burst", 1000, "both", 10), applied({ remaining: 3, limit: 1000, resetAfterMs: 86_000_001 }, "daily", 86_400_000, "both", 1000)];
    expect(written(limits)).toEqual({
      "ratelimit-policy": '"burst";q=10;w=1, "daily";q=1000;w=86400',
      ratelimit: '"burst";r=9;t=1, "daily";r=3;t=86001',
      "x-ratelimit-limit": "1000",
      "x-ratelimit-remaining": "3",
      "x-ratelimit-reset": "86001",
    });
  });

  it("omits w below one second and rounds a fraction of a second up", () => {
    expect(written([applied({ resetAfterMs: 1 }, "a", 999, "ietf")])).toEqual({ "ratelimit-policy": '"a";q=100', ratelimit: '"a";r=50;t=1' });
    expect(written([applied({}, "a", 1500, "ietf")])["ratelimit-policy"]).toBe('"a";q=100;w=2');
  });

  it("prefers a refusing limit to one with fewer left", () => {
    const limits = [applied({ remaining: 0, limit: 5 }, "a"), applied({ allowed: false, remaining: 1, limit: 7, retryAfterMs: 2001, resetAfterMs: 50_000 }, "b")];
    const headers = written(limits);
    expect(headers["x-ratelimit-limit"]).toBe("7");
    expect(headers["x-ratelimit-reset"]).toBe("3");
    expect(headers.ratelimit).toBe('"default";r=0;t=30, "b";r=1;t=3'.replace("default", "a"));
  });

  it("replaces an upstream's fields, and takes out those it does not send", () => {
    const upstream = { ratelimit: '"up";r=1;t=1', "x-ratelimit-limit": "1", "ratelimit-policy": "x" };
    expect(written([applied({})], upstream)["x-ratelimit-limit"]).toBe("100");
    expect(written([applied({})], upstream).ratelimit).toBe('"default";r=50;t=30');
    expect(Object.keys(written([applied({}, "default", 60_000, "x")], upstream)).sort()).toEqual(["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]);
    expect(written([applied({}, "default", 60_000, "none")], upstream)).toEqual({});
  });

  it("never says a negative or an unwritable number", () => {
    const headers = written([applied({ remaining: -3, limit: 1e300 }, "d", 60_000, "both", 1e300)]);
    expect(headers.ratelimit).toBe('"d";r=0;t=30');
    expect(headers["ratelimit-policy"]).toBe('"d";q=999999999999999;w=60');
    expect(headers["x-ratelimit-remaining"]).toBe("0");
  });
});

describe("retryAfterSeconds", () => {
  it("is the longest wait of what refused, rounded up, at least 1, and nothing where waiting does not help", () => {
    expect(retryAfterSeconds([applied({ allowed: false, retryAfterMs: 1 }), applied({ allowed: false, retryAfterMs: 4001 }), applied({ resetAfterMs: 99_000 })])).toBe(5);
    expect(retryAfterSeconds([applied({ allowed: false, retryAfterMs: 0 })])).toBe(1);
    expect(retryAfterSeconds([applied({ allowed: false, retryAfterMs: 10 }), applied({ allowed: false, retryAfterMs: null })])).toBeUndefined();
  });

  it("is never earlier than t of a limit that refused", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e8 }), fc.integer({ min: 0, max: 1e8 }), (retryAfterMs, resetAfterMs) => {
        const limit = applied({ allowed: false, remaining: 0, retryAfterMs, resetAfterMs });
        const t = Number(/;t=(\d+)$/.exec(written([limit]).ratelimit as string)?.[1]);
        expect(retryAfterSeconds([limit])).toBeGreaterThanOrEqual(t);
      }),
    );
  });
});

describe("fieldString", () => {
  it("escapes quotes and backslashes and percent-encodes what a structured field cannot hold", () => {
    expect(fieldString('a"b\\c')).toBe('"a\\"b\\\\c"');
    expect(fieldString("100% é")).toBe('"100%25 %C3%A9"');
    expect(fieldString("100%")).toBe('"100%"');
    expect(fieldString("a\r\nx: y")).toBe('"a%0D%0Ax: y"');
  });

  it("is a structured-field string for any text", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void expect(fieldString(text)).toMatch(/^"(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"$/)));
    expect(fieldString("\ud800")).toBe('"%EF%BF%BD"');
  });
});
