/** Line breaks and NUL in whatever becomes a line of a request refuse before the network. */

import { expect, it } from "vitest";
import { apiKey, basic, bearer, seam, stitch, type StitchConfig } from "../../../../src/client.ts";
import { mockAdapter } from "../../../../src/testing.ts";
import { caught } from "./helpers.ts";

const BAD = ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b"];

it.each(BAD)("%j as a value", async (bad) => {
  const adapter = mockAdapter([{ respond: { body: 1 } }]);
  const call = stitch({ method: "POST", url: "https://api.test/{id}", adapter });
  for (const input of [{ headers: { "x-a": bad } }, { headers: { cookie: `a=${bad}` } }, { headers: { "content-type": bad } }, { idempotencyKey: bad }, { headers: { [`x-${bad}`]: "a" } }]) {
    expect(await caught(call({ params: { id: 1 }, ...input })), JSON.stringify(input)).toMatchObject({ code: "INPUT_INVALID", sent: false });
  }
  expect(adapter.callCount).toBe(0);
});

it.each(BAD)("%j in a declaration", (bad) => {
  const adapter = mockAdapter([{ respond: { body: 1 } }]);
  for (const config of [{ headers: { "x-a": bad } }, { headers: { [bad]: "a" } }, { method: bad }, { idempotency: { header: bad } }]) {
    expect(() => stitch({ url: "https://api.test/", adapter, ...config } as StitchConfig), JSON.stringify(config)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }) as Error);
  }
});

it.each(BAD)("%j as a credential", async (bad) => {
  for (const auth of [bearer(() => bad), apiKey({ value: () => bad }), apiKey({ in: "cookie", value: () => bad }), basic({ user: () => bad, pass: "p" })]) {
    const adapter = mockAdapter([{ respond: { body: 1 } }]);
    const error = await caught(seam({ adapter, baseUrl: "https://api.test", auth }).stitch("/")());
    expect(error).toMatchObject({ code: "AUTH_FAILED", sent: false });
    expect(adapter.callCount).toBe(0);
    expect(JSON.stringify(error) + error.message).not.toContain("evil");
  }
});

it("names and file names of a multipart body cannot end their line", async () => {
  const adapter = mockAdapter([{ respond: { body: 1 } }]);
  await stitch({ method: "POST", url: "https://api.test/", adapter, body: "multipart" })({ body: { 'a"\r\nx: 1': "v", file: { value: new Uint8Array([1]), filename: 'b"\r\nx: 1', type: "text/plain" } } }).safe();
  const body = adapter.lastRequest?.body;
  const text = body === undefined || body === null ? "" : typeof body === "string" ? body : body instanceof Uint8Array ? new TextDecoder().decode(body) : await new Response(body as ReadableStream<Uint8Array>).text();
  expect(text).not.toMatch(/^x: 1/m);
});
