/** Params cannot change host or origin, nor leave their segment. */

import { expect, it } from "vitest";
import { seam, stitch } from "../../../../src/client.ts";
import { mockAdapter } from "../../../../src/testing.ts";

const EVIL = ["../admin", "..%2fadmin", "a/../../b", "//evil.test", "@evil.test", "?x=1", "#x", "a\\b", "%2e%2e", ".", "..", "https://evil.test/", "\u0000", "a b", ":80", ";a=1", "%", "é"];

it.each(EVIL)("%j stays in its segment, or is refused", async (value) => {
  const adapter = mockAdapter([{ respond: { body: 1 } }]);
  for (const template of ["https://api.test/v1/{id}/end", "https://api.test/v1/{id}"]) {
    const result = await stitch({ url: template, adapter })({ params: { id: value } }).safe();
    if (!result.ok) {
      expect(result.error).toMatchObject({ code: "INPUT_INVALID", sent: false });
      continue;
    }
    const url = new URL(adapter.lastRequest?.url ?? "");
    expect(url.origin).toBe("https://api.test");
    expect(url.search + url.hash).toBe("");
    const segments = url.pathname.split("/");
    expect(segments.slice(0, 2)).toEqual(["", "v1"]);
    expect(segments).toHaveLength(template.endsWith("end") ? 4 : 3);
    expect(decodeURIComponent(segments[2] as string)).toBe(value);
  }
});

it("reserved expansion may have slashes, and still leaves neither path nor origin", async () => {
  const adapter = mockAdapter([{ respond: { body: 1 } }]);
  const call = stitch({ url: "https://api.test/files/{+path}", adapter });
  await call({ params: { path: "a/b c" } });
  expect(adapter.lastRequest?.url).toBe("https://api.test/files/a/b%20c");
  for (const path of ["../x", "a/../../x", "a/%2e%2e/x", "?a", "a#b", "a/./b"]) expect(await call({ params: { path } }).safe(), path).toMatchObject({ ok: false, error: { code: "INPUT_INVALID" } });
});

it("declarations: userinfo, hosts by variable, other origins by path", () => {
  for (const url of ["https://user:pass@api.test/", "https://{host}/", "https://api.{zone}.test/", "ftp://api.test/", "/relative", "https://api.test/../x", "https://api.test/a#b"]) expect(() => stitch({ url }), url).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }) as Error);
  const api = seam({ baseUrl: "https://api.test/base" });
  for (const path of ["//evil.test/x", "https://evil.test/x", "/../x", "\\\\evil.test"]) expect(() => api.stitch({ path }), path).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }) as Error);
});

it("a hook or a strategy cannot send the request elsewhere", async () => {
  const adapter = mockAdapter([{ respond: { body: 1 } }]);
  const call = stitch({ url: "https://api.test/", adapter, hooks: { onRequest: (request) => void (request.url = "https://evil.test/") } });
  expect(await call().safe()).toMatchObject({ ok: false, error: { code: "CONFIG_INVALID", sent: false } });
  expect(adapter.callCount).toBe(0);
});
