/** Limits that are settled afterwards and places that are held, over several gateways which share nothing but the database. */

import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createGateway } from "../../src/gateway/create-gateway.ts";
import { concurrencyLimit } from "../../src/gateway/policies/traffic/concurrency-limit.ts";
import { tokenLimit } from "../../src/gateway/policies/traffic/token-limit.ts";
import type { Policy } from "../../src/gateway/types.ts";
import { POSTGRES_SCHEMA_SQL, type PostgresAdapter, postgresAdapter } from "../../src/postgres.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";

const GATEWAYS = 3;

let server: PostgresServer;
let pools: pg.Pool[] = [];
let adapters: PostgresAdapter[] = [];

beforeAll(async () => {
  server = await startPostgres();
  pools = Array.from({ length: GATEWAYS }, () => new pg.Pool({ connectionString: server.url, max: 4 }));
  await pools[0]?.query(POSTGRES_SCHEMA_SQL);
  adapters = pools.map((client) => postgresAdapter({ client, combiner: { timeoutMs: 60_000 } }));
});
afterAll(async () => {
  for (const adapter of adapters) await adapter.close();
  for (const pool of pools) await pool.end();
  await server.stop();
});

function gateways(name: string, policy: () => Policy, upstream: () => Response | Promise<Response>) {
  const background: Promise<unknown>[] = [];
  const made = adapters.map((adapter) => createGateway({
    name,
    adapter: { ...adapter, waitUntil: (promise) => void background.push(promise) },
    // What is asserted is what was decided, not when.
    stores: { timeoutMs: 60_000, putTimeoutMs: 60_000 },
    routes: [{ path: "/*", pipeline: { policies: [policy()], upstream: { type: "handler", handler: upstream } } }],
  }));
  return {
    ask: async (at: number): Promise<Response> => {
      const response = await made[at % GATEWAYS]!.fetch(new Request("http://accounts.test/"));
      await response.clone().text();
      return response;
    },
    settle: async () => {
      while (background.length > 0) await Promise.all(background.splice(0));
    },
    close: () => Promise.all(made.map((gateway) => gateway.close())),
  };
}

it("tokens that were reserved are settled to what was used: one account for all gateways, and debt holds everywhere", async () => {
  let used = 10;
  const fleet = gateways("tokens", () => tokenLimit({ max: 1000, windowSeconds: 10_000_000, estimate: 100 }), () => Response.json({ usage: { total_tokens: used } }));
  for (let round = 0; round < 3; round++) {
    const statuses = await Promise.all(Array.from({ length: 10 }, (_, i) => fleet.ask(i).then(({ status }) => status)));
    // Ten reservations of a hundred fit only while what was not used comes back.
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(round === 0 ? 10 : 7);
    await fleet.settle();
  }
  // At most 300 of the thousand are gone; what the next takes beyond the rest is owed.
  used = 1500;
  expect((await fleet.ask(1)).status).toBe(200);
  await fleet.settle();
  expect(await Promise.all([0, 1, 2].map((at) => fleet.ask(at).then(({ status }) => status)))).toEqual([429, 429, 429]);
  await fleet.close();
});

it("places are counted over all gateways, and one that is freed is there for the next", async () => {
  const held: (() => void)[] = [];
  const fleet = gateways("places", () => concurrencyLimit({ max: 5 }), () => new Promise<Response>((resolve) => held.push(() => resolve(new Response("done")))));
  const first = Array.from({ length: 30 }, (_, i) => fleet.ask(i).then(({ status }) => status));
  let refused = 0;
  for (const answer of first) void answer.then((status) => void (status !== 200 && refused++));
  await expect.poll(() => refused, { timeout: 60_000 }).toBe(25);
  expect(held.length).toBe(5);
  for (const free of held.splice(0)) free();
  expect((await Promise.all(first)).filter((status) => status === 200).length).toBe(5);
  await fleet.settle();
  const next = Array.from({ length: 5 }, (_, i) => fleet.ask(i).then(({ status }) => status));
  await expect.poll(() => held.length, { timeout: 60_000 }).toBe(5);
  for (const free of held.splice(0)) free();
  expect(await Promise.all(next)).toEqual([200, 200, 200, 200, 200]);
  await fleet.settle();
  await fleet.close();
});
