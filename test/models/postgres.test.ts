/**
 * The driver on the real server against `step`, on random histories: replies, and the states that are read back, are those of
 * the definition, also when the clock goes back, rows are swept between two calls, and two clients take turns. The server's
 * clock cannot be driven, so the connection says another time.
 */
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { circuit } from "../../src/state/algorithms/circuit.ts";
import { circuitPolicy } from "../../src/state/algorithms/circuit-policy.ts";
import { leaseSet } from "../../src/state/algorithms/lease-set.ts";
import { value } from "../../src/state/algorithms/value.ts";
import type { Algorithm, LimitPolicy } from "../../src/state/contracts.ts";
import { compileLimit } from "../../src/state/limit-policy.ts";
import { type PostgresConnection, type PostgresDriver, POSTGRES_SCHEMA_SQL, fromPg, postgresDriver } from "../../src/postgres.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";

let server: PostgresServer;
let pool: pg.Pool;
let now = 0;
const drivers: PostgresDriver[] = [];
beforeAll(async () => {
  server = await startPostgres();
  pool = new pg.Pool({ connectionString: server.url, max: 4 });
  await pool.query(POSTGRES_SCHEMA_SQL);
  const real = fromPg(pool);
  const timed: PostgresConnection = {
    client: "pg with a clock",
    execute: async (statement, params) => (await real.execute(statement, params)).map((row) => (typeof row["now"] === "number" ? { ...row, now } : row)),
  };
  drivers.push(postgresDriver(timed), postgresDriver(timed));
});
afterAll(async () => {
  await pool.end();
  await server.stop();
});

const window = fc.record({ max: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constantFrom(1000, 2 ** 53 - 1)), windowMs: fc.constantFrom(1, 7, 64, 1000, 60_000) });
const cost = fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constantFrom(1, 1, 1, 2 ** 31 - 1));
const charge = fc.record({ cost, dry: fc.constantFrom(false, false, true), ticket: fc.boolean() });
const text = fc.constantFrom("", "a", "ü😀\"\\,{}", "\u0001j{\"a\":1}", "NULL", " ".repeat(100));
const ttlMs = fc.constantFrom(undefined, 1, 50, 10_000);

interface Kind {
  readonly algorithm: Algorithm;
  readonly commands: fc.Arbitrary<unknown>;
}

function limit(policies: fc.Arbitrary<LimitPolicy>): fc.Arbitrary<Kind> {
  return policies.map((user) => {
    const { algorithm, policy } = compileLimit(user);
    return { algorithm: algorithm as Algorithm, commands: charge.map((command) => ({ ...command, policy })) };
  });
}

const kinds: Record<string, fc.Arbitrary<Kind>> = {
  "fixed-window": limit(window.map((w) => ({ algorithm: "fixed-window", ...w }))),
  "sliding-window": limit(window.map((w) => ({ algorithm: "sliding-window", ...w, dynamic: true }))),
  "sliding-log": limit(window.map(({ max, windowMs }) => ({ algorithm: "sliding-window", max: Math.min(max, 30), windowMs }))),
  "token-bucket": limit(fc.record({ capacity: fc.constantFrom(1, 1.5, 5, 1000), max: fc.integer({ min: 1, max: 50 }), windowMs: fc.constantFrom(1, 7, 1000, 60_000) }).map((p) => ({ algorithm: "token-bucket", ...p }))),
  value: fc.constant({
    algorithm: value as Algorithm,
    commands: fc.oneof(
      fc.constant({ type: "get" }),
      fc.constant({ type: "delete" }),
      fc.record({ type: fc.constant("set"), text: fc.option(text, { nil: undefined }), ttlMs }),
      fc.record({ type: fc.constant("compareAndSet"), expected: fc.option(text, { nil: undefined }), text: fc.option(text, { nil: undefined }), ttlMs }),
      fc.record({ type: fc.constant("add"), by: fc.integer({ min: -3, max: 3 }), ttlMs }),
    ),
  }),
  "lease-set": fc.constant({
    algorithm: leaseSet as Algorithm,
    commands: fc.oneof(
      fc.record({ token: fc.constantFrom("a", "b", "c"), limit: fc.constantFrom(1, 2), ttlMs: fc.constantFrom(10, 5000) }),
      fc.record({ release: fc.constantFrom("a", "b", "c") }),
    ),
  }),
  circuit: fc.constant({
    algorithm: circuit as Algorithm,
    commands: fc.integer({ min: 0, max: 9 }).map((n) => ({ type: "acquire", policy: circuitPolicy({ failureThreshold: 2 }), token: `t${n}` })),
  }),
};

/** How far the clock moves before a batch: mostly on, sometimes far, sometimes back. */
const move = fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 40 }) }, { weight: 2, arbitrary: fc.constantFrom(0.25, 63, 1000, 61_000, 10 ** 7) }, { weight: 1, arbitrary: fc.constantFrom(-0.5, -1, -20, -1000, -86_400_000) });

describe.each(Object.entries(kinds))("%s", (name, kind) => {
  it("gives the replies of step on 1,500 random histories", async () => {
    let history = 0;
    const histories = kind.chain(({ algorithm, commands }) =>
      fc.record({ algorithm: fc.constant(algorithm), batches: fc.array(fc.record({ move, commands: fc.array(commands, { minLength: 1, maxLength: 5 }) }), { minLength: 1, maxLength: 10 }) }));
    await fc.assert(
      fc.asyncProperty(histories, async ({ algorithm, batches }) => {
        const key = `${name}:${history++}`;
        now = 1_700_000_000_000;
        let state: unknown;
        for (const [i, batch] of batches.entries()) {
          now += batch.move;
          const expected: unknown[] = [];
          for (const command of batch.commands) {
            const step = algorithm.step(state, command, now);
            state = step.state;
            expected.push(step.reply);
          }
          const [replies] = await (drivers[i % 2] as PostgresDriver).run([{ algorithm, key, commands: batch.commands }]);
          expect(replies).toEqual(expected);
        }
      }),
      { numRuns: 1500 },
    );
  });
});
