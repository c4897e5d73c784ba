/** Runs inside Bun: the contracts of Postgres through Bun's own client. Prints one line of JSON. Needs `dist/`. */
import { SQL } from "bun";
import { PostgresCacheStore, PostgresCircuitBreakerStore, PostgresRateLimitStore, postgresDriver, postgresRateLimiter, postgresStore } from "../../dist/postgres.js";
import {
  verifyCacheStoreContract, verifyCircuitBreakerStoreContract, verifyDriverContract, verifyRateLimitStoreContract, verifyRateLimiterContract, verifyStoreContract,
} from "../../dist/testing.js";

const [url, pooled] = process.argv.slice(2);
// Two clients stand for two processes.
const made = [0, 1].map(() => new SQL({ url, max: 4, ...(pooled === "pooled" ? { prepare: false } : {}) }));
let next = 0;
const client = () => made[next++ % 2];

const reports = [
  await verifyDriverContract(() => postgresDriver(client())),
  await verifyStoreContract(() => postgresStore(client(), { keyPrefix: "bun:" }), { ttlMs: 200 }),
  await verifyRateLimitStoreContract(() => new PostgresRateLimitStore(client())),
  await verifyRateLimiterContract((policy) => postgresRateLimiter(client(), policy)),
  await verifyCircuitBreakerStoreContract(() => new PostgresCircuitBreakerStore(client())),
  await verifyCacheStoreContract(() => new PostgresCacheStore(client())),
];
console.log(JSON.stringify({ runtime: process.versions.bun, reports: reports.map(({ name, passed, violations }) => ({ name, passed: passed.length, violations })) }));
process.exit(0);
