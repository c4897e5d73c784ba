import { describe, expect, test } from "vitest";
import { extractClientIp } from "./client-ip.ts";
import { createGateway } from "./create-gateway.ts";
import { getGatewayContext } from "./context.ts";
import { normalizeAddress } from "./ip-address.ts";
import type { TrustProxy } from "./types.ts";

const node = (remoteAddress: string | undefined): unknown => ({ incoming: { socket: { remoteAddress } } });

async function seen(trustProxy: TrustProxy | undefined, env: unknown, headers: Record<string, string>, events: unknown[] = []): Promise<string> {
  const gateway = createGateway({
    ...(trustProxy === undefined ? {} : { trustProxy }),
    routes: [{ path: "/*", pipeline: { upstream: { type: "handler", handler: (c) => c.text(getGatewayContext(c)!.clientIp) } } }],
  });
  gateway.events.on((event) => events.push(event));
  return (await gateway.app.request("/", { headers }, env as never)).text();
}

describe("normalizeAddress", () => {
  test.each([
    ["1.2.3.4", "1.2.3.4"], ["1.2.3.4:80", "1.2.3.4"], ["[2001:DB8::1]:443", "2001:db8::1"], ["::ffff:10.0.0.1", "10.0.0.1"], ["fe80::1%eth0", "fe80::1"],
    ["::FFFF:0a00:0001", "10.0.0.1"], ["2001:db8:0:0:0:0:0:1", "2001:db8::1"], [" 1.2.3.4 ", "1.2.3.4"],
    ["unknown", undefined], ["_hidden", undefined], ["010.0.0.1", undefined], ["0x7f.1", undefined], ["2130706433", undefined], ["1.2.3", undefined], ["1.2.3.4.5", undefined],
    ["1.2.3.256", undefined], ["", undefined], ["[1.2.3.4]", undefined], ["1.2.3.4.", undefined],
  ])("%j is %j", (text, address) => expect(normalizeAddress(text)).toBe(address));
});

describe("the gateway's client address", () => {
  const spoof = { "x-forwarded-for": "6.6.6.6", forwarded: "for=6.6.6.6", "cf-connecting-ip": "6.6.6.6" };

  test.each<[string, TrustProxy | undefined, unknown, Record<string, string>, string]>([
    ["nobody is trusted by default", undefined, node("9.9.9.9"), spoof, "9.9.9.9"],
    ["an untrusted peer stays itself", ["10.0.0.0/8"], node("9.9.9.9"), spoof, "9.9.9.9"],
    ["one proxy", 1, node("10.0.0.1"), { "x-forwarded-for": "6.6.6.6, 5.5.5.5" }, "5.5.5.5"],
    ["two proxies", 2, node("10.0.0.1"), { "x-forwarded-for": "6.6.6.6, 5.5.5.5, 10.0.0.2" }, "5.5.5.5"],
    ["blocks walk from the right", ["10.0.0.0/8"], node("::ffff:10.0.0.1"), { "x-forwarded-for": "6.6.6.6, 5.5.5.5:1234, 10.1.2.3" }, "5.5.5.5"],
    ["all hops trusted: the outermost", ["10.0.0.0/8"], node("10.0.0.1"), { "x-forwarded-for": "10.0.0.9, 10.0.0.2" }, "10.0.0.9"],
    ["garbage ends the walk", ["10.0.0.0/8"], node("10.0.0.1"), { "x-forwarded-for": "5.5.5.5, evil, 10.0.0.2" }, "10.0.0.2"],
    ["a function", (address) => address === "10.0.0.1", node("10.0.0.1"), { "x-forwarded-for": "6.6.6.6, 5.5.5.5" }, "5.5.5.5"],
    ["Forwarded", 1, node("10.0.0.1"), { forwarded: 'for=6.6.6.6, for="[2001:db8::7]:99";proto=https' }, "2001:db8::7"],
    ["a passed-on platform field does not count", 1, node("10.0.0.1"), { "cf-connecting-ip": "6.6.6.6", "x-forwarded-for": "5.5.5.5" }, "5.5.5.5"],
    ["Deno", undefined, { remoteAddr: { hostname: "9.9.9.9", port: 1, transport: "tcp" } }, spoof, "9.9.9.9"],
    ["Bun", undefined, { requestIP: () => ({ address: "9.9.9.9", port: 1 }) }, spoof, "9.9.9.9"],
    ["no address", undefined, undefined, spoof, "unknown"],
  ])("%s", async (_name, trust, env, headers, expected) => expect(await seen(trust, env, headers)).toBe(expected));

  test("an unknown address is reported once", async () => {
    const events: unknown[] = [];
    const gateway = createGateway({ routes: [{ path: "/*", pipeline: { upstream: { type: "handler", handler: (c) => c.text(getGatewayContext(c)!.clientIp) } } }] });
    gateway.events.on((event) => events.push(event));
    await gateway.app.request("/");
    await gateway.app.request("/");
    expect(events).toEqual([{ type: "client-address.unknown" }]);
  });

  test.each([[["10.0.0.0/33"]], [["banana"]], [["10.0.0.0/8/8"]], [-1], [1.5], ["loopback"]])("trustProxy %j is refused", (trustProxy) => {
    expect(() => createGateway({ trustProxy: trustProxy as never, routes: [{ path: "/", pipeline: { upstream: { type: "handler", handler: () => new Response() } } }] })).toThrow(/trustProxy/);
  });
});

describe("extractClientIp", () => {
  const headers = { "X-Forwarded-For": "1.1.1.1, 2.2.2.2" };
  test("without trustedProxies the first field decides", () => {
    expect(extractClientIp(headers)).toBe("1.1.1.1");
    expect(extractClientIp(headers, { useRightmostForwardedIp: true })).toBe("2.2.2.2");
    expect(extractClientIp(new Headers({ "cf-connecting-ip": "3.3.3.3", ...headers }))).toBe("3.3.3.3");
    expect(extractClientIp({}, { fallbackAddress: "4.4.4.4" })).toBe("4.4.4.4");
    expect(extractClientIp({})).toBe("unknown");
  });
  test("with trustedProxies an untrusted peer never chooses its address", () => {
    expect(extractClientIp(headers, { trustedProxies: ["10.0.0.0/8"], fallbackAddress: "9.9.9.9" })).toBe("9.9.9.9");
    expect(extractClientIp(headers, { trustedProxies: ["10.0.0.0/8"], fallbackAddress: "10.0.0.1" })).toBe("2.2.2.2");
    expect(extractClientIp(headers, { trustedProxies: ["10.0.0.0/8"] })).toBe("unknown");
  });
});
