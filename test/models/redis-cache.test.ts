/**
 * The scripts of the cache on the real server against `step`, on random histories: equal replies, and for entries the record
 * in Redis is the state of `step`. The time is an argument of the same scripts, since the server's clock cannot be driven.
 */
import fc from "fast-check";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CACHE_ENTRY_HEAD, cacheScripts } from "../../src/drivers/redis/native/cache.ts";
import type { ScriptedAlgorithm } from "../../src/drivers/redis/native/scripted.ts";
import { type CacheEntryCommand, type CacheEntryState, cacheEntryText } from "../../src/state/algorithms/cache-entry.ts";
import type { KeySetCommand } from "../../src/state/algorithms/key-set.ts";
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

/** The script with `now` behind its arguments, and records that stay: real time must not end them. */
function timed({ source }: ScriptedAlgorithm["script"]): string {
  const made = source
    .replace("local time = redis.call('TIME')\nlocal now = time[1] * 1000 + time[2] / 1000", "local now = tonumber(table.remove(ARGV))")
    .replace(/, 'PX', whole\([^\n]*?\)\) \+ 1000\)/, "")
    .replace(/^.*'PEXPIRE'.*$/m, "");
  expect(made).not.toMatch(/'TIME'|'PX'|'PEXPIRE'/);
  return made;
}

const [entry, set] = cacheScripts as [ScriptedAlgorithm, ScriptedAlgorithm];
const START = 1_700_000_000_000;
const forward = fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 60 }) }, { weight: 2, arbitrary: fc.constantFrom(0.25, 999, 1500, 10 ** 6) });
const back = fc.constantFrom(-0.5, -1, -30, -100_000);

/** A token or write that some earlier reply gave, or nobody. */
const pick = fc.integer({ min: 0, max: 9 });
const entryCommand: fc.Arbitrary<(tokens: readonly number[]) => CacheEntryCommand> = fc.oneof(
  fc.constant(() => ({ type: "view" }) as const),
  fc.integer({ min: 1, max: 200 }).map((lockMs) => () => ({ type: "view", lockMs }) as const),
  fc.integer({ min: 1, max: 200 }).map((lockMs) => () => ({ type: "open", lockMs }) as const),
  fc.constantFrom("check", "close").chain((type) => pick.map((at) => (tokens: readonly number[]) => ({ type, token: tokens.at(-1 - at) ?? 7 }) as CacheEntryCommand)),
  fc.record({ ttlMs: fc.integer({ min: -5, max: 300 }), write: fc.integer({ min: 1, max: 3 }), chunks: fc.integer({ min: 0, max: 2 }), status: fc.constantFrom(0, 200), tags: fc.constantFrom("", ":a:", ":ab:", ":a:b%3a:"), text: fc.constantFrom("", "x\ny 1", "é\u0000"), at: fc.option(pick) })
    .map(({ at, ...rest }) => (tokens: readonly number[]) => ({ type: "put", ...rest, ...(at === null ? {} : { token: tokens.at(-1 - at) ?? 7 }) }) as const),
  fc.constantFrom(undefined, "a", "b", "b%3a").map((tag) => () => ({ type: "drop", ...(tag === undefined ? {} : { tag }) }) as const),
  fc.integer({ min: 1, max: 3 }).map((write) => () => ({ type: "undo", write }) as const),
);

it("cache-entry: 2,500 random histories, also when the clock goes back", async () => {
  const sha = (await client.script("LOAD", timed(entry.script))) as string;
  let history = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.oneof({ weight: 8, arbitrary: forward }, { weight: 1, arbitrary: back }), entryCommand), { minLength: 1, maxLength: 25 }), async (steps) => {
      const key = `entry:${history++}`;
      let [now, state] = [START, undefined as CacheEntryState | undefined];
      const tokens: number[] = [];
      const expected: unknown[] = [];
      const commands: CacheEntryCommand[] = [];
      const pipeline = client.pipeline();
      for (const [move, make] of steps) {
        now += move;
        const command = make(tokens);
        const step = entry.algorithm.step(state, command, now) as { state: CacheEntryState | undefined; reply: { token: number } };
        state = step.state;
        if (step.reply.token > 0) tokens.push(step.reply.token);
        commands.push(command);
        expected.push(step.reply, state === undefined ? null : CACHE_ENTRY_HEAD + cacheEntryText(state));
        pipeline.evalsha(sha, 1, key, ...entry.toArgs(command as never), String(now)).get(key);
      }
      const results = (await pipeline.exec()) as [Error | null, unknown][];
      const seen = results.map(([error, value], i) => {
        if (error !== null) throw error;
        return i % 2 === 1 ? value : entry.toReply(commands[i / 2] as never, (value as unknown[])[0]);
      });
      expect(seen).toEqual(expected);
      await client.del(key);
    }),
    { numRuns: 2500 },
  );
});

const setCommand: fc.Arbitrary<KeySetCommand> = fc.oneof(
  fc.record({ type: fc.constant("add" as const), name: fc.constantFrom("a", "b", "aa", "1e3", "é", "%3a"), ttlMs: fc.integer({ min: 1, max: 300 }) }),
  fc.record({ type: fc.constant("page" as const), from: fc.integer({ min: 0, max: 3 }), limit: fc.integer({ min: 1, max: 4 }) }),
);

it("key-set: 1,000 random histories", async () => {
  const sha = (await client.script("LOAD", timed(set.script))) as string;
  let history = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(forward, setCommand), { minLength: 1, maxLength: 25 }), async (steps) => {
      const key = `set:${history++}`;
      let [now, state] = [START, undefined as unknown];
      const expected: unknown[] = [];
      const pipeline = client.pipeline();
      for (const [move, command] of steps) {
        now += move;
        const step = set.algorithm.step(state, command, now);
        state = step.state;
        expected.push(step.reply);
        pipeline.evalsha(sha, 1, key, ...set.toArgs(command as never), String(now));
      }
      const results = (await pipeline.exec()) as [Error | null, unknown][];
      expect(results.map(([error, value], i) => {
        if (error !== null) throw error;
        const [, command] = steps[i] as [number, KeySetCommand];
        return command.type === "add" ? { names: [] } : set.toReply(command as never, (value as unknown[])[0]);
      })).toEqual(expected);
      await client.del(key);
    }),
    { numRuns: 1000 },
  );
});
