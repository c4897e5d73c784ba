import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { ipFilter, type IpFilterConfig } from "./ip-filter.ts";

const send = async (options: IpFilterConfig, address: string | undefined, headers: Record<string, string> = {}, trustProxy: false | number = false): Promise<number> =>
  (await createPolicyTestHarness(ipFilter(options), { clock: manualClock(), trustProxy }).request("/", { headers }, address === undefined ? {} : { incoming: { socket: { remoteAddress: address } } })).status;

describe("ipFilter", () => {
  it.each<[IpFilterConfig, string | undefined, number]>([
    [{ deny: ["10.0.0.0/8"] }, "10.1.2.3", 403], [{ deny: ["10.0.0.0/8"] }, "11.1.2.3", 200], [{ deny: ["10.0.0.0/8"] }, "::ffff:10.1.2.3", 403],
    [{ deny: ["10.0.0.0/8"], allow: ["10.1.2.3"] }, "10.1.2.3", 200], [{ deny: ["10.0.0.0/8"] }, undefined, 200],
    [{ mode: "allow", allow: ["2001:db8::/32"] }, "2001:db8::1", 200], [{ mode: "allow", allow: ["2001:db8::/32"] }, "2001:db9::1", 403],
    [{ mode: "allow", allow: ["0.0.0.0/0"], deny: ["10.0.0.1"] }, "10.0.0.1", 403], [{ mode: "allow", allow: ["0.0.0.0/0", "::/0"] }, undefined, 403],
  ])("%j lets %s through as %i", async (options, address, status) => {
    expect(await send(options, address)).toBe(status);
  });

  it("believes a forwarded address from a trusted proxy only (S1)", async () => {
    const options: IpFilterConfig = { mode: "allow", allow: ["1.1.1.1"] };
    expect(await send(options, "9.9.9.9", { "x-forwarded-for": "1.1.1.1" })).toBe(403);
    expect(await send(options, "9.9.9.9", { "x-forwarded-for": "1.1.1.1" }, 1)).toBe(200);
  });

  it("quotes an entry that is no block", () => {
    expect(() => ipFilter({ deny: ["10.0.0.0/33"] })).toThrow(/deny must be .* got "10.0.0.0\/33"/);
    expect(() => ipFilter({ deny: [""] })).toThrow(/got ""/);
  });

  it.each([{}, { mode: "allow", deny: [] }, { mode: "x" }, { deny: "10.0.0.1" }])("refuses %j", (options) => {
    const make = ipFilter;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
