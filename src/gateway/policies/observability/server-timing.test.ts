import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { serverTiming } from "./server-timing.ts";

describe("serverTiming", () => {
  it("is one field that tells the time of the whole, and keeps the upstream's", async () => {
    const clock = manualClock();
    const { request } = createPolicyTestHarness(serverTiming({ visibility: "always" }), { clock, upstream: (c) => { clock.advance(25); return c.text("x", 200, { "server-timing": "db;dur=3" }); } });
    const field = (await request("/a")).headers.get("server-timing");
    expect(field).toContain("db;dur=3");
    expect(field).toMatch(/dur=25/);
  });
});
