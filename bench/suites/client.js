/**
 * The client on Node: small JSON GETs over loopback, keep-alive, 64 in flight, against the floor (`undici.request`) and peers.
 * What is measured is CPU of this process per call; the upstream is a process of its own. `extra` bundles for a browser.
 */
import { BROWSER_STITCH } from "../../scripts/bundle-sizes.js";
import { gzipKb } from "../../scripts/bundle.js";
import { fleetFigures } from "../client-fleet.js";
import { upstream } from "../http.js";

const IN_FLIGHT = 64;

/** `count` calls, as many as `width` at once. */
function flight(call, width = IN_FLIGHT) {
  return async (count) => {
    let left = count;
    await Promise.all(Array.from({ length: Math.min(width, count) }, async () => {
      while (left-- > 0) await call();
    }));
  };
}

/** A cell whose calls go to an upstream; `make` gives the call. */
const cell = (name, make, width) => ({
  name,
  async setup() {
    const { origin, stop } = await upstream();
    const call = await make(`${origin}/bench?no-store`, origin);
    const first = await call();
    if (typeof first?.items?.length !== "number") throw new Error(`${name} did not give the parsed answer`);
    return { run: flight(call, width), teardown: stop };
  },
});

const sluice = (config = {}) => async (url) => {
  const { stitch, bearer } = await import("../../dist/client.js");
  return stitch({ url, ...(typeof config === "function" ? config({ bearer }) : config) });
};

const everything = ({ bearer }) => ({ name: "bench", throttle: { rate: "1000000/s", burst: 1_000_000, concurrency: 512 }, retry: 3, circuit: {}, auth: bearer("abcdefgh") });

export default {
  name: "client",
  description: "small JSON GET over loopback, keep-alive, 64 in flight; CPU of the calling process",
  warmup: 4000,
  cells: [
    cell("undici.request", async (url) => {
      const { request, Agent } = await import("undici");
      const dispatcher = new Agent();
      return async () => (await request(url, { dispatcher })).body.json();
    }),
    cell("sluice, plain", sluice()),
    cell("sluice, throttle + retry + circuit + auth", sluice(everything)),
    cell("sluice, cache hit", async (_, base) => {
      const { stitch } = await import("../../dist/client.js");
      const call = stitch({ url: `${base}/bench`, cache: 60_000 });
      await call();
      await new Promise((resolve) => setTimeout(resolve, 50));
      return call;
    }),
    cell("axios", async (url) => {
      const [{ default: axios }, http] = await Promise.all([import("axios"), import("node:http")]);
      const client = axios.create({ httpAgent: new http.Agent({ keepAlive: true, maxSockets: IN_FLIGHT }) });
      return async () => (await client.get(url)).data;
    }),
    cell("ofetch", async (url) => {
      const { ofetch } = await import("ofetch");
      return () => ofetch(url);
    }),
    cell("got", async (url) => {
      const [{ default: got }, http] = await Promise.all([import("got"), import("node:http")]);
      const client = got.extend({ agent: { http: new http.Agent({ keepAlive: true, maxSockets: IN_FLIGHT }) }, responseType: "json", resolveBodyOnly: true });
      return () => client.get(url);
    }),
    cell("ky", async (url) => {
      const { default: ky } = await import("ky");
      return () => ky.get(url).json();
    }),
  ],
  ratios: [
    { name: "plain, over undici.request", of: "sluice, plain", to: "undici.request", metric: "cpu", atMost: 1.5 },
    { name: "everything on, over undici.request", of: "sluice, throttle + retry + circuit + auth", to: "undici.request", metric: "cpu", atMost: 2 },
    ...["axios", "ofetch", "got", "ky"].map((peer) => ({ name: `plain, over ${peer}`, of: "sluice, plain", to: peer, metric: "cpu", atMost: 1 / 3 })),
    { name: "cache hit, over undici.request", of: "sluice, cache hit", to: "undici.request", atLeast: 20 },
  ],
  extra: async (options) => [...(await fleetFigures(options)), ...(await bundleSizes())],
};

/** What a browser loads at once for `stitch` with retry and timeout, minified and gzipped. */
async function bundleSizes() {
  const kb = await gzipKb(BROWSER_STITCH, "browser");
  return [{ name: "bundle: stitch + retry + timeout, min+gzip", text: `${kb.toFixed(1)} kB`, required: "at most 12 kB", ok: kb <= 12, far: kb > 24 }];
}
