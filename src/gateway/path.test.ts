import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalPath, climbs, queryOf } from "./path.ts";

describe("canonicalPath", () => {
  test.each<[string, string | undefined]>([
    ["http://h/a/b", "/a/b"], ["http://h", "/"], ["http://h?x=1", "/"], ["http://h/a?b=/../c", "/a"], ["http://h/a#b", "/a"], ["/a/b?c", "/a/b"],
    ["http://h/%61dmin", "/admin"], ["http://h/%7Euser", "/~user"], ["http://h/a%2Fb", "/a%2Fb"], ["http://h/a%2fb", "/a%2Fb"], ["http://h/caf%c3%a9", "/caf%C3%A9"], ["http://h/a%5Cb", "/a%5Cb"],
    ["http://h/a/../b", "/b"], ["http://h/a/%2e%2e/b", "/b"], ["http://h/a/.%2E/b", "/b"], ["http://h/../../b", "/b"], ["http://h/a/.", "/a/"], ["http://h/a/..", "/"], ["http://h/%2e", "/"],
    ["http://h/a/..b/c", "/a/..b/c"], ["http://h/a/...", "/a/..."], ["http://h/a\\..\\b", "/a%5C..%5Cb"], ["http://h/a//b", "/a//b"], ["http://h//x", "//x"],
    ["http://h/a b", "/a%20b"], ["http://h/caf\u00e9", "/caf%C3%A9"], ["http://h/%252e%252e/x", "/%252e%252e/x"], ["http://h/a;b=c", "/a;b=c"],
    ["http://h/%", undefined], ["http://h/%zz", undefined], ["http://h/a%0", undefined], ["http://h/%00", undefined], ["http://h/a%00b", undefined],
  ])("%s is %s", (url, path) => expect(canonicalPath(url)).toBe(path));

  const segment = fc.oneof(
    fc.constantFrom(".", "..", "%2e", "%2E%2e", ".%2e", "a", "admin", "%61", "%2F", "%5c", "\\", "", ";x", "%C3%A9", "\u00e9", " ", "%25", "%252e"),
    fc.string({ maxLength: 5 }).filter((text) => !/[?#]/.test(text)),
  );

  test("is idempotent, absolute, and without dot segments or raw back-slashes", () => {
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 8 }), (segments) => {
        const path = canonicalPath(`http://h/${segments.join("/")}`);
        if (path === undefined) return;
        expect(path.startsWith("/")).toBe(true);
        expect(canonicalPath(`http://h${path}`)).toBe(path);
        expect(path.split("/").some((part) => part === "." || part === "..")).toBe(false);
        expect(path).toMatch(/^[\x21-\x7e]*$/);
        expect(path).not.toContain("\\");
      }),
      { numRuns: 2000 },
    );
  });

  test("agrees with the WHATWG parser where that one does not fold back-slashes", () => {
    fc.assert(
      fc.property(fc.array(segment.filter((text) => !/[\\\t\n\r\0]/.test(text)), { minLength: 1, maxLength: 8 }), (segments) => {
        const url = `http://h/${segments.join("/")}`;
        if (!URL.canParse(url)) return;
        // Trailing spaces of a URL text are no part of it; a malformed segment that a later `..` removes is gone once parsed.
        if (!/\s$/.test(url) && canonicalPath(url) !== undefined) expect(canonicalPath(url)).toBe(canonicalPath(new URL(url).href));
      }),
      { numRuns: 1000 },
    );
  });
});

test("queryOf gives the query as received", () => {
  expect([queryOf("http://h/a?b=%20&c#d?e"), queryOf("http://h/a"), queryOf("http://h/a?"), queryOf("http://h/a#?b")]).toEqual(["?b=%20&c", "", "?", ""]);
});

test.each([["/a/../b", false], ["/..", true], ["/a/%2e%2e/%2e./b", true], ["/a/b/../..", false], ["/./../x", true]])("climbs(%s) is %s", (path, expected) => expect(climbs(path)).toBe(expected));
