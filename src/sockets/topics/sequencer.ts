/** Topics whose history is shared by the fleet: every process delivers them by number, once, in order, from whoever has the message first. */

import { sleep } from "../../core/clock.ts";
import { isPromise, type MaybePromise } from "../../core/maybe-promise.ts";
import { backoffOptions, retryDelayMs } from "../../resilience/backoff.ts";
import { type LogSlice, type Offset, parseOffset } from "../../state/pubsub/topic-log.ts";
import type { Connection } from "../connection.ts";
import { TopicError } from "../errors.ts";
import type { Slot } from "../outbox.ts";
import { type FannedOut, type Message, fanOut } from "./fan-out.ts";
import type { HubTopics } from "./hub-topics.ts";

/** What a message is made of when it comes from another process. */
export interface RemoteBody {
  readonly type: string;
  readonly meta?: Record<string, unknown>;
  readonly payload?: unknown;
}

/** A message of this process whose turn has not come. */
interface Waiting {
  readonly message: Message & { readonly offset: string };
  readonly publisher: Connection | undefined;
  readonly own: Slot | undefined;
  readonly resolve: (result: FannedOut) => void;
}

/** Where this process is in a topic. */
interface Line {
  /** Undefined while the topic has never had a message. */
  epoch: string | undefined;
  /** The newest number that was delivered here. */
  last: number;
  /** The newest that somebody told of while messages are being fetched. */
  wanted: Offset | undefined;
  /** The first look at the history. */
  opening: Promise<void> | undefined;
  /** Subscriptions that are on their way: nobody listens yet, and what comes concerns them already. */
  joining: number;
  fetching: Promise<void> | undefined;
  /** The broker has come back since the last read began: what was published in between may be neither in that nor heard of. */
  again: boolean;
  /** On their way into the history, from here: what number they get is not known yet. */
  readonly appending: Set<Promise<string>>;
  readonly own: Map<string, Waiting>;
}

/** Lines of topics nobody here wants any more that are kept before they are looked through. */
const MAX_STALE = 256;
/** Reads that fail one after the other before messages that are known of are given up: after four seconds, or later where reads take long to fail. */
const MAX_READS = 8;
const BACKOFF = /* @__PURE__ */ backoffOptions({ baseDelayMs: 50, maxDelayMs: 1000, jitter: "equal" });

export class Sequencer {
  readonly #topics: HubTopics;
  readonly #lines = new Map<string, Line>();

  constructor(topics: HubTopics) {
    this.#topics = topics;
  }

  /** Topics that are followed. */
  get size(): number {
    return this.#lines.size;
  }

  /** A subscription has begun: everything after what the history holds now is delivered. The broker listens already. */
  open(topic: string): MaybePromise<void> {
    const known = this.#lines.get(topic);
    if (known !== undefined && (known.opening !== undefined || known.joining > 0 || this.#topics.index.has(topic))) {
      known.joining++;
      return known.opening;
    }
    if (this.#lines.size > this.#topics.index.size + MAX_STALE) this.#prune();
    const line: Line = { ...newLine(), joining: 1, ...(known === undefined ? {} : { appending: known.appending, own: known.own }) };
    this.#lines.set(topic, line);
    line.opening = this.#begin(topic, line);
    line.opening.catch(() => undefined);
    return line.opening;
  }

  /** A subscription for which {@link open} was called is there, or came to nothing. */
  settled(topic: string): void {
    const line = this.#lines.get(topic);
    if (line !== undefined && line.joining > 0) line.joining--;
  }

  async #begin(topic: string, line: Line): Promise<void> {
    const { history, policy } = this.#topics;
    try {
      const { last } = await history!.read(topic, undefined, policy.history!, 1);
      const newest = parseOffset(last);
      line.epoch = newest?.epoch;
      line.last = newest?.n ?? 0;
    } catch (error) {
      if (this.#lines.get(topic) === line) this.#lines.delete(topic);
      this.#giveAll(line);
      throw new TopicError("ADAPTER_ERROR", "the history of the topic cannot be read", { topic }, error);
    } finally {
      line.opening = undefined;
    }
    if (hasMore(line)) void this.#fetch(topic, line);
  }

  /** Notes that a message is on its way into the history: until it has its number, nobody takes it for somebody else's. */
  append(topic: string, work: MaybePromise<string>): MaybePromise<string> {
    const line = this.#lines.get(topic);
    if (line === undefined || !isPromise(work)) return work;
    line.appending.add(work);
    const done = (): void => void line.appending.delete(work);
    work.then(done, done);
    return work;
  }

  /** A message of this process, which the history has; resolves when everybody here has it. */
  deliver(message: Message & { readonly offset: string }, publisher: Connection | undefined, own: Slot | undefined): MaybePromise<FannedOut> {
    const line = this.#lines.get(message.topic);
    const offset = parseOffset(message.offset);
    // Nobody here follows the topic: the publisher alone is not one of its subscribers.
    if (offset === undefined || line === undefined) return fanOut(this.#topics.hub, message, publisher, own);
    if (this.#isNext(line, offset)) {
      advance(line, offset);
      return fanOut(this.#topics.hub, message, publisher, own);
    }
    if (line.opening === undefined && line.epoch === offset.epoch && offset.n <= line.last) return { ...NOBODY, matched: this.#topics.index.count(message.topic) };
    return new Promise((resolve) => {
      line.own.set(message.offset, { message, publisher, own, resolve });
      this.#want(message.topic, line, offset);
    });
  }

  /** A message of another process; without its body it is fetched. */
  offer(topic: string, offset: string, body: RemoteBody | undefined, exclude: string | undefined): void {
    const parsed = parseOffset(offset);
    if (parsed === undefined) return;
    let line = this.#lines.get(topic);
    if (line === undefined) {
      if (!this.#topics.policy.wildcards) return;
      // A pattern may want any topic; it is followed from the first message that is heard of it.
      line = { ...newLine(), epoch: parsed.epoch, last: parsed.n - 1 };
      this.#lines.set(topic, line);
    }
    if (line.epoch === parsed.epoch && parsed.n <= line.last) return;
    if (body === undefined || !this.#isNext(line, parsed)) return this.#want(topic, line, parsed);
    advance(line, parsed);
    this.#fanOut({ topic, type: body.type, meta: body.meta ?? {}, payload: body.payload, offset, exclude });
  }

  /** Nothing is followed any more, and nobody waits. */
  close(): void {
    for (const line of this.#lines.values()) this.#giveAll(line);
    this.#lines.clear();
  }

  /** The connection to the broker was lost for a while: asks for what may have been missed, of one topic or of all. */
  catchUp(topic?: string): void {
    const line = topic === undefined ? undefined : this.#lines.get(topic);
    if (line !== undefined && topic !== undefined) this.#refetch(topic, line);
    else if (topic === undefined || topic === "*") for (const [name, other] of this.#lines) if (this.#topics.index.has(name) || this.#topics.policy.wildcards) this.#refetch(name, other);
  }

  #isNext(line: Line, { epoch, n }: Offset): boolean {
    return line.opening === undefined && line.fetching === undefined && n === line.last + 1 && (line.epoch === epoch || line.epoch === undefined);
  }

  #want(topic: string, line: Line, offset: Offset): void {
    if (line.wanted === undefined || line.wanted.epoch !== offset.epoch || line.wanted.n < offset.n) line.wanted = offset;
    if (line.opening === undefined) void this.#fetch(topic, line);
  }

  /** A read that begins now, or once what is being read is there. */
  #refetch(topic: string, line: Line): void {
    line.again = true;
    if (line.opening === undefined) void this.#fetch(topic, line);
  }

  #fetch(topic: string, line: Line): Promise<void> {
    return (line.fetching ??= this.#run(topic, line).finally(() => {
      line.fetching = undefined;
      if (this.#lines.get(topic) === line && hasMore(line)) void this.#fetch(topic, line);
    }));
  }

  async #run(topic: string, line: Line): Promise<void> {
    const { slice, wanted, asked } = await this.#readOn(topic, line);
    if (line.appending.size > 0) await Promise.allSettled(line.appending);
    // Another line has taken over, with everything that waits.
    if (this.#lines.get(topic) !== line) return;
    const { hub } = this.#topics;
    if (slice?.gap !== false && hub.events.active) hub.events.emit({ type: "pubsub.gap", at: hub.now(), topic });
    for (const { offset, body } of slice?.entries ?? []) this.#arrived(topic, line, offset, body);
    // What was too large to be kept, is gone by age, or cannot be read is not waited for: clients see the hole in the numbers.
    const passed = slice === undefined ? [wanted, ...[...line.own.keys()].map(parseOffset)] : [parseOffset(slice.last)];
    for (const offset of passed) if (offset !== undefined && (offset.epoch !== line.epoch || offset.n > line.last)) advance(line, offset);
    // A message of this process has been promised to its subscribers, whatever the history still has.
    for (const [offset, waiting] of line.own) {
      const { epoch, n } = parseOffset(offset) as Offset;
      if (epoch === line.epoch && n > line.last) {
        // A history that does not know a message it has numbered has been emptied meanwhile.
        if (!asked.includes(offset)) continue;
        advance(line, { epoch, n });
      }
      line.own.delete(offset);
      this.#give(waiting);
    }
  }

  /** What the history has behind the line; asked until it answers, or until messages that are known of have waited long enough. */
  async #readOn(topic: string, line: Line): Promise<{ readonly slice?: LogSlice; readonly wanted: Offset | undefined; readonly asked: readonly string[] }> {
    const { hub, history, policy } = this.#topics;
    let wanted: Offset | undefined;
    // Messages of this process that were numbered before the read began.
    let asked: readonly string[] = [];
    for (let tries = 1; this.#lines.get(topic) === line; tries++) {
      wanted = line.wanted ?? wanted;
      line.wanted = undefined;
      line.again = false;
      asked = [...line.own.keys()];
      try {
        return { slice: await history!.read(topic, line.epoch === undefined ? undefined : `${line.epoch}:${line.last}`, policy.history!), wanted, asked };
      } catch (error) {
        if (tries === 1) hub.reportError(error, undefined, undefined, "ADAPTER_ERROR");
        if (tries >= MAX_READS && (wanted !== undefined || line.own.size > 0)) break;
      }
      await sleep(retryDelayMs(tries, BACKOFF, hub.options.random), hub.clock);
    }
    return { wanted, asked };
  }

  #arrived(topic: string, line: Line, offset: string, body: string): void {
    const parsed = parseOffset(offset);
    if (parsed === undefined || (parsed.epoch === line.epoch && parsed.n <= line.last)) return;
    advance(line, parsed);
    const waiting = line.own.get(offset);
    if (waiting !== undefined) {
      line.own.delete(offset);
      return this.#give(waiting);
    }
    const { type, meta, payload } = JSON.parse(body) as { type: string; meta: Record<string, unknown>; payload: unknown };
    this.#fanOut({ topic, type, meta, payload, offset });
  }

  /** What a codec or a function of the user throws concerns this message alone. */
  #fanOut(message: Message, publisher?: Connection, own?: Slot): FannedOut {
    try {
      return fanOut(this.#topics.hub, message, publisher, own);
    } catch (error) {
      this.#topics.hub.reportError(error, publisher, message.type);
      return NOBODY;
    }
  }

  #give({ message, publisher, own, resolve }: Waiting): void {
    resolve(this.#fanOut(message, publisher, own));
  }

  #giveAll(line: Line): void {
    for (const waiting of line.own.values()) this.#give(waiting);
    line.own.clear();
  }

  #prune(): void {
    for (const [topic, line] of this.#lines) if (line.opening === undefined && line.own.size === 0 && !this.#topics.index.has(topic)) this.#lines.delete(topic);
  }
}

const NOBODY: FannedOut = { matched: 0, dropped: 0, byPattern: false };

function newLine(): Line {
  return { epoch: undefined, last: 0, wanted: undefined, opening: undefined, joining: 0, fetching: undefined, again: false, appending: new Set(), own: new Map() };
}

/** Whether there is something to read for. */
function hasMore({ wanted, own, again }: Line): boolean {
  return wanted !== undefined || own.size > 0 || again;
}

function advance(line: Line, { epoch, n }: Offset): void {
  line.epoch = epoch;
  line.last = n;
}
