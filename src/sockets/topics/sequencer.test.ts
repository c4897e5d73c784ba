import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type PubSubWire, backendPubSub } from "../../state/pubsub/backend-pub-sub.ts";
import { MemoryTopicLog } from "../../state/pubsub/topic-log.ts";
import { type ManualClock, manualClock } from "../../testing/manual-clock.ts";
import { message, rpc } from "../message.ts";
import { createRouter } from "../router.ts";
import { createTestRouter } from "../testing/test-router.ts";

const Say = message("SAY", z.string());
const Join = rpc("JOIN", z.string(), "JOINED", z.boolean());
const JoinMany = rpc("JOIN_MANY", z.array(z.string()), "JOINED_MANY", z.boolean());

/** A broker whose connections and whose history fail when they are told to. */
class Broker {
  readonly #log: MemoryTopicLog;
  readonly #wires = new Set<{ readonly heard: Map<string, (text: string) => void>; back: () => void; deaf: boolean }>();
  readsFail = false;
  /** The history was emptied, and has had no message since. */
  flushed = false;
  /** Reads of a topic wait for these. */
  readonly held = new Map<string, Promise<void>>();
  /** What was read waits for it. */
  answers: Promise<void> | undefined;
  subscribesFail = false;
  reads = 0;
  subscriptions = 0;

  constructor(clock: ManualClock) {
    this.#log = new MemoryTopicLog(() => clock.now(), () => "e");
  }

  wire(): PubSubWire & { deaf(): void; hears(): void } {
    const heard = new Map<string, (text: string) => void>();
    const mine = { heard, back: () => undefined as void, deaf: false };
    this.#wires.add(mine);
    const tell = (physical: string, text: string): void => {
      for (const { heard: theirs, deaf } of this.#wires) if (!deaf) theirs.get(physical)?.(text);
    };
    return {
      name: "test", maxMessageBytes: 1 << 20, bus: "bus", physical: (channel) => `c:${channel}`,
      publish: async (physical, text) => tell(physical, text),
      subscribe: async (physical, receive) => {
        if (this.subscribesFail) throw new Error("away");
        this.subscriptions++;
        heard.set(physical, receive);
      },
      unsubscribe: async (physical) => void (this.subscriptions--, heard.delete(physical)),
      onChange: (_lost, back) => void (mine.back = back),
      close: async () => void this.#wires.delete(mine),
      history: {
        append: async (topic, body, options, announcement) => {
          const offset = this.#log.append(topic, body, options);
          if (announcement !== undefined) tell(announcement.physical, announcement.before + offset + announcement.after);
          return offset;
        },
        read: async (topic, after, options, limit) => {
          this.reads++;
          if (this.readsFail) throw new Error("away");
          if (this.flushed) return { entries: [], gap: after !== undefined, last: undefined };
          await this.held.get(topic);
          const slice = this.#log.read(topic, after, options, limit);
          await this.answers;
          return slice;
        },
      },
      deaf: () => void (mine.deaf = true),
      hears: () => ((mine.deaf = false), mine.back()),
    };
  }
}

function fleet() {
  const clock = manualClock();
  const broker = new Broker(clock);
  const gaps: string[] = [];
  const member = () => {
    const wire = broker.wire();
    const router = createRouter({ logger: false, clock, pubsub: backendPubSub(wire, { clock }), topics: { history: { match: /./ } }, heartbeat: false, sinks: [(event) => event.type === "pubsub.gap" && gaps.push(event.topic)] })
      .rpc(Join, async (ctx) => (await ctx.topics.subscribe(ctx.payload), true))
      .rpc(JoinMany, async (ctx) => (await ctx.topics.subscribeMany(ctx.payload), true));
    return { wire, router, test: createTestRouter(router, { clock }) };
  };
  return { clock, broker, gaps, here: member(), there: member() };
}

const texts = (client: { outgoing(type?: string): { payload?: unknown }[] }): unknown[] => client.outgoing("SAY").map(({ payload }) => payload);

describe("a topic whose history cannot be read for a while", () => {
  it("is caught up when it can, though nothing more is published", async () => {
    const { clock, broker, here, there } = fleet();
    const client = await there.test.connect();
    await client.request(Join, "a");
    await here.router.publish("a", Say, "1");
    there.wire.deaf();
    await here.router.publish("a", Say, "2");
    broker.readsFail = true;
    there.wire.hears();
    await clock.advanceAsync(60_000);
    expect(texts(client)).toEqual(["1"]);
    broker.readsFail = false;
    await clock.advanceAsync(2000);
    expect(texts(client)).toEqual(["1", "2"]);
    const { reads } = broker;
    await clock.advanceAsync(60_000);
    expect(broker.reads).toBe(reads);
  });

  it("is read again when the broker comes back while it is being read: what was published in between is in neither", async () => {
    const { clock, broker, here, there } = fleet();
    const listener = await there.test.connect();
    await listener.request(Join, "a");
    there.wire.deaf();
    await here.router.publish("a", Say, "1");
    let answer!: () => void;
    broker.answers = new Promise((resolve) => void (answer = resolve));
    // Its number says that something is missing, and the history is read.
    void there.router.publish("a", Say, "2");
    await clock.advanceAsync(1);
    await here.router.publish("a", Say, "3");
    there.wire.hears();
    broker.answers = undefined;
    answer();
    await clock.advanceAsync(10);
    expect(listener.outgoing().filter(({ type }) => type === "SAY").map(({ payload }) => payload)).toEqual(["1", "2", "3"]);
  });

  it("keeps messages for later, in order, and gives up those it knows of after a while", async () => {
    const { clock, broker, gaps, here, there } = fleet();
    const client = await there.test.connect();
    await client.request(Join, "a");
    const lose = async (text: string) => {
      there.wire.deaf();
      await here.router.publish("a", Say, text);
      there.wire.hears();
    };
    broker.readsFail = true;
    await lose("1");
    await here.router.publish("a", Say, "2");
    const own = there.router.publish("a", Say, "3");
    await clock.advanceAsync(1000);
    expect(texts(client)).toEqual([]);
    broker.readsFail = false;
    await clock.advanceAsync(2000);
    expect(texts(client)).toEqual(["1", "2", "3"]);
    await expect(own).resolves.toMatchObject({ ok: true, matched: 1, offset: "e:3" });

    broker.readsFail = true;
    gaps.length = 0;
    await lose("4");
    const late = there.router.publish("a", Say, "5");
    await clock.advanceAsync(60_000);
    await expect(late).resolves.toMatchObject({ ok: true, matched: 1, offset: "e:5" });
    expect(texts(client)).toEqual(["1", "2", "3", "5"]);
    expect(gaps).toContain("a");
    await here.router.publish("a", Say, "6");
    await client.request(Join, "a");
    expect(texts(client)).toEqual(["1", "2", "3", "5", "6"]);
  });

  it("refuses a subscription, leaves nothing at the broker, and keeps no publisher waiting", async () => {
    const { clock, broker, there } = fleet();
    const client = await there.test.connect();
    await there.router.publish("a", Say, "1");
    const before = broker.subscriptions;
    broker.readsFail = true;
    const joining = client.request(Join, "a").catch((error: { code: string }) => error.code);
    const published = there.router.publish("a", Say, "2");
    await clock.advanceAsync(100);
    await expect(joining).resolves.toBe("UNAVAILABLE");
    await expect(published).resolves.toMatchObject({ ok: true, matched: 0 });
    expect(broker.subscriptions).toBe(before);
  });

  it("that was emptied keeps nobody waiting", async () => {
    const { clock, broker, here, there } = fleet();
    const client = await there.test.connect();
    await client.request(Join, "a");
    await here.router.publish("a", Say, "0");
    there.wire.deaf();
    await here.router.publish("a", Say, "1");
    broker.flushed = true;
    const own = there.router.publish("a", Say, "2");
    await clock.advanceAsync(100);
    await expect(own).resolves.toMatchObject({ ok: true, matched: 1, offset: "e:3" });
    expect(texts(client)).toEqual(["0", "2"]);
    expect(broker.reads).toBeLessThan(10);
  });

  it("loses nothing for the first of two who subscribe at the same time", async () => {
    const { clock, broker, here, there } = fleet();
    const [first, second] = [await there.test.connect(), await there.test.connect()];
    const hold = (topic: string): (() => void) => {
      let open = (): void => undefined;
      broker.held.set(topic, new Promise((resolve) => void (open = resolve)));
      return open;
    };
    const letB = hold("b");
    // Its first topic is followed, and it has not joined: the second one takes its time.
    const both = first.request(JoinMany, ["a", "b"]);
    await clock.advanceAsync(10);
    const letA = hold("a");
    const other = second.request(Join, "a");
    await clock.advanceAsync(10);
    letB();
    await both;
    await here.router.publish("a", Say, "1");
    letA();
    await other;
    await clock.advanceAsync(100);
    expect(texts(first)).toEqual(["1"]);
  });

  it("holds the answers of a connection for a moment only, however many topics it resumes", async () => {
    const { clock, broker, there } = fleet();
    const names = Array.from({ length: 40 }, (_, i) => `t${i}`);
    await (await there.test.connect()).request(JoinMany, names);
    const client = await there.test.connect();
    broker.readsFail = true;
    client.sendRaw(JSON.stringify({ type: "$ws:resume", payload: { topics: Object.fromEntries(names.map((name) => [name, "e:1"])) } }));
    await clock.advanceAsync(3000);
    expect(client.closed).toEqual({ code: 1013, reason: "the broker is away" });
  });

  it("is asked again when a client resumes; one that cannot be told is sent away to come back", async () => {
    const { clock, broker, here, there } = fleet();
    await here.router.publish("a", Say, "1");
    await here.router.publish("a", Say, "2");
    const resume = async () => {
      const client = await there.test.connect();
      client.sendRaw('{"type":"$ws:resume","payload":{"topics":{"a":"e:1"}}}');
      await clock.advanceAsync(100);
      return client;
    };
    broker.subscribesFail = true;
    const patient = await resume();
    broker.subscribesFail = false;
    await clock.advanceAsync(1000);
    expect(patient.outgoing()).toMatchObject([{ type: "$ws:resumed", payload: { topics: { a: { status: "ok" } } } }, { payload: "2" }]);
    await patient.close();

    broker.subscribesFail = true;
    const unlucky = await resume();
    await clock.advanceAsync(60_000);
    expect(unlucky.closed).toEqual({ code: 1013, reason: "the broker is away" });
    expect(unlucky.outgoing()).toEqual([]);
  });
});

it("a message that cannot be written is not kept, and one that was kept takes nothing else along", async () => {
  const clock = manualClock();
  let refuses = true;
  const limits = { backpressure: { policy: "coalesce", coalesceKey: (_topic: string, _type: string, payload: unknown): string => {
    if (refuses && payload === "bad") throw new Error("no key");
    return "key";
  } } } as const;
  const router = createRouter({ logger: false, clock, topics: { history: { match: /./ } }, heartbeat: false, limits });
  const test = createTestRouter(router, { clock });
  await expect(router.publish("a", Say, "0")).resolves.toMatchObject({ ok: true });
  await expect(router.publish("a", Say, "bad")).resolves.toMatchObject({ ok: false, error: "VALIDATION" });
  await expect(router.publish("a", message("ANY", z.any()), () => "no JSON")).resolves.toMatchObject({ ok: false, error: "VALIDATION" });
  refuses = false;
  await expect(router.publish("a", Say, "bad")).resolves.toMatchObject({ ok: true });
  refuses = true;
  const { offset } = (await router.publish("a", Say, "2")) as { offset: string };
  const client = await test.connect();
  client.sendRaw(JSON.stringify({ type: "$ws:resume", payload: { topics: { a: `${offset.split(":")[0]}:0` } } }));
  await clock.advanceAsync(100);
  await router.publish("a", Say, "live");
  await clock.advanceAsync(100);
  expect(texts(client)).toEqual(["0", "2", "live"]);
});
