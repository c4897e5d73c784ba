/**
 * The scripts on the real server against `step`, on random histories: after every batch the record in Redis is the state
 * that `step` gives, also when the clock goes back, windows end and limits change. The server's clock cannot be driven, so
 * the histories run the same scripts with the time as an argument.
 */
import fc from "fast-check";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nativeLimits } from "../../src/drivers/redis/native/limits.ts";
import type { Script } from "../../src/drivers/redis/client.ts";
import { compileLimit } from "../../src/state/limit-policy.ts";
import type { LimitPolicy } from "../../src/state/contracts/limits.ts";
import { move, textOf } from "./native-history.ts";
import { timed } from "./timed-script.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";

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

const window = fc.record({ max: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constantFrom(1000, 2 ** 53 - 1)), windowMs: fc.constantFrom(1, 7, 64, 1000, 60_000) });
const policyOf: Record<string, fc.Arbitrary<LimitPolicy>> = {
  "fixed-window": window.map((w) => ({ algorithm: "fixed-window", ...w })),
  "sliding-window": window.map((w) => ({ algorithm: "sliding-window", ...w, dynamic: true })),
  "sliding-log": window.map(({ max, windowMs }) => ({ algorithm: "sliding-window", max: Math.min(max, 30), windowMs })),
  "token-bucket": fc.record({ capacity: fc.constantFrom(1, 1.5, 5, 1000), max: fc.integer({ min: 1, max: 50 }), windowMs: fc.constantFrom(1, 7, 1000, 60_000) }).map((p) => ({ algorithm: "token-bucket", ...p })),
};

const cost = fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constantFrom(1, 1, 1, 2 ** 31 - 1));

let turn = 0;
/** Both forms of a reply in turn: what is kept must not depend on it. */
const form = (): string => (turn++ % 2 === 0 ? "b" : "n");

describe.each(nativeLimits.map((native) => [native.algorithm.name, native] as const))("%s", (name, native) => {
  it("arrives at the state of step on 2,500 random histories", async () => {
    const { rows } = native;
    const script = timed((rows?.grouped ?? native.script) as Script);
    const uniform = rows === undefined ? undefined : timed(rows.uniform);
    for (const { source } of uniform === undefined ? [script] : [script, uniform]) await client.script("LOAD", source);
    let history = 0;
    await fc.assert(
      fc.asyncProperty(policyOf[name] as fc.Arbitrary<LimitPolicy>, fc.array(fc.record({ move, commands: fc.array(fc.record({ cost, dry: fc.constantFrom(false, false, true), force: fc.constantFrom(false, true), times: fc.integer({ min: 1, max: 5 }) }), { minLength: 1, maxLength: 4 }) }), { minLength: 1, maxLength: 12 }), async (user, batches) => {
        const { algorithm, policy } = compileLimit(user);
        expect(algorithm.name).toBe(name);
        const key = `${name}:${history++}`;
        let now = 1_700_000_000_000;
        let state: unknown;
        const expected: (string | null)[] = [];
        const pipeline = client.pipeline();
        for (const batch of batches) {
          now += batch.move;
          const groups = batch.commands.map(({ times, cost, dry, force }) => ({ times, command: { cost, policy, ...(dry ? { dry } : {}), ...(name === "fixed-window" && force ? { force } : {}) } }));
          for (const { times, command } of groups) for (let i = 0; i < times; i++) state = algorithm.step(state, command, now).state;
          const args = `${groups.length} ${groups.map(({ times, command }) => `${times} ${native.toArgs(command)?.args}`).join(" ")}`;
          expect(args).not.toContain("undefined");
          const [only] = groups;
          if (uniform !== undefined && groups.length === 1 && only !== undefined) {
            const shared = native.toArgs(only.command)?.args.split(" ") as string[];
            pipeline.evalsha(uniform.sha, 1, key, form(), ...shared, ...(only.times === 1 ? [] : [String(only.times)]), String(now)).getBuffer(key);
          } else {
            pipeline.evalsha(script.sha, 1, key, ...(rows === undefined ? [] : [form()]), args, String(now)).getBuffer(key);
          }
          expected.push(state === undefined ? null : native.head + native.print(state));
        }
        const results = (await pipeline.exec()) as [Error | null, unknown][];
        for (const [error] of results) if (error !== null) throw error;
        expect(results.filter((_, i) => i % 2 === 1).map(([, value]) => textOf(native, value as Buffer | null))).toEqual(expected);
        if (state !== undefined) expect(native.parse(native.print(state))).toEqual(state);
        await client.del(key);
      }),
      { numRuns: 2500 },
    );
  });
});
