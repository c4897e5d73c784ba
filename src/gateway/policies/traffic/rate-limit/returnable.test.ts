import { expect, it } from "vitest";
import { scriptedDriver } from "../../../../testing/scripted-driver.ts";
import { rateLimitStoreOn } from "../../../../state/stores/rate-limit-store.ts";
import { takesBack } from "./returnable.ts";

it("takes one limit back, where that costs no round trip that a lease would save", () => {
  const plain = rateLimitStoreOn(scriptedDriver());
  expect([takesBack(plain, 1), takesBack(plain, 2), takesBack(undefined, 1)]).toEqual([true, false, false]);
  const leased = rateLimitStoreOn(scriptedDriver(), { lease: true });
  expect(takesBack(leased, 1)).toBe(false);
  leased.destroy();
});
