import { afterEach, describe, expect, it, vi } from "vitest";
import { apiKey } from "./auth/simple.ts";
import { fetchAdapter } from "./adapters.ts";
import { seam } from "./seam.ts";
import { stitch } from "./stitch.ts";

/** A `fetch` that tells how it was asked to treat redirects, and answers as if it had followed one to `end`. */
function platform(end?: string): { readonly modes: unknown[]; readonly fetch: typeof globalThis.fetch } {
  const modes: unknown[] = [];
  return {
    modes,
    fetch: async (_input, init) => {
      modes.push(init?.redirect);
      const response = Response.json({ next: "/b" });
      if (end !== undefined) Object.defineProperties(response, { redirected: { value: true }, url: { value: end } });
      return response;
    },
  };
}

const inBrowser = (): void => void vi.stubGlobal("navigator", { userAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36" });
const url = "https://api.example.com/a";

describe("redirects in a browser", () => {
  afterEach(() => void vi.unstubAllGlobals());

  it("are the client's everywhere else", async () => {
    for (const userAgent of ["Node.js/22", "Bun/1.3", "Deno/2.5", "Cloudflare-Workers"]) {
      vi.stubGlobal("navigator", { userAgent });
      const { fetch, modes } = platform();
      await stitch({ url, adapter: fetchAdapter({ fetch }) })();
      expect(modes).toEqual(["manual"]);
    }
  });

  it("are followed by the browser, which takes `authorization` off", async () => {
    inBrowser();
    const { fetch, modes } = platform();
    await stitch({ url, adapter: fetchAdapter({ fetch }), headers: { authorization: "Bearer secret", "x-tag": "1" } })();
    expect(modes).toEqual(["follow"]);
  });

  it.each<[string, object]>([
    ["redirect.max is 0", { redirect: { max: 0 } }],
    ["other origins are refused", { redirect: { crossOrigin: "refuse" } }],
    ["a key is in a field of its own", { auth: apiKey({ value: "secret", in: "header", name: "x-vendor" }) }],
    ["the caller's fields hold a secret", { headers: { "x-api-key": "secret" } }],
  ])("fail when %s", async (_, config) => {
    inBrowser();
    const { fetch, modes } = platform();
    await stitch({ url, adapter: fetchAdapter({ fetch }), ...config })();
    expect(modes).toEqual(["error"]);
  });

  it("fail when a seam allows certain hosts only", async () => {
    inBrowser();
    const { fetch, modes } = platform();
    await using api = seam({ baseUrl: "https://api.example.com", adapter: fetchAdapter({ fetch }), allowHosts: ["api.example.com"] });
    await api.stitch("/a")();
    expect(modes).toEqual(["error"]);
  });

  it("that left https are refused, and the answer is not read", async () => {
    inBrowser();
    const { fetch } = platform("http://api.example.com/b");
    expect(await stitch({ url, adapter: fetchAdapter({ fetch }) })().safe()).toMatchObject({ ok: false, error: { code: "REDIRECT_REFUSED", sent: true } });
  });
});
