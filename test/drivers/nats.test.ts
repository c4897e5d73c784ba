/** Every contract on a real NATS server. */

import { type NatsConnection, connect } from "@nats-io/transport-node";
import { type KV, Kvm } from "@nats-io/kv";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { natsDriver } from "../../src/drivers/nats/driver.ts";
import { natsStore } from "../../src/drivers/nats/store.ts";
import { cacheStoreOn } from "../../src/state/stores/cache-store.ts";
import { createStores } from "../../src/state/stores/stores.ts";
import { verifyCacheStoreContract } from "../../src/testing/verify-cache-store.ts";
import { verifyCircuitBreakerStoreContract } from "../../src/testing/verify-circuit-breaker-store.ts";
import { verifyDriverContract } from "../../src/testing/verify-driver.ts";
import { verifyRateLimitStoreContract } from "../../src/testing/verify-rate-limit-store.ts";
import { verifyRateLimiterContract } from "../../src/testing/verify-rate-limiter.ts";
import { verifyStoreContract } from "../../src/testing/verify-store.ts";
import { type NatsServer, startNats } from "../servers/nats.ts";

let server: NatsServer;
const connections: NatsConnection[] = [];
const buckets: KV[] = [];
let turn = 0;
/** Two clients stand for two processes; a suite makes many objects on them. */
const kv = (): KV => buckets[turn++ % 2] as KV;

beforeAll(async () => {
  server = await startNats();
  for (let i = 0; i < 2; i++) {
    const connection = await connect({ servers: server.url });
    connections.push(connection);
    buckets.push(await new Kvm(connection).create("contracts", { history: 1 }));
  }
});
afterAll(async () => {
  for (const connection of connections) await connection.close();
  await server.stop();
});

describe("contracts", () => {
  const report = async (verified: Promise<{ violations: readonly unknown[]; passed: readonly string[] }>): Promise<void> => {
    const { violations, passed } = await verified;
    expect(violations).toEqual([]);
    expect(passed.length).toBeGreaterThan(5);
  };

  it.concurrent("driver", () => report(verifyDriverContract(() => natsDriver(kv()))));
  it.concurrent("key-value", () => report(verifyStoreContract(() => natsStore(kv(), { keyPrefix: "kv:" }), { ttlMs: 200 })));
  it.concurrent("rate limits", () => report(verifyRateLimitStoreContract(() => createStores(natsDriver(kv())).rateLimitStore)));
  it.concurrent("rate limiter", () => report(verifyRateLimiterContract((policy) => createStores(natsDriver(kv())).rateLimiter(policy))));
  it.concurrent("circuit breaker", () => report(verifyCircuitBreakerStoreContract(() => createStores(natsDriver(kv())).circuitBreakerStore)));
  it.concurrent("cache", () => report(verifyCacheStoreContract(() => cacheStoreOn(natsDriver(kv())))));
});
