/** What was published to a topic a while ago, in order and numbered: for those who come back. */

import type { MaybePromise } from "../../core/maybe-promise.ts";

export interface LogOptions {
  /** Entries kept per topic. */
  readonly size: number;
  readonly ttlMs: number;
  /** Bytes kept per topic. */
  readonly maxBytes: number;
}

export interface LogEntry {
  /** `<epoch>:<n>`. */
  readonly offset: string;
  readonly body: string;
}

/** Entries after an offset. `gap`: something between the offset and the first entry is not there any more. */
export interface LogSlice {
  readonly entries: readonly LogEntry[];
  readonly gap: boolean;
  /** The newest offset; `undefined` for a topic without entries. */
  readonly last: string | undefined;
}

/** What everybody who listens to a channel is told about an entry, in the same step in which it gets its number. */
export interface Announcement {
  readonly channel: string;
  /** The message. Its first member holds the offset, which is given here as a mark and is put in by the backend. */
  readonly message: (offset: string) => object;
}

/** The history of topics. Numbers rise by one per topic over everybody who shares it. */
export interface TopicHistory {
  /** Whether `append` tells the others itself; else the entry is published after it. */
  readonly announces?: boolean;
  append(topic: string, body: string, options: LogOptions, announcement?: Announcement): MaybePromise<string>;
  /** Oldest first. Without `after` the newest `limit` entries. */
  read(topic: string, after: string | undefined, options: LogOptions, limit?: number): MaybePromise<LogSlice>;
}

/** The number of an entry, and the history it counts in: a lost one is followed by another epoch. */
export interface Offset {
  readonly epoch: string;
  readonly n: number;
}

/** The parts of an offset; `undefined` for what is none. */
export function parseOffset(offset: unknown): Offset | undefined {
  if (typeof offset !== "string" || offset.length > 64) return undefined;
  const match = /^([a-z0-9-]+):(\d{1,15})$/i.exec(offset);
  return match === null ? undefined : { epoch: match[1] as string, n: Number(match[2]) };
}

/** Whether `after` lies before everything that is kept, or is of another history. @internal */
export function isGap(after: string | undefined, epoch: string | undefined, first: number, last: number): boolean {
  if (after === undefined) return false;
  const parsed = parseOffset(after);
  if (parsed === undefined || epoch === undefined || parsed.epoch !== epoch || parsed.n > last) return true;
  return parsed.n + 1 < first;
}

export interface KeptEntry {
  readonly n: number;
  readonly body: string;
  readonly at: number;
}

interface Log {
  readonly epoch: string;
  /** Number of the newest entry. */
  last: number;
  bytes: number;
  touchedAt: number;
  entries: KeptEntry[];
}

/** Topics that are looked at for their age with each append. */
const SWEEP = 4;

/** How long the number of a topic without a new entry is known, at least: whoever comes back within it has missed nothing. */
export const REMEMBERED_MS = 86_400_000;

/** Told what a log in memory takes and gives up, by whoever writes it down elsewhere. */
export interface TopicLogObserver {
  added(topic: string, epoch: string, entry: KeptEntry): void;
  /** These numbers are not kept any more; `all`: nothing of the topic is. */
  dropped(topic: string, numbers: readonly number[], all: boolean): void;
}

/** A {@link TopicHistory} in this process. */
export class MemoryTopicLog implements TopicHistory {
  readonly #now: () => number;
  readonly #epoch: () => string;
  readonly #maxTopics: number;
  readonly #observer: TopicLogObserver | undefined;
  /** The least recently written first. */
  readonly #logs = new Map<string, Log>();

  constructor(now: () => number, epoch: () => string, maxTopics = 100_000, observer?: TopicLogObserver) {
    this.#now = now;
    this.#epoch = epoch;
    this.#maxTopics = maxTopics;
    this.#observer = observer;
  }

  /** Topics with a number. */
  get size(): number {
    return this.#logs.size;
  }

  /** Puts back what was written down elsewhere; entries in order. */
  restore(topic: string, epoch: string, last: number, touchedAt: number, entries: readonly KeptEntry[]): void {
    this.#logs.set(topic, { epoch, last, touchedAt, bytes: entries.reduce((sum, { body }) => sum + body.length, 0), entries: [...entries] });
  }

  append(topic: string, body: string, options: LogOptions): string {
    const now = this.#now();
    this.#sweep(now, options.ttlMs);
    let log = this.#logs.get(topic);
    if (log !== undefined) this.#logs.delete(topic);
    else {
      if (this.#logs.size >= this.#maxTopics) this.#forget(this.#logs.keys().next().value as string);
      log = { epoch: this.#epoch(), last: 0, bytes: 0, touchedAt: now, entries: [] };
    }
    this.#logs.set(topic, log);
    const entry = { n: ++log.last, body, at: now };
    log.entries.push(entry);
    log.bytes += body.length;
    log.touchedAt = now;
    this.#observer?.added(topic, log.epoch, entry);
    this.#trim(topic, log, now, options);
    return `${log.epoch}:${log.last}`;
  }

  read(topic: string, after: string | undefined, options: LogOptions, limit: number = Infinity): LogSlice {
    const log = this.#logs.get(topic);
    if (log === undefined) return { entries: [], gap: after !== undefined, last: undefined };
    this.#trim(topic, log, this.#now(), options);
    const first = log.entries[0]?.n ?? log.last + 1;
    const gap = isGap(after, log.epoch, first, log.last);
    const parsed = parseOffset(after);
    const from = parsed === undefined || parsed.epoch !== log.epoch || parsed.n > log.last ? 0 : parsed.n;
    let entries = log.entries.filter(({ n }) => n > from);
    if (entries.length > limit) entries = after === undefined ? entries.slice(-limit) : entries.slice(0, limit);
    return { entries: entries.map(({ n, body }) => ({ offset: `${log.epoch}:${n}`, body })), gap, last: `${log.epoch}:${log.last}` };
  }

  #sweep(now: number, ttlMs: number): void {
    let looked = 0;
    for (const [topic, log] of this.#logs) {
      if (log.touchedAt + Math.max(ttlMs, REMEMBERED_MS) > now) return;
      this.#forget(topic);
      if (++looked === SWEEP) return;
    }
  }

  #forget(topic: string): void {
    const log = this.#logs.get(topic);
    this.#logs.delete(topic);
    if (log !== undefined) this.#observer?.dropped(topic, log.entries.map(({ n }) => n), true);
  }

  #trim(topic: string, log: Log, now: number, { size, ttlMs, maxBytes }: LogOptions): void {
    let drop = Math.max(0, log.entries.length - size);
    for (let i = 0; i < drop; i++) log.bytes -= (log.entries[i] as KeptEntry).body.length;
    for (; drop < log.entries.length; drop++) {
      const entry = log.entries[drop] as KeptEntry;
      if (entry.at + ttlMs > now && log.bytes <= maxBytes) break;
      log.bytes -= entry.body.length;
    }
    if (drop === 0) return;
    const gone = log.entries.splice(0, drop);
    this.#observer?.dropped(topic, gone.map(({ n }) => n), false);
  }
}
