import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatHttpDate, parseHttpDate } from "../../../../core/http-date.ts";
import { initialAge } from "../../../../core/cache-age.ts";
import { type ExchangeFacts, type StorageRules, type StoragePlan, planStorage } from "./freshness.ts";

const NOW = Date.UTC(2026, 0, 15, 12, 0, 0);
const FACTS: ExchangeFacts = { authenticated: false, personalKey: false, requestedAt: NOW, respondedAt: NOW };
const RULES: StorageRules = {
  ttlMs: 300_000,
  negativeTtlMs: 10_000,
  statuses: undefined,
  respectCacheControl: true,
  bypassDirectives: ["no-store", "no-cache"],
  storeSetCookie: false,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
};

const plan = (headers: Record<string, string>, over: { status?: number; facts?: Partial<ExchangeFacts>; rules?: Partial<StorageRules> } = {}) =>
  planStorage(over.status ?? 200, new Headers(headers), { ...FACTS, ...over.facts }, { ...RULES, ...over.rules });
const lifetime = (...args: Parameters<typeof plan>) => {
  const result = plan(...args);
  return typeof result === "string" ? result : result.lifetimeMs / 1000;
};

describe("lifetime", () => {
  const date = formatHttpDate(NOW);
  it.each<[Record<string, string>, number | string]>([
    [{}, 300],
    [{ "cache-control": "public" }, 300],
    [{ "cache-control": "max-age=5" }, 5],
    [{ "cache-control": "max-age=5, s-maxage=7" }, 7],
    [{ "cache-control": "max-age=5", expires: formatHttpDate(NOW + 60_000), date }, 5],
    [{ expires: formatHttpDate(NOW + 60_000), date }, 60],
    [{ expires: formatHttpDate(NOW + 60_000), date: formatHttpDate(NOW + 20_000) }, 40],
    [{ "cdn-cache-control": "max-age=9", "cache-control": "max-age=5", expires: "0" }, 9],
    [{ "cdn-cache-control": "max-age=9", "cache-control": "no-store" }, 9],
    [{ "cache-control": "max-age=0" }, "useless"],
    [{ expires: "0" }, "useless"],
    [{ expires: "yesterday" }, "useless"],
    [{ "cache-control": "max-age=0", etag: '"a"' }, 0],
  ])("of %j is %s", (headers, wanted) => expect(lifetime(headers)).toBe(wanted));

  it("comes from the options alone when told so, personal responses excepted", () => {
    const rules = { respectCacheControl: false };
    expect(lifetime({ "cache-control": "max-age=5, no-cache" }, { rules })).toBe(300);
    expect(lifetime({ "cache-control": "private" }, { rules })).toBe("bypass");
    expect(lifetime({ "cache-control": "no-store" }, { rules })).toBe("bypass");
    expect(lifetime({ "set-cookie": "a=1" }, { rules })).toBe("bypass");
  });

  it("is short for missing resources, unless they say otherwise", () => {
    expect(lifetime({}, { status: 404 })).toBe(10);
    expect(lifetime({ "cache-control": "max-age=60" }, { status: 410 })).toBe(60);
  });
});

describe("statuses", () => {
  it("stores the default set, and others only with explicit freshness", () => {
    for (const status of [200, 203, 204, 300, 301, 308, 404, 410]) expect(typeof plan({}, { status })).toBe("object");
    for (const status of [201, 302, 307, 400, 403, 418]) {
      expect(plan({}, { status })).toBe("status");
      expect(typeof plan({ "cache-control": "max-age=5" }, { status })).toBe("object");
    }
  });

  it("never stores some, whatever is said", () => {
    for (const status of [206, 304, 401, 407, 429, 500, 502, 503, 599]) {
      expect(plan({ "cache-control": "public, max-age=60" }, { status, rules: { statuses: new Set([status]) } })).toBe("status");
    }
  });

  it("stores the listed ones alone when there is a list", () => {
    const rules = { statuses: new Set([302]) };
    expect(typeof plan({}, { status: 302, rules })).toBe("object");
    expect(plan({ "cache-control": "max-age=5" }, { status: 200, rules })).toBe("status");
  });
});

describe("responses that may not be shared", () => {
  it.each([
    { "cache-control": "private, max-age=60" },
    { "cache-control": 'private="", max-age=60' },
    { "cache-control": "no-store, max-age=60" },
    { "cache-control": "no-cache, max-age=60" },
    { "cache-control": "max-age=60", vary: "accept, *" },
    { "cache-control": "max-age=60", "set-cookie": "a=1" },
    { "cache-control": "max-age=60", "content-type": "Text/Event-Stream; charset=utf-8" },
  ] as Record<string, string>[])("%j is not stored", (headers) => expect(plan(headers)).toBe("bypass"));

  it("heeds no-store beside must-understand, unless told that it knows better", () => {
    const headers = { "cache-control": "no-store, must-understand, max-age=60" };
    expect(plan(headers)).toBe("bypass");
    expect(lifetime(headers, { rules: { bypassDirectives: [] } })).toBe(60);
    expect(plan(headers, { status: 400, rules: { bypassDirectives: [] } })).toBe("bypass");
    expect(plan({ "cache-control": "no-store, max-age=60" }, { rules: { bypassDirectives: [] } })).toBe("bypass");
  });

  it("to callers with credentials are stored only on the response's word or under a key of their own", () => {
    const facts = { authenticated: true };
    expect(plan({ "cache-control": "max-age=60" }, { facts })).toBe("bypass");
    for (const word of ["public", "s-maxage=60", "must-revalidate"]) {
      expect((plan({ "cache-control": `max-age=60, ${word}` }, { facts }) as StoragePlan).shared).toBe(true);
    }
    expect((plan({}, { facts: { ...facts, personalKey: true } }) as StoragePlan).shared).toBe(false);
  });
});

describe("age", () => {
  const age = (headers: Record<string, string>, times = { requestedAt: NOW, respondedAt: NOW }) => initialAge(new Headers(headers), times);
  it.each<[Record<string, string>, number]>([
    [{}, 0],
    [{ age: "30" }, 30_000],
    [{ age: "30, 0" }, 30_000],
    [{ age: "0, 30" }, 0],
    [{ age: "abc" }, 0],
    [{ age: "-30" }, 0],
    [{ age: "30.5" }, 0],
    [{ date: formatHttpDate(NOW - 9_000) }, 9_000],
    [{ date: formatHttpDate(NOW - 9_000), age: "30" }, 30_000],
    [{ date: formatHttpDate(NOW + 9_000) }, 0],
    [{ date: "never" }, 0],
  ])("of %j is %s ms", (headers, wanted) => expect(age(headers)).toBe(wanted));

  it("counts the time on the wire, and no part of the second in which the response was dated", () => {
    expect(age({ age: "1" }, { requestedAt: NOW - 500, respondedAt: NOW })).toBe(1500);
    expect(age({ date: formatHttpDate(NOW) }, { requestedAt: NOW + 900, respondedAt: NOW + 900 })).toBe(0);
  });
});

describe("HTTP dates", () => {
  const at = Date.UTC(1994, 10, 6, 8, 49, 37);
  it.each(["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "SUN, 06 nov 1994 08:49:37 gMT"])("reads %s", (text) =>
    expect(parseHttpDate(text, NOW)).toBe(at),
  );
  it.each(["", "0", "-1", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT", "1994-11-06T08:49:37Z", "Sun, 06  Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT"])(
    "does not read %j",
    (text) => expect(parseHttpDate(text, NOW)).toBeUndefined(),
  );
  it("puts a two-digit year within fifty years ahead", () => {
    expect(parseHttpDate("Thursday, 18-Aug-50 02:01:18 GMT", NOW)).toBe(Date.UTC(2050, 7, 18, 2, 1, 18));
    expect(parseHttpDate("Thursday, 18-Aug-77 02:01:18 GMT", NOW)).toBe(Date.UTC(1977, 7, 18, 2, 1, 18));
  });
  it("round-trips whole seconds", () => {
    fc.assert(fc.property(fc.integer({ min: -1e10, max: 2e11 }), (seconds) => {
      expect(parseHttpDate(formatHttpDate(seconds * 1000), NOW)).toBe(seconds * 1000);
    }), {
      examples: [[0], [4_107_542_400]],
    });
  });
});
