/** Every contract on a real Redis through Bun's built-in client, inside Bun. */

import { afterAll, beforeAll, expect, it } from "vitest";
import { type RedisServer, redisCommand, startRedis } from "../servers/redis.ts";
import { type RuntimeProcess, startRuntime } from "../servers/runtime.ts";

let server: RedisServer;
let bun: RuntimeProcess;
beforeAll(async () => {
  server = await startRedis();
  bun = startRuntime("bun", new URL("../../", import.meta.url).pathname, "test/drivers/redis-bun.js", server.url);
});
afterAll(async () => {
  await bun.stop();
  await server.stop();
});

it("is Bun, with its own client", async () => {
  expect(await bun.next("runtime")).toEqual({ bun: expect.stringMatching(/^\d+\.\d+/), client: "Bun.RedisClient" });
});

it.each(["key-value", "rate limits", "rate limiter", "circuit breaker", "cache", "driver", "pub/sub"])("%s", async (name) => {
  const { violations, passed, skipped } = await bun.next<{ violations: unknown[]; passed: number; skipped: { rule: string; reason: string }[] }>(name);
  if (skipped.length > 0) console.log(`${name} in Bun, skipped: ${skipped.map(({ rule, reason }) => `${rule} (${reason})`).join(", ")}`);
  expect(violations).toEqual([]);
  expect(passed).toBeGreaterThan(5);
});

it("a lost connection is a gap, and every channel is listened to again", async () => {
  await bun.next("listening");
  await redisCommand(server.port, "CLIENT", "KILL", "TYPE", "pubsub");
  expect(await bun.next("reconnected")).toEqual({ events: expect.arrayContaining(["pubsub.gap"]), after: true });
  expect(await bun.next("done")).toBe(true);
});
