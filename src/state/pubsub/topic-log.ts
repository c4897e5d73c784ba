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

/** The history of topics. Numbers rise by one per topic over everybody who shares it. */
export interface TopicHistory {
  append(topic: string, body: string, options: LogOptions): MaybePromise<string>;
  /** Oldest first. Without `after` the newest `limit` entries. */
  read(topic: string, after: string | undefined, options: LogOptions, limit?: number): MaybePromise<LogSlice>;
}

/** The parts of an offset; `undefined` for what is none. */
export function parseOffset(offset: unknown): { readonly epoch: string; readonly n: number } | undefined {
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

interface Kept {
  readonly n: number;
  readonly body: string;
  readonly at: number;
}

interface Log {
  readonly epoch: string;
  /** Number of the newest entry. */
  last: number;
  bytes: number;
  entries: Kept[];
}

/** Topics that are looked at for their age with each append. */
const SWEEP = 4;

/** A {@link TopicHistory} in this process. */
export class MemoryTopicLog implements TopicHistory {
  readonly #now: () => number;
  readonly #epoch: () => string;
  readonly #maxTopics: number;
  /** The least recently written first. */
  readonly #logs = new Map<string, Log>();

  constructor(now: () => number, epoch: () => string, maxTopics = 100_000) {
    this.#now = now;
    this.#epoch = epoch;
    this.#maxTopics = maxTopics;
  }

  /** Topics with an entry. */
  get size(): number {
    return this.#logs.size;
  }

  append(topic: string, body: string, options: LogOptions): string {
    const now = this.#now();
    this.#sweep(now, options.ttlMs);
    let log = this.#logs.get(topic);
    if (log !== undefined) this.#logs.delete(topic);
    else {
      if (this.#logs.size >= this.#maxTopics) this.#logs.delete(this.#logs.keys().next().value as string);
      log = { epoch: this.#epoch(), last: 0, bytes: 0, entries: [] };
    }
    this.#logs.set(topic, log);
    log.entries.push({ n: ++log.last, body, at: now });
    log.bytes += body.length;
    trim(log, now, options);
    return `${log.epoch}:${log.last}`;
  }

  read(topic: string, after: string | undefined, options: LogOptions, limit: number = Infinity): LogSlice {
    const log = this.#logs.get(topic);
    if (log === undefined) return { entries: [], gap: after !== undefined, last: undefined };
    trim(log, this.#now(), options);
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
      const newest = log.entries.at(-1);
      if (newest !== undefined && newest.at + ttlMs > now) return;
      this.#logs.delete(topic);
      if (++looked === SWEEP) return;
    }
  }
}

function trim(log: Log, now: number, { size, ttlMs, maxBytes }: LogOptions): void {
  let drop = Math.max(0, log.entries.length - size);
  let bytes = log.bytes;
  for (let i = 0; i < drop; i++) bytes -= (log.entries[i] as Kept).body.length;
  for (; drop < log.entries.length; drop++) {
    const entry = log.entries[drop] as Kept;
    if (entry.at + ttlMs > now && bytes <= maxBytes) break;
    bytes -= entry.body.length;
  }
  if (drop > 0) log.entries.splice(0, drop);
  log.bytes = bytes;
}
