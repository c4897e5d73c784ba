/** Methods, bodies, downgrades and loops of redirects. */

import { expect, it } from "vitest";
import { stitch, type StitchConfig } from "../../../../src/client.ts";
import { mockAdapter } from "../../../../src/testing.ts";
import { caught } from "./helpers.ts";

const hop = (status: number, location: string, config: Partial<StitchConfig> = {}) => {
  const adapter = mockAdapter([{ match: "/from", respond: { status, headers: { location } } }, { respond: { body: "there" } }]);
  return { adapter, call: stitch({ url: "https://api.test/from", adapter, ...config } as StitchConfig) };
};

it.each([
  [301, "POST", "GET", false], [302, "POST", "GET", false], [303, "POST", "GET", false], [303, "PUT", "GET", false], [303, "HEAD", "HEAD", false],
  [301, "PUT", "PUT", true], [302, "DELETE", "DELETE", true], [307, "POST", "POST", true], [308, "POST", "POST", true], [302, "GET", "GET", false],
] as const)("%i after %s asks with %s", async (status, method, then, body) => {
  const { adapter, call } = hop(status, "/there", { method });
  await call(method === "GET" || method === "HEAD" ? {} : { body: { a: 1 } });
  expect(adapter.lastRequest?.method).toBe(then);
  expect(adapter.lastRequest?.body !== null && adapter.lastRequest?.body !== undefined).toBe(body);
  expect(adapter.lastRequest?.headers["content-type"] !== undefined).toBe(body);
});

it("from https to http is refused, with nothing sent there", async () => {
  const { adapter, call } = hop(302, "http://api.test/there");
  expect(await caught(call())).toMatchObject({ code: "REDIRECT_REFUSED" });
  expect(adapter.callCount).toBe(1);
});

it("to another origin: refused where the stitch says so, and where the body carries credentials", async () => {
  expect(await caught(hop(302, "https://other.test/", { redirect: { crossOrigin: "refuse" } }).call())).toMatchObject({ code: "REDIRECT_REFUSED" });
  const login = hop(307, "https://other.test/", { method: "POST" });
  expect(await caught(login.call({ body: { user: "a", password: "b" } }))).toMatchObject({ code: "REDIRECT_REFUSED" });
  expect(login.adapter.callCount).toBe(1);
  const plain = hop(307, "https://other.test/", { method: "POST" });
  await plain.call({ body: { note: "hello" } });
  expect(plain.adapter.lastRequest?.url).toBe("https://other.test/");
});

it("too many, and places that are no http URL", async () => {
  const loop = mockAdapter([{ respond: { status: 302, headers: { location: "/again" } } }]);
  expect(await caught(stitch({ url: "https://api.test/", adapter: loop, redirect: { max: 3 } })())).toMatchObject({ code: "TOO_MANY_REDIRECTS" });
  expect(loop.callCount).toBe(4);
  for (const location of ["ftp://x.test/", "https://user:pass@x.test/", "javascript:alert(1)", "file:///etc/passwd", "https://"]) {
    const { adapter, call } = hop(302, location);
    expect(await caught(call()), location).toMatchObject({ code: "REDIRECT_REFUSED" });
    expect(adapter.callCount).toBe(1);
  }
});

it("a stream is not sent twice", async () => {
  const { call } = hop(307, "/there", { method: "POST" });
  expect(await caught(call({ body: new Blob(["x"]).stream() }))).toMatchObject({ code: "BODY_NOT_REPLAYABLE" });
});
