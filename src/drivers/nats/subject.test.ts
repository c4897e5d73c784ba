import fc from "fast-check";
import { expect, it } from "vitest";
import { utf8Key } from "../../core/keys.ts";
import { fromSubject, toSubject } from "./subject.ts";

it("names become subjects and come back, whatever they hold", () => {
  fc.assert(fc.property(fc.oneof(fc.string({ minLength: 1, unit: "binary" }), fc.string({ minLength: 1, unit: fc.constantFrom(":", ".", "=", "_", "a", "é", "*", ">", " ") })), (text) => {
    const name = utf8Key(text);
    const subject = toSubject(name);
    expect(subject).toMatch(/^[A-Za-z0-9=/-][A-Za-z0-9=_/.-]*$/);
    expect(subject).not.toMatch(/\.\.|\.$/);
    expect(fromSubject(subject)).toBe(name);
  }));
  expect(toSubject("sluice:rl:user-7")).toBe("sluice.rl.user-7");
  expect(["=zz", "a..b", "a.", "=41", "=e2"].map(fromSubject)).toEqual([undefined, undefined, undefined, undefined, undefined]);
});
