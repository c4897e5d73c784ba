/**
 * A plain key-value store for the tests of the suite, written apart from the product. With a flaw, which is the name
 * of a rule, it breaks that rule.
 */

import { decodeText, decodeValue, encodeText, encodeValue } from "../../core/codec.ts";
import type { Clock } from "../../core/clock.ts";
import { StoreError } from "../../core/errors.ts";
import type { LimitTicket } from "../../state/contracts/limits.ts";
import type { CursorReply, LeaseReply, StitchStore } from "../../state/contracts/key-value.ts";

interface Entry {
  text?: string;
  raw?: unknown;
  count?: number;
  cursor?: { last: number; owed: number; seq: number; credited: number };
  holders?: { token: string; fence: number; end: number }[];
  fence?: number;
  end: number;
}

/** The data that the clients of one backend share. */
export type StoreBackend = Map<string, Entry>;

export interface PlainStoreOptions {
  readonly clock: Clock;
  readonly flaw?: string;
  readonly backend?: StoreBackend;
  readonly prefix?: string;
  readonly maxEntries?: number;
}

const MAX_BYTES = 4096;

export class PlainStore implements StitchStore {
  readonly capabilities: { shared: boolean; maxValueBytes: number } = { shared: true, maxValueBytes: MAX_BYTES };
  increment?: (key: string, ttlMs?: number) => Promise<number> = (key, ttlMs) => this.incr(key, this.is("counters/increment-is-incr") ? undefined : ttlMs);
  private readonly options: PlainStoreOptions;
  private readonly map: StoreBackend;
  private closed = false;

  constructor(options: PlainStoreOptions) {
    this.options = options;
    this.map = options.backend ?? new Map<string, Entry>();
  }

  private is(flaw: string): boolean {
    return this.options.flaw === flaw;
  }

  private get now(): number {
    return this.options.clock.now();
  }

  private name(key: unknown): string {
    if (this.closed && !this.is("lifecycle/use-after-close")) throw new StoreError("STORE_CLOSED", "the store is closed");
    if (this.is("keys/not-a-key-is-refused")) return String(key);
    if (typeof key !== "string" || key === "") throw new RangeError("key must be a non-empty string");
    let name = (this.is("keys/prefix-isolation") ? (this.options.prefix ?? "").replace(/:$/, "") : (this.options.prefix ?? "")) + key;
    if (this.is("keys/any-text")) name = name.replace(/\0.*$/s, "");
    if (this.is("keys/any-text#normalised")) name = name.normalize("NFC");
    if (this.is("keys/any-text#trimmed")) name = name.trim();
    if (this.is("keys/any-text#caseless")) name = name.toLowerCase();
    if (this.is("keys/any-text#joined")) name = name.replaceAll("::", ":");
    if (this.is("keys/lone-surrogates")) name = decodeText(encodeText(name));
    if (this.is("keys/long")) name = name.slice(0, 512);
    return name;
  }

  private ttl(ttlMs: unknown, verb: string): number {
    if (ttlMs === undefined) return Number.POSITIVE_INFINITY;
    const lax = this.is(`time/${verb}-refuses-a-bad-ttl`);
    if (this.is(`time/${verb}-refuses-a-bad-ttl#zero`) && ttlMs === 0) return Number.POSITIVE_INFINITY;
    if (this.is(`time/${verb}-refuses-a-bad-ttl#null`) && ttlMs === null) return Number.POSITIVE_INFINITY;
    if (lax && !(Number(ttlMs) > 0)) return Number.POSITIVE_INFINITY;
    if (!lax && (typeof ttlMs !== "number" || !(ttlMs > 0) || ttlMs === Number.POSITIVE_INFINITY)) throw new RangeError("ttlMs must be above 0");
    let ms = Math.ceil(Number(ttlMs));
    if (this.is("time/one-millisecond") && ms < 10) ms = 10;
    if (this.is("time/fraction-is-rounded-up")) ms = Math.floor(Number(ttlMs));
    if (this.is("time/long-ttl") && ms > 2 ** 31 - 1) ms = 1;
    if (this.is("time/expiry")) ms = Number.POSITIVE_INFINITY;
    return this.now + ms;
  }

  private live(name: string): Entry | undefined {
    const entry = this.map.get(name);
    if (entry === undefined) return undefined;
    const late = this.is("time/boundary") ? 1 : 0;
    if (this.now < entry.end + late) return entry;
    this.map.delete(name);
    return undefined;
  }

  private put(name: string, entry: Entry): void {
    const { maxEntries } = this.options;
    this.map.delete(name);
    if (maxEntries !== undefined && !this.is("bound/entries")) {
      if (this.map.size >= maxEntries && !this.is("bound/expired-go-first")) for (const [other, { end }] of this.map) if (end <= this.now) this.map.delete(other);
      for (const [other, { text }] of this.map) {
        if (this.map.size < maxEntries) break;
        if (text !== undefined || this.is("bound/live-counters-stay")) this.map.delete(other);
      }
      if (this.map.size >= maxEntries && !this.is("bound/full-is-refused")) throw new StoreError("STORE_FULL", "every entry is live");
    }
    this.map.set(name, entry);
  }

  private encode(value: unknown): string {
    if (this.is("values/unserialisable-is-refused")) return `\u0001j${JSON.stringify(typeof value === "bigint" ? Number(value) : value, (_, item: unknown) => (typeof item === "bigint" ? Number(item) : item)) ?? "null"}`;
    const text = encodeValue(value);
    if ((this.is("values/oversize-is-refused") ? text.length : encodeText(text).length) > MAX_BYTES) throw new StoreError("STORE_VALUE_TOO_LARGE", "too large");
    return text;
  }

  async get(key: string): Promise<unknown> {
    const name = this.name(key);
    if (this.is("keys/object-names") && key in {}) return ({} as Record<string, unknown>)[key];
    const entry = this.live(name);
    if (entry === undefined) return this.is("values/missing-is-undefined") ? null : undefined;
    if (entry.count !== undefined) return this.is("counters/count-up") ? String(entry.count) : entry.count;
    if (entry.text === undefined) return undefined;
    if (!this.is("bound/least-recently-used-goes")) {
      this.map.delete(name);
      this.map.set(name, entry);
    }
    if (entry.raw !== undefined) return entry.raw;
    if (this.is("values/foreign-text") && entry.text[0] !== "\u0001") return JSON.parse(entry.text);
    const value = decodeValue(entry.text);
    if (this.is("values/round-trip") && typeof value === "string") return decodeValue(value);
    if (this.is("values/null-is-null") && value === null) return undefined;
    if (this.is("values/bytes") && value instanceof Uint8Array) return [...value];
    if (this.is("values/hostile-names") && value !== null && typeof value === "object" && Object.hasOwn(value, "__proto__")) return Object.assign({}, value);
    if (this.is("values/output-is-copied")) entry.raw = value;
    return value;
  }

  set(key: string, value: unknown, ttlMs?: number): Promise<void> {
    if (!this.is("values/errors-are-rejections")) return (async () => this.write(key, value, ttlMs))();
    this.write(key, value, ttlMs);
    return Promise.resolve();
  }

  private write(key: string, value: unknown, ttlMs: unknown): void {
    const name = this.name(key);
    if (this.is("values/refused-value-keeps-the-old")) this.map.delete(name);
    let end = this.ttl(ttlMs, "set");
    if (value === undefined) {
      if (!this.is("values/undefined-deletes")) this.map.delete(name);
      return;
    }
    const old = this.live(name);
    if (this.is("values/overwrite") && old?.text !== undefined && typeof value === "object") value = Object.assign({}, decodeValue(old.text), value);
    if (this.is("time/no-ttl-is-no-expiry") && ttlMs === undefined) end = this.now + 86_400_000;
    if (this.is("time/overwrite-clears-the-ttl") && ttlMs === undefined && old?.text !== undefined) end = old.end;
    if (this.is("time/overwrite-sets-the-new-ttl") && old !== undefined && Number.isFinite(end)) end = old.end;
    if (this.is("counters/set-replaces-a-counter") && old?.count !== undefined) end = old.end;
    const entry: Entry = { text: this.encode(value), end };
    if (this.is("values/input-is-copied") && typeof value === "object" && value !== null) entry.raw = value;
    this.put(name, entry);
  }

  async incr(key: string, ttlMs?: number): Promise<number> {
    const name = this.name(key);
    const end = this.ttl(ttlMs, "incr");
    const old = this.is("time/expired-is-absent-everywhere") ? this.map.get(name) : this.live(name);
    if (old !== undefined && old.count === undefined) {
      if (!this.is("counters/wrong-type")) throw new StoreError("STORE_WRONG_TYPE", "not a counter");
      return 1;
    }
    if (this.is("counters/each-number-once")) await undefined;
    if (old === undefined) {
      this.put(name, { count: 1, end: this.is("counters/64-creators") ? Number.POSITIVE_INFINITY : end });
      return 1;
    }
    const current = this.is("counters/each-number-once") ? old : (this.map.get(name) as Entry);
    if (this.is("counters/ttl-of-the-creation")) current.end = end;
    if (this.is("counters/ttl-never-slides") && ttlMs !== undefined) current.end = end;
    if (this.is("counters/later-ttl-is-ignored") && current.end === Number.POSITIVE_INFINITY) current.end = end;
    if (this.is("counters/restart-after-the-ttl") && (current.count ?? 0) >= 2) current.end = Number.POSITIVE_INFINITY;
    current.count = (old.count as number) + 1;
    if (this.is("counters/each-number-once")) this.map.set(name, { ...old });
    return current.count;
  }

  async compareAndSet(key: string, expected: unknown, next: unknown, ttlMs?: number): Promise<boolean> {
    const name = this.name(key);
    let end = this.ttl(ttlMs, "compare-and-set");
    const text = next === undefined ? undefined : this.encode(next);
    const old = this.live(name);
    let seen = old === undefined ? undefined : (old.text ?? encodeValue(old.count));
    if (old?.text !== undefined && seen !== undefined && seen[0] !== "\u0001") seen = encodeValue(decodeValue(seen));
    let wanted = expected === undefined ? undefined : encodeValue(expected);
    if (this.is("compare-and-set/null-is-not-absent") && expected === null) wanted = undefined;
    if (this.is("compare-and-set/what-get-gave-matches") && old?.count !== undefined) return false;
    let same = seen === wanted;
    if (this.is("compare-and-set/absent") && expected === undefined) same = true;
    if (this.is("compare-and-set/equal") && expected !== undefined && typeof expected === "object" && !(expected instanceof Uint8Array)) same = false;
    if (this.is("compare-and-set/different") && seen !== undefined) same ||= String(decodeValue(seen)) === String(expected);
    if (this.is("compare-and-set/one-winner")) await undefined;
    if (!same) {
      if (this.is("compare-and-set/false-keeps-the-ttl") && old !== undefined) old.end = end;
      return false;
    }
    if (text === undefined) {
      if (!this.is("compare-and-set/delete")) this.map.delete(name);
      return true;
    }
    if (this.is("compare-and-set/sets-the-ttl")) end = Number.POSITIVE_INFINITY;
    if (this.is("compare-and-set/clears-the-ttl") && ttlMs === undefined && old !== undefined) end = old.end;
    this.put(name, { text, end });
    return true;
  }

  async reserve(key: string, command: Parameters<NonNullable<StitchStore["reserve"]>>[1]): Promise<CursorReply> {
    const name = this.name(key);
    const { spacingMs } = command;
    const positive = (value: unknown): boolean => typeof value === "number" && value > 0 && Number.isFinite(value);
    const cost = "cost" in command ? (command.cost ?? 1) : 1;
    if (!this.is("cursor/domain") && (!positive(spacingMs) || !(cost === 0 || positive(cost)))) throw new RangeError("spacingMs and cost must be numbers above 0");
    const spacing = this.is("cursor/fractional-spacing") ? Math.round(spacingMs) : spacingMs;
    const old = this.live(name)?.cursor;
    if (this.is("cursor/concurrent-turns-differ")) for (let i = 0; i < 3; i++) await undefined;
    const state = old === undefined ? { last: this.now, owed: 0, seq: 0, credited: 0 } : { ...old };
    const idle = this.is("cursor/idle-saves-nothing") ? Number.NEGATIVE_INFINITY : 0;
    state.owed = Math.max(idle, state.owed - (this.now - state.last));
    state.last = this.now;
    const keep = (): void => {
      const end = this.now + state.owed + spacing;
      this.map.set(name, { cursor: state, end: this.is("cursor/backlog-outlives-every-ttl") ? this.now + 10_000 : end + 86_400_000 });
    };
    if ("refund" in command) {
      const { at, need } = command.refund;
      const newest = command.refund.era === state.seq && (state.credited !== state.seq || this.is("cursor/refund-counts-once"));
      if (this.is("cursor/refund")) return { granted: true, waitMs: 0 };
      if (newest || this.is("cursor/refund-of-an-older-turn")) {
        state.owed = Math.max(0, state.owed - Math.max(0, need - (this.now - at)));
        state.credited = state.seq;
        keep();
      }
      return { granted: true, waitMs: 0 };
    }
    const burst = "burst" in command && !this.is("cursor/burst") ? (command.burst ?? 1) : 1;
    const room = burst * spacing;
    if ("pauseMs" in command) {
      if (this.is("cursor/pause")) return { granted: true, waitMs: 0 };
      const paused = room - spacing + command.pauseMs;
      state.owed = this.is("cursor/longest-pause-wins") ? paused : Math.max(state.owed, paused);
      keep();
      return { granted: true, waitMs: 0 };
    }
    const need = (this.is("cursor/cost") ? 1 : cost) * spacing;
    let waitMs = Math.max(0, state.owed + need - room);
    if (this.is("cursor/cold") && old === undefined) waitMs = spacing;
    if (this.is("cursor/warm")) waitMs = 0;
    if (waitMs > (command.maxWaitMs ?? Number.POSITIVE_INFINITY)) {
      if (this.is("cursor/too-long-a-wait-reserves-nothing")) {
        state.owed += need;
        keep();
      }
      return { granted: false, waitMs };
    }
    state.owed += need;
    state.seq++;
    keep();
    const ticket: LimitTicket = { era: state.seq, at: this.now, need };
    return { granted: true, waitMs, ticket };
  }

  async lease(key: string, command: { token: string; limit: number; ttlMs: number }): Promise<LeaseReply> {
    const name = this.name(key);
    const { token, limit, ttlMs } = command;
    if (!this.is("lease/domain") && !(Number.isSafeInteger(limit) && limit >= 0)) throw new RangeError("limit must be an integer");
    if (ttlMs === undefined && !this.is("time/lease-refuses-a-bad-ttl#undefined")) throw new RangeError("ttlMs is required");
    const end = this.ttl(ttlMs, "lease");
    const entry = this.live(name) ?? { holders: [], fence: 0, end: Number.POSITIVE_INFINITY };
    const late = this.is("lease/boundary") ? 1 : 0;
    let holders = (entry.holders ?? []).filter((holder) => this.is("lease/crashed-holder-ends") || holder.end + late > this.now);
    if (this.is("lease/ended-holders-take-no-place") && holders.length > 0) holders = entry.holders ?? [];
    if (this.is("lease/concurrent")) await undefined;
    const held = holders.find((holder) => holder.token === token);
    let fence = Math.max((entry.fence ?? 0) + 1, Math.floor(this.now) * 1024);
    if (this.is("lease/fence-grows") || this.is("lease/fence-grows-after-loss")) fence = (entry.fence ?? 0) + 1;
    if (this.is("lease/fence-grows")) fence = 1;
    const kept = this.is("lease/fence-grows-after-loss") ? end + 3_600_000 : Number.POSITIVE_INFINITY;
    if (held !== undefined && !this.is("lease/renewal-takes-no-second-place")) {
      if (!this.is("lease/renewal-extends")) held.end = end;
      if (this.is("lease/renewal-keeps-the-fence")) held.fence = fence;
      this.map.set(name, { holders, fence: Math.max(entry.fence ?? 0, held.fence), end: kept });
      return { held: true, fence: held.fence, retryInMs: 0 };
    }
    if (holders.length >= limit + (this.is("lease/limit") ? 1 : 0)) {
      const soonest = Math.min(...holders.map((holder) => holder.end));
      return { held: false, fence: 0, retryInMs: this.is("lease/reply") ? 0 : Math.max(0, soonest - this.now) };
    }
    this.map.set(name, { holders: [...holders, { token, fence, end }], fence, end: kept });
    return { held: true, fence, retryInMs: 0 };
  }

  async release(key: string, token: string): Promise<boolean> {
    const entry = this.live(this.name(key));
    if (entry?.holders === undefined) return false;
    const left = entry.holders.filter((holder) => holder.token !== token || holder.end <= this.now);
    const freed = left.length < entry.holders.length;
    if (this.is("lease/foreign-release") && !freed) entry.holders.pop();
    else if (this.is("lease/repeated-release") && !freed) return true;
    else if (this.is("lease/release-leaves-the-others")) entry.holders = [];
    else if (!this.is("lease/release-frees")) entry.holders = left;
    return freed;
  }

  async close(): Promise<void> {
    if (this.closed && this.is("lifecycle/close-twice")) throw new Error("already closed");
    this.closed = true;
    if (this.is("lifecycle/close-leaves-the-others")) this.map.clear();
  }
}
