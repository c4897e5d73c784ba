import { expect, it, vi } from "vitest";
import { scriptedDriver } from "../../testing/scripted-driver.ts";
import type { LimitPolicy } from "../contracts/limits.ts";
import { rateLimitStoreOn } from "./rate-limit-store.ts";

it("keeps a bounded number of keys over all policies, those of policies out of use included", async () => {
  const set = vi.spyOn(Map.prototype, "set");
  const store = rateLimitStoreOn(scriptedDriver({ answer: "sync" }));
  const maps = new Set<Map<unknown, unknown>>();
  for (let limit = 0; limit < 5; limit++) {
    const policy: LimitPolicy = { algorithm: "fixed-window", max: 10, windowMs: 60_000 + limit };
    for (let user = 0; user < 10_000; user++) {
      await store.check(`user-${user}`, policy, 1);
      if (user === 0) set.mock.calls.forEach(([key, value], i) => key === "user-0" && typeof value === "string" && maps.add(set.mock.contexts[i] as Map<unknown, unknown>));
    }
    set.mockClear();
  }
  set.mockRestore();
  expect(maps.size).toBe(5);
  let kept = 0;
  for (const map of maps) kept += map.size;
  expect(kept).toBeLessThanOrEqual(16_384);
});
