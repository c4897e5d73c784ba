/** Who is in a topic, over the whole fleet: hubs tell each other, and one that falls silent is forgotten. */

import type { TimerHandle } from "../../core/clock.ts";
import { OptionError } from "../../core/errors.ts";
import type { Connection } from "../connection.ts";
import { textBytes } from "../frame.ts";
import { compiledOf } from "../message.ts";
import { fanOut } from "./fan-out.ts";
import type { HubTopics } from "./hub-topics.ts";
import type { ResolvedTopics } from "./policy.ts";

export interface PresenceMember {
  readonly id: string;
  readonly data: unknown;
  readonly connections: number;
  /** Epoch ms. */
  readonly since: number;
}

interface Own {
  readonly connections: Set<Connection>;
  data: unknown;
  readonly since: number;
}

type Told = readonly [id: string, connections: number, since: number, data?: unknown];
type Telling = { readonly full?: boolean; readonly ask?: boolean; readonly topics: Readonly<Record<string, readonly Told[]>> };

interface Remote {
  seenAt: number;
  readonly topics: Map<string, Map<string, Told>>;
}

const MAX_DATA_BYTES = 4096;

export class Presence {
  readonly #topics: HubTopics;
  readonly #options: NonNullable<ResolvedTopics["presence"]>;
  /** Topic, identity. */
  readonly #own = new Map<string, Map<string, Own>>();
  readonly #remote = new Map<string, Remote>();
  #timer: TimerHandle;
  #running = false;
  #closed = false;

  constructor(topics: HubTopics, options: NonNullable<ResolvedTopics["presence"]>) {
    this.#topics = topics;
    this.#options = options;
  }

  covers(topic: string): boolean {
    return this.#options.matches(topic);
  }

  members(topic: string): PresenceMember[] {
    const found = new Map<string, PresenceMember>();
    const add = (id: string, connections: number, since: number, data: unknown): void => {
      const seen = found.get(id);
      found.set(id, { id, data: seen?.data ?? data, connections: (seen?.connections ?? 0) + connections, since: Math.min(seen?.since ?? since, since) });
    };
    for (const [id, own] of this.#own.get(topic) ?? []) add(id, own.connections.size, own.since, own.data);
    for (const remote of this.#remote.values()) for (const [id, connections, since, data] of remote.topics.get(topic)?.values() ?? []) add(id, connections, since, data);
    return [...found.values()];
  }

  join(topic: string, connection: Connection): void {
    if (!this.covers(topic)) return;
    const id = this.#identity(connection);
    const wasThere = this.#isThere(topic, id);
    let ids = this.#own.get(topic);
    if (ids === undefined) this.#own.set(topic, (ids = new Map()));
    const own = ids.get(id);
    if (own !== undefined) own.connections.add(connection);
    else ids.set(id, { connections: new Set([connection]), data: undefined, since: this.#topics.hub.now() });
    if (!wasThere) this.#changed("onJoin", topic, id, undefined);
    this.#tell(topic, id);
    this.#keepTelling();
  }

  leave(topic: string, connection: Connection): void {
    const ids = this.#own.get(topic);
    if (ids === undefined) return;
    for (const [id, own] of ids) {
      if (!own.connections.delete(connection)) continue;
      if (own.connections.size === 0) {
        ids.delete(id);
        if (ids.size === 0) this.#own.delete(topic);
      }
      if (!this.#isThere(topic, id)) this.#changed("onLeave", topic, id, own.data);
      this.#tell(topic, id);
      return;
    }
  }

  track(topic: string, data: unknown, connection: Connection): void {
    const text = JSON.stringify(data);
    if (text === undefined || textBytes(text) > MAX_DATA_BYTES) throw new OptionError("data", data, `a JSON value of at most ${MAX_DATA_BYTES} bytes`);
    const id = this.#identity(connection);
    const own = this.#own.get(topic)?.get(id);
    if (own === undefined) return;
    own.data = JSON.parse(text);
    this.#tell(topic, id);
  }

  // ------------------------------------------------------------------------------------------------------------ fleet

  /** The broker listens: asks the others who is there. */
  begin(): void {
    this.ask();
    this.#keepTelling();
  }

  ask(): void {
    this.#topics.announcePresence({ ask: true, full: true, topics: this.#all() } satisfies Telling);
  }

  receive(origin: string, telling: Telling): void {
    if (this.#closed) return;
    const { hub } = this.#topics;
    let remote = this.#remote.get(origin);
    if (remote === undefined) this.#remote.set(origin, (remote = { seenAt: 0, topics: new Map() }));
    remote.seenAt = hub.monotonic();
    const topics = new Set(Object.keys(telling.topics ?? {}));
    if (telling.full === true) for (const topic of remote.topics.keys()) topics.add(topic);
    for (const topic of topics) {
      const members = Object.hasOwn(telling.topics, topic) ? (telling.topics[topic] as readonly Told[]) : [];
      this.#update(remote, topic, members, telling.full === true);
    }
    if (telling.ask === true) this.#topics.announcePresence({ full: true, topics: this.#all() } satisfies Telling);
    this.#keepTelling();
  }

  #update(remote: Remote, topic: string, members: readonly Told[], full: boolean): void {
    const before = remote.topics.get(topic) ?? new Map<string, Told>();
    const named = new Set(members.map(([id]) => id));
    const gone = full ? [...before.keys()].filter((id) => !named.has(id)) : [];
    const after = new Map(before);
    const joined: Told[] = [];
    for (const entry of members) {
      const [id, connections] = entry;
      if (connections === 0) {
        if (after.has(id)) gone.push(id);
      } else {
        if (!this.#isThere(topic, id)) joined.push(entry);
        after.set(id, entry);
      }
    }
    for (const id of gone) after.delete(id);
    if (after.size > 0) remote.topics.set(topic, after);
    else remote.topics.delete(topic);
    for (const [id, , , data] of joined) this.#changed("onJoin", topic, id, data);
    for (const id of gone) if (!this.#isThere(topic, id)) this.#changed("onLeave", topic, id, before.get(id)?.[3]);
  }

  close(): void {
    this.#closed = true;
    this.#topics.hub.clock.clearTimeout(this.#timer);
    this.#topics.announcePresence({ full: true, topics: {} } satisfies Telling);
    this.#own.clear();
    this.#remote.clear();
  }

  #keepTelling(): void {
    if (this.#running || this.#closed || this.#topics.bridge?.shared !== true || this.#topics.hub.server.timers === "none") return;
    if (this.#own.size === 0 && this.#remote.size === 0) return;
    this.#running = true;
    this.#timer = this.#topics.hub.clock.setTimeout(() => {
      this.#running = false;
      this.tick();
      this.#keepTelling();
    }, this.#options.heartbeatMs);
  }

  /** Says that this hub lives, and forgets those that do not. */
  tick(): void {
    const now = this.#topics.hub.monotonic();
    for (const [origin, remote] of this.#remote) {
      if (now - remote.seenAt < this.#options.ttlMs) continue;
      this.#remote.delete(origin);
      for (const [topic, ids] of remote.topics) for (const [id, entry] of ids) if (!this.#isThere(topic, id)) this.#changed("onLeave", topic, id, entry[3]);
    }
    if (this.#own.size > 0) this.#topics.announcePresence({ full: true, topics: this.#all() } satisfies Telling);
  }

  #all(): Record<string, Told[]> {
    const all: Record<string, Told[]> = {};
    for (const [topic, ids] of this.#own) all[topic] = [...ids].map(([id, { connections, since, data }]) => told(id, connections.size, since, data));
    return all;
  }

  #tell(topic: string, id: string): void {
    const own = this.#own.get(topic)?.get(id);
    this.#topics.announcePresence({ topics: { [topic]: [told(id, own?.connections.size ?? 0, own?.since ?? 0, own?.data)] } } satisfies Telling);
  }

  #isThere(topic: string, id: string): boolean {
    if (this.#own.get(topic)?.has(id) === true) return true;
    for (const remote of this.#remote.values()) if (remote.topics.get(topic)?.has(id) === true) return true;
    return false;
  }

  #identity(connection: Connection): string {
    try {
      return this.#options.identity?.(this.#topics.actor(connection)) ?? connection.clientId;
    } catch (error) {
      this.#topics.hub.reportError(error, connection, undefined);
      return connection.clientId;
    }
  }

  #changed(hook: "onJoin" | "onLeave", topic: string, id: string, data: unknown): void {
    const { hub } = this.#topics;
    void hub.runHooks(hook, { topic, id, data }, undefined, undefined);
    const { announce } = this.#options;
    if (announce === undefined) return;
    const member = { id, ...(data === undefined ? {} : { data }) };
    const payload = { topic, joined: hook === "onJoin" ? [member] : [], left: hook === "onLeave" ? [member] : [] };
    try {
      fanOut(hub, { topic, type: compiledOf(announce).type, meta: {}, payload });
    } catch (error) {
      hub.reportError(error, undefined, announce.type, "OUTBOUND_VALIDATION");
    }
  }
}

/** What JSON has no word for is left out. */
function told(id: string, connections: number, since: number, data: unknown): Told {
  return data === undefined ? [id, connections, since] : [id, connections, since, data];
}
