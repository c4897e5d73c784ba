/**
 * A plain response cache for the tests of the suite, written apart from the product. With a flaw, which is the name of
 * a rule, it breaks that rule.
 */

import type { Clock } from "../../core/clock.ts";
import type { CacheFill, CachePurge, CacheRecord, CacheStore } from "../../state/contracts/cache.ts";

export interface CacheBackend {
  readonly entries: Map<string, CacheRecord>;
  readonly locks: Map<string, { token: string; until: number; begun: number }>;
  readonly purgedTags: Map<string, number>;
  steps: number;
}

export function cacheBackend(): CacheBackend {
  return { entries: new Map(), locks: new Map(), purgedTags: new Map(), steps: 0 };
}

export interface PlainCacheStoreOptions {
  readonly clock: Clock;
  readonly flaw?: string;
  readonly backend?: CacheBackend;
  readonly maxEntries?: number;
}

export class PlainCacheStore implements CacheStore {
  readonly capabilities: { shared: boolean } = { shared: true };
  private readonly options: PlainCacheStoreOptions;
  private readonly data: CacheBackend;
  private readonly given = new Map<string, Response>();
  private destroyed = false;

  constructor(options: PlainCacheStoreOptions) {
    this.options = options;
    this.data = options.backend ?? cacheBackend();
  }

  private is(flaw: string): boolean {
    return this.options.flaw === flaw;
  }

  private get now(): number {
    return this.options.clock.now();
  }

  private name(key: string, lock = false): string {
    if (this.is("responses/keys") || (lock && this.is("lock/keys"))) return key.trim();
    if (this.is("responses/keys#url")) return key.replace(/#.*$/, "");
    return key;
  }

  async read(key: string): Promise<CacheRecord | undefined> {
    const name = this.name(key);
    const record = this.data.entries.get(name);
    if (record === undefined) return undefined;
    const end = this.is("records/kept-while-stale") ? record.freshUntil : this.is("time/lives-until-its-end") ? record.keepUntil - 1 : record.keepUntil;
    if (this.now >= end && !this.is("time/expiry")) {
      this.data.entries.delete(name);
      return undefined;
    }
    this.data.entries.delete(name);
    this.data.entries.set(name, record);
    return this.is("records/round-trip") ? { ...record, tags: undefined } : record;
  }

  async get(key: string): Promise<Response | undefined> {
    if (this.is("responses/missing") && !this.data.entries.has(key)) return new Response(null, { status: 404 });
    const record = await this.read(key);
    if (record === undefined || (this.is("records/are-what-get-gives") && record.headers.some(([name]) => name === "x-f"))) return undefined;
    if (this.is("responses/two-reads-are-independent") || this.is("responses/abandoned-read")) {
      const kept = this.given.get(key);
      if (kept !== undefined) return this.is("responses/abandoned-read") ? kept : kept.bodyUsed ? undefined : kept;
    }
    const headers = new Headers();
    for (const [name, value] of record.headers) {
      if (this.is("responses/set-cookie-list") || this.is("responses/round-trip")) headers.set(name, value);
      else headers.append(name, value);
    }
    if (this.is("responses/round-trip")) headers.delete("etag");
    const bodiless = [204, 205, 304].includes(record.status) && !this.is("responses/bodiless-statuses");
    const body = this.is("responses/binary-body") ? new TextDecoder().decode(record.body) : record.body.slice();
    const status = this.is("responses/statuses") && record.status !== 203 && record.status !== 404 ? 200 : record.status;
    const response = new Response(bodiless ? null : (body as Uint8Array<ArrayBuffer>), { status, headers });
    this.given.set(key, response);
    return response;
  }

  async put(key: string, response: Response, ttlSeconds: number): Promise<void> {
    if (!this.is("time/put-refuses-a-bad-ttl") && !(typeof ttlSeconds === "number" && ttlSeconds > 0 && Number.isFinite(ttlSeconds))) throw new RangeError("ttlSeconds");
    const headers: [string, string][] = [];
    const encode = (value: string): string => (this.is("responses/field-bytes") ? [...value].filter((char) => char < "\u0080").join("") : value);
    for (const [name, value] of response.headers) headers.push([name, encode(value)]);
    const old = this.data.entries.get(this.name(key));
    const { status } = response;
    if (this.is("responses/no-torn-writes")) {
      const until = this.now + 600_000;
      this.data.entries.set(this.name(key), { status, headers, body: new Uint8Array(0), storedAt: this.now, freshUntil: until, keepUntil: until });
      const body = new Uint8Array(await response.arrayBuffer());
      for (let turns = (body.length * 7) % 24; turns > 0; turns--) await undefined;
      this.data.entries.set(this.name(key), { ...(this.data.entries.get(this.name(key)) as CacheRecord), body });
      return;
    }
    let body = new Uint8Array(0);
    if (this.is("responses/broken-body-is-not-stored") || this.is("responses/streamed-body")) {
      try {
        for await (const chunk of response.body ?? []) {
          body = this.is("responses/streamed-body") ? new Uint8Array(chunk) : new Uint8Array([...body, ...chunk]);
        }
      } catch (error) {
        this.data.entries.set(this.name(key), { status, headers, body, storedAt: this.now, freshUntil: this.now + 1000, keepUntil: this.now + 1000 });
        throw error;
      }
    } else body = new Uint8Array(await response.arrayBuffer());
    const ms = Math.ceil((this.is("time/fractional-ttl") ? Math.ceil(ttlSeconds) : ttlSeconds) * 1000);
    let until = this.now + ms;
    if (this.is("time/overwrite-sets-the-new-ttl") && old !== undefined) until = old.keepUntil;
    if (this.is("responses/overwrite") && old !== undefined) headers.push(...(old.headers as [string, string][]));
    await this.write(key, { status, headers, body, storedAt: this.now, freshUntil: until, keepUntil: until });
    if (this.is("responses/put-copies")) this.lend(key, response);
  }

  /** Keeps a hand on the response it was given. */
  private lend(key: string, response: Response): void {
    const record = this.data.entries.get(this.name(key)) as CacheRecord;
    this.data.entries.set(this.name(key), {
      ...record,
      get headers(): [string, string][] {
        return [...response.headers] as [string, string][];
      },
    });
  }

  async write(key: string, record: CacheRecord, fillToken?: string): Promise<void> {
    const name = this.name(key);
    const { entries, locks, purgedTags } = this.data;
    if (fillToken !== undefined) {
      const lock = locks.get(name);
      if (this.is("lock/fill-is-stored")) return;
      const known = lock !== undefined && lock.token === fillToken && lock.until > this.now;
      const forgiven = this.is("lock/late-put") || this.is("lock/delete-voids-fills") || this.is("purge/prefix-voids-fills") || (this.is("purge/all#fills")) || (this.is("lock/unknown-token") && lock === undefined);
      if (!known && !forgiven) return;
      const overtaken = record.tags?.some((tag) => (purgedTags.get(tag) ?? 0) > (lock?.begun ?? 0)) ?? false;
      if (overtaken && !this.is("purge/tags-void-fills")) return;
      if (known) locks.delete(name);
    }
    const { maxEntries } = this.options;
    entries.delete(name);
    if (maxEntries !== undefined && entries.size >= maxEntries && !this.is("bound/entries")) {
      if (!this.is("bound/expired-go-first")) for (const [other, { keepUntil }] of entries) if (keepUntil <= this.now) entries.delete(other);
      if (entries.size >= maxEntries) entries.delete(entries.keys().next().value as string);
    }
    entries.set(name, { ...record, body: this.is("records/write-copies") ? record.body : record.body.slice() });
  }

  async delete(key: string): Promise<boolean> {
    const name = this.name(key);
    this.data.locks.delete(name);
    const had = this.data.entries.delete(name);
    return had || this.is("responses/delete");
  }

  async lock(key: string, lockMs: number): Promise<CacheFill> {
    const name = this.name(key, true);
    const held = this.data.locks.get(name);
    if (this.is("lock/one-fill")) await undefined;
    if (held !== undefined && (held.until > this.now || this.is("lock/dead-leader"))) return { kind: "wait", waitMs: Math.max(1, held.until - this.now) };
    const lock = { token: `fill ${++this.data.steps}`, until: this.now + lockMs, begun: this.data.steps };
    this.data.locks.set(name, lock);
    return { kind: "fill", token: lock.token };
  }

  async unlock(key: string, token: string): Promise<void> {
    const name = this.name(key);
    if (this.is("lock/unlock")) return;
    if (this.data.locks.get(name)?.token === token || this.is("lock/foreign-unlock")) this.data.locks.delete(name);
  }

  async purge(target: CachePurge): Promise<number> {
    const { entries, locks, purgedTags } = this.data;
    const step = ++this.data.steps;
    let dropped = 0;
    const drop = (matches: (key: string, record: CacheRecord) => boolean): void => {
      for (const [key, record] of entries) if (matches(key, record) && entries.delete(key)) dropped++;
    };
    if ("all" in target) {
      if (this.is("purge/all")) return 3;
      locks.clear();
      drop(() => true);
    } else if ("prefix" in target) {
      const { prefix } = target;
      const pattern = new RegExp(`^${prefix.replaceAll("%", ".*")}`, "s");
      for (const key of locks.keys()) if (key.startsWith(prefix)) locks.delete(key);
      drop((key) => (this.is("purge/prefix") ? pattern.test(key) : key.startsWith(prefix)));
    } else {
      for (const tag of target.tags) purgedTags.set(tag, step);
      drop((_, { tags }) => (this.is("purge/tags") ? tags?.[0] !== undefined && target.tags.includes(tags[0]) && tags.length === 1 : (tags?.some((tag) => target.tags.includes(tag)) ?? false)));
    }
    return dropped;
  }

  destroy(): void {
    if (this.destroyed && this.is("lifecycle/destroy-twice")) throw new Error("already destroyed");
    this.destroyed = true;
    if (this.is("lifecycle/destroy-leaves-the-others")) this.data.entries.clear();
  }
}
