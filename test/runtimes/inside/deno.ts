/** The suites' program on Deno, with Deno's own KV database. */

import { denoAdapter, denoKvAdapter, denoKvDriver, denoKvStore, serve, type DenoKvLike } from "sluice/deno";
import { cacheStoreOn, createStores } from "sluice/state";
import {
  verifyCacheStoreContract, verifyCircuitBreakerStoreContract, verifyDriverContract, verifyRateLimitStoreContract, verifyRateLimiterContract, verifyStoreContract,
} from "sluice/testing";
import type { NamedSuite } from "./contracts.ts";
import { program } from "./program.ts";
import type { Serve } from "./serving.ts";

const { Deno: deno } = globalThis as unknown as { Deno: { openKv(path: string): Promise<DenoKvLike & { set(key: string[], value: unknown): Promise<unknown> }>; makeTempDir(): Promise<string>; args: string[] } };

/** Two handles on one file stand for two processes. */
async function suites(): Promise<NamedSuite[]> {
  const file = `${await deno.makeTempDir()}/kv.sqlite3`;
  const handles = [await deno.openKv(file), await deno.openKv(file)] as const;
  let turn = 0;
  const kv = (): DenoKvLike => handles[turn++ % 2] as DenoKvLike;
  const shared = { shared: true, ttlMs: 200 } as const;
  return [
    ["deno kv: driver", () => verifyDriverContract(() => denoKvDriver(kv(), { prefix: "driver" }))],
    ["deno kv: key-value", () => verifyStoreContract(() => denoKvStore(kv(), { keyPrefix: "kv" }), { ...shared, foreign: async (key, text) => void (await handles[0].set(["kv", key], text)), prefixed: (keyPrefix) => denoKvStore(kv(), { keyPrefix }) })],
    ["deno kv: rate limits", () => verifyRateLimitStoreContract(() => createStores(denoKvDriver(kv(), { prefix: "rl" })).rateLimitStore, shared)],
    ["deno kv: rate limiter", () => verifyRateLimiterContract((policy) => createStores(denoKvDriver(kv(), { prefix: "limiter" })).rateLimiter(policy), { ...shared, ttlMs: 400 })],
    ["deno kv: circuit breaker", () => verifyCircuitBreakerStoreContract(() => createStores(denoKvDriver(kv(), { prefix: "circuit" })).circuitBreakerStore, { ...shared, ttlMs: 400 })],
    ["deno kv: cache", () => verifyCacheStoreContract(() => cacheStoreOn(denoKvDriver(kv(), { prefix: "cache" }), { inlineBytes: 32_768 }))],
  ];
}

// The gateway of the suites runs on its own KV database, so every policy goes through it.
const adapter = deno.args[0] === "gateway" && deno.args[2] === "kv" ? denoKvAdapter(await deno.openKv(":memory:")) : denoAdapter();
await program({ serve: serve as unknown as Serve, adapter: () => adapter, suites }, deno.args);
