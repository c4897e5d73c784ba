/** Twenty seconds of what `bench/gateway-soak.js` does for as long as one likes: full load, restarts of the upstream and of Redis. */

import { expect, test } from "vitest";
import { soak } from "../../bench/gateway-soak.js";

test("under load and faults: no 5xx without a fault, no heap kept, no handle left", async () => {
  const report = await soak({ seconds: 20, inFlight: 32 });
  expect(report.requests).toBeGreaterThan(200);
  expect(report.statuses[200]).toBeGreaterThan(100);
  // The faults were felt: otherwise the rest says nothing.
  expect(Object.keys(report.explained)).not.toEqual([]);
  expect(report.closed.events["store.error"]).toBeGreaterThan(0);
  expect(report.unexplained).toEqual({});
  expect(report.leaked).toEqual([]);
  // A collection's leavings; a kilobyte kept per request would be many times that.
  expect(report.last.heapUsed - report.first.heapUsed).toBeLessThan(5_000_000);
});
