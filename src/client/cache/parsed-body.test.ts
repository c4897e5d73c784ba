import { expect, test } from "vitest";
import { ParsedBody } from "./parsed-body.ts";

const bodyOf = (text: string) => {
  const body = new ParsedBody(new TextEncoder().encode(text));
  let parsed = 0;
  return { read: () => body.read(() => (parsed++, JSON.parse(text) as unknown)), times: () => parsed };
};

test("parsed once, and nobody sees what another did to it", () => {
  const { read, times } = bodyOf('{"a":[1,{"b":[null,true,"x"]}],"c":{}}');
  const first = read() as { a: [number, { b: unknown[] }]; c: Record<string, unknown> };
  const plain = JSON.stringify(first);
  first.a[1].b.push("mine");
  const second = read() as typeof first;
  expect(JSON.stringify(second)).toBe(plain);
  second.c["x"] = 1;
  second.a[1].b.length = 0;
  expect(JSON.stringify(read())).toBe(plain);
  expect(times()).toBe(1);
});

test("plain values, __proto__ as data, depth and length", () => {
  for (const text of ["1", "null", '"x"', "[]"]) {
    const { read } = bodyOf(text);
    expect([read(), read()]).toEqual([JSON.parse(text), JSON.parse(text)]);
  }
  for (const text of ['[{"__proto__":{"admin":true}}]', `${"[".repeat(500)}${"]".repeat(500)}`, JSON.stringify(["x".repeat(70_000)])]) {
    const { read, times } = bodyOf(text);
    read();
    expect(JSON.stringify(read())).toBe(text);
    expect(times()).toBe(2);
  }
  expect(({} as { admin?: boolean }).admin).toBeUndefined();
});
