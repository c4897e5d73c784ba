import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { manualClock } from "../../testing/manual-clock.ts";
import { message } from "../message.ts";
import { createRouter } from "../router.ts";
import { createTestRouter } from "../testing/test-router.ts";
import { type DevtoolsOptions, devtools } from "./devtools.ts";

const SECRET = "canary-77ab";
const Say = message("SAY", { text: z.string(), password: z.string().optional() });
const Note = message("NOTE", { text: z.string() });
const LOCAL = { ip: "127.0.0.1" };
const at = (path: string, init?: RequestInit) => new Request(`http://localhost/tools/${path}`, init);
const post = (body: unknown, headers: Record<string, string> = {}) => at("publish", { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } });

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

function setUp(options: DevtoolsOptions = {}) {
  const clock = manualClock();
  const router = createRouter({ clock, logger: false, topics: { history: { match: "kept*" } } }).on(Say, async (ctx) => {
    await ctx.topics.subscribe("room");
    await ctx.publish("room", Say, { text: ctx.payload.text });
  });
  const tools = devtools(router, options);
  ends.push(tools.close);
  return { clock, router, tools, server: createTestRouter(router, { clock }) };
}

/** The feed of a viewer. */
async function watch({ tools }: ReturnType<typeof setUp>) {
  const { body } = await tools.fetch(at("stream"), LOCAL);
  const reader = body!.getReader();
  return {
    next: async () => JSON.parse(new TextDecoder().decode((await reader.read()).value).slice("data: ".length)) as any,
    leave: () => reader.cancel(),
  };
}

describe("devtools", () => {
  it("show connections, topics, rates, frames and failures, without payloads", async () => {
    const world = setUp();
    const { clock, server, router } = world;
    const feed = await watch(world);
    expect(await feed.next()).toMatchObject({ connections: 0, topicCount: 0, frames: [] });
    const [client, other] = [await server.connect(), await server.connect()];
    client.send(Say, { text: SECRET, password: SECRET });
    await server.settle();
    other.sendRaw("{}");
    other.sendRaw('{"type":"NOPE"}');
    await server.settle();
    await clock.advance(1000);
    const view = await feed.next();
    expect(view).toMatchObject({ connections: 2, topicCount: 1, slow: 0, topics: [{ topic: "room", subscribers: 1, published: 1 }] });
    expect(view.clients.map(({ clientId }: any) => clientId).toSorted()).toEqual([client.clientId, other.clientId].toSorted());
    expect(view.frames.map(({ what, type }: any) => `${what} ${type}`)).toEqual(["out ERROR", "in _OTHER", "out ERROR", "publish SAY", "in SAY"]);
    expect(view.errors.map(({ what }: any) => what)).toEqual(["unhandled", "violation"]);
    expect(view.seconds.reduce((sum: number, { received }: any) => sum + received, 0)).toBe(2);
    expect(view.perSecond.received).toBeGreaterThan(0);
    expect(JSON.stringify(view)).not.toContain(SECRET);
    await feed.leave();
    expect(router.connections()).toHaveLength(2);
  });

  it("count nothing while nobody watches, and are quiet once the last has left", async () => {
    const world = setUp();
    const { clock, router, server } = world;
    const events = (router as unknown as { events: { active: boolean } }).events;
    expect(events.active).toBe(false);
    const [first, second] = [await watch(world), await watch(world)];
    expect(events.active).toBe(true);
    await first.leave();
    expect(events.active).toBe(true);
    await second.leave();
    expect(events.active).toBe(false);
    expect(clock.pending()).toBe(0);
    await server.close();
  });

  it("name a slow consumer, what waits for it and what it lost", async () => {
    const clock = manualClock();
    const router = createRouter({ clock, logger: false, limits: { backpressure: { maxBufferedBytes: 2000, policy: "drop-newest" } } }).on(Say, (ctx) => void ctx.topics.subscribe("room"));
    const tools = devtools(router);
    ends.push(tools.close);
    const server = createTestRouter(router, { clock });
    const feed = await watch({ clock, router, tools, server } as never);
    await feed.next();
    const [slow, quick] = [await server.connect(), await server.connect()];
    for (const client of [slow, quick]) client.send(Say, { text: "x" });
    await server.settle();
    slow.stall();
    for (let i = 0; i < 10; i++) await router.publish("room", Say, { text: "y".repeat(400) });
    await clock.advance(1000);
    const { clients, slow: count, perSecond } = await feed.next();
    expect(count).toBe(1);
    expect(perSecond.dropped).toBeGreaterThan(0);
    expect(clients[0]).toMatchObject({ clientId: slow.clientId, slow: true });
    expect(clients[0].bufferedBytes).toBeGreaterThan(1000);
    expect(clients[0].dropped).toBeGreaterThan(3);
    expect(clients[1]).toMatchObject({ clientId: quick.clientId, bufferedBytes: 0, dropped: 0, slow: false });
  });

  it("show payloads when they are asked for, redacted", async () => {
    const world = setUp({ payloads: true });
    const feed = await watch(world);
    await feed.next();
    (await world.server.connect()).send(Say, { text: "hello", password: SECRET });
    await world.server.settle();
    await world.clock.advance(1000);
    const { frames } = await feed.next();
    expect(frames.find(({ what }: any) => what === "payload").detail).toContain('"hello"');
    expect(JSON.stringify(frames)).not.toContain(SECRET);
  });

  it("publish what the router knows, and show what a topic keeps", async () => {
    const { tools, server } = setUp({ messages: [Note], payloads: true, authorize: () => true });
    const client = await server.connect();
    client.send(Say, { text: "first" });
    await server.settle();
    client.take();
    expect(await (await tools.fetch(at("messages"), LOCAL)).json()).toEqual(["SAY", "NOTE"]);
    const answer = await tools.fetch(post({ topic: "room", type: "NOTE", payload: { text: "hi" } }), LOCAL);
    expect([answer.status, await answer.json()]).toMatchObject([200, { ok: true, matched: 1 }]);
    expect(client.outgoing("NOTE")).toMatchObject([{ payload: { text: "hi" } }]);
    expect((await tools.fetch(post({ topic: "room", type: "NOTE", payload: {} }), LOCAL)).status).toBe(422);
    expect((await tools.fetch(post({ topic: "room", type: "OTHER" }), LOCAL)).status).toBe(400);
    await tools.fetch(post({ topic: "kept:1", type: "SAY", payload: { text: "again", password: SECRET } }), LOCAL);
    const past = await (await tools.fetch(at("history?topic=kept:1"), LOCAL)).text();
    expect(JSON.parse(past)).toMatchObject([{ type: "SAY", payload: { text: "again" } }]);
    expect(past).not.toContain(SECRET);
    expect((await tools.fetch(at("history?topic=room"), LOCAL)).status).toBe(422);
  });

  it("let in only this machine, or whom authorize says true for; a page of another site cannot publish", async () => {
    const { tools } = setUp();
    const status = async (request: Request, ip?: string) => (await tools.fetch(request, { ip })).status;
    expect(await status(at(""), "127.0.0.1")).toBe(200);
    expect(await status(at(""), "::1")).toBe(200);
    for (const ip of [undefined, "10.0.0.1", "127.0.0.1.evil"]) expect(await status(at(""), ip)).toBe(403);
    expect(await status(new Request("http://evil.example/tools/"), "127.0.0.1")).toBe(403);
    expect(await status(at("", { headers: { "x-forwarded-for": "1.2.3.4" } }), "127.0.0.1")).toBe(403);
    // A proxy on this machine makes everybody local: to look is all they may.
    expect(await status(post({ topic: "room", type: "SAY", payload: { text: "x" } }), "127.0.0.1")).toBe(403);
    expect(await status(at("history?topic=kept:1"), "127.0.0.1")).toBe(403);
    const trusted = setUp({ authorize: () => true }).tools;
    const sent = async (request: Request) => (await trusted.fetch(request, LOCAL)).status;
    for (const origin of ["https://evil.example", "null"]) expect(await sent(post({}, { origin }))).toBe(403);
    expect(await sent(post({}, { "content-type": "text/plain" }))).toBe(415);
    expect(await sent(post({ topic: "room", type: "SAY", payload: "x".repeat(1_000_001) }))).toBe(413);
    const brokenOff = new ReadableStream({ pull: (controller) => controller.error(new Error("gone")) });
    expect(await sent(at("publish", { method: "POST", headers: { "content-type": "application/json" }, body: brokenOff, duplex: "half" } as RequestInit))).toBe(400);
    expect(await status(at("publish"), "127.0.0.1")).toBe(405);
    expect(await status(at("elsewhere"), "127.0.0.1")).toBe(404);
    const page = await tools.fetch(at(""), LOCAL);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");

    for (const [authorize, expected] of [[() => true, 200], [() => "yes", 403], [async () => false, 403], [() => { throw new Error("no"); }, 403]] as const) {
      expect((await setUp({ authorize }).tools.fetch(at(""), { ip: "10.0.0.1" })).status).toBe(expected);
    }
    expect(() => devtools(createRouter(), { auth: 1 } as never)).toThrow(/devtools\.auth/);
    expect(() => devtools({} as never)).toThrow(/router/);
  });
});
