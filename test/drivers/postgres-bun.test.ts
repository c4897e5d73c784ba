/** The contracts of Postgres inside a real Bun, through its own client. */

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { POSTGRES_SCHEMA_SQL } from "../../src/drivers/postgres/schema.ts";
import { type Pooler, startPooler } from "../servers/pgbouncer.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";

let server: PostgresServer;
let pooler: Pooler;
beforeAll(async () => {
  server = await startPostgres();
  const admin = new pg.Client(server.url);
  await admin.connect();
  await admin.query(POSTGRES_SCHEMA_SQL);
  await admin.end();
  pooler = await startPooler(server.port, 4);
});
afterAll(async () => {
  await pooler.stop();
  await server.stop();
});

const root = fileURLToPath(new URL("../../", import.meta.url));

it.each(["direct", "pooled"] as const)("%s: every contract holds", async (way) => {
  const { stdout } = await promisify(execFile)(`${root}node_modules/.bin/bun`, [`${root}test/drivers/postgres-bun.js`, way === "pooled" ? pooler.url : server.url, way], { cwd: root });
  const { runtime, reports } = JSON.parse(stdout.trim().split("\n").at(-1) as string) as { runtime: string; reports: { name: string; passed: number; violations: unknown[] }[] };
  expect(runtime).toMatch(/^\d+\./);
  expect(reports.length).toBe(6);
  for (const { name, passed, violations } of reports) {
    expect(violations, name).toEqual([]);
    expect(passed, name).toBeGreaterThan(5);
  }
});
