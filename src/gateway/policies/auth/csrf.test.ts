import { describe, expect, it } from "vitest";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { csrf, type CsrfConfig } from "./csrf.ts";

const send = (headers: Record<string, string>, options: CsrfConfig = {}, init: RequestInit = { method: "POST" }, trustProxy: false | number = false): Promise<Response> =>
  createPolicyTestHarness(csrf(options), { trustProxy }).request("https://shop.example/x", { ...init, headers });

describe("csrf", () => {
  it.each<[Record<string, string>, number]>([
    [{ "sec-fetch-site": "same-origin", origin: "https://shop.example" }, 200],
    [{ "sec-fetch-site": "none" }, 200],
    [{ "sec-fetch-site": "cross-site", origin: "https://evil.example" }, 403],
    [{ "sec-fetch-site": "same-site", origin: "https://blog.shop.example" }, 403],
    [{ "sec-fetch-site": "cross-site" }, 403],
    [{ origin: "https://shop.example", cookie: "s=1" }, 200],
    [{ origin: "http://shop.example", cookie: "s=1" }, 403],
    [{ origin: "https://shop.example.evil", cookie: "s=1" }, 403],
    [{ origin: "null" }, 403],
    [{ referer: "https://shop.example/form?x", cookie: "s=1" }, 200],
    [{ referer: "https://evil.example/https://shop.example", cookie: "s=1" }, 403],
    [{ referer: "rubbish" }, 403],
    [{ cookie: "s=1" }, 403],
    [{}, 200],
  ])("%j is %i", async (headers, status) => {
    expect((await send(headers)).status).toBe(status);
  });

  it("admits the origins it is given", async () => {
    const options = { allowedOrigins: ["https://app.example"] };
    expect((await send({ "sec-fetch-site": "cross-site", origin: "https://app.example" }, options)).status).toBe(200);
    expect((await send({ origin: "https://shop.example", cookie: "s=1" }, options)).status).toBe(403);
  });

  it("checks unsafe methods and WebSocket handshakes, or the methods it is given", async () => {
    const evil = { origin: "https://evil.example" };
    expect((await send(evil, {}, { method: "GET" })).status).toBe(200);
    expect((await send(evil, {}, { method: "DELETE" })).status).toBe(403);
    for (const upgrade of ["WebSocket", "websocket, x", "h2c,  WebSocket"]) expect((await send({ ...evil, upgrade }, {}, { method: "GET" })).status).toBe(403);
    expect((await send(evil, { methods: ["get"] }, { method: "GET" })).status).toBe(403);
  });

  it("does not let a client choose the own origin (S1)", async () => {
    const forged = { origin: "https://evil.example", "x-forwarded-host": "evil.example", cookie: "s=1" };
    expect((await send(forged)).status).toBe(403);
    expect((await send(forged, {}, { method: "POST" }, 1)).status).toBe(200);
  });

  it("allowMissing decides for requests that say nothing", async () => {
    expect((await send({ cookie: "s=1" }, { allowMissing: true })).status).toBe(200);
    expect((await send({}, { allowMissing: false })).status).toBe(403);
    expect(await (await send({}, { allowMissing: false })).json()).toMatchObject({ code: "csrf_rejected" });
  });

  it.each([{ allowedOrigins: ["https://a.example/"] }, { allowedOrigins: [] }, { methods: [] }, { allowMissing: 1 }])("refuses %j", (options) => {
    expect(() => csrf(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
