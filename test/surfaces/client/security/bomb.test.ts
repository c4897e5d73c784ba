/** Answers that unfold to more than allowed stop there, with bounded memory. */

import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { brotliCompressSync, constants, deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stitch } from "../../../../src/client.ts";
import { caught } from "./helpers.ts";

const ZEROS = Buffer.alloc(100_000_000);
const bodies: Record<string, [coding: string, body: Buffer]> = {
  gzip: ["gzip", gzipSync(ZEROS)], deflate: ["deflate", deflateSync(ZEROS)], br: ["br", brotliCompressSync(ZEROS, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })],
  twice: ["gzip, gzip", gzipSync(gzipSync(ZEROS))], thrice: ["gzip, gzip, gzip", gzipSync(gzipSync(gzipSync(Buffer.alloc(1000))))],
};
const server = createServer((request, response) => {
  const [coding, body] = bodies[(request.url as string).slice(1)] as [string, Buffer];
  response.writeHead(200, { "content-type": "application/json", "content-encoding": coding, "content-length": body.byteLength }).end(body);
});
let origin: string;
beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

it.each(["gzip", "deflate", "br", "twice"])("%s", async (kind) => {
  const before = process.memoryUsage();
  expect(await caught(stitch({ url: `${origin}/${kind}`, maxResponseBytes: 1_000_000 })())).toMatchObject({ code: "RESPONSE_TOO_LARGE", sent: true });
  const after = process.memoryUsage();
  // A hundred megabytes were not unfolded: what was is the limit and the decoder's windows.
  expect(after.arrayBuffers + after.external - before.arrayBuffers - before.external).toBeLessThan(60_000_000);
});

it("more than two codings are refused", async () => {
  expect(await caught(stitch(`${origin}/thrice`)())).toMatchObject({ code: "PROTOCOL_ERROR" });
});
