/** Clients as they are made, without a server: which of them repeat commands, and that it is said once. */

import { Redis as Upstash } from "@upstash/redis";
import { Cluster, Redis } from "ioredis";
import { createClient } from "redis";
import { afterEach, expect, it, vi } from "vitest";
import { redisAdapter } from "./adapter.ts";
import { recogniseClient } from "./client.ts";
import { redisDriver } from "./driver.ts";
import { redisPubSub } from "./pub-sub.ts";

afterEach(() => vi.restoreAllMocks());

const nodes = [{ host: "127.0.0.1", port: 1 }];
const upstash = { url: "http://127.0.0.1:1", token: "t" };

it.each([
  ["ioredis", new Redis({ lazyConnect: true }), "autoResendUnfulfilledCommands: false"],
  ["ioredis, told not to", new Redis({ lazyConnect: true, autoResendUnfulfilledCommands: false }), undefined],
  ["ioredis, Cluster", new Cluster(nodes, { lazyConnect: true }), "retryDelayOnFailover: 0"],
  ["ioredis, Cluster, told not to", new Cluster(nodes, { lazyConnect: true, retryDelayOnFailover: 0 }), undefined],
  ["@upstash/redis", new Upstash(upstash), "retry: { retries: 0 }"],
  ["@upstash/redis, pipelining", new Upstash({ ...upstash, enableAutoPipelining: true }), "retry: { retries: 0 }"],
  ["@upstash/redis, retry: false", new Upstash({ ...upstash, retry: false }), "retry: { retries: 0 }"],
  ["@upstash/redis, told not to", new Upstash({ ...upstash, retry: { retries: 0 } }), undefined],
  ["node-redis", createClient(), undefined],
])("%s", (_, client, option) => {
  expect(recogniseClient(client).repeats).toBe(option);
});

it("is said once per client, to whom one wants or to the console", () => {
  const told = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  const client = new Redis({ lazyConnect: true });
  redisDriver(client);
  redisPubSub(client);
  redisAdapter({ client });
  expect(told.mock.calls).toEqual([[expect.stringContaining("autoResendUnfulfilledCommands: false")]]);
  const warn = vi.fn();
  redisAdapter({ client: new Upstash(upstash), warn });
  expect(warn.mock.calls).toEqual([[expect.stringContaining("retry: { retries: 0 }")]]);
  redisAdapter({ client: new Redis({ lazyConnect: true }), warn: false });
  redisDriver(new Redis({ lazyConnect: true, autoResendUnfulfilledCommands: false }));
  expect(told).toHaveBeenCalledTimes(1);
});
