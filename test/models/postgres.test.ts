/**
 * The driver on the real server against `step`, on random histories: replies, and the states that are read back, are those of
 * the definition, also when the clock goes back and two drivers take turns. The server's clock cannot be driven, so the
 * statements read a setting in its place.
 */
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/core/clock.ts";
import { circuit } from "../../src/state/algorithms/circuit.ts";
import { circuitPolicy } from "../../src/state/algorithms/circuit-policy.ts";
import { leaseSet } from "../../src/state/algorithms/lease-set.ts";
import { value } from "../../src/state/algorithms/value.ts";
import type { Algorithm } from "../../src/state/contracts/driver.ts";
import type { LimitPolicy, LimitTicket } from "../../src/state/contracts/limits.ts";
import { compileLimit } from "../../src/state/limit-policy.ts";
import { NOW_US } from "../../src/drivers/postgres/statements.ts";
import { type PostgresConnection, type PostgresDriver, POSTGRES_SCHEMA_SQL, fromPg, postgresDriver } from "../../src/postgres.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";

// A history that runs on after its test was given up on would move the clock of the next one.
vi.setConfig({ testTimeout: 900_000 });

let server: PostgresServer;
let client: pg.Client;
let now = 0;
/** Every run of every try has keys of its own. */
let history = 0;
let native = 0;
let filtered = 0;
let swapped = 0;
let guesses = 0;
let drivers: PostgresDriver[] = [];
let renew: () => void;
beforeAll(async () => {
  server = await startPostgres();
  client = new pg.Client(server.url);
  await client.connect();
  await client.query(POSTGRES_SCHEMA_SQL);
  const real = fromPg(client);
  const timed: PostgresConnection = {
    client: "pg with a clock",
    execute({ name, text }, params) {
      if (text.includes("c.a1") && !text.includes("c.refused")) native++;
      if (text.includes("c.refused")) filtered++;
      if (text.includes("excluded.prior")) {
        swapped++;
        // The instants that the driver only supposes the server's clock to show.
        if (params[5] !== "{NULL}") guesses++;
      }
      return real.execute({ name, text: text.replaceAll(NOW_US, "current_setting('test.now_us')::bigint") }, params);
    },
  };
  // A driver that has refused asks the snapshot first for a while: new ones take the other way again.
  renew = () => void (drivers = [postgresDriver(timed, { clock }), postgresDriver(timed, { clock })]);
});
afterAll(async () => {
  await client.end();
  await server.stop();
});

/** Goes with the server's, so what a driver supposes of that is right. */
const clock = { ...systemClock, monotonic: () => now };

const window = fc.record({ max: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constantFrom(1000, 2 ** 53 - 1)), windowMs: fc.constantFrom(1, 7, 64, 1000, 60_000) });
const cost = fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constantFrom(1, 1, 1, 2 ** 31 - 1));
/** `refund` and `settle` stand for the ticket that was given last. */
const charge: fc.Arbitrary<object> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ cost, dry: fc.constantFrom(false, false, true), ticket: fc.boolean() }) },
  { weight: 12, arbitrary: fc.record({ cost: fc.constantFrom(1, 1, 2), ticket: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ refund: fc.constant("last") }) },
  { weight: 1, arbitrary: fc.record({ settle: fc.constant("last"), actual: fc.integer({ min: 0, max: 5 }) }) },
  { weight: 1, arbitrary: fc.constant({ reset: true }) },
);
const text = fc.constantFrom("", "a", "ü😀\"\\,{}", "\u0001j{\"a\":1}", "NULL", " ".repeat(100));
const ttlMs = fc.constantFrom(undefined, 1, 50, 10_000);

const fragile = circuitPolicy({ failureThreshold: 2, windowMs: 1000, resetTimeoutMs: 50 });

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
    commands: fc.oneof(
      { weight: 4, arbitrary: fc.constant({ type: "acquire", policy: fragile }) },
      { weight: 4, arbitrary: fc.constantFrom({ ok: 1, fail: 0 }, { ok: 0, fail: 1 }, { ok: 0, fail: 0 }).chain((outcome) => fc.record({ token: fc.integer({ min: 0, max: 3 }), random: fc.constant(0) }).map((more) => ({ type: "report", epoch: 0, slow: 0, policy: fragile, ...outcome, ...more }))) },
      { weight: 1, arbitrary: fc.constant({ type: "view" }) },
      { weight: 1, arbitrary: fc.constantFrom("open", "half-open", "closed", "isolated").map((to) => ({ type: "force", to, policy: fragile })) },
    ),
  }),
};

/** How far the clock moves before a batch: mostly on, sometimes far, sometimes back. */
const move = fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 40 }) }, { weight: 2, arbitrary: fc.constantFrom(0.25, 63, 1000, 61_000, 10 ** 7) }, { weight: 1, arbitrary: fc.constantFrom(-0.5, -1, -20, -1000, -86_400_000) });

/** A time of a key is never before its last write, save by a clock that was set back further than a statement can wait. */
const keyNow = (seen: number): number => Math.min(Math.max(seen, now), now + 1000);

/** Batches of different commands, and of one command several times, as callers of a limit send it. */
const batchOf = (commands: fc.Arbitrary<unknown>): fc.Arbitrary<unknown[]> =>
  fc.oneof(fc.array(commands, { minLength: 1, maxLength: 5 }), fc.tuple(commands, fc.integer({ min: 1, max: 9 })).map(([command, times]) => Array.from({ length: times }, () => command)));

describe.each(Object.entries(kinds))("%s", (name, kind) => {
  const limits = /window|log|bucket/.test(name);

  it(`gives the replies of step on 1,500 random histories`, async () => {
    native = filtered = swapped = guesses = 0;
    const histories = kind.chain(({ algorithm, commands }) =>
      fc.record({ algorithm: fc.constant(algorithm), batches: fc.array(fc.record({ move, commands: batchOf(commands) }), { minLength: 1, maxLength: 10 }) }));
    await fc.assert(
      fc.asyncProperty(histories, async ({ algorithm, batches }) => {
        const key = `${name}:${history++}`;
        if (history % 4 === 1 || drivers.length === 0) renew();
        now = 1_700_000_000_000;
        let state: unknown;
        let seen = 0;
        let ticket: LimitTicket = { era: 1, at: 1, need: 1 };
        for (const [i, batch] of batches.entries()) {
          now += batch.move;
          await client.query("SELECT set_config('test.now_us', $1, false)", [String(Math.round(now * 1000))]);
          const at = limits ? keyNow(seen) : now;
          const expected: unknown[] = [];
          const before = state;
          const sent: unknown[] = batch.commands.map((command) => {
            const given = command as { refund?: unknown; settle?: unknown };
            return given.refund === "last" ? { ...given, refund: ticket } : given.settle === "last" ? { ...given, settle: ticket } : command;
          });
          for (const command of sent) {
            const step = algorithm.step(state, command, at);
            state = step.state;
            ticket = (step.reply as { ticket?: LimitTicket }).ticket ?? ticket;
            expected.push(step.reply);
          }
          if (state !== before) seen = at;
          const [replies] = await (drivers[i % 2] as PostgresDriver).run([{ algorithm, key, commands: sent }]);
          expect(replies).toEqual(expected);
        }
      }),
      { numRuns: 1500 },
    );
    // Both ways were gone, or the test shows less than it says.
    expect(guesses).toBeGreaterThan(limits ? 20 : 200);
    if (!limits) return;
    expect(native).toBeGreaterThan(500);
    expect(filtered).toBeGreaterThan(500);
    expect(swapped).toBeGreaterThan(200);
  });
});

it("batches of many keys, with other charges among them, give the replies of step", async () => {
  const limitsOf = fc.tuple(kinds["fixed-window"] as fc.Arbitrary<Kind>, kinds["sliding-window"] as fc.Arbitrary<Kind>, kinds["sliding-log"] as fc.Arbitrary<Kind>, kinds["token-bucket"] as fc.Arbitrary<Kind>);
  const batches = limitsOf.chain((made) =>
    fc.record({ made: fc.constant(made), batches: fc.array(fc.record({ move: fc.integer({ min: 0, max: 40 }), operations: fc.array(fc.nat(11).chain((key) => batchOf((made[key % 4] as Kind).commands).map((commands) => ({ key, commands }))), { minLength: 1, maxLength: 12 }) }), { minLength: 1, maxLength: 6 }) }));
  await fc.assert(
    fc.asyncProperty(batches, async ({ made, batches: list }) => {
      const run = history++;
      if (history % 2 === 0 || drivers.length === 0) renew();
      const states = new Map<number, unknown>();
      now = 1_700_000_000_000;
      for (const [i, { move: by, operations }] of list.entries()) {
        now += by;
        await client.query("SELECT set_config('test.now_us', $1, false)", [String(Math.round(now * 1000))]);
        const batch = operations.map(({ key, commands }) => ({
          algorithm: (made[key % 4] as Kind).algorithm, key: `many:${run}:${key}`, commands: commands.filter((command) => !["refund", "settle"].some((name) => name in (command as object))),
        })).filter(({ commands }) => commands.length > 0);
        const expected = batch.map(({ algorithm, key, commands }) => {
          const number = Number(key.split(":")[2]);
          return commands.map((command) => {
            const step = algorithm.step(states.get(number), command, now);
            states.set(number, step.state);
            return step.reply;
          });
        });
        expect(await (drivers[i % 2] as PostgresDriver).run(batch)).toEqual(expected);
      }
    }),
    { numRuns: 500 },
  );
});
