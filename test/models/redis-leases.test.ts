/**
 * The scripts of leases on the real server against `step`, on random histories of charges, leases and refunds: after every
 * batch the record in Redis is the state that `step` gives, also when the clock goes back, and whatever is refunded.
 */
import fc from "fast-check";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Script } from "../../src/drivers/redis/client.ts";
import { nativeLeases } from "../../src/drivers/redis/native/leases.ts";
import type { LimitPolicy, LimitTicket } from "../../src/state/contracts/limits.ts";
import { type LeasedAlgorithm, leasedFixedWindow, leasedSlidingWindow, leasedTokenBucket } from "../../src/state/lease/lease-command.ts";
import { compileLimit } from "../../src/state/limit-policy.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { move, textOf } from "./native-history.ts";
import { timed } from "./timed-script.ts";

let server: RedisServer;
let client: Redis;
beforeAll(async () => {
  server = await startRedis();
  client = new Redis(server.port, "127.0.0.1");
});
afterAll(async () => {
  client.disconnect();
  await server.stop();
});

const leasing = new Map<string, LeasedAlgorithm>([leasedFixedWindow, leasedTokenBucket, leasedSlidingWindow].map((each) => [each.name, each as LeasedAlgorithm]));

const window = fc.record({ max: fc.constantFrom(1, 12, 1000, 10_000, 2 ** 53 - 1), windowMs: fc.constantFrom(64, 1000, 60_000) });
const policyOf: Record<string, fc.Arbitrary<LimitPolicy>> = {
  "fixed-window": window.map((w) => ({ algorithm: "fixed-window", ...w })),
  "sliding-window": window.map((w) => ({ algorithm: "sliding-window", ...w, dynamic: true })),
  "token-bucket": fc.record({ capacity: fc.constantFrom(1, 1.5, 5, 1000), max: fc.integer({ min: 1, max: 50 }), windowMs: fc.constantFrom(1, 7, 1000, 60_000) }).map((p) => ({ algorithm: "token-bucket", ...p })),
};

const lease = fc.record({
  kind: fc.constant("lease" as const),
  lease: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(0.5, 1.5, 2000, 2 ** 32)),
  least: fc.constantFrom(undefined, 1, 1, 2, 9),
  waiting: fc.constantFrom(undefined, 0, 3, 2.5, 5000),
  divisor: fc.constantFrom(1, 2, 16),
  ttlMs: fc.constantFrom(1, 20, 80, 400),
});
const refund = fc.record({ kind: fc.constant("refund" as const), which: fc.nat(), cost: fc.constantFrom(undefined, 0, 1, 3, 10_000), stranger: fc.constantFrom(false, false, false, true) });
const charge = fc.record({ kind: fc.constant("charge" as const), cost: fc.integer({ min: 0, max: 4 }), dry: fc.constantFrom(false, false, true) });
const drawn = fc.oneof({ weight: 4, arbitrary: lease }, { weight: 3, arbitrary: refund }, { weight: 2, arbitrary: charge });
const batches = fc.array(fc.record({ move, commands: fc.array(fc.record({ drawn, times: fc.integer({ min: 1, max: 3 }) }), { minLength: 1, maxLength: 4 }) }), { minLength: 1, maxLength: 12 });

describe.each(nativeLeases.map((native) => [native.algorithm.name, native] as const))("%s", (name, native) => {
  it("arrives at the state of step on 2,500 random histories of leases and refunds", async () => {
    const { rows } = native;
    const script = timed((rows?.grouped ?? native.script) as Script);
    const uniform = rows === undefined ? undefined : timed(rows.uniform);
    for (const { source } of uniform === undefined ? [script] : [script, uniform]) await client.script("LOAD", source);
    const algorithm = leasing.get(name) as LeasedAlgorithm;
    let history = 0;
    let [granted, returned, sent, turn] = [0, 0, 0, 0];
    await fc.assert(
      fc.asyncProperty(policyOf[name] as fc.Arbitrary<LimitPolicy>, batches, async (user, list) => {
        const { policy } = compileLimit(user);
        const key = `${name}:${history++}`;
        let now = 1_700_000_000_000;
        let state: unknown;
        const tickets: LimitTicket[] = [];
        const expected: (string | null)[] = [];
        const pipeline = client.pipeline();
        for (const batch of list) {
          now += batch.move;
          const groups: string[] = [];
          for (const { drawn: { kind, ...rest }, times } of batch.commands) {
            const ticket = "which" in rest ? tickets[rest.which % tickets.length] : undefined;
            if ("which" in rest && ticket === undefined) continue;
            const command = "which" in rest ? { refund: rest.stranger ? { ...(ticket as LimitTicket), era: 7 } : ticket, cost: rest.cost, policy } : { ...rest, policy };
            const args = native.toArgs(command)?.args;
            // Less than one unit is no lease: compare-and-set refuses it as `step` does.
            if (args === undefined) {
              expect(kind === "lease" && "lease" in rest && rest.lease < 1).toBe(true);
              continue;
            }
            groups.push(`${times} ${args}`);
            for (let i = 0; i < times; i++) {
              const before = state;
              const step = algorithm.step(state, command as never, now);
              state = step.state;
              if ("granted" in step.reply) granted += step.reply.granted;
              else if ("which" in rest && before !== state) returned++;
              if (step.reply.ticket !== undefined) tickets.push(step.reply.ticket);
            }
          }
          if (groups.length === 0) continue;
          sent++;
          const form = turn++ % 2 === 0 ? "b" : "n";
          if (uniform !== undefined && groups.length === 1) {
            const [times, ...shared] = (groups[0] as string).split(" ") as [string, ...string[]];
            pipeline.evalsha(uniform.sha, 1, key, form, ...shared, ...(times === "1" ? [] : [times]), String(now)).getBuffer(key);
          } else {
            pipeline.evalsha(script.sha, 1, key, ...(rows === undefined ? [] : [form]), `${groups.length} ${groups.join(" ")}`, String(now)).getBuffer(key);
          }
          expected.push(state === undefined ? null : native.head + native.print(state));
        }
        const results = (await pipeline.exec()) as [Error | null, unknown][];
        for (const [error] of results) if (error !== null) throw error;
        expect(results.filter((_, i) => i % 2 === 1).map(([, value]) => textOf(native, value as Buffer | null))).toEqual(expected);
        await client.del(key);
      }),
      { numRuns: 2500 },
    );
    // A history that grants and returns nothing would prove nothing.
    expect(Math.min(granted, returned, sent)).toBeGreaterThan(300);
  });
});
