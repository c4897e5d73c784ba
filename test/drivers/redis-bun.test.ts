/** Every contract on a real Redis through Bun's built-in client, inside Bun. */

import { afterAll, beforeAll, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../servers/redis.ts";
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

it("each lost connection is a gap, and every message is heard once after it", async () => {
  expect(await bun.next("reconnected")).toEqual({ gap: "pubsub.gap", told: [1, 2, 3].map((gaps) => ({ deliveries: 1, gaps })) });
});

it("a subscriber of the caller's keeps its own callbacks and listeners, and connecting for the first time is no gap", async () => {
  expect(await bun.next("borrowed")).toEqual({ first: { gaps: 0, hooks: ["connect"] }, hooks: 2, gaps: 1, restored: true, foreign: ["foreign"] });
  expect(await bun.next("done")).toBe(true);
});
