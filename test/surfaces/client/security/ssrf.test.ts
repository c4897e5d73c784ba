/** `allowHosts` and `denyPrivate` hold for every hop, for links a server gives, and for what a name resolves to. */

import { afterAll, beforeAll, expect, it } from "vitest";
import { linkHeader, seam } from "../../../../src/client.ts";
import { mockAdapter } from "../../../../src/testing.ts";
import { caught, upstream } from "./helpers.ts";

let inner: Awaited<ReturnType<typeof upstream>>;
beforeAll(async () => {
  inner = await upstream((_, response) => void response.end("inner"));
});
afterAll(() => inner.stop());

it("denyPrivate: addresses in every spelling, and names that lead to them", async () => {
  const api = seam({ denyPrivate: true });
  const port = new URL(inner.origin).port;
  for (const host of ["127.0.0.1", "localhost", "x.localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "10.0.0.1", "192.168.1.1", "169.254.169.254", "[fd00::1]", "[fe80::1]", "100.64.0.1"]) {
    expect(await caught(api.stitch({ name: host, url: `http://${host}:${port}/` })()), host).toMatchObject({ code: "REDIRECT_REFUSED", sent: false });
  }
  expect(inner.asked).toEqual([]);
  await api.close();
});

it("denyPrivate: a redirect into the network", async () => {
  const adapter = mockAdapter([{ match: "/start", respond: { status: 302, headers: { location: "http://169.254.169.254/latest/meta-data" } } }, { respond: { body: "inner" } }]);
  const error = await caught(seam({ denyPrivate: true, baseUrl: "http://93.184.216.34", adapter }).stitch("/start")());
  expect(error.code).toBe("REDIRECT_REFUSED");
  expect(adapter.callCount).toBe(1);
});

it("allowHosts: declarations, thunks, redirects and next links", async () => {
  const adapter = mockAdapter([
    { match: "https://api.test/away", respond: { status: 302, headers: { location: "https://evil.test/" } } }, { match: "https://api.test/list", respond: { body: [1], headers: { link: '<https://evil.test/2>; rel="next"' } } },
    { match: "https://api.test/near", respond: { status: 302, headers: { location: "https://deep.ok.test/" } } }, { respond: { body: "fine" } },
  ]);
  const api = seam({ baseUrl: "https://api.test", adapter, allowHosts: ["api.test", "*.ok.test"] });
  expect(() => api.stitch({ url: "https://evil.test/" })).toThrow(/allowHosts/);
  expect(await caught(api.stitch({ name: "t", url: () => "https://evil.test/" })())).toMatchObject({ code: "REDIRECT_REFUSED" });
  expect(await caught(api.stitch("/away")())).toMatchObject({ code: "REDIRECT_REFUSED" });
  expect(await caught(api.stitch({ path: "/list", paginate: linkHeader() })())).toMatchObject({ code: "REDIRECT_REFUSED" });
  expect(await api.stitch("/near")()).toBe("fine");
  expect(adapter.calls.some(({ url }) => url.includes("evil"))).toBe(false);
  for (const host of ["https://ok.test.evil.test/", "https://notok.test/", "https://ok.test/", "https://api.test.evil.test/"]) expect(() => api.stitch({ url: host }), host).toThrow(/allowHosts/);
});
