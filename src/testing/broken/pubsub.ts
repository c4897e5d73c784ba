/**
 * Plain pub/sub for the tests of the suite, written apart from the product. With a flaw, which is the name of a rule, it
 * breaks that rule.
 */

import { decodeValue, encodeValue } from "../../core/codec.ts";
import type { PublishReport, PubSub, SerializedMessage } from "../../state/contracts/pub-sub.ts";

type Handler = (message: unknown) => void | Promise<void>;

interface Listener {
  readonly owner: PlainPubSub;
  readonly handler: Handler;
}

/** What the clients of one backend share. */
export interface PubSubBackend {
  readonly channels: Map<string, Listener[]>;
  readonly history: Map<string, string[]>;
  /** Handlers being called at this moment. */
  calling: number;
}

export function pubSubBackend(): PubSubBackend {
  return { channels: new Map(), history: new Map(), calling: 0 };
}

/** The channel on which routers listen; those of handlers begin with `>`. */
const ROUTERS = "#";

export class PlainPubSub implements PubSub {
  private readonly backend: PubSubBackend;
  private readonly flaw: string | undefined;
  private readonly clients = new Map<string, string[]>();
  private readonly left = new Set<string>();
  private closed = false;

  constructor(backend: PubSubBackend, flaw?: string) {
    this.backend = backend;
    this.flaw = flaw;
  }

  private is(flaw: string): boolean {
    return this.flaw === flaw;
  }

  get idle(): boolean {
    return [...this.backend.channels.values()].every((list) => !list.some(({ owner }) => owner === this)) && this.clients.size === 0 && this.left.size === 0;
  }

  private name(channel: string): string {
    if (this.is("channels/isolated")) return `>${channel.trim()}`;
    if (this.is("channels/isolated#long")) return `>${channel.slice(0, 63)}`;
    return `>${channel}`;
  }

  private open(): void {
    if (this.closed && !this.is("lifecycle/close-ends-delivery")) throw new Error("closed");
  }

  publish(topic: string, message: SerializedMessage): Promise<PublishReport>;
  publish(channel: string, message: unknown): Promise<void>;
  async publish(channel: string, message: unknown): Promise<PublishReport | void> {
    this.open();
    let text: string;
    try {
      text = encodeValue(message);
    } catch (error) {
      if (!this.is("domain/unserialisable")) throw error;
      text = "null";
    }
    if (this.is("delivery/order") || this.is("adapter/order")) for (let turns = (text.length * 7) % 5; turns > 0; turns--) await undefined;
    if (this.is("delivery/order#shuffled") && Number(message) % 3 === 0) await undefined;
    if (this.is("adapter/order") && "topic" in Object(message)) for (let turns = Number((message as SerializedMessage).id.split("-").at(-2)) % 3; turns > 0; turns--) await undefined;
    if (this.is("delivery/nothing-from-before")) this.backend.history.set(channel, [...(this.backend.history.get(channel) ?? []), text]);
    if (channel in {} && this.is("channels/object-names")) return undefined;
    const routed = typeof message === "object" && message !== null && "topic" in message && "origin" in message;
    const shared = this.is("delivery/copies") ? message : undefined;
    for (const listener of this.backend.channels.get(this.name(channel)) ?? []) {
      if (listener.owner === this && this.is("delivery/to-the-publisher-too")) continue;
      const given = this.is("delivery/values") && text.length > 500_000 ? "cut" : this.is("delivery/values#proto") ? Object.assign({}, decodeValue(text)) : (shared ?? decodeValue(text));
      await this.call(listener, given);
      if (this.is("delivery/once") && listener.owner !== this) void this.call(listener, decodeValue(text));
    }
    if (routed) {
      const routers = this.backend.channels.get(ROUTERS) ?? [];
      const given = this.is("adapter/routers-hear-each-other") ? JSON.parse(JSON.stringify(message)) : decodeValue(text);
      for (const router of routers) {
        try {
          void router.handler(given);
        } catch (error) {
          if (this.is("adapter/throwing-router")) throw error;
        }
      }
    }
    const topics = [...this.clients.values()].filter((list) => list.some((topic) => (this.is("adapter/matched") ? channel.startsWith(topic) : topic === channel)));
    const report: PublishReport = { matched: topics.length, capability: this.is("adapter/report") ? (undefined as never) : "exact" };
    return report;
  }

  private async call({ handler }: Listener, message: unknown): Promise<void> {
    this.backend.calling++;
    try {
      const result = handler(message);
      if (result === undefined) return;
      if (this.is("handlers/slow-is-isolated")) await result;
      else void result.catch((error: unknown) => error);
    } catch (error) {
      if (this.is("handlers/throwing-is-isolated")) throw error;
    } finally {
      this.backend.calling--;
    }
  }

  subscribe(channel: string, handler: Handler): Promise<() => Promise<void>>;
  subscribe(clientId: string, topic: string): Promise<void>;
  async subscribe(first: string, second: Handler | string): Promise<(() => Promise<void>) | void> {
    this.open();
    if (typeof second === "string") {
      const list = this.clients.get(first) ?? [];
      if (!list.includes(second) || this.is("adapter/list")) list.push(second);
      this.clients.set(first, list);
      return undefined;
    }
    const name = this.name(first);
    if (this.is("delivery/after-subscribe")) {
      // Resolves before anything is listened to.
      void Promise.resolve().then(() => Promise.resolve()).then(() => Promise.resolve()).then(() => Promise.resolve()).then(() => this.add(name, second));
      return async () => undefined;
    }
    for (const text of this.backend.history.get(first) ?? []) void second(decodeValue(text));
    const listener = this.add(name, second);
    if (this.is("unsubscribe/leaves-nothing")) this.left.add(name);
    let removed = false;
    return async () => {
      if (this.is("unsubscribe/inside-a-handler") && this.backend.calling > 0) return;
      if (this.is("unsubscribe/races-with-subscribe")) {
        const last = (this.backend.channels.get(name) ?? []).length === 1;
        await undefined;
        if (last) this.backend.channels.delete(name);
      }
      if (this.is("remover/its-own-handler-only")) this.backend.channels.delete(name);
      if (this.is("remover/twice") && removed) this.backend.channels.get(name)?.pop();
      removed = true;
      this.keep(name, (other) => other !== listener);
    };
  }

  private add(name: string, handler: Handler): Listener {
    const listener = { owner: this as PlainPubSub, handler };
    this.backend.channels.set(name, [...(this.backend.channels.get(name) ?? []), listener]);
    return listener;
  }

  private keep(name: string, wanted: (listener: Listener) => boolean): void {
    const left = (this.backend.channels.get(name) ?? []).filter(wanted);
    if (left.length > 0) this.backend.channels.set(name, left);
    else this.backend.channels.delete(name);
  }

  async unsubscribe(first: string, topic?: string): Promise<void> {
    if (topic !== undefined) {
      const list = (this.clients.get(first) ?? []).filter((name) => name !== topic);
      if (list.length > 0 || this.is("adapter/1000-cycles-leave-nothing")) this.clients.set(first, list);
      else this.clients.delete(first);
      return;
    }
    if (this.is("unsubscribe/unknown-channel") && !this.backend.channels.has(this.name(first))) throw new Error("unknown channel");
    if (this.is("unsubscribe/all-handlers")) this.backend.channels.get(this.name(first))?.pop();
    else this.keep(this.name(first), ({ owner }) => owner !== this);
    if (this.is("adapter/handlers-and-clients-are-apart")) this.clients.delete(first);
  }

  async list(clientId: string): Promise<string[]> {
    return this.clients.get(clientId) ?? [];
  }

  async disconnect(clientId: string): Promise<void> {
    if (this.is("adapter/disconnect")) this.clients.set(clientId, (this.clients.get(clientId) ?? []).slice(1));
    else this.clients.delete(clientId);
  }

  async start(onRemote: (message: SerializedMessage) => void): Promise<() => Promise<void>> {
    const listener = this.add(ROUTERS, onRemote as Handler);
    return async () => {
      if (!this.is("adapter/stop")) this.keep(ROUTERS, (other) => other !== listener);
    };
  }

  async close(): Promise<void> {
    if (this.closed && this.is("lifecycle/close-twice")) throw new Error("already closed");
    this.closed = true;
    for (const name of this.backend.channels.keys()) this.keep(name, ({ owner }) => owner !== this && !this.is("lifecycle/close-leaves-the-others"));
  }
}
