import { brotliDecompressSync, gunzipSync, inflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { compression, negotiate, type CompressionConfig } from "./compression.ts";

const TEXT = "sluice ".repeat(1000);
const send = (accept: string | undefined, options: CompressionConfig = {}, headers: Record<string, string> = {}, init: RequestInit & { status?: number } = {}): Promise<Response> =>
  createPolicyTestHarness(compression(options), { upstream: () => new Response(init.status === 204 ? null : TEXT, { status: init.status ?? 200, headers: { "content-type": "text/plain", etag: '"a"', "content-length": String(TEXT.length), "accept-ranges": "bytes", ...headers } }) }).request("/", { ...init, headers: accept === undefined ? {} : { "accept-encoding": accept } });

describe("compression", () => {
  it.each([["gzip", gunzipSync], ["deflate", inflateSync]] as const)("compresses as %s, and corrects what describes the bytes", async (encoding, decode) => {
    const response = await send(encoding, { encodings: [encoding] });
    expect(["content-encoding", "vary", "etag", "content-length", "accept-ranges"].map((name) => response.headers.get(name))).toEqual([encoding, "Accept-Encoding", 'W/"a"', null, null]);
    const bytes = new Uint8Array(await response.arrayBuffer());
    expect(bytes.byteLength).toBeLessThan(500);
    expect(decode(bytes).toString()).toBe(TEXT);
  });

  it("uses br only where the runtime has it", async () => {
    const response = await send("br, gzip;q=0.5");
    const decode = response.headers.get("content-encoding") === "br" ? brotliDecompressSync : gunzipSync;
    expect(decode(new Uint8Array(await response.arrayBuffer())).toString()).toBe(TEXT);
  });

  it.each<[string, string | undefined, CompressionConfig, Record<string, string>, (RequestInit & { status?: number })?]>([
    ["nobody asks", undefined, {}, {}], ["refused", "gzip;q=0", {}, {}], ["identity is wanted more", "gzip;q=0.5, identity", {}, {}], ["encoded already", "gzip", {}, { "content-encoding": "br" }],
    ["no-transform", "gzip", {}, { "cache-control": "public, No-Transform" }], ["an event stream", "gzip", { contentTypes: ["text/*"] }, { "content-type": "text/event-stream" }], ["an image", "gzip", {}, { "content-type": "image/png" }],
    ["short", "gzip", { thresholdBytes: 10_000 }, {}], ["206", "gzip", {}, {}, { status: 206 }], ["204", "gzip", {}, {}, { status: 204 }], ["HEAD", "gzip", {}, {}, { method: "HEAD" }],
  ])("not when %s", async (_, accept, options, headers, init) => {
    const response = await send(accept, options, headers, init);
    expect([response.headers.get("content-encoding"), response.headers.get("etag")]).toEqual([headers["content-encoding"] ?? null, '"a"']);
  });

  it("keeps Vary of the upstream", async () => {
    expect((await send("gzip", {}, { vary: "Origin" })).headers.get("vary")).toBe("Origin, Accept-Encoding");
    expect((await send("gzip", {}, { vary: "accept-encoding" })).headers.get("vary")).toBe("accept-encoding");
  });

  it.each([["gzip, br", "br"], ["br;q=0.1, gzip", "gzip"], ["*", "br"], ["*;q=0, gzip", "gzip"], ["x-gzip", "gzip"], ["zstd", undefined], ["", undefined], ["gzip;q=x", "gzip"]])("negotiates %s as %s", (field, expected) => {
    expect(negotiate(field, ["br", "gzip"])).toBe(expected);
  });

  it.each([{ encodings: ["zstd"] }, { encodings: [] }, { thresholdBytes: -1 }])("refuses %j", (options) => {
    const make = compression;
    expect(() => make(options as never)).toThrow(expect.objectContaining({ code: "config_error" }));
  });
});
