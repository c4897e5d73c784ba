import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createFieldHeaders } from "./field-headers.ts";

type Step = ["set" | "append" | "delete" | "get" | "has", string, string];

const name = fc.oneof(fc.constantFrom("a", "A", "b", "x-y", "Set-Cookie", "set-cookie", "content-type", "", "bad name", "é"), fc.string({ maxLength: 4 }));
const value = fc.oneof(fc.constantFrom("1", " padded\t", "a, b", "caf\u00e9", "bad\r\nx", "\0", "\u2603", ""), fc.string({ maxLength: 6 }));
const step = fc.tuple(fc.constantFrom("set", "append", "delete", "get", "has"), name, value) as fc.Arbitrary<Step>;

function run(headers: Headers, [method, key, text]: Step): unknown {
  try {
    return method === "set" || method === "append" ? headers[method](key, text) : headers[method](key);
  } catch (error) {
    return (error as Error).name;
  }
}

describe("createFieldHeaders", () => {
  test("agrees with the platform's Headers on every history", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const ours = createFieldHeaders();
        const theirs = new Headers();
        for (const one of steps) expect(run(ours, one)).toEqual(run(theirs, one));
        expect([...ours]).toEqual([...theirs]);
        expect([...ours.keys()]).toEqual([...theirs.keys()]);
        expect([...ours.values()]).toEqual([...theirs.values()]);
        expect(ours.getSetCookie()).toEqual(theirs.getSetCookie());
        const seen: [string, string][] = [];
        ours.forEach((text, key) => void seen.push([key, text]));
        expect(seen).toEqual([...theirs]);
      }),
      { numRuns: 500 },
    );
  });

  test("is a Headers to the platform", () => {
    const headers = createFieldHeaders({ "Content-Type": "text/plain", "x-a": "1" });
    headers.append("set-cookie", "a=1");
    headers.append("set-cookie", "b=2");
    expect(headers).toBeInstanceOf(Headers);
    const response = new Response("x", { headers });
    expect([response.headers.get("content-type"), response.headers.getSetCookie()]).toEqual(["text/plain", ["a=1", "b=2"]]);
    expect([...new Headers(headers)]).toEqual([...headers]);
  });
});
