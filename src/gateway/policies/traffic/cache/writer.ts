/** Puts a response into the store: under its key, or as one variant of the set under that key. */

import { isPromise, type MaybePromise } from "../../../../core/maybe-promise.ts";
import type { CacheRecord } from "../../../../state/contracts/cache.ts";
import type { Random } from "../../../../core/random.ts";
import { StoreFailure } from "../../../store-call.ts";
import { variantOf } from "./cache-key.ts";
import type { CachePort } from "./cache-port.ts";
import { type IndexMeta, indexRecord, metaOf } from "./entry.ts";
import type { RequestFacts } from "./request-facts.ts";
import { mergeVary } from "../../../../core/cache-vary.ts";

/** The right to fill, as the store's lock gave it. */
export interface FillToken {
  readonly key: string;
  readonly token: string;
  /** Afterwards the store takes it for dead. */
  readonly until: number;
}

export interface WriteTarget {
  readonly base: string;
  readonly vary: readonly string[];
  readonly request: RequestFacts;
  readonly maxVariants: number;
  readonly urlTag: string;
  readonly random: Random;
  readonly now: number;
  readonly token: FillToken | undefined;
}

/** Writes `record`; a failure of the store is given back, not thrown. */
export function writeResponse(port: CachePort, record: CacheRecord, target: WriteTarget): MaybePromise<void | StoreFailure> {
  if (target.vary.length === 0) return write(port, target.base, record, target);
  const first = port.read(target.base, target.now);
  return isPromise(first) ? first.then((index) => writeVariant(port, record, target, index)) : writeVariant(port, record, target, first);
}

function writeVariant(port: CachePort, record: CacheRecord, target: WriteTarget, found: CacheRecord | undefined | StoreFailure): MaybePromise<void | StoreFailure> {
  if (found instanceof StoreFailure) return found;
  const meta = found === undefined ? undefined : metaOf(found);
  const index = meta?.kind === "index" ? meta : undefined;
  // Matching every field any response varied by implies matching those this one varies by.
  const vary = index === undefined ? target.vary : mergeVary(index.vary, target.vary);
  const same = index !== undefined && vary === index.vary;
  const id = same ? index.id : target.random.uuid();
  const key = variantOf(target.base, id, target.request.variant(vary));
  const written = write(port, key, record, target);
  const rest = (result: void | StoreFailure): MaybePromise<void | StoreFailure> => {
    if (result instanceof StoreFailure) return result;
    const known = same ? index.variants : [];
    const keepUntil = Math.max(record.keepUntil, same ? (found as CacheRecord).keepUntil : 0);
    if (known.includes(key) && keepUntil === found?.keepUntil) return undefined;
    return writeIndex(port, { id, vary, variants: [...known.filter((other) => other !== key), key] }, keepUntil, target);
  };
  return isPromise(written) ? written.then(rest) : rest(written);
}

function writeIndex(port: CachePort, index: Omit<IndexMeta, "v" | "kind">, keepUntil: number, target: WriteTarget): MaybePromise<void | StoreFailure> {
  const surplus = index.variants.slice(0, Math.max(0, index.variants.length - target.maxVariants));
  const kept = { ...index, variants: index.variants.slice(surplus.length) };
  const dropped = surplus.map((key) => port.delete(key)).filter(isPromise);
  const written = write(port, target.base, indexRecord(kept, target.now, keepUntil, [target.urlTag]), target);
  return dropped.length === 0 ? written : Promise.all([written, ...dropped]).then(([result]) => result);
}

function write(port: CachePort, key: string, record: CacheRecord, target: WriteTarget): MaybePromise<void | StoreFailure> {
  const { token, now } = target;
  // A fill that outlived its lock is still worth storing: nothing in this process has overtaken it.
  if (token === undefined || token.until <= now) return port.write(key, record, now);
  // The token of another key than the set's or the variant's says nothing here.
  const covered = token.key === key || token.key === target.base;
  return covered ? port.write(key, record, now, token.token, token.key) : port.write(key, record, now);
}
