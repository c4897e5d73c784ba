/** What the page shows: counted from the events while somebody watches, read from the hubs when it is sent. */

import type { Clock } from "../../core/clock.ts";
import type { SocketEvent } from "../events.ts";
import type { RouterCore } from "../router-core.ts";

const SECONDS = 60;
const MAX_ROWS = 100;
const MAX_RECENT = 100;
/** Topics and clients whose counts are kept. */
const MAX_COUNTED = 10_000;

interface Second {
  at: number;
  received: number;
  sent: number;
  published: number;
  delivered: number;
  dropped: number;
}

/** A line of the list of frames, or of errors. */
interface Line {
  readonly at: number;
  readonly what: string;
  readonly type: string;
  readonly clientId: string;
  readonly detail: string;
}

export class Figures {
  readonly #core: RouterCore;
  readonly #clock: Clock;
  readonly #seconds: Second[] = [];
  readonly #frames: Line[] = [];
  readonly #errors: Line[] = [];
  readonly #published = new Map<string, number>();
  readonly #dropped = new Map<string, number>();
  readonly #limits = new Map<string, number>();

  constructor(core: RouterCore) {
    this.#core = core;
    this.#clock = core.options.clock;
  }

  readonly take = (event: SocketEvent): void => {
    const second = this.#second();
    switch (event.type) {
      case "message.in":
        second.received++;
        return this.#frame(event.at, "in", event.messageType, event.clientId, `${event.bytes} B`);
      case "message.out":
        second.sent++;
        return this.#frame(event.at, "out", event.messageType, event.clientId, `${event.bytes} B`);
      case "topic.publish":
        second.published++;
        second.delivered += event.matched;
        add(this.#published, event.topic, 1);
        return this.#frame(event.at, "publish", event.messageType, event.clientId ?? "server", `${event.topic}: ${event.matched} got it${event.dropped > 0 ? `, ${event.dropped} did not` : ""}`);
      case "topic.drop":
        second.dropped += event.dropped;
        return add(this.#dropped, event.clientId, event.dropped);
      case "connection.close":
        this.#dropped.delete(event.clientId);
        return undefined;
      case "limit":
        add(this.#limits, event.limit, 1);
        return this.#error(event.at, "limit", event.limit, event.clientId, `${event.observed} of ${event.max}`);
      case "violation": return this.#error(event.at, "violation", "", event.clientId, event.reason);
      case "message.invalid": return this.#error(event.at, "invalid", event.messageType, event.clientId, `${event.issues} issues`);
      case "message.unhandled": return this.#error(event.at, "unhandled", event.messageType, event.clientId, "no handler");
      case "connection.refused": return this.#error(event.at, "refused", "", event.clientId, `${event.status} ${event.reason}`);
      case "error": return this.#error(event.at, event.code, event.messageType ?? "", event.clientId ?? "", event.message.slice(0, 200));
      case "pubsub.gap": return this.#error(event.at, "gap", event.topic, "", "something of the broker was missed");
      default: return undefined;
    }
  };

  /** A payload that was asked for, beside its frame. */
  payload(type: string, clientId: string, text: string): void {
    this.#frame(Math.floor(this.#clock.now()), "payload", type, clientId, text);
  }

  view(): object {
    this.#second();
    const now = Math.floor(this.#clock.now());
    const { hubs, options } = this.#core;
    const all = [...hubs].flatMap((hub) => [...hub.connections.values()]);
    const clients = all.map((connection) => ({
      clientId: connection.clientId, ip: connection.request.ip, topics: connection.ownTopics?.size ?? 0, pending: connection.ownWork?.pending ?? 0,
      bufferedBytes: connection.outbox.buffered, dropped: this.#dropped.get(connection.clientId) ?? 0, slow: connection.outbox.congested, forMs: Math.round(this.#clock.monotonic() - connection.openedAt),
    }));
    const subscribers = new Map<string, number>();
    for (const hub of hubs) for (const topic of hub.topics.index.topics()) add(subscribers, topic, hub.topics.index.count(topic), Infinity);
    const last = this.#seconds.slice(-6, -1);
    const mean = (key: keyof Second): number => (last.length === 0 ? 0 : last.reduce((sum, second) => sum + second[key], 0) / last.length);
    return {
      now, connections: all.length, topicCount: subscribers.size, markBytes: options.limits.backpressure.maxBufferedBytes,
      slow: clients.filter(({ slow, dropped }) => slow || dropped > 0).length,
      perSecond: { received: mean("received"), sent: mean("sent"), published: mean("published"), delivered: mean("delivered"), dropped: mean("dropped") },
      seconds: this.#seconds.map(({ received, sent, delivered }) => ({ received, sent, delivered })),
      topics: [...subscribers].sort((a, b) => b[1] - a[1]).slice(0, MAX_ROWS).map(([topic, count]) => ({ topic, subscribers: count, published: this.#published.get(topic) ?? 0 })),
      clients: clients.sort((a, b) => b.bufferedBytes + b.dropped - a.bufferedBytes - a.dropped).slice(0, MAX_ROWS),
      limits: Object.fromEntries(this.#limits), frames: this.#frames.toReversed(), errors: this.#errors.toReversed(),
    };
  }

  #frame(at: number, what: string, type: string, clientId: string, detail: string): void {
    keep(this.#frames, { at, what, type: type.slice(0, 128), clientId, detail });
  }

  #error(at: number, what: string, type: string, clientId: string, detail: string): void {
    keep(this.#errors, { at, what, type: type.slice(0, 128), clientId, detail });
  }

  /** The second of now; those in between had nothing. */
  #second(): Second {
    const at = Math.floor(this.#clock.monotonic() / 1000);
    const newest = this.#seconds.at(-1);
    if (newest?.at === at) return newest;
    for (let missing = Math.max(newest === undefined ? at - SECONDS + 1 : newest.at + 1, at - SECONDS + 1); missing <= at; missing++) this.#seconds.push({ at: missing, received: 0, sent: 0, published: 0, delivered: 0, dropped: 0 });
    this.#seconds.splice(0, this.#seconds.length - SECONDS);
    return this.#seconds.at(-1) as Second;
  }
}

function keep(list: Line[], line: Line): void {
  list.push(line);
  if (list.length > MAX_RECENT) list.shift();
}

function add(counts: Map<string, number>, key: string, by: number, most = MAX_COUNTED): void {
  if (counts.has(key) || counts.size < most) counts.set(key, (counts.get(key) ?? 0) + by);
}
