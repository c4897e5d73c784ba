/**
 * The response cache on any driver. An entry and its fill lock are one record; a small body is in it, a larger one beside
 * it in chunks that carry the name of their write, so a reader gets one write's bytes or none.
 *
 * Sets of names, one per tag and some for all keys, say what a purge has to drop. A name is in its sets before the entry
 * can be seen, and a purge leaves its number before it looks there: a fill that began before the purge is dropped by the
 * number when it comes later, and by its voided token when it is already on the way. A driver that can do more than one key in one
 * step (`cacheFills`) puts name and entry there at once.
 */

import { checkInteger } from "../../core/check.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { decodeValue, encodeText, encodeValue } from "../../core/codec.ts";
import { OptionError, StoreError } from "../../core/errors.ts";
import { escapeKeyPart } from "../../core/keys.ts";
import { type MaybePromise, chain } from "../../core/maybe-promise.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import { type CacheEntryCommand, type CacheEntryReply, cacheEntry } from "../algorithms/cache-entry.ts";
import { keySet } from "../algorithms/key-set.ts";
import { purgeMarks } from "../algorithms/purge-marks.ts";
import { purgeNumber } from "../algorithms/purge-number.ts";
import type { CombinerCallOptions } from "../combiner.ts";
import type { DriverCapabilities, StateDriver } from "../contracts/driver.ts";
import type { CacheFill, CacheOpening, CachePurge, CacheRecord, CacheStore } from "../contracts/cache.ts";
import { CacheBodies, type CacheBlobs } from "./cache-bodies.ts";
import { KnownPurges } from "./known-purges.ts";
import { type Run, runnerOn } from "./runner.ts";

export interface CacheStoreOptions {
  /** Prefixed to every key. @default "cache:" */
  readonly prefix?: string;
  /** Bodies above it are refused with `STORE_VALUE_TOO_LARGE`, and nothing of them stays. @default 16 MiB */
  readonly maxEntryBytes?: number;
  /** Bodies up to it are kept with the entry, in one record; larger ones in chunks. At most 256 KiB. @default 65536 */
  readonly inlineBytes?: number;
  /** How commands reach a driver behind a wire, such as `createCombiner(driver).run`. @default one batch per command */
  readonly run?: Run;
  /** @default the driver */
  readonly blobs?: CacheBlobs;
  /** Called once by `destroy()`, for what was opened for this store alone. */
  readonly onDestroy?: () => void;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** A {@link CacheStore} with every verb. */
export interface DriverCacheStore extends CacheStore {
  get(key: string): Promise<Response | undefined>;
  put(key: string, response: Response, ttlSeconds: number): Promise<void>;
  delete(key: string): Promise<boolean>;
  read(key: string): Promise<CacheRecord | undefined>;
  write(key: string, record: CacheRecord, fillToken?: string, lockedKey?: string): Promise<void>;
  lock(key: string, lockMs: number): Promise<CacheFill>;
  unlock(key: string, token: string): Promise<void>;
  open(key: string, lockMs: number): Promise<CacheOpening>;
  purge(target: CachePurge): Promise<number>;
  readonly capabilities: DriverCapabilities;
  destroy(): void;
}

/**
 * A response cache on `driver`. The store's clock ends entries; instants inside a record are those of who wrote it.
 *
 * @throws StoreError `STORE_CAPABILITY` for a driver whose steps are not atomic.
 *
 * @example
 * const cache = cacheStoreOn(driver);
 * await cache.put("https://example.test/", new Response("hello"), 60);
 */
export function cacheStoreOn(driver: StateDriver, options: CacheStoreOptions = {}): DriverCacheStore {
  return new DriverStore(driver, options);
}

const CHUNK_BYTES = 256 * 1024;
/** Sets over which all keys are spread: one set would be one hot record. */
const SHARDS = 16;
const PAGE = 128;
/** A record that was stamped by a clock which differs this much is kept for its own span of time. */
const OTHER_CLOCK_MS = 60_000;
/**
 * Names are kept so much longer than their entry: it is written after them, and a call that was given up on may still arrive. Less
 * than such a call takes would leave entries that no purge finds.
 */
const NAME_EXTRA_MS = 30_000;
/** Statuses whose responses have no body. */
const BODYLESS: ReadonlySet<number> = /* @__PURE__ */ new Set([101, 103, 204, 205, 304]);

/** Of a record, for what a driver writes beside the state. */
const HEAD_BYTES = 64;

type Head = Omit<CacheRecord, "body"> & { readonly length: number; readonly body?: Uint8Array };

interface StoredHead {
  readonly head: Head;
  readonly write: number;
  readonly chunks: number;
}

type PutEntry = Omit<Extract<CacheEntryCommand, { type: "put" }>, "type" | "token" | "fill">;

class DriverStore implements DriverCacheStore {
  readonly name: string;
  readonly capabilities: DriverCapabilities;
  readonly #run: Run;
  readonly #bodies: CacheBodies;
  readonly #prefix: string;
  readonly #inlineBytes: number;
  /** Of a set of names, where it is one record. What is in the memory of this process takes no encoding. */
  readonly #setBytes: number | undefined;
  readonly #clock: Clock;
  readonly #random: Random;
  #onDestroy: (() => void) | undefined;
  #destroyed = false;
  readonly #purges: KnownPurges;

  constructor(driver: StateDriver, options: CacheStoreOptions) {
    if (!driver.capabilities.atomic) {
      throw new StoreError("STORE_CAPABILITY", `the driver "${driver.name}" cannot carry a cache with a fill lock: its steps are not atomic; use one whose are, such as a Durable Object or memory`);
    }
    this.name = `${driver.name}-cache`;
    this.capabilities = driver.capabilities;
    this.#run = runnerOn(driver, options.run);
    this.#prefix = options.prefix ?? "cache:";
    const maxEntryBytes = checkInteger("maxEntryBytes", options.maxEntryBytes ?? 16 * 2 ** 20, 1);
    this.#inlineBytes = checkInteger("inlineBytes", options.inlineBytes ?? 65_536, 0, CHUNK_BYTES);
    this.#setBytes = driver.runSync === undefined ? Math.min(keySet.maxStateBytes, driver.capabilities.maxValueBytes) - HEAD_BYTES : undefined;
    this.#bodies = new CacheBodies(options.blobs ?? driver, this.#prefix, { maxEntryBytes, inlineBytes: this.#inlineBytes, chunkBytes: Math.min(CHUNK_BYTES, driver.capabilities.maxValueBytes) });
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#onDestroy = options.onDestroy;
    this.#purges = new KnownPurges(() => this.#purgeNumber("current"), this.#clock);
  }

  async read(key: string): Promise<CacheRecord | undefined> {
    const found = headOf(await this.#entry(this.#key(key), { type: "view" }));
    return found === undefined ? undefined : this.#whole(key, found);
  }

  async open(key: string, lockMs: number): Promise<CacheOpening> {
    const physical = this.#key(key);
    const purges = this.#purges.latest();
    const reply = await this.#entry(physical, { type: "view", lockMs: Math.max(1, Math.ceil(lockMs)) }, this.#letGoOf(physical));
    const found = headOf(reply);
    if (found !== undefined) return { record: await this.#whole(key, found) };
    if (reply.token === 0) return reply.waitMs === 0 ? {} : { fill: { kind: "wait", waitMs: reply.waitMs } };
    // Whoever fills begins after this: no purge that is counted here can concern what they bring.
    try {
      return { fill: { kind: "fill", token: `${reply.token}.${await purges}` } };
    } catch (error) {
      // Nobody has got the token, and everybody would wait for it.
      void this.#close(physical, reply.token);
      throw error;
    }
  }

  async #whole(key: string, found: StoredHead): Promise<CacheRecord | undefined> {
    const { length, body, ...head } = found.head;
    if (body !== undefined) return { ...head, body };
    const whole = await this.#bodies.whole(escapeKeyPart(key), found, length);
    return whole === undefined ? undefined : { ...head, body: whole };
  }

  async get(key: string): Promise<Response | undefined> {
    const found = headOf(await this.#entry(this.#key(key), { type: "view" }));
    if (found === undefined || found.head.status === 0) return undefined;
    const { status, headers, body } = found.head;
    const init = { status, headers: headers.map(([name, value]): [string, string] => [name, value]) };
    if (BODYLESS.has(status)) return new Response(null, init);
    if (body !== undefined) return new Response(body as Uint8Array<ArrayBuffer>, init);
    const stream = await this.#bodies.stream(escapeKeyPart(key), found);
    return stream === undefined ? undefined : new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>, init);
  }

  async write(key: string, record: CacheRecord, fillToken?: string, lockedKey: string = key): Promise<void> {
    const physical = this.#key(key);
    const locked = fillToken === undefined ? undefined : { physical: this.#key(lockedKey), ...parseToken(fillToken) };
    const { body, ...head } = record;
    this.#bodies.checkSize(body.length);
    const began = this.#clock.monotonic();
    const now = this.#clock.now();
    const ttlMs = Math.ceil(Math.abs(now - record.storedAt) <= OTHER_CLOCK_MS ? record.keepUntil - now : record.keepUntil - record.storedAt);
    const token = physical === locked?.physical ? locked.fence : undefined;
    if (ttlMs <= 0) return this.#end(physical, token, key);
    const tags = [...new Set(record.tags ?? [])].map(escapeKeyPart);
    const write = this.#writeId();
    const inline = body.length <= this.#inlineBytes;
    if (inline && (locked === undefined || locked.physical === physical)) {
      const text = encodeValue({ ...head, length: body.length, body } satisfies Head);
      if (await this.#fill(key, physical, { ttlMs, write, chunks: 0, status: record.status, tags: tagText(tags), text }, tags, locked)) return;
    }
    if (!(await this.#announce(key, physical, tags, ttlMs, locked))) return;
    const chunks = inline ? 0 : await this.#bodies.store(escapeKeyPart(key), write, body, ttlMs);
    const text = encodeValue({ ...head, length: body.length, ...(inline ? { body } : {}) } satisfies Head);
    const leftMs = Math.ceil(ttlMs - (this.#clock.monotonic() - began));
    if (leftMs <= 0) {
      await this.#dropChunks(key, { write, chunks });
      return this.#end(physical, token, key);
    }
    const stored = await this.#put(physical, { ttlMs: leftMs, write, chunks, status: record.status, tags: tagText(tags), text }, token, key);
    // The lock of another key cannot end in the same step: what was voided or purged meanwhile is taken back.
    if (!stored || locked === undefined || locked.physical === physical) return;
    const [check, overtaken] = await Promise.all([this.#entry(locked.physical, { type: "check", token: locked.fence }), this.#overtaken(escapeKeyPart(key), tags, locked.purge)]);
    if (!check.ok || overtaken.length > 0) await this.#dropChunks(key, await this.#entry(physical, { type: "undo", write }));
  }

  /** Reads the body once, chunk by chunk: what is held at a time is bounded, however large it is. */
  async put(key: string, response: Response, ttlSeconds: number): Promise<void> {
    if (typeof ttlSeconds !== "number" || !Number.isFinite(ttlSeconds) || ttlSeconds <= 0) {
      throw new OptionError("ttlSeconds", ttlSeconds, "a finite number of seconds above 0");
    }
    const physical = this.#key(key);
    if (response.bodyUsed) throw new StoreError("STORE_UNSERIALIZABLE", "the body of the response was read before", { outcome: "not-applied" });
    const ttlMs = Math.ceil(ttlSeconds * 1000);
    const { status } = response;
    const headers = [...response.headers] as [string, string][];
    const write = this.#writeId();
    const body = await this.#bodies.storeStream(escapeKeyPart(key), write, response, ttlMs);
    const now = this.#clock.now();
    const text = encodeValue({ status, headers, storedAt: now, freshUntil: now + ttlMs, keepUntil: now + ttlMs, length: body.length, ...(body.inline === undefined ? {} : { body: body.inline }) } satisfies Head);
    const entry = { ttlMs, write, chunks: body.chunks, status, tags: "", text };
    if (body.inline !== undefined && (await this.#fill(key, physical, entry, [], undefined))) return;
    await this.#announce(key, physical, [], ttlMs, undefined);
    await this.#put(physical, entry, undefined, key);
  }

  async delete(key: string): Promise<boolean> {
    const reply = await this.#entry(this.#key(key), { type: "drop" });
    await this.#dropChunks(key, reply);
    return reply.ok;
  }

  async lock(key: string, lockMs: number): Promise<CacheFill> {
    const physical = this.#key(key);
    // Before the lock, not with it: a purge in between then voids a fill that began after it, and never the reverse.
    const purge = await this.#purgeNumber("current");
    const { ok, token, waitMs } = await this.#entry(physical, { type: "open", lockMs: Math.max(1, Math.ceil(lockMs)) }, this.#letGoOf(physical));
    return ok ? { kind: "fill", token: `${token}.${purge}` } : { kind: "wait", waitMs: Math.max(1, waitMs) };
  }

  async unlock(key: string, token: string): Promise<void> {
    await this.#entry(this.#key(key), { type: "close", token: parseToken(token).fence });
  }

  async purge(target: CachePurge): Promise<number> {
    this.#open();
    const purge = await this.#purgeNumber("next");
    this.#purges.saw(purge);
    if ("tags" in target) {
      let dropped = 0;
      for (const tag of new Set(target.tags)) {
        const name = escapeKeyPart(tag);
        await this.#run(purgeMarks, this.#tagMark(name), { type: "mark", purge });
        dropped += await this.#dropNames(this.#tagSet(name), "", name);
      }
      return dropped;
    }
    const prefix = "prefix" in target ? escapeKeyPart(target.prefix) : undefined;
    await this.#run(purgeMarks, `${this.#prefix}marks`, prefix === undefined ? { type: "mark", purge } : { type: "mark", purge, prefix });
    const counts = await Promise.all(Array.from({ length: SHARDS }, (_, shard) => this.#dropNames(`${this.#prefix}keys:${shard}`, prefix ?? "", undefined)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  destroy(): void {
    this.#destroyed = true;
    const onDestroy = this.#onDestroy;
    this.#onDestroy = undefined;
    onDestroy?.();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  #purgeNumber(type: "next" | "current"): MaybePromise<number> {
    return chain(this.#run(purgeNumber, `${this.#prefix}purges`, { type }), ({ last }) => last);
  }

  #setsOf(name: string, tags: readonly string[]): string[] {
    return [`${this.#prefix}keys:${shardOf(name)}`, ...tags.map((tag) => this.#tagSet(tag))];
  }

  /** Name and entry in one step, where the driver can. False when it has to be done step by step: a purge came since the fill began. */
  async #fill(key: string, physical: string, entry: PutEntry, tags: readonly string[], locked: { fence: number; purge: number } | undefined): Promise<boolean> {
    if (this.capabilities.cacheFills !== true) return false;
    const name = escapeKeyPart(key);
    const fill = { name, sets: this.#setsOf(name, tags), purges: `${this.#prefix}purges`, ...(locked === undefined ? {} : { purge: locked.purge }) };
    const reply = await this.#entry(physical, { type: "put", ...entry, ...(locked === undefined ? {} : { token: locked.fence }), fill });
    if (reply.purged === true) return false;
    if (reply.ok) await this.#dropChunks(key, reply);
    return true;
  }

  /** Puts the name into its sets. False when the fill is not wanted any more: its lock has ended or a purge came. */
  async #announce(key: string, physical: string, tags: readonly string[], ttlMs: number, locked: { physical: string; fence: number; purge: number } | undefined): Promise<boolean> {
    const name = escapeKeyPart(key);
    const live = locked === undefined ? undefined : this.#entry(locked.physical, { type: "check", token: locked.fence });
    const sets = this.#setsOf(name, tags);
    const [check, ...added] = await Promise.all([live, ...sets.map((set) => this.#run(keySet, set, { type: "add", name, ttlMs: ttlMs + NAME_EXTRA_MS, ...(this.#setBytes === undefined ? {} : { maxBytes: this.#setBytes }) }))] as const);
    if (added.some(({ names }) => names[0] === name)) throw new StoreError("STORE_VALUE_TOO_LARGE", "the key takes more than a record of the store", { outcome: "not-applied" });
    // No purge would find what stands in a set no more: a full set is a full cache.
    for (const [i, { names }] of added.entries()) await this.#dropAll(names, i === 0 ? undefined : tags[i - 1]);
    if (locked === undefined) return true;
    const overtaken = await this.#overtaken(name, tags, locked.purge);
    // The names have moved to the front of their sets, where a purge that was past it does not look again.
    await Promise.all(overtaken.map((tag) => this.#drop(name, tag)));
    if (check?.ok === true && overtaken.length === 0) return true;
    if (locked.physical === physical) await this.#entry(physical, { type: "close", token: locked.fence });
    return false;
  }

  /** What was purged since a fill with that number began, of what concerns `name`: tags, and `undefined` for a purge of keys. */
  async #overtaken(name: string, tags: readonly string[], purge: number): Promise<(string | undefined)[]> {
    const kinds = [undefined, ...tags];
    const marks = await Promise.all(kinds.map((tag) => this.#run(purgeMarks, tag === undefined ? `${this.#prefix}marks` : this.#tagMark(tag), { type: "read", name })));
    return kinds.filter((_, i) => (marks[i] as number) > purge);
  }

  /** An entry whose time is over before it is stored: what was there goes, and the lock with it. */
  async #end(physical: string, token: number | undefined, key: string): Promise<void> {
    await this.#put(physical, { ttlMs: 0, write: 0, chunks: 0, status: 0, tags: "", text: "" }, token, key);
  }

  async #put(physical: string, entry: PutEntry, token: number | undefined, key: string): Promise<boolean> {
    const reply = await this.#entry(physical, { type: "put", ...entry, ...(token === undefined ? {} : { token }) });
    await this.#dropChunks(key, reply.ok ? reply : entry);
    return reply.ok;
  }

  #entry(physical: string, command: CacheEntryCommand, options?: CombinerCallOptions<CacheEntryReply>): Promise<CacheEntryReply> {
    return this.#run(cacheEntry, physical, command, options) as Promise<CacheEntryReply>;
  }

  /** A lock that is granted after its caller has gone would keep everybody else waiting. */
  #letGoOf(physical: string): CombinerCallOptions<CacheEntryReply> {
    return { onLateReply: ({ token }) => void (token > 0 && this.#close(physical, token)) };
  }

  /** Nobody waits for it: where it fails the lock ends by itself. */
  async #close(physical: string, token: number): Promise<void> {
    try {
      await this.#entry(physical, { type: "close", token });
    } catch {}
  }

  /** Every name of a set that begins with `prefix` loses its entry. What comes meanwhile comes after the purge. */
  async #dropNames(set: string, prefix: string, tag: string | undefined): Promise<number> {
    let dropped = 0;
    for (let from = 0; ; from += PAGE) {
      const { names } = await this.#run(keySet, set, { type: "page", from, limit: PAGE });
      dropped += await this.#dropAll(names.filter((name) => name.startsWith(prefix)), tag);
      if (names.length < PAGE) return dropped;
    }
  }

  /** How many were responses. */
  async #dropAll(names: readonly string[], tag: string | undefined): Promise<number> {
    let dropped = 0;
    for (let from = 0; from < names.length; from += PAGE) {
      const replies = await Promise.all(names.slice(from, from + PAGE).map((name) => this.#drop(name, tag)));
      dropped += replies.filter(({ ok, status }) => ok && status !== 0).length;
    }
    return dropped;
  }

  /** The entry goes if it carries `tag` (absent: in any case), and who fills it does so in vain. */
  async #drop(name: string, tag: string | undefined): Promise<CacheEntryReply> {
    const reply = await this.#entry(this.#entryKey(name), tag === undefined ? { type: "drop" } : { type: "drop", tag });
    await this.#bodies.drop(name, reply);
    return reply;
  }

  #dropChunks(key: string, old: { readonly write: number; readonly chunks: number }): Promise<void> {
    return old.chunks === 0 ? Promise.resolve() : this.#bodies.drop(escapeKeyPart(key), old);
  }

  #writeId(): number {
    return 1 + Math.floor(this.#random.next() * (Number.MAX_SAFE_INTEGER - 1));
  }

  #key(key: string): string {
    this.#open();
    if (typeof key !== "string" || key.length === 0) throw new OptionError("key", key, "a non-empty string");
    return this.#entryKey(escapeKeyPart(key));
  }

  #open(): void {
    if (this.#destroyed) throw new StoreError("STORE_CLOSED", "the cache store was destroyed", { outcome: "not-applied" });
  }

  #entryKey(name: string): string {
    return `${this.#prefix}entry:${name}`;
  }

  #tagSet(tag: string): string {
    return `${this.#prefix}tag:${tag}`;
  }

  #tagMark(tag: string): string {
    return `${this.#prefix}tag-mark:${tag}`;
  }
}

/** What is stored, as a view gave it; `undefined` when nothing is. */
function headOf({ ok, text, write, chunks }: CacheEntryReply): StoredHead | undefined {
  if (!ok || text === undefined) return undefined;
  const head = decodeValue(text) as Partial<Head> | null;
  if (typeof head !== "object" || head === null || typeof head.status !== "number" || !Array.isArray(head.headers) || typeof head.length !== "number") {
    throw new StoreError("STORE_CORRUPT", "a cache entry is damaged");
  }
  return { head: head as Head, write, chunks };
}

function parseToken(token: string): { fence: number; purge: number } {
  const [fence, purge] = /^(\d{1,16})\.(\d{1,16})$/.exec(token)?.slice(1).map(Number) ?? [];
  // A token that nobody was given fits no lock.
  return { fence: fence ?? 0, purge: purge ?? 0 };
}

function tagText(tags: readonly string[]): string {
  return tags.length === 0 ? "" : `:${tags.join(":")}:`;
}

function shardOf(name: string): number {
  let hash = 0;
  for (const byte of encodeText(name)) hash = (Math.imul(hash, 31) + byte) | 0;
  return (hash >>> 0) % SHARDS;
}
