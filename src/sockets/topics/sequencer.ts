/** Topics whose history is shared by the fleet: every process delivers them by number, once, in order, from whoever has the message first. */

import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { type LogSlice, parseOffset } from "../../state/pubsub/topic-log.ts";
import type { Connection } from "../connection.ts";
import type { Slot } from "../outbox.ts";
import { type FannedOut, type Message, fanOut } from "./fan-out.ts";
import type { HubTopics } from "./hub-topics.ts";

interface Line {
  epoch: string;
  /** The newest number that was delivered here. */
  last: number;
  /** Messages are being fetched; what comes meanwhile is fetched, too. */
  fetching: Promise<void> | undefined;
  wanted: number;
}

const NOBODY: FannedOut = { matched: 0, dropped: 0, byPattern: false };

export class Sequencer {
  readonly #topics: HubTopics;
  readonly #lines = new Map<string, Line>();

  constructor(topics: HubTopics) {
    this.#topics = topics;
  }

  /** A message of this process; resolves when everybody here has it. */
  deliver(message: Message & { readonly offset: string }, publisher: Connection | undefined, own: Slot | undefined): MaybePromise<FannedOut> {
    const offset = parseOffset(message.offset);
    if (offset === undefined) return fanOut(this.#topics.hub, message, publisher, own);
    const line = this.#line(message.topic, offset.epoch, offset.n - 1);
    if (line.fetching === undefined && offset.epoch === line.epoch && offset.n === line.last + 1) {
      line.last = offset.n;
      return fanOut(this.#topics.hub, message, publisher, own);
    }
    const count = this.#topics.index.count(message.topic);
    const work = this.#fetch(message.topic, line, offset.n, message.exclude === undefined ? undefined : { n: offset.n, exclude: message.exclude });
    return work.then(() => ({ ...NOBODY, matched: count }));
  }

  /** A message of another process. */
  offer(topic: string, offset: string, body: { readonly type: string; readonly meta?: Record<string, unknown>; readonly payload?: unknown }, exclude: string | undefined): void {
    const parsed = parseOffset(offset);
    if (parsed === undefined || !this.#topics.index.has(topic) && !this.#topics.policy.wildcards) return;
    const line = this.#line(topic, parsed.epoch, parsed.n - 1);
    if (line.epoch !== parsed.epoch) {
      // The backend lost its history: what follows is another one.
      line.epoch = parsed.epoch;
      line.last = parsed.n - 1;
    }
    if (parsed.n <= line.last) return;
    if (line.fetching === undefined && parsed.n === line.last + 1) {
      line.last = parsed.n;
      fanOut(this.#topics.hub, { topic, type: body.type, meta: body.meta ?? {}, payload: body.payload, offset, exclude });
      return;
    }
    void this.#fetch(topic, line, parsed.n);
  }

  /** The connection to the broker was lost for a while: asks for what may have been missed. */
  catchUp(): void {
    for (const [topic, line] of this.#lines) void this.#fetch(topic, line, line.last);
  }

  /** Nobody here wants the topic any more. */
  forget(topic: string): void {
    if (!this.#topics.index.has(topic) && !this.#topics.policy.wildcards) this.#lines.delete(topic);
  }

  #line(topic: string, epoch: string, last: number): Line {
    let line = this.#lines.get(topic);
    if (line === undefined) {
      line = { epoch, last, fetching: undefined, wanted: 0 };
      if (this.#topics.index.has(topic) || this.#topics.policy.wildcards) this.#lines.set(topic, line);
    }
    return line;
  }

  #fetch(topic: string, line: Line, wanted: number, skip?: { readonly n: number; readonly exclude: string }): Promise<void> {
    line.wanted = Math.max(line.wanted, wanted);
    return (line.fetching ??= this.#run(topic, line, skip).finally(() => void (line.fetching = undefined)));
  }

  async #run(topic: string, line: Line, skip: { readonly n: number; readonly exclude: string } | undefined): Promise<void> {
    const { hub, history, policy } = this.#topics;
    try {
      do {
        const read = history!.read(topic, `${line.epoch}:${line.last}`, policy.history!);
        const slice: LogSlice = isPromise(read) ? await read : read;
        if (slice.gap && hub.events.active) hub.events.emit({ type: "pubsub.gap", at: hub.now(), topic });
        for (const { offset, body } of slice.entries) {
          const parsed = parseOffset(offset);
          if (parsed === undefined || (parsed.epoch === line.epoch && parsed.n <= line.last)) continue;
          line.epoch = parsed.epoch;
          line.last = parsed.n;
          const { type, meta, payload } = JSON.parse(body) as { type: string; meta: Record<string, unknown>; payload: unknown };
          fanOut(hub, { topic, type, meta, payload, offset, exclude: skip?.n === parsed.n ? skip.exclude : undefined });
        }
        if (slice.entries.length === 0) break;
      } while (line.last < line.wanted);
    } catch (error) {
      hub.reportError(error, undefined, undefined, "ADAPTER_ERROR");
    }
  }
}
