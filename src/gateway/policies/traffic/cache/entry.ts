/** What a cache record holds beside the response: the facts needed to decide about a later request. */

import type { CacheRecord } from "../../../../state/contracts/cache.ts";
import type { StoragePlan } from "./freshness.ts";
import type { Fields } from "../../../../core/stored-fields.ts";

/** Version of the layout of `meta`: a record of another one is a miss. */
const VERSION = 1;

/** Facts about a stored response. Times in ms. */
export interface EntryMeta {
  readonly v: typeof VERSION;
  readonly kind: "entry";
  /** Age at `storedAt`. */
  readonly age: number;
  /** Until when a store that knows only a TTL keeps it, epoch ms. */
  readonly until: number;
  readonly shared: boolean;
  readonly revalidate: boolean;
  readonly strict: boolean;
  readonly optionStale: boolean;
  readonly swr?: number;
  readonly sie?: number;
  /** Fields a validation must not bring back. */
  readonly drop?: readonly string[];
}

/** A set of variants under one key: which fields select among them. */
export interface IndexMeta {
  readonly v: typeof VERSION;
  readonly kind: "index";
  /** Part of the variants' keys: once the set is dropped, none of its variants can be found again. */
  readonly id: string;
  readonly vary: readonly string[];
  /** Keys of the variants, oldest first. */
  readonly variants: readonly string[];
}

/** Says that the latest response may not be shared, so that nobody waits for the next one. */
export interface PassMeta {
  readonly v: typeof VERSION;
  readonly kind: "pass";
}

export type Meta = EntryMeta | IndexMeta | PassMeta;

/** The facts of a record, or `undefined` when it was written by something else or is damaged. */
export function metaOf(record: CacheRecord): Meta | undefined {
  const known = seen.get(record);
  if (known !== undefined) return known;
  const meta = record.meta as Partial<Meta> | undefined;
  if (!isSound(record) || meta === undefined || meta === null || meta.v !== VERSION) return undefined;
  if ((meta.kind === "entry") !== (record.status !== NOTE)) return undefined;
  if (meta.kind === "entry" ? !isEntry(meta) : meta.kind === "index" ? !isIndex(meta) : meta.kind !== "pass") return undefined;
  seen.set(record, meta as Meta);
  return meta as Meta;
}

/** Status of a record that is no response. */
const NOTE = 0;
const EMPTY: Uint8Array = new Uint8Array(0);

export function entryRecord(
  status: number,
  fields: Fields,
  body: Uint8Array,
  plan: StoragePlan,
  respondedAt: number,
  tags: readonly string[],
): CacheRecord {
  const meta: EntryMeta = {
    v: VERSION,
    kind: "entry",
    age: plan.initialAgeMs,
    until: plan.usefulUntil,
    shared: plan.shared,
    revalidate: plan.revalidate,
    strict: plan.strict,
    optionStale: plan.optionStale,
    ...(plan.staleWhileRevalidateMs === undefined ? undefined : { swr: plan.staleWhileRevalidateMs }),
    ...(plan.staleIfErrorMs === undefined ? undefined : { sie: plan.staleIfErrorMs }),
    ...(plan.dropFields.length === 0 ? undefined : { drop: plan.dropFields }),
  };
  return { status, headers: fields, body, storedAt: respondedAt, freshUntil: plan.freshUntil, keepUntil: plan.keepUntil, tags, meta: { ...meta } };
}

export function indexRecord(index: Omit<IndexMeta, "v" | "kind">, storedAt: number, keepUntil: number, tags: readonly string[]): CacheRecord {
  const meta: IndexMeta = { v: VERSION, kind: "index", ...index };
  return { status: NOTE, headers: [], body: EMPTY, storedAt, freshUntil: keepUntil, keepUntil, tags, meta: { ...meta } };
}

export function passRecord(storedAt: number, keepMs: number): CacheRecord {
  const meta: PassMeta = { v: VERSION, kind: "pass" };
  return { status: NOTE, headers: [], body: EMPTY, storedAt, freshUntil: storedAt + keepMs, keepUntil: storedAt + keepMs, meta: { ...meta } };
}

/** Records checked before: a store in this process gives the same object for every hit. */
const seen: WeakMap<CacheRecord, Meta> = /* @__PURE__ */ new WeakMap();

function isSound(record: CacheRecord): boolean {
  return (
    Number.isInteger(record.status) &&
    (record.status === NOTE || (record.status >= 200 && record.status <= 599)) &&
    record.body instanceof Uint8Array &&
    Array.isArray(record.headers) &&
    record.headers.every((field) => Array.isArray(field) && typeof field[0] === "string" && typeof field[1] === "string") &&
    Number.isFinite(record.storedAt) &&
    Number.isFinite(record.freshUntil) &&
    Number.isFinite(record.keepUntil)
  );
}

function isEntry(meta: Partial<EntryMeta>): boolean {
  return (
    Number.isFinite(meta.age) &&
    Number.isFinite(meta.until) &&
    typeof meta.shared === "boolean" &&
    typeof meta.revalidate === "boolean" &&
    typeof meta.strict === "boolean" &&
    typeof meta.optionStale === "boolean"
  );
}

function isIndex(meta: Partial<IndexMeta>): boolean {
  return typeof meta.id === "string" && isStrings(meta.vary) && isStrings(meta.variants);
}

function isStrings(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/** Age at the moment it was stored, in ms. */
export function ageFacts(record: CacheRecord): number {
  const meta = metaOf(record);
  return meta?.kind === "entry" ? meta.age : 0;
}
