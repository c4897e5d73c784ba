/** Objects that listen, and brokers with a hand on them: each path is one experiment, run inside workerd. */

import { DurableObject } from "cloudflare:workers";
import { type CloudflarePubSub, PubSubDO, cloudflarePubSub } from "sluice/cloudflare";
import { type ContractReport, verifyPubSubContract } from "sluice/testing";

type Env = Record<string, any>;

const idle = (pubsub: unknown): boolean => {
  const { channels, clients, routers } = (pubsub as CloudflarePubSub).size;
  return channels + clients + routers === 0;
};

export class Broker extends PubSubDO {
  reset(): void {
    (this.ctx as any).abort(new Error("reset by hand"));
  }

  rows(table: string): number {
    return (this.ctx as any).storage.sql.exec(`SELECT * FROM ${table}`).toArray().length;
  }

  /** The platform keeps the name `alarm` for itself. */
  ring(): Promise<void> {
    return this.alarm();
  }
}

/** Bound with key-value storage, which a broker cannot use. */
export class PlainBroker extends PubSubDO {}

const Base: any = DurableObject;

/** Listens to the topics it has in its storage, as sockets do after they woke up; what it hears goes there, too. */
export class Room extends Base {
  readonly #pubsub: CloudflarePubSub;
  readonly #ready: Promise<void>;
  deaf = false;

  constructor(ctx: any, env: Env) {
    super(ctx, env);
    this.#pubsub = cloudflarePubSub(env["BROKER"], { state: ctx, shards: 4 });
    this.#pubsub.events.on((gap) => this.#note(`gap:${gap.channel}`));
    this.#ready = this.#restore();
  }

  async #restore(): Promise<void> {
    this.#count("constructed");
    if (this.ctx.storage.kv.get("slow") === true) return;
    // Sockets take a while to be restored.
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const topic of this.ctx.storage.kv.get("topics") ?? []) await this.#listen(topic);
  }

  async #listen(topic: string): Promise<void> {
    await this.#pubsub.subscribe(topic, (message) => this.#note(message));
  }

  #note(message: unknown): void {
    const { kv } = this.ctx.storage;
    kv.put("heard", [...(kv.get("heard") ?? []), message]);
  }

  #count(name: string): void {
    const { kv } = this.ctx.storage;
    kv.put(name, (kv.get(name) ?? 0) + 1);
  }

  async deliverPubSub(delivery: never): Promise<unknown> {
    if (this.deaf) throw new Error("this object hears nothing");
    return this.#pubsub.receive(delivery);
  }

  async listen(topics: string[]): Promise<void> {
    await this.#ready;
    this.ctx.storage.kv.put("topics", topics);
    await Promise.all(topics.map((topic) => this.#listen(topic)));
  }

  async leave(topic: string): Promise<void> {
    await this.#pubsub.unsubscribe(topic);
  }

  async say(topic: string, messages: unknown[]): Promise<void> {
    await Promise.all(messages.map((message) => this.#pubsub.publish(topic, message)));
  }

  heard(): { heard: unknown[]; constructed: number } {
    const { kv } = this.ctx.storage;
    return { heard: kv.get("heard") ?? [], constructed: kv.get("constructed") };
  }

  setDeaf(deaf: boolean): void {
    this.deaf = deaf;
  }

  /** From the next time it wakes it restores nothing before {@link restore}. */
  setSlow(): void {
    this.ctx.storage.kv.put("slow", true);
  }

  async restore(): Promise<void> {
    await Promise.all((this.ctx.storage.kv.get("topics") as string[]).map((topic) => this.#listen(topic)));
  }

  /** Forgets what it listens to, without telling anybody. */
  forget(): void {
    this.ctx.storage.kv.put("topics", []);
  }

  reset(): void {
    this.ctx.abort(new Error("reset by hand"));
  }

  suite(): Promise<ContractReport> {
    return verifyPubSubContract(() => cloudflarePubSub(this.env["BROKER"], { state: this.ctx, shards: 3, prefix: "suite:" }), { idle });
  }
}

const failure = async (call: () => unknown): Promise<unknown> => {
  try {
    return { value: await call() };
  } catch (error) {
    const { name, code, message } = error as { name: string; code?: string; message: string };
    return { name, code, message };
  }
};
const object = (env: Env, binding: string, name: string): any => env[binding].get(env[binding].idFromName(name));
const gone = (call: Promise<unknown>): Promise<unknown> => call.catch(() => undefined);
/** Waits until `holds`; the suite's own limit ends it. */
const until = async (holds: () => Promise<boolean>): Promise<void> => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
};
const brokerOf = async (env: Env, topic: string): Promise<any> => {
  const { topicToDoName } = await import("sluice/cloudflare");
  return object(env, "BROKER", topicToDoName(`sluice:topic:${topic}`, 4, "pubsub"));
};

const experiments: Record<string, (env: Env) => Promise<unknown>> = {
  "suite in a Worker": (env) => verifyPubSubContract(() => cloudflarePubSub(env["BROKER"], { shards: 3, prefix: "worker:" }), { idle }),
  "suite in an object": (env) => object(env, "ROOM", "suite").suite(),

  async "between objects"(env) {
    const [a, b] = [object(env, "ROOM", "a"), object(env, "ROOM", "b")];
    await Promise.all([a.listen(["news"]), b.listen(["news"])]);
    await b.say("news", Array.from({ length: 300 }, (_, i) => i));
    await cloudflarePubSub(env["BROKER"], { shards: 4 }).publish("news", "from the Worker");
    const [atA, atB] = [(await a.heard()).heard, (await b.heard()).heard];
    await a.leave("news");
    await b.say("news", ["only b"]);
    return { atA, same: JSON.stringify(atA) === JSON.stringify(atB), afterwards: [(await a.heard()).heard.length, (await b.heard()).heard.length] };
  },

  async "an evicted object"(env) {
    const room = object(env, "ROOM", "sleeper");
    await room.listen(["wake", "other"]);
    await gone(room.reset());
    await cloudflarePubSub(env["BROKER"], { shards: 4 }).publish("wake", "up");
    return object(env, "ROOM", "sleeper").heard();
  },

  async "an object that wakes too slowly"(env) {
    const room = object(env, "ROOM", "slow");
    await room.listen(["late", "quiet"]);
    await room.setSlow();
    await gone(room.reset());
    // Resolves when the object has given up waiting for itself.
    await cloudflarePubSub(env["BROKER"], { shards: 4 }).publish("late", "too early");
    await object(env, "ROOM", "slow").restore();
    await cloudflarePubSub(env["BROKER"], { shards: 4 }).publish("late", "in time");
    await cloudflarePubSub(env["BROKER"], { shards: 4 }).publish("quiet", "as ever");
    return object(env, "ROOM", "slow").heard();
  },

  async "an object told of losses while it wakes"(env) {
    const room = object(env, "ROOM", "drowsy");
    await room.listen(["drowsy"]);
    await room.setDeaf(true);
    await cloudflarePubSub(env["BROKER"], { shards: 4 }).publish("drowsy", "lost");
    await room.setSlow();
    await gone(room.reset());
    // The broker's alarm finds an object that has nobody yet.
    await (await brokerOf(env, "drowsy")).ring();
    await object(env, "ROOM", "drowsy").restore();
    return object(env, "ROOM", "drowsy").heard();
  },

  async "an evicted broker"(env) {
    await object(env, "ROOM", "kept").listen(["kept"]);
    const session = cloudflarePubSub(env["BROKER"], { shards: 4 });
    const seen: unknown[] = [];
    const gaps: string[] = [];
    session.events.on(({ channel }) => void gaps.push(channel));
    await session.subscribe("kept", (message) => void seen.push(message));
    await gone((await brokerOf(env, "kept")).reset());
    await until(async () => gaps.length > 0);
    await cloudflarePubSub(env["BROKER"], { shards: 4 }).publish("kept", "after");
    await until(async () => seen.length > 0);
    await session.close();
    return { room: (await object(env, "ROOM", "kept").heard()).heard, seen, gaps };
  },

  async "an object that fails"(env) {
    const room = object(env, "ROOM", "deaf");
    await room.listen(["deaf"]);
    await room.setDeaf(true);
    const publisher = cloudflarePubSub(env["BROKER"], { shards: 4 });
    await publisher.publish("deaf", "lost");
    const broker = await brokerOf(env, "deaf");
    const missed = await broker.rows("sluice_missed");
    await room.setDeaf(false);
    await broker.ring();
    await publisher.publish("deaf", "heard");
    return { ...(await room.heard()), missed, left: await broker.rows("sluice_missed") };
  },

  async "an object that forgot"(env) {
    const room = object(env, "ROOM", "forgetful");
    await room.listen(["forgotten"]);
    const broker = await brokerOf(env, "forgotten");
    const before = await broker.rows("sluice_listeners WHERE name = 'sluice:topic:forgotten'");
    await room.forget();
    await gone(room.reset());
    await cloudflarePubSub(env["BROKER"], { shards: 4 }).publish("forgotten", "nobody");
    return { before, after: await broker.rows("sluice_listeners WHERE name = 'sluice:topic:forgotten'"), ...(await object(env, "ROOM", "forgetful").heard()) };
  },

  async "from outside"(env) {
    const broker = object(env, "BROKER", "pubsub-0");
    const paths = ["exchange", "run", "follow", ""];
    return Promise.all(paths.map(async (path) => (await broker.fetch(`https://broker/${path}`, { method: "POST", body: '["x",[["publish","sluice:topic:a","1"]]]' })).status));
  },

  async "what is missing"(env) {
    const message = { n: 1 };
    return [
      await failure(() => cloudflarePubSub(undefined as never)),
      await failure(() => cloudflarePubSub(env["BROKER"], { shards: 0 })),
      await failure(() => cloudflarePubSub(env["BROKER"], { state: {} as never })),
      await failure(() => cloudflarePubSub(env["PLAIN_BROKER"]).publish("a", message)),
      await failure(() => cloudflarePubSub(env["ROOM"]).publish("a", message)),
      await failure(() => cloudflarePubSub(env["BROKER"], { state: { id: "0".repeat(64) as never } }).subscribe("a", () => undefined)),
      await failure(() => cloudflarePubSub(env["BROKER"], { state: { id: { toString: () => "0".repeat(64) } } }).subscribe("a", () => undefined)),
      await failure(() => cloudflarePubSub(env["BROKER"]).publish("a", "x".repeat(5_000_000))),
    ];
  },
};

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const name = new URL(request.url).searchParams.get("run") ?? "";
    const experiment = experiments[name];
    return experiment === undefined ? new Response(`no ${name}`, { status: 404 }) : Response.json(await experiment(env));
  },
};
