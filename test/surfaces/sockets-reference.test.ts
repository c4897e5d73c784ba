/** The guide to socket adapters, as its readers write it down: only the import specifiers are ours. */

import { createClient as createRedis } from "redis";
import { afterEach, describe, expect, expectTypeOf, it } from "vitest";
import { WebSocket } from "ws";
import { memoryPubSub, memoryRateLimiter } from "../../src/memory.ts";
import { serve } from "../../src/node.ts";
import { redisPubSub, redisRateLimiter } from "../../src/redis.ts";
import type { RateLimitDecision, RateLimitPolicy, RateLimiter, Router, RouterOf } from "../../src/sockets.ts";
import { createRouter, message, rateLimit, rpc, withPubSub, z } from "../../src/sockets-zod.ts";
import { createClient } from "../../src/sockets-client.ts";
import type { PubSub, PubSubAdapter, PublishResult } from "../../src/state.ts";
import { startRedis } from "../servers/redis.ts";
import { startWorkerd } from "../servers/workerd.ts";

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0)) await thing.close();
});

async function listen(router: RouterOf, options: object = { anonymous: true }): Promise<string> {
  const server = await serve(router, { port: 0, ...options });
  opened.push({ close: () => server.close({ drainMs: 500 }) });
  return server.url.replace("http", "ws");
}

/** A plain client, so that what is seen is what is on the wire. */
async function join(url: string, headers: Record<string, string> = {}) {
  const socket = new WebSocket(url, { headers });
  const frames: { type: string; meta: Record<string, unknown>; payload: any }[] = [];
  const closed = new Promise<number>((resolve) => socket.once("close", resolve));
  socket.on("message", (data) => frames.push(JSON.parse(String(data))));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  opened.push({ close: () => socket.terminate() });
  return { frames, closed, send: (type: string, payload?: unknown) => socket.send(JSON.stringify({ type, payload })) };
}

const until = async (test: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await test())) await new Promise((resolve) => setTimeout(resolve, 5));
};

const Subscribe = message("SUBSCRIBE", { topic: z.string() });
const Say = message("SAY", { topic: z.string(), text: z.string() });
const Said = message("SAID", { text: z.string() });

// ------------------------------------------------------------------------------------------------------ custom adapters

interface KafkaProducer {
  send(record: { topic: string; messages: { value: string }[] }): Promise<void>;
}

function kafkaPubSub(producer: KafkaProducer): PubSubAdapter {
  const subscriptions = new Map<string, Set<string>>();
  return {
    subscribe: async (clientId, topic) => {
      if (!subscriptions.has(topic)) {
        subscriptions.set(topic, new Set());
      }
      subscriptions.get(topic)!.add(clientId);
    },
    unsubscribe: async (clientId, topic) => {
      subscriptions.get(topic)?.delete(clientId);
    },
    publish: async (topic, message): Promise<PublishResult> => {
      await producer.send({
        topic,
        messages: [{ value: JSON.stringify(message) }],
      });
      const subscribers = subscriptions.get(topic) ?? new Set();
      return {
        matched: subscribers.size,
        capability: "exact",
      };
    },
    list: async (clientId) => {
      const topics: string[] = [];
      for (const [topic, clients] of subscriptions.entries()) {
        if (clients.has(clientId)) {
          topics.push(topic);
        }
      }
      return topics;
    },
  };
}

/** The `PubSub` engine of the guide: its three methods and nothing else. */
function eventBus(): PubSub & { readonly channels: () => number } {
  const channels = new Map<string, Set<(message: unknown) => void | Promise<void>>>();
  return {
    channels: () => channels.size,
    async publish(channel: string, message: unknown): Promise<void> {
      for (const handler of channels.get(channel) ?? []) await handler(JSON.parse(JSON.stringify(message)));
    },
    async subscribe(channel, handler) {
      channels.set(channel, (channels.get(channel) ?? new Set()).add(handler));
      return async () => {
        if (channels.get(channel)?.delete(handler) === true && channels.get(channel)?.size === 0) channels.delete(channel);
      };
    },
    async unsubscribe(channel: string): Promise<void> {
      channels.delete(channel);
    },
  };
}

const chat = (router: Router): Router =>
  router
    .on(Subscribe, async (ctx) => {
      await ctx.topics.subscribe(ctx.payload.topic);
      void ctx.send(Said, { text: `listening to ${ctx.payload.topic}` });
    })
    .on(Say, async (ctx) => {
      await ctx.publish(ctx.payload.topic, Said, { text: ctx.payload.text });
    });

describe("custom adapters", () => {
  it("the Kafka adapter delivers here, is told everything, and holds nothing of clients that left", async () => {
    const records: { topic: string; messages: { value: string }[] }[] = [];
    const kafkaProducer: KafkaProducer = { send: async (record) => void records.push(record) };
    const adapter = kafkaPubSub(kafkaProducer);
    const router = createRouter().plugin(
      withPubSub({ adapter }),
    );
    const url = await listen(chat(router));
    const [one, two] = [await join(url), await join(url)];
    for (const client of [one, two]) {
      client.send("SUBSCRIBE", { topic: "room:1" });
      await until(() => client.frames.length === 1);
    }
    one.send("SAY", { topic: "room:1", text: "hello" });
    await until(() => one.frames.length === 2 && two.frames.length === 2);
    expect(two.frames[1]).toMatchObject({ type: "SAID", payload: { text: "hello" }, meta: { topic: "room:1" } });
    expect(records).toHaveLength(1);
    expect(JSON.parse(records[0]!.messages[0]!.value)).toMatchObject({ topic: "room:1", type: "SAID" });
    const ids = router.connections().map(({ clientId }) => clientId);
    expect(await adapter.list(ids[0]!)).toEqual(["room:1"]);
    for (const connection of router.connections()) connection.close();
    await until(() => router.connections().length === 0);
    for (const id of ids) expect(await adapter.list(id)).toEqual([]);
    await expect(router.publish("room:1", Said, { text: "nobody" })).resolves.toMatchObject({ ok: true, matched: 0 });
  });

  it("an engine with only the three methods carries topics between two routers", async () => {
    const pubsub = eventBus();
    const [here, there] = [await listen(chat(createRouter({ pubsub }))), await listen(chat(createRouter({ pubsub })))];
    const [one, two] = [await join(here), await join(there)];
    for (const client of [one, two]) {
      client.send("SUBSCRIBE", { topic: "room:1" });
      await until(() => client.frames.length === 1);
    }
    one.send("SAY", { topic: "room:1", text: "across" });
    await until(() => two.frames.length === 2 && one.frames.length === 2);
    expect([one.frames[1]!.payload, two.frames[1]!.payload]).toEqual([{ text: "across" }, { text: "across" }]);
    expect(pubsub.channels()).toBe(1);
  });

  it("a rate limiter of one's own is asked by the middleware", async () => {
    class Once implements RateLimiter {
      readonly used = new Set<string>();
      async consume(key: string, cost: number): Promise<RateLimitDecision> {
        if (this.used.has(key)) return { allowed: false, remaining: 0, retryAfterMs: cost * 1000 };
        this.used.add(key);
        return { allowed: true, remaining: 0 };
      }
      getPolicy(): RateLimitPolicy {
        return { capacity: 1, tokensPerSecond: 1 };
      }
      dispose(): void | Promise<void> {}
    }
    const url = await listen(chat(createRouter().use(rateLimit({ limiter: new Once() }))));
    const client = await join(url);
    client.send("SUBSCRIBE", { topic: "t" });
    client.send("SUBSCRIBE", { topic: "t" });
    await until(() => client.frames.length === 2);
    expect(client.frames[1]).toMatchObject({ type: "ERROR", payload: { code: "RESOURCE_EXHAUSTED", retryable: true, retryAfterMs: 1000 } });
  });
});

// ------------------------------------------------------------------------------------------------------- built-in parts

describe("feature adapters", () => {
  it("swap from memory to Redis in one line, limits and topics alike", async () => {
    const server = await startRedis();
    const redis = createRedis({ url: server.url });
    redis.on("error", () => undefined);
    await redis.connect();
    try {
      const build = [
        () => createRouter()
          .plugin(withPubSub({ adapter: memoryPubSub() })) // Dev: memory
          .use(
            rateLimit({
              limiter: memoryRateLimiter({ capacity: 100, tokensPerSecond: 10 }),
            }),
          ),
        () => createRouter()
          .plugin(withPubSub({ adapter: redisPubSub(redis) }))
          .use(
            rateLimit({
              limiter: redisRateLimiter(redis, { capacity: 1000, tokensPerSecond: 50 }),
              key: (ctx) => `user:${ctx.data.userId}`,
            }),
          ),
        () => createRouter({
          pubsub: redisPubSub(redis),
        }),
      ];
      for (const make of build) {
        const client = await join(await listen(chat(make()), { authenticate: () => ({ userId: "ann" }) }));
        client.send("SUBSCRIBE", { topic: "room:1" });
        client.send("SAY", { topic: "room:1", text: "hello" });
        await until(() => client.frames.length === 2);
        expect(client.frames[1]!.payload).toEqual({ text: "hello" });
      }
    } finally {
      for (const thing of opened.splice(0)) await thing.close();
      redis.destroy();
      await server.stop();
    }
  });

  it("a limiter's decision says when to come back, and the context passes it on", async () => {
    const limiter = memoryRateLimiter({
      capacity: 100, // Max tokens available
      tokensPerSecond: 10, // Refill rate
      prefix: "api:", // Optional key namespacing
    });
    const Work = message("WORK", { cost: z.number() });
    const router = createRouter().on(Work, async (ctx) => {
      const decision = await limiter.consume("user:123:SendMessage", ctx.payload.cost);
      if (!decision.allowed) {
        ctx.error("RESOURCE_EXHAUSTED", "Rate limited", undefined, {
          retryAfterMs: decision.retryAfterMs,
        });
      }
    });
    const client = await join(await listen(router));
    client.send("WORK", { cost: 100 });
    client.send("WORK", { cost: 1 });
    client.send("WORK", { cost: 101 });
    await until(() => client.frames.length === 2);
    expect(client.frames.map(({ payload }) => [payload.code, payload.retryable])).toEqual([["RESOURCE_EXHAUSTED", true], ["RESOURCE_EXHAUSTED", false]]);
    expect(client.frames[0]!.payload.retryAfterMs).toBeGreaterThan(0);
    expect(client.frames[1]!.payload).not.toHaveProperty("retryAfterMs");
  });
});

describe("payload limits", () => {
  it("the hook is told, and closes abusers itself", async () => {
    const histogram: object[] = [];
    const metrics = { histogram: (_name: string, info: object) => histogram.push(info) };
    const counters = new Map<string, number>();
    const redis = { incr: async (key: string) => (counters.set(key, (counters.get(key) ?? 0) + 1), counters.get(key)!) };
    const errors: unknown[] = [];
    const router = createRouter({
      limits: {
        // Maximum allowed message size in bytes (default: 1MB)
        maxPayloadBytes: 1_000_000,
        onExceeded: "send", // "send" (default) | "close" | "custom"
        closeCode: 1009,
      },
      hooks: {
        onLimitExceeded: async (info) => {
          // Emit metrics for SLOs
          metrics.histogram("payload_violations", {
            observed: info.observed,
            limit: info.limit,
            clientId: info.clientId,
          });
          // Detect abuse patterns
          const violations = await redis.incr(`violations:${info.clientId}`);
          if (violations > 2) {
            info.ws!.close(1008, "POLICY_VIOLATION");
          }
        },
        onError: (error) => void errors.push(error),
      },
    });
    const client = await join(await listen(router));
    for (let i = 0; i < 3; i++) client.send("X", "x".repeat(1_000_000));
    expect(await client.closed).toBe(1008);
    expect(client.frames.map(({ payload }) => payload.code)).toEqual(Array.from({ length: 3 }, () => "RESOURCE_EXHAUSTED"));
    expect(histogram).toHaveLength(3);
    expect(errors).toEqual([]);
  });
});

describe("reconnection", () => {
  it("is a new connection: authenticated again, and the client subscribes again when it is connected", async () => {
    const seen: string[] = [];
    const router = chat(createRouter());
    const server = await serve(router, {
      port: 0,
      authenticate: () => (seen.push("authenticate"), { userId: "ann" }),
      onOpen: () => void seen.push("open"),
      onClose(ctx) {
        seen.push(`User ${ctx.data?.userId} disconnected`);
      },
    });
    opened.push({ close: () => server.close({ drainMs: 500 }) });
    const client = createClient({ url: server.url.replace("http", "ws"), wsFactory: (url, protocols) => new WebSocket(url, [...protocols]) as never, reconnect: { initialDelayMs: 5 } });
    opened.push({ close: () => client.close() });
    const heard: string[] = [];
    client.on(Said, ({ payload }) => void heard.push(payload.text));
    client.on("connected", () => {
      // Reconnected: re-subscribe to all topics
      client.send(Subscribe, { topic: "user:123" });
      client.send(Subscribe, { topic: "room:456" });
    });
    await client.connect();
    await until(() => heard.length === 2);
    router.connections()[0]!.close(1012, "again");
    await until(() => heard.length === 4);
    expect(seen).toEqual(["authenticate", "open", "User ann disconnected", "authenticate", "open"]);
    expect([router.topics.count("user:123"), router.topics.count("room:456")]).toEqual([1, 1]);
  });
});

// --------------------------------------------------------------------------------------------- sharded Durable Objects

const SHARDED = `
import { getShardedDoId, getShardedStub } from "sluice/cloudflare";
import { z, message, createRouter } from "sluice/sockets/zod";
import { createDurableObjectHandler } from "sluice/cloudflare";

const worker = {
  async fetch(req: Request, env: Env) {
    // Extract room from URL query param or path
    const url = new URL(req.url);
    const roomId = url.searchParams.get("room") ?? "general";
    if (url.pathname === "/shard") {
      const shardName = topicToDoName(\`room:\${roomId}\`, 10);
      const doId = env.ROUTER.idFromName(shardName);
      return Response.json({ shardName, same: String(doId) === String(getShardedDoId(env, \`room:\${roomId}\`, 10)) });
    }
    // Route to sharded DO based on room ID (stable hash)
    const stub = getShardedStub(env, \`room:\${roomId}\`, 10);
    // Forward HTTP upgrade to the sharded DO
    return stub.fetch(req);
  },
};
export default worker;

// Message schemas
const JoinRoom = message("JOIN_ROOM", { roomId: z.string() });
const SendMessage = message("SEND_MESSAGE", { text: z.string() });
const RoomBroadcast = message("ROOM_BROADCAST", {
  roomId: z.string(),
  userId: z.string(),
  text: z.string(),
});
type AppData = { userId?: string };
const router = createRouter<AppData>();
// Join: subscribe to room updates
router.on(JoinRoom, async (ctx) => {
  const { roomId } = ctx.payload;
  const userId = ctx.data?.userId ?? "anonymous";
  await ctx.topics.subscribe(\`room:\${roomId}\`);
  ctx.assignData({ userId });
  // Notify room members of join
  router.publish(\`room:\${roomId}\`, RoomBroadcast, {
    roomId,
    userId,
    text: \`\${userId} joined the room\`,
  });
});
// Send: broadcast to subscribers
router.on(SendMessage, (ctx) => {
  const userId = ctx.data?.userId ?? "anonymous";
  // Room ID comes from subscription context or connection data
  const roomId = "general"; // In real app, track via ctx.data
  router.publish(\`room:\${roomId}\`, RoomBroadcast, {
    roomId,
    userId,
    text: ctx.payload.text,
  });
});
// Export as Durable Object
export class WebSocketRouter {
  constructor(
    private state: DurableObjectState,
    private env: Env,
  ) {}
  async fetch(req: Request) {
    const handler = createDurableObjectHandler({
      router,
      authenticate(req) {
        // Extract user from auth header, query param, etc.
        const token = req.headers.get("authorization");
        return token ? { userId: token.replace("Bearer ", "") } : undefined;
      },
    });
    return handler.fetch(req);
  }
}

// Pure function for topic -> shard name mapping
function topicToDoName(topic: string, shards: number): string {
  let hash = 0;
  for (let i = 0; i < topic.length; i++) {
    hash = (hash << 5) - hash + topic.charCodeAt(i);
    hash = hash | 0; // 32-bit signed integer
  }
  return \`ws-router-\${(hash >>> 0) % shards}\`;
}
`;

describe("chat sharded over Durable Objects", () => {
  it("runs as written: rooms meet in their object, strangers are refused, and other rooms hear nothing", async () => {
    await using workerd = await startWorkerd({ entry: { source: SHARDED }, worker: { durableObjects: { ROUTER: "WebSocketRouter" } } });
    expect(await workerd.json("/shard?room=general")).toMatchObject({ same: true });
    const url = workerd.url.replace("http", "ws");
    const socket = new WebSocket(`${url}/?room=general`);
    expect(await new Promise((resolve) => socket.once("unexpected-response", (_request, response) => resolve(response.statusCode)))).toBe(401);
    const ann = await join(`${url}/?room=general`, { authorization: "Bearer ann" });
    const bob = await join(`${url}/?room=general`, { authorization: "Bearer bob" });
    const eve = await join(`${url}/?room=other`, { authorization: "Bearer eve" });
    ann.send("JOIN_ROOM", { roomId: "general" });
    await until(() => ann.frames.length === 1);
    bob.send("JOIN_ROOM", { roomId: "general" });
    eve.send("JOIN_ROOM", { roomId: "other" });
    await until(() => ann.frames.length === 2 && eve.frames.length === 1);
    bob.send("SEND_MESSAGE", { text: "hello" });
    await until(() => ann.frames.length === 3 && bob.frames.length === 2);
    expect(ann.frames.map(({ payload }) => payload.text)).toEqual(["ann joined the room", "bob joined the room", "hello"]);
    expect(ann.frames[2]!.payload).toEqual({ roomId: "general", userId: "bob", text: "hello" });
    expect(eve.frames.map(({ payload }) => payload.text)).toEqual(["eve joined the room"]);
  });
});

describe("names of the guide", () => {
  it("are types here", () => {
    expectTypeOf<PublishResult>().toEqualTypeOf<{ readonly matched: number; readonly capability: "exact" | "prefix" | "regex"; readonly reach?: "cluster" }>();
    expectTypeOf<RateLimiter["getPolicy"]>().returns.toEqualTypeOf<Readonly<RateLimitPolicy>>();
    const Get = rpc("GET", { id: z.string() }, "GOT", { name: z.string() });
    expect(Get.response.type).toBe("GOT");
  });
});
