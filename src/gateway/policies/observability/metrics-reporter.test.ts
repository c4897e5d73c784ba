import { describe, expect, it } from "vitest";
import { InMemoryMetricsCollector } from "../../operation/metrics.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { metricsReporter } from "./metrics-reporter.ts";

describe("metricsReporter", () => {
  it("counts the requests of its route by pattern and status", async () => {
    const collector = new InMemoryMetricsCollector();
    const { request } = createPolicyTestHarness(metricsReporter({ collector }), { path: "/a/:id", upstream: (c) => c.text("x", 503) });
    for (const id of ["1", "2"]) await (await request(`/a/${id}`)).text();
    expect(collector.snapshot().counters["gateway_requests_total"]).toMatchObject([{ value: 2, tags: { route: "/a/:id", status: "503" } }]);
  });

  it("refuses what is no collector", () => {
    expect(() => metricsReporter({ collector: {} as never })).toThrow(/collector/);
  });
});
