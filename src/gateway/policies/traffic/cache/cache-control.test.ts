import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCacheControl, parseRequestDirectives } from "../../../../core/cache-control.ts";
import { parseTargeted, responseDirectives } from "./targeted.ts";
import { deltaSeconds, visitDirectives } from "../../../../core/cache-directives.ts";

const visited = (text: string): [string, string | undefined][] => {
  const all: [string, string | undefined][] = [];
  visitDirectives(text, (name, value) => all.push([name, value]));
  return all;
};

describe("visitDirectives", () => {
  it.each([
    ["", []],
    ["public", [["public", undefined]]],
    [" Max-Age=10 ,\tPRIVATE", [["max-age", "10"], ["private", undefined]]],
    [',, a="x, y" ,b', [["a", "x, y"], ["b", undefined]]],
    ['a="x\\"y\\\\"', [["a", 'x"y\\']]],
    ['a="unclosed, no-store', [["a", '"unclosed'], ["no-store", undefined]]],
    ['a="x"junk, b="', [["a", "xjunk"], ["b", '"']]],
    ["a=b=c, =d", [["a", "b=c"]]],
  ])("reads %j", (text, wanted) => {
    expect(visited(text)).toEqual(wanted);
  });

  it("is linear in hostile text", () => {
    const texts = [
      '="'.repeat(500_000),
      '"'.repeat(1_000_000),
      "a=\"\\".repeat(250_000),
      ",".repeat(1_000_000),
      " ".repeat(1_000_000),
      "a=".repeat(500_000),
      'a="",'.repeat(200_000),
      `a=${" ".repeat(999_990)}x`,
    ];
    for (const text of texts) {
      const start = process.cpuUsage().user;
      let seen = 0;
      visitDirectives(text, () => seen++);
      expect(process.cpuUsage().user - start).toBeLessThan(500_000);
    }
  });

  it("reads back what a list of directives says, whatever the values", () => {
    const token = fc.stringMatching(/^[a-z][a-z-]{0,8}$/);
    const value = fc.option(fc.string(), { nil: undefined });
    fc.assert(
      fc.property(fc.array(fc.tuple(token, value), { maxLength: 8 }), (list) => {
        const text = list.map(([name, content]) => (content === undefined ? name : `${name}="${content.replace(/[\\"]/g, "\\$&")}"`)).join(" , ");
        expect(visited(text)).toEqual(list);
      }),
    );
  });

  it("never throws", () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom(..."a=\",\\ \t-") }), (text) => void visited(text)));
  });
});

describe("deltaSeconds", () => {
  it.each([["0", 0], ["003600", 3600], ["99999999999999999999", 2_147_483_648]])("reads %s", (text, wanted) => expect(deltaSeconds(text)).toBe(wanted));
  it.each(["", "-1", "1.5", "3600a", "a1", "1 0", "'1'", "٣", undefined])("does not read %s", (text) => expect(deltaSeconds(text)).toBeUndefined());
});

describe("parseCacheControl", () => {
  it("takes the first of repeated lifetimes, also over lines", () => {
    expect(parseCacheControl("max-age=1800, max-age=1").maxAge).toBe(1800);
    expect(parseCacheControl("max-age=1, max-age=1800").maxAge).toBe(1);
  });

  it.each(["max-age=", "max-age", "max-age=x", "max-age=-5", "max-age=1.0", "max-age='5'", "max-age= 5"])("takes %s for a lifetime that is over", (text) => {
    expect(parseCacheControl(text).maxAge).toBe(0);
  });

  it("accepts quoted lifetimes and ignores those inside other quotes", () => {
    expect(parseCacheControl('max-age="5"').maxAge).toBe(5);
    expect(parseCacheControl('x="max-age=5"').maxAge).toBeUndefined();
  });

  it.each(["private", 'private=""', 'private=" , "', "private=x", 'private="a b"', 'private="a"b"', 'private="a', 'private="a", private', 'private, private="a"', "Private"])(
    "takes %j for private as a whole",
    (text) => expect(parseCacheControl(text).private).toBe(true),
  );

  it("takes well-formed field lists for what they are", () => {
    const parsed = parseCacheControl('private="Set-Cookie, x-user" , no-cache="A"');
    expect(parsed).toMatchObject({ private: false, noCache: false, dropFields: ["set-cookie", "x-user", "a"] });
    expect(parsed.names.has("no-cache")).toBe(false);
  });

  it("finds no-store behind every kind of damage", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."ab=\\ ,-") }), fc.string({ unit: fc.constantFrom(..."ab=\\ ,-\"") }), (before, after) => {
        expect(parseCacheControl(`${before},no-store,${after}`).noStore).toBe(true);
      }),
    );
  });

  it("keeps inherited names apart", () => {
    expect(parseCacheControl("__proto__, constructor=1").names).toEqual(new Set(["__proto__", "constructor"]));
  });
});

describe("targeted fields", () => {
  it("replace Cache-Control, ours before the general one", () => {
    const headers = new Headers({ "cache-control": "no-store", "cdn-cache-control": "max-age=5" });
    expect(responseDirectives(headers)).toMatchObject({ targeted: true, directives: { maxAge: 5, noStore: false } });
    headers.set("gateway-cache-control", "max-age=7");
    expect(responseDirectives(headers).directives.maxAge).toBe(7);
  });

  it.each(["", "max-age=10, &&", 'max-age="10"', "max-age=1.5", "MaX-aGe=3", "max-age =3", "max-age=3,", "max-age", "max-age=(1 2)", "x=(a b)"])(
    "%j is no such field, and Cache-Control counts",
    (text) => {
      expect(parseTargeted(text)).toBeUndefined();
      const headers = new Headers({ "cache-control": "no-store", "cdn-cache-control": text });
      expect(responseDirectives(headers)).toMatchObject({ targeted: false, directives: { noStore: true } });
    },
  );

  it("read booleans, extensions and field lists", () => {
    expect(parseTargeted('foo, private=?0, no-store, max-age=99999999999, no-cache="set-cookie"')).toMatchObject({
      private: false,
      noStore: true,
      maxAge: 2_147_483_648,
      dropFields: ["set-cookie"],
    });
    expect(parseTargeted("max-age=-5")?.maxAge).toBe(0);
  });
});

describe("parseRequestDirectives", () => {
  it("reads what a client may ask", () => {
    expect(parseRequestDirectives("no-cache, max-age=5, max-stale, min-fresh=2, only-if-cached", undefined)).toMatchObject({
      noCache: true,
      maxAge: 5,
      maxStale: Infinity,
      minFresh: 2,
      onlyIfCached: true,
      noStore: false,
    });
    expect(parseRequestDirectives("max-stale=10", undefined).maxStale).toBe(10);
  });

  it("heeds Pragma only without Cache-Control", () => {
    expect(parseRequestDirectives(undefined, "x, No-Cache").noCache).toBe(true);
    expect(parseRequestDirectives("max-age=5", "no-cache").noCache).toBe(false);
    expect(parseRequestDirectives(undefined, undefined).noCache).toBe(false);
  });
});
