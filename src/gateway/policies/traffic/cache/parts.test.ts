import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatHttpDate } from "../../../../core/http-date.ts";
import { originOf } from "../../../public-origin.ts";
import { type KeyParts, keyPrefix, privateKey, responseKey, variantOf } from "./cache-key.ts";
import { cacheName, formatCacheStatus } from "./cache-status.ts";
import { isNotModified, noneMatchNames } from "./conditional.ts";
import { ifRangeHolds, parseRange } from "./range.ts";
import { fromResponse, toResponse } from "./response-form.ts";
import { refreshedFields, storedFields } from "../../../../core/stored-fields.ts";
import { normaliseValue, variantKey, varyNames } from "../../../../core/cache-vary.ts";

const AT = Date.UTC(2026, 0, 15);

describe("keys", () => {
  const text = fc.string({ unit: fc.constantFrom(..."ab|#. ~@0123:") });
  const parts = fc.record<KeyParts>({ scope: text, target: text, origin: text, method: text, route: text, upstream: text, extra: text });

  it("of different parts differ, whatever the parts hold", () => {
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        expect(responseKey(a) === responseKey(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
    // A separator moved from one part to the next.
    const base = { scope: "s", target: "/a", origin: "o", method: "GET", route: "r", upstream: "u", extra: "" };
    expect(responseKey({ ...base, target: "/a b", origin: "o" })).not.toBe(responseKey({ ...base, target: "/a", origin: "b o" }));
  });

  it("of responses, variants and callers never meet", () => {
    fc.assert(
      fc.property(parts, parts, text, fc.array(fc.tuple(text, text)), (a, b, id, values) => {
        const names = values.map(([name]) => name);
        const variant = variantKey(names.length === 0 ? ["x"] : names, (name) => values.find(([other]) => other === name)?.[1]);
        const keys = [responseKey(a), variantOf(responseKey(b), id, variant), privateKey(responseKey(b), "0".repeat(64))];
        expect(new Set(keys).size).toBe(3);
      }),
    );
  });

  it("begin with scope and target", () => {
    const key = responseKey({ scope: "s", target: "/a/b?c", origin: "o", method: "GET", route: "r", upstream: "u", extra: "" });
    expect(key.startsWith(keyPrefix("s", "/a/"))).toBe(true);
    expect(key.startsWith(keyPrefix("s", "/b"))).toBe(false);
  });

  it("have the origin of the request", () => {
    expect(originOf("http://Host:80/a//b")).toBe("http://host:80");
    expect(originOf("https://h?x=//y")).toBe("https://h");
  });
});

describe("Vary", () => {
  it("lists names once, sorted, and knows the star anywhere", () => {
    expect(varyNames(new Headers())).toEqual([]);
    expect(varyNames(new Headers({ vary: "B, a,, b ,A" }))).toEqual(["a", "b"]);
    for (const star of ["*", "*, *", ", *", "a, *", "*,a"]) expect(varyNames(new Headers({ vary: star }))).toBeUndefined();
  });

  it("tells different values apart, and absent from empty", () => {
    const value = fc.option(fc.string({ unit: fc.constantFrom(..."ab.;:-#=0123") }), { nil: undefined });
    fc.assert(
      fc.property(value, value, value, value, (a1, b1, a2, b2) => {
        const key = (a: string | undefined, b: string | undefined) => variantKey(["a", "b"], (name) => (name === "a" ? a : b));
        expect(key(a1, b1) === key(a2, b2)).toBe(a1?.trim() === a2?.trim() && b1?.trim() === b2?.trim());
      }),
    );
  });

  it("sees equal values in different spellings", () => {
    expect(normaliseValue("foo", " 1,  2 ")).toBe(normaliseValue("foo", "1,2"));
    expect(normaliseValue("accept-language", "en, DE;q=0.5")).toBe(normaliseValue("accept-language", "de; q=0.5,en"));
    expect(normaliseValue("foo", "b, a")).not.toBe(normaliseValue("foo", "a, b"));
    expect(normaliseValue("foo", "A")).not.toBe(normaliseValue("foo", "a"));
    expect(normaliseValue("foo", '"a, b"')).not.toBe(normaliseValue("foo", '"a,b"'));
  });

  it("fields that say who asks are compared as they came: commas and spaces in them are no list", () => {
    for (const name of ["cookie", "authorization", "proxy-authorization", "x-api-key", "x-session-id", "x-auth-token"]) {
      const key = (value: string) => variantKey([name], () => value);
      const values = ["sid=a,b", "sid=a,,b", "sid=a, b", "sid=a ,b", ",sid=a,b", "sid=a,b ", "SID=a,b"];
      expect(new Set(values.map(key)).size, name).toBe(values.length);
    }
  });

  it("puts no credential and no long value into a key", () => {
    const key = variantKey(["authorization", "cookie", "x-api-key", "y"], (name) => (name === "y" ? "long".repeat(100) : "s3cret"));
    expect(key).not.toContain("s3cret");
    expect(key).not.toContain("longlong");
  });
});

describe("If-None-Match", () => {
  it.each<[string, string | undefined, boolean]>([
    ["*", undefined, true],
    ['"a"', '"a"', true],
    ['W/"a"', '"a"', true],
    ['"a"', 'W/"a"', true],
    ['"b", "a"', '"a"', true],
    ['"b","a,b" , W/"c"', '"a,b"', true],
    ['"a, b"', '"a"', false],
    ['"b"', '"a"', false],
    ["a", '"a"', false],
    ["a, b", "b", true],
    ['"a"', undefined, false],
    ['"unclosed', '"unclosed"', false],
    ["", '"a"', false],
  ])("%j against %j: %s", (field, etag, wanted) => expect(noneMatchNames(field, etag)).toBe(wanted));

  it("is linear", () => {
    const start = process.cpuUsage().user;
    for (const text of ['"'.repeat(1_000_001), ",".repeat(1_000_000), "W/".repeat(500_000), 'W/"a",'.repeat(150_000)]) noneMatchNames(text, '"z"');
    expect(process.cpuUsage().user - start).toBeLessThan(1_000_000);
  });

  it("wins over If-Modified-Since", () => {
    const stored = { etag: '"a"', lastModified: formatHttpDate(AT), date: AT };
    expect(isNotModified('"a"', formatHttpDate(AT - 5000), stored, AT)).toBe(true);
    expect(isNotModified('"b"', formatHttpDate(AT + 5000), stored, AT)).toBe(false);
    expect(isNotModified(undefined, formatHttpDate(AT), stored, AT)).toBe(true);
    expect(isNotModified(undefined, formatHttpDate(AT - 1000), stored, AT)).toBe(false);
    expect(isNotModified(undefined, "soon", stored, AT)).toBe(false);
    expect(isNotModified(undefined, formatHttpDate(AT), { ...stored, lastModified: undefined }, AT)).toBe(true);
  });
});

describe("ranges", () => {
  it.each<[string, number, ReturnType<typeof parseRange>]>([
    ["bytes=0-1", 10, { first: 0, last: 1 }],
    ["Bytes = 2-", 10, { first: 2, last: 9 }],
    ["bytes=-3", 10, { first: 7, last: 9 }],
    ["bytes=-30", 10, { first: 0, last: 9 }],
    ["bytes=5-99", 10, { first: 5, last: 9 }],
    ["bytes=10-", 10, "unsatisfiable"],
    ["bytes=-0", 10, "unsatisfiable"],
    ["bytes=-1", 0, "unsatisfiable"],
    ["bytes=0-", 0, "unsatisfiable"],
    ["bytes=3-1", 10, undefined],
    ["bytes=0-1,3-4", 10, undefined],
    ["bytes=-", 10, undefined],
    ["bytes=a-b", 10, undefined],
    ["bytes=1--2", 10, undefined],
    ["items=0-1", 10, undefined],
    ["bytes", 10, undefined],
    ["bytes=99999999999999999999-", 10, "unsatisfiable"],
  ])("%j of %i bytes", (field, length, wanted) => expect(parseRange(field, length)).toEqual(wanted));

  it("lie within the bytes there are", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."0123456789-, ") }), fc.nat(50), (spec, length) => {
        const range = parseRange(`bytes=${spec}`, length);
        if (typeof range === "object") expect(0 <= range.first && range.first <= range.last && range.last < length).toBe(true);
      }),
    );
  });

  it("need a strong match of If-Range", () => {
    const stored = { etag: '"a"', lastModified: formatHttpDate(AT - 5000), date: AT };
    expect(ifRangeHolds('"a"', stored, AT)).toBe(true);
    expect(ifRangeHolds('"b"', stored, AT)).toBe(false);
    expect(ifRangeHolds('W/"a"', { ...stored, etag: 'W/"a"' }, AT)).toBe(false);
    expect(ifRangeHolds('"a"', { ...stored, etag: 'W/"a"' }, AT)).toBe(false);
    expect(ifRangeHolds(formatHttpDate(AT - 5000), stored, AT)).toBe(true);
    expect(ifRangeHolds(formatHttpDate(AT - 4000), stored, AT)).toBe(false);
    expect(ifRangeHolds(formatHttpDate(AT - 5000), { ...stored, date: AT - 5000 }, AT)).toBe(false);
  });
});

describe("Cache-Status", () => {
  it("is written in the order of the RFC's examples", () => {
    expect(formatCacheStatus("gw", { hit: true, ttl: -3 })).toBe("gw; hit; ttl=-3");
    expect(formatCacheStatus("gw", { fwd: "uri-miss", fwdStatus: 200, stored: true, collapsed: true })).toBe("gw; fwd=uri-miss; fwd-status=200; stored; collapsed");
  });

  it("names the cache by a token, else by a string", () => {
    expect(cacheName("edge-gateway")).toBe("edge-gateway");
    expect(cacheName("my gateway")).toBe('"my gateway"');
    expect(cacheName('a"b\\c')).toBe('"a\\"b\\\\c"');
    expect(cacheName("1st")).toBe('"1st"');
    expect(cacheName("gä\r\nte")).toBe('"g???te"');
  });
});

describe("stored fields", () => {
  const rules = { dropFields: ["x-user"], own: ["x-cache"], respondedAt: AT };

  it("leave out those of the connection, of the proxy's hop and the forbidden ones", () => {
    const headers = new Headers({
      connection: "close, X-Hop", "keep-alive": "1", "x-hop": "1", te: "x", trailer: "x", upgrade: "x", "transfer-encoding": "chunked",
      "proxy-authenticate": "x", "proxy-authentication-info": "x", "proxy-authorization": "x", "proxy-connection": "x",
      age: "5", "x-user": "me", "x-cache": "HIT", date: formatHttpDate(AT), "x-kept": "yes",
    });
    headers.append("set-cookie", "a=1");
    headers.append("set-cookie", "b=2");
    expect(storedFields(headers, rules)).toEqual([["date", formatHttpDate(AT)], ["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-kept", "yes"]]);
  });

  it("get the time of receipt where there is no date", () => {
    expect(storedFields(new Headers(), rules)).toEqual([["date", formatHttpDate(AT)]]);
  });

  it("take what a 304 says, except about the bytes", () => {
    const stored = [["content-length", "5"], ["content-encoding", "gzip"], ["etag", '"a"'], ["x", "1"], ["date", "then"]] as const;
    const fresh = new Headers({ "content-length": "0", "content-encoding": "br", x: "2", y: "3", connection: "y", date: "now" });
    expect(Object.fromEntries(refreshedFields(stored, fresh, rules))).toEqual({ "content-length": "5", "content-encoding": "gzip", etag: '"a"', x: "2", date: "now" });
  });
});

describe("records as responses", () => {
  const record = {
    status: 200,
    headers: [["content-type", "text/plain"], ["set-cookie", "a=1"], ["set-cookie", "b=2"]] as [string, string][],
    body: new Uint8Array([0, 255, 10]),
    storedAt: AT,
    freshUntil: AT + 1,
    keepUntil: AT + 2,
    tags: ["ü\r\n", "b"],
    meta: { v: 1, list: ["ß"] },
  };

  it.each([200, 404, 0])("come back as they were, status %i", async (status) => {
    const sent = { ...record, status, ...(status === 0 ? { body: new Uint8Array(0) } : undefined) };
    expect(await fromResponse(toResponse(sent))).toEqual(sent);
  });

  it("come back without a body where the status has none", async () => {
    expect(await fromResponse(toResponse({ ...record, status: 204, body: new Uint8Array(0) }))).toMatchObject({ status: 204, body: new Uint8Array(0) });
  });

  it.each([new Response("x"), new Response("x", { headers: { "x-sluice-cache-record": "{" } }), new Response("x", { headers: { "x-sluice-cache-record": "null" } }), {}, "x", null])(
    "are not seen in anything else",
    async (other) => expect(await fromResponse(other)).toBeUndefined(),
  );
});
