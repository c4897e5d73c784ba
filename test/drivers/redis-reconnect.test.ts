/** A client that waits long before it connects again, while callers come. */

import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { redisAdapter } from "../../src/redis.ts";
import { until } from "../servers/process.ts";
import { startRedis } from "../servers/redis.ts";

const POLICY = { algorithm: "fixed-window", max: 1000, windowMs: 60_000 } as const;

it("an ioredis that waits for its next try is connected as soon as somebody asks, and stays closed once it is", async () => {
  const server = await startRedis();
  // Its default pause grows to 2 s; a minute shows that the pause plays no part.
  const client = new Redis(server.port, "127.0.0.1", { retryStrategy: () => 60_000 });
  client.on("error", () => undefined);
  const { rateLimitStore } = redisAdapter({ client, combiner: { timeoutMs: 250 } });
  const check = async (): Promise<boolean> => (await rateLimitStore!.check("key", POLICY, 1)).allowed;
  expect(await check()).toBe(true);

  server.process.signal("SIGKILL");
  await until("the client waits", async () => client.status === "reconnecting");
  await expect(check()).rejects.toMatchObject({ code: expect.stringMatching(/^STORE_/) });
  await server.restart();
  const began = performance.now();
  await until("calls are answered", () => check().catch(() => false));
  expect(performance.now() - began).toBeLessThan(2000);

  // Nothing is left behind that would open it again.
  server.process.signal("SIGKILL");
  await until("the client waits", async () => client.status === "reconnecting");
  await check().catch(() => undefined);
  client.disconnect();
  await server.restart();
  await expect(check()).rejects.toMatchObject({ code: expect.stringMatching(/^STORE_/) });
  await expect(check()).rejects.toMatchObject({ code: expect.stringMatching(/^STORE_/) });
  expect(client.status).not.toBe("ready");
  await server.stop();
});
