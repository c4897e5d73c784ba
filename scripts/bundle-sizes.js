/**
 * What programs weigh, minified and compressed with gzip, against a budget each: what is reached, and a little air. A program that
 * outgrows its budget fails the check. Lower a budget when you slim what it measures; raise one only for something a user asked for.
 */
import { gzipKb } from "./bundle.js";

/** The Worker that the edge benchmark measures, too. */
export const GATEWAY_WORKER = `
import { cache, createGateway, rateLimit } from "sluice/gateway";
import { CacheApiCacheStore, DurableObjectRateLimitStore } from "sluice/cloudflare";
export { RateLimiterDO } from "sluice/cloudflare";
const namespace = { idFromName: (name) => name, get: () => undefined };
const gateway = createGateway({ routes: [{ path: "/*", pipeline: {
  policies: [rateLimit({ max: 100, store: new DurableObjectRateLimitStore(namespace) }), cache({ store: new CacheApiCacheStore(caches.default) })],
  upstream: { type: "url", target: "https://backend.internal" },
} }] });
export default { fetch: gateway.fetch };`;

/** What a page loads for one call with retry and timeout; the bench prints it, too. */
export const BROWSER_STITCH = `
import { stitch } from "sluice/client";
const user = stitch({ url: "https://api.example.com/users/{id}", retry: 3, timeout: 10_000 });
globalThis.load = (id) => user({ params: { id } });`;

const all = (names, entry) => `import { ${names} } from "${entry}"; globalThis.used = [${names}];`;

const programs = [
  { name: "Worker: gateway, rateLimit, cache, Durable Object limits", source: GATEWAY_WORKER, budgetKb: 97 },
  { name: "Worker: gateway alone", source: all("createGateway", "sluice/gateway"), budgetKb: 43.8 },
  { name: "Worker: DurableObjectRateLimitStore and RateLimiterDO", source: all("DurableObjectRateLimitStore, RateLimiterDO", "sluice/cloudflare"), budgetKb: 18.8 },
  { name: "Worker: durableObjectRateLimiter and StateDO", source: all("durableObjectRateLimiter, StateDO", "sluice/cloudflare"), budgetKb: 35.3 },
  { name: "Worker: cloudflarePubSub and PubSubDO", source: all("cloudflarePubSub, PubSubDO", "sluice/cloudflare"), budgetKb: 9.7 },
  { name: "Worker: cloudflareKvStore", source: all("cloudflareKvStore", "sluice/cloudflare"), budgetKb: 6 },
  { name: "browser: stitch with retry and timeout", source: BROWSER_STITCH, target: "browser", budgetKb: 29.5 },
  { name: "browser: the sockets client", source: all("createClient", "sluice/sockets/client"), target: "browser", budgetKb: 5.3 },
  { name: "memoryRateLimiter", source: all("memoryRateLimiter", "sluice/memory"), budgetKb: 12.6 },
];

/** Prints what each weighs; throws naming those above their budget. */
export async function checkBundles() {
  const rows = [];
  for (const { name, source, target = "worker", budgetKb } of programs) rows.push({ name, kb: await gzipKb(source, target), budgetKb });
  const width = Math.max(...rows.map(({ name }) => name.length));
  const line = ({ name, kb, budgetKb }) => `${name.padEnd(width)}  ${kb.toFixed(1).padStart(6)} kB of ${budgetKb}`;
  const over = rows.filter(({ kb, budgetKb }) => kb > budgetKb);
  if (over.length > 0) throw new Error(`above the budget (scripts/bundle-sizes.js):\n${over.map(line).join("\n")}`);
  console.log(rows.map((row) => `        ${line(row)}`).join("\n"));
  return `${rows.length} programs, gzip`;
}
