import { expect, test } from "vitest";
import { createDebug, noopDebug } from "./debug.ts";

test("off is nothing", () => {
  for (const option of [undefined, false, ""]) expect(createDebug(option)).toBeUndefined();
  expect(createDebug("sluice:upstream")!("sluice:gateway")).toBe(noopDebug);
});

test("globs choose, a leading minus excludes, and one call is one line", () => {
  const lines: string[] = [];
  const debug = createDebug("sluice:policy:*, sluice:gateway, -sluice:policy:cache", (line) => lines.push(line))!;
  for (const name of ["sluice:policy:cors", "sluice:policy:cache", "sluice:gateway", "sluice:gatewayx"]) debug(name)("%s %d %j %% %o", "a\nb", 1, { c: 1 });
  debug("sluice:gateway")("more", new Error("x"), { y: 1 });
  expect(lines).toEqual([
    '[sluice:policy:cors] a\\u000ab 1 {"c":1} % %o', '[sluice:gateway] a\\u000ab 1 {"c":1} % %o', '[sluice:gateway] more Error: x {"y":1}',
  ]);
});
