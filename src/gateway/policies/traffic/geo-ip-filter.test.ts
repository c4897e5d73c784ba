import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { geoIpFilter, type GeoIpFilterConfig } from "./geo-ip-filter.ts";

const send = async (options: GeoIpFilterConfig, country: string | undefined, trustProxy: false | number = 1): Promise<number> =>
  (await createPolicyTestHarness(geoIpFilter(options), { clock: manualClock(), trustProxy }).request("/", { headers: country === undefined ? {} : { "cf-ipcountry": country } }, { incoming: { socket: { remoteAddress: "9.9.9.9" } } })).status;

describe("geoIpFilter", () => {
  it.each<[GeoIpFilterConfig, string | undefined, number]>([
    [{ deny: ["kp"] }, "KP", 403], [{ deny: ["KP"] }, "kp", 403], [{ deny: ["KP"] }, "DE", 200], [{ deny: ["KP"] }, undefined, 200],
    [{ mode: "allow", allow: ["DE"] }, "DE", 200], [{ mode: "allow", allow: ["DE"] }, "FR", 403], [{ mode: "allow", allow: ["DE"] }, undefined, 403], [{ mode: "allow", allow: ["XX"] }, "XX", 403],
  ])("%j from %s is %i", async (options, country, status) => {
    expect(await send(options, country)).toBe(status);
  });

  it("does not believe the client (S1)", async () => {
    expect(await send({ mode: "allow", allow: ["DE"] }, "DE", false)).toBe(403);
  });

  it.each([{}, { deny: ["Germany"] }, { mode: "allow" }, { deny: ["DE"], countryHeader: "a b" }])("refuses %j", (options) => {
    const make = geoIpFilter;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
