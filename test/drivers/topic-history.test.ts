/** One suite for the histories of topics: in memory, in Redis, in Postgres. */

import { Redis as Upstash } from "@upstash/redis";
import { Redis } from "ioredis";
import pg from "pg";
import { createClient } from "redis";
import { afterAll, describe, expect, it } from "vitest";
import { POSTGRES_SCHEMA_SQL, postgresPubSub } from "../../src/postgres.ts";
import { redisPubSub } from "../../src/redis.ts";
import { type LogOptions, MemoryTopicLog, type TopicHistory, parseOffset } from "../../src/state/pubsub/topic-log.ts";
import { startPostgres } from "../servers/postgres.ts";
import { redisCommand, startRedis } from "../servers/redis.ts";
import { startUpstash } from "../servers/upstash.ts";

interface Made {
  readonly history: TopicHistory;
  /** Forgets everything, as a backend does that lost its data. */
  lose(): Promise<unknown>;
  readonly pubsub?: { subscribe(channel: string, handler: (message: unknown) => void): Promise<unknown> };
}

const ends: (() => unknown)[] = [];
afterAll(async () => {
  for (const end of ends.reverse()) await end();
});

async function redis(kind: "ioredis" | "node-redis"): Promise<Made> {
  const server = await startRedis();
  ends.push(() => server.stop());
  let pubsub;
  if (kind === "ioredis") {
    const client = new Redis(server.url);
    ends.push(() => client.disconnect());
    pubsub = redisPubSub(client);
  } else {
    const client = createClient({ url: server.url });
    await client.connect();
    ends.push(() => client.destroy());
    pubsub = redisPubSub(client);
  }
  ends.push(() => pubsub.close());
  return { history: pubsub.history!, pubsub, lose: () => redisCommand(server.port, "FLUSHALL") };
}

async function upstash(): Promise<Made> {
  const server = await startRedis();
  const http = await startUpstash(server.port);
  const subscriber = new Redis(server.url);
  const pubsub = redisPubSub(new Upstash({ url: http.url, token: http.token }), { subscriber });
  ends.push(() => server.stop(), () => http.stop(), () => subscriber.disconnect(), () => pubsub.close());
  return { history: pubsub.history!, pubsub, lose: () => redisCommand(server.port, "FLUSHALL") };
}

async function postgres(): Promise<Made> {
  const server = await startPostgres();
  const pool = new pg.Pool({ connectionString: server.url });
  await pool.query(POSTGRES_SCHEMA_SQL);
  const pubsub = postgresPubSub(pool);
  ends.push(() => server.stop(), () => pool.end(), () => pubsub.close());
  return { history: pubsub.history!, pubsub, lose: () => pool.query("TRUNCATE sluice_topics, sluice_topic_entries") };
}

let epochs = 0;
function memory(): Promise<Made> {
  let log = new MemoryTopicLog(Date.now, () => `e${epochs++}`);
  const history: TopicHistory = { append: (topic, body, kept) => log.append(topic, body, kept), read: (...args) => log.read(...args) };
  return Promise.resolve({ history, lose: async () => (log = new MemoryTopicLog(Date.now, () => `e${epochs++}`)) });
}

const options: LogOptions = { size: 5, ttlMs: 60_000, maxBytes: 1_000_000 };

describe.each([
  ["memory", memory],
  ["redis, ioredis", () => redis("ioredis")],
  ["redis, node-redis", () => redis("node-redis")],
  ["redis, @upstash/redis", upstash],
  ["postgres", postgres],
] as const)("the history of topics: %s", (_name, make) => {
  const made = make();
  made.catch(() => undefined);
  let topics = 0;
  const fresh = (): string => `t${topics++}:é%~\u{1f600} \\ '"`;
  const bodies = (slice: { entries: readonly { body: string }[] }): string[] => slice.entries.map(({ body }) => body);

  it("numbers from 1, without a hole, also for callers at the same time", async () => {
    const { history } = await made;
    const topic = fresh();
    const offsets = await Promise.all(Array.from({ length: 40 }, (_, i) => history.append(topic, `m${i}`, options)));
    expect(new Set(offsets.map((offset) => parseOffset(offset)?.epoch)).size).toBe(1);
    expect(offsets.map((offset) => parseOffset(offset)!.n).sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    const slice = await history.read(topic, undefined, options);
    expect(slice.entries.map(({ offset }) => parseOffset(offset)!.n)).toEqual([36, 37, 38, 39, 40]);
    for (const { offset, body } of slice.entries) expect(body).toBe(`m${offsets.indexOf(offset)}`);
  });

  it("gives texts back as they were, whatever they look like", async () => {
    const { history } = await made;
    const topic = fresh();
    const texts = ['{"a":[1,2]}', "[1]", "12", "12345678901234567890", "null", "true", '"x"', "", "t"];
    for (const text of texts) await history.append(topic, text, { ...options, size: 20 });
    expect(bodies(await history.read(topic, undefined, { ...options, size: 20 }))).toEqual(texts);
  });

  it("gives what came after an offset, and says where something is missing", async () => {
    const { history } = await made;
    const topic = fresh();
    expect(await history.read(topic, undefined, options)).toEqual({ entries: [], gap: false, last: undefined });
    const offsets: string[] = [];
    for (let i = 1; i <= 8; i++) offsets.push(await history.append(topic, `m${i}`, options));
    const last = offsets[7];
    expect(await history.read(topic, offsets[5], options)).toMatchObject({ gap: false, last });
    expect(bodies(await history.read(topic, offsets[5], options))).toEqual(["m7", "m8"]);
    expect(bodies(await history.read(topic, offsets[2], options, 2))).toEqual(["m4", "m5"]);
    expect(bodies(await history.read(topic, undefined, options, 2))).toEqual(["m7", "m8"]);
    expect(await history.read(topic, offsets[7], options)).toEqual({ entries: [], gap: false, last });
    expect(await history.read(topic, offsets[2], options)).toMatchObject({ gap: false });
    for (const strange of [offsets[1]!, "other:7", `${parseOffset(last)!.epoch}:999`, "rubbish"]) {
      const slice = await history.read(topic, strange, options);
      expect([strange, slice.gap, bodies(slice)]).toEqual([strange, true, ["m4", "m5", "m6", "m7", "m8"]]);
    }
  });

  it("keeps so many bytes and not longer than asked, and knows its number for longer", async () => {
    const { history } = await made;
    const topic = fresh();
    const bytes = { ...options, maxBytes: 25 };
    for (let i = 0; i < 4; i++) await history.append(topic, `${i}`.repeat(10), bytes);
    expect(bodies(await history.read(topic, undefined, bytes))).toEqual(["2222222222", "3333333333"]);
    const offset = await history.append(topic, "too large to be kept at all", bytes);
    expect(await history.read(topic, offset, bytes)).toEqual({ entries: [], gap: false, last: offset });
    expect((await history.append(topic, "x", bytes))).toBe(`${parseOffset(offset)!.epoch}:6`);
    const short = { ...options, ttlMs: 30 };
    const old = fresh();
    const first = await history.append(old, "a", short);
    while ((await history.read(old, undefined, short)).entries.length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await history.read(old, first, short)).toEqual({ entries: [], gap: false, last: first });
    expect(parseOffset(await history.append(old, "b", short))).toEqual({ ...parseOffset(first), n: 2 });
    expect((await history.read(old, first, options)).gap).toBe(false);
  });

  it("is another one after a loss", async () => {
    const { history, lose } = await made;
    const topic = fresh();
    const before = await history.append(topic, "a", options);
    await lose();
    await new Promise((resolve) => setTimeout(resolve, 2));
    expect(await history.read(topic, before, options)).toMatchObject({ entries: [], gap: true });
    const after = await history.append(topic, "b", options);
    expect(parseOffset(after)!.n).toBe(1);
    expect(parseOffset(after)!.epoch).not.toBe(parseOffset(before)!.epoch);
    expect(await history.read(topic, before, options)).toMatchObject({ gap: true, entries: [{ body: "b" }] });
  });

  it("tells listeners in the step that gives the number, in order, small and large", async () => {
    const { history, pubsub } = await made;
    if (pubsub === undefined) return expect(history.announces).toBeUndefined();
    const topic = fresh();
    const heard: { offset: string; topic?: string; router?: { text: string } }[] = [];
    await pubsub.subscribe(`c:${topic}`, (message) => void heard.push(message as never));
    const texts = ["1", "%offset%", "x".repeat(20_000), "4"];
    const offsets: string[] = [];
    for (const text of texts) offsets.push(await history.append(topic, text, options, { channel: `c:${topic}`, message: (offset) => ({ offset, router: { text } }) }));
    while (heard.length < 4) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(heard.map(({ offset }) => offset)).toEqual(offsets);
    // A long one may come as its number alone, with the topic it is read from.
    for (const [i, { router, topic: told }] of heard.entries()) expect(router?.text ?? told).toBe(router === undefined ? topic : texts[i]);
    expect(bodies(await history.read(topic, undefined, options))).toEqual(texts);
  });
});
