/** A gateway with every stateful policy on one adapter, with the defaults of both: what it answers while its stores fail. */

import { createGateway } from "../../src/gateway/create-gateway.ts";
import { circuitBreaker } from "../../src/gateway/policies/resilience/circuit-breaker.ts";
import { cache } from "../../src/gateway/policies/traffic/cache.ts";
import { rateLimit } from "../../src/gateway/policies/traffic/rate-limit.ts";
import type { FailMode, GatewayEvent } from "../../src/gateway/types.ts";
import { until } from "../servers/process.ts";
import type { GatewayAdapter } from "../../src/state/contracts/adapter.ts";

/** The deadline of a store in a gateway, and what a busy machine adds to it. */
export const ANSWER_MS: number = 250 + 400;
/** The deadline of the bare key-value store, and the same. */
export const VALUE_MS: number = 1000 + 400;

export const STORES = ["rateLimitStore", "circuitBreakerStore", "cacheStore"] as const;
export type StoreName = (typeof STORES)[number];

const MODES: readonly FailMode[] = ["local", "open", "closed"];

/** The routes, by the store they need. */
const ROUTES: readonly { readonly path: string; readonly store: StoreName; readonly mode: FailMode }[] = [
  ...MODES.map((mode) => ({ path: `/limit-${mode}`, store: "rateLimitStore" as const, mode })),
  ...MODES.map((mode) => ({ path: `/breaker-${mode}`, store: "circuitBreakerStore" as const, mode })),
  { path: "/cache", store: "cacheStore", mode: "open" },
];

export interface Site {
  /** Asks every route once; a status that is not what `down` says is a complaint. */
  ask(down: readonly StoreName[]): Promise<void>;
  /** Complaints: a late answer, a wrong status. */
  readonly wrong: string[];
  /** `down` and `up` of each store, in order. */
  readonly changes: Readonly<Record<StoreName, string[]>>;
  /** What a `get` and a `set` of the key-value store say: "ok" or the code of the error. */
  value(): Promise<{ get: string; set: string }>;
  /** Fills what a restart may lose: a limit used up, a value, a response. */
  fill(): Promise<void>;
  /** What of that is still there. */
  left(): Promise<{ limits: boolean; values: boolean; responses: boolean }>;
  close(): Promise<void>;
}

export function siteOf(adapter: GatewayAdapter & { close(): Promise<void> }): Site {
  const handler = (): Response => new Response("ok", { headers: { "cache-control": "max-age=600" } });
  const route = (path: string, policy: ReturnType<typeof rateLimit>): object => ({ path, pipeline: { policies: [policy], upstream: { type: "handler", handler } } });
  const gateway = createGateway({
    adapter,
    routes: [
      ...MODES.map((failMode) => route(`/limit-${failMode}`, rateLimit({ max: 100_000, windowSeconds: 600, failMode, keyBy: () => "k" }))),
      ...MODES.map((failMode) => route(`/breaker-${failMode}`, circuitBreaker({ failMode }))),
      route("/cache", cache({})),
      route("/counted", rateLimit({ max: 3, windowSeconds: 600, failMode: "closed", keyBy: () => "counted" })),
    ],
  } as Parameters<typeof createGateway>[0]);
  const wrong: string[] = [];
  const changes = { rateLimitStore: [] as string[], circuitBreakerStore: [] as string[], cacheStore: [] as string[] };
  gateway.events.on((event: GatewayEvent) => {
    if (event.type === "store.down" || event.type === "store.up") changes[event.store as StoreName]?.push(event.type.slice("store.".length));
  });

  async function get(path: string): Promise<Response> {
    const began = performance.now();
    const response = await gateway.fetch(new Request(`http://gateway.test${path}`));
    await response.text();
    const took = performance.now() - began;
    if (took > ANSWER_MS) wrong.push(`${path} took ${Math.round(took)} ms`);
    return response;
  }

  async function told(call: () => unknown): Promise<string> {
    const began = performance.now();
    const said = await (async () => call())().then(() => "ok", (error: { code?: string }) => error.code ?? String(error));
    const took = performance.now() - began;
    if (took > VALUE_MS) wrong.push(`the key-value store took ${Math.round(took)} ms`);
    return said;
  }

  return {
    wrong, changes,
    async ask(down) {
      await Promise.all(ROUTES.map(async ({ path, store, mode }) => {
        const { status } = await get(path);
        // Until its store is given up on, a route may still have an answer of the store.
        const right = mode === "closed" && down.includes(store) ? 503 : 200;
        if (status !== right) wrong.push(`${path} answered ${status}, not ${right}`);
      }));
    },
    async value() {
      return { get: await told(() => adapter.store?.get("fault:value")), set: await told(() => adapter.store?.set("fault:written", 1, 600_000)) };
    },
    async fill() {
      for (let n = 0; n < 4; n++) await get("/counted");
      await adapter.store?.set("fault:value", "kept", 600_000);
      // A response is stored behind the answer.
      await until("the response is stored", async () => (await get("/cache?kept")).headers.get("x-cache") === "HIT");
    },
    async left() {
      return {
        limits: (await get("/counted")).status === 429,
        values: (await adapter.store?.get("fault:value")) === "kept",
        responses: (await get("/cache?kept")).headers.get("x-cache") === "HIT",
      };
    },
    async close() {
      await gateway.close({ graceMs: 0 });
      await adapter.close();
    },
  };
}
