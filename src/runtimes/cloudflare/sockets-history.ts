/** The history of topics in a Durable Object: in memory, where publishing needs it at once, and in the object's storage, where the next life finds it. */

import { type KeptEntry, type LogOptions, type LogSlice, MemoryTopicLog, type TopicHistory } from "../../state/pubsub/topic-log.ts";
import type { SocketsObjectState } from "./sockets-platform.ts";

const HEAD = "sluice:topic:";
const ENTRY = "sluice:entry:";
/** Keys of one call to the storage. */
const MAX_KEYS = 128;

interface Head {
  readonly epoch: string;
  readonly last: number;
  readonly at: number;
}

export class ObjectTopicHistory implements TopicHistory {
  readonly #storage: SocketsObjectState["storage"];
  readonly #log: MemoryTopicLog;
  readonly #failed: (error: unknown) => void;

  /** `failed` is told when the storage does not take an entry: it lives on in memory only. */
  constructor(storage: SocketsObjectState["storage"], now: () => number, epoch: () => string, failed: (error: unknown) => void) {
    this.#storage = storage;
    this.#failed = failed;
    this.#log = new MemoryTopicLog(now, epoch, undefined, {
      added: (topic, of, entry) => this.#write(topic, of, entry),
      dropped: (topic, numbers, all) => this.#delete([...numbers.map((n) => entryKey(topic, n)), ...(all ? [HEAD + topic] : [])]),
    });
  }

  /** Reads what the former life of the object wrote. */
  async load(): Promise<void> {
    const heads = (await this.#storage.list({ prefix: HEAD })) as Map<string, Head>;
    const entries = new Map<string, KeptEntry[]>();
    for (const [key, entry] of (await this.#storage.list({ prefix: ENTRY })) as Map<string, KeptEntry>) {
      const topic = key.slice(ENTRY.length, key.lastIndexOf("\n"));
      const list = entries.get(topic);
      if (list === undefined) entries.set(topic, [entry]);
      else list.push(entry);
    }
    for (const [key, { epoch, last, at }] of [...heads].sort(([, a], [, b]) => a.at - b.at)) {
      const topic = key.slice(HEAD.length);
      this.#log.restore(topic, epoch, last, at, entries.get(topic) ?? []);
    }
  }

  append(topic: string, body: string, options: LogOptions): string {
    return this.#log.append(topic, body, options);
  }

  read(topic: string, after: string | undefined, options: LogOptions, limit?: number): LogSlice {
    return this.#log.read(topic, after, options, limit);
  }

  /** Not waited for: the platform holds back what leaves the object until its writes are safe. */
  #write(topic: string, epoch: string, entry: KeptEntry): void {
    this.#storage.put({ [HEAD + topic]: { epoch, last: entry.n, at: entry.at } satisfies Head, [entryKey(topic, entry.n)]: entry }).catch(this.#failed);
  }

  #delete(keys: string[]): void {
    for (let at = 0; at < keys.length; at += MAX_KEYS) this.#storage.delete(keys.slice(at, at + MAX_KEYS)).catch(this.#failed);
  }
}

/** Numbers have one length, so that the storage lists them in order. */
function entryKey(topic: string, n: number): string {
  return `${ENTRY}${topic}\n${String(n).padStart(16, "0")}`;
}
