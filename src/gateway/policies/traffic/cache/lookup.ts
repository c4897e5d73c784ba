/** Finds the stored response a request selects: shared or the caller's own, with or without variants. */

import { isPromise, type MaybePromise } from "../../../../core/maybe-promise.ts";
import type { CacheRecord } from "../../../../state/contracts.ts";
import { StoreFailure } from "../../../store-call.ts";
import { privateKey, variantOf } from "./cache-key.ts";
import type { CachePort } from "./cache-port.ts";
import { type EntryMeta, metaOf } from "./entry.ts";
import type { RequestFacts } from "./request-facts.ts";

export interface Found {
  /** Key under which shared responses of this request are, or the set of their variants. */
  readonly base: string;
  /** Key of what was found, or of what is missing: who fills it holds the lock of this key. */
  readonly key: string;
  readonly record: CacheRecord | undefined;
  readonly meta: EntryMeta | undefined;
  /** What is missing when there is no record. */
  readonly miss: "uri-miss" | "vary-miss";
  /** Found under the caller's own key. */
  readonly personal: boolean;
  /** The latest response of this key could not be shared. */
  readonly pass: boolean;
}

export type LookUp = MaybePromise<Found | StoreFailure>;

/** `personal`: the key tells callers apart, so what is stored for this caller alone is looked up, too. */
export function lookUp(port: CachePort, key: string, request: RequestFacts, personal: boolean, now: number): LookUp {
  const shared = select(port, key, request, now, false);
  if (!personal) return shared;
  const own = (found: Found | StoreFailure): LookUp => {
    if (found instanceof StoreFailure || found.meta?.shared === true) return found;
    return select(port, privateKey(key, request.caller), request, now, true);
  };
  return isPromise(shared) ? shared.then(own) : own(shared);
}

function select(port: CachePort, base: string, request: RequestFacts, now: number, personal: boolean): LookUp {
  const first = port.read(base, now);
  return isPromise(first) ? first.then((record) => resolve(port, base, request, now, personal, record)) : resolve(port, base, request, now, personal, first);
}

function resolve(port: CachePort, base: string, request: RequestFacts, now: number, personal: boolean, first: CacheRecord | undefined | StoreFailure): LookUp {
  if (first === undefined) return missing(base, base, "uri-miss", personal, false);
  if (first instanceof StoreFailure) return first;
  const meta = metaOf(first);
  if (meta?.kind === "entry") return { base, key: base, record: first, meta, miss: "uri-miss", personal, pass: false };
  if (meta?.kind !== "index") return missing(base, base, "uri-miss", personal, meta?.kind === "pass");
  const key = variantOf(base, meta.id, request.variant(meta.vary));
  const second = port.read(key, now);
  return isPromise(second) ? second.then((record) => variant(base, key, personal, record)) : variant(base, key, personal, second);
}

function variant(base: string, key: string, personal: boolean, record: CacheRecord | undefined | StoreFailure): Found | StoreFailure {
  if (record instanceof StoreFailure) return record;
  const meta = record === undefined ? undefined : metaOf(record);
  if (record === undefined || meta?.kind !== "entry") return missing(base, key, "vary-miss", personal, meta?.kind === "pass");
  return { base, key, record, meta, miss: "vary-miss", personal, pass: false };
}

function missing(base: string, key: string, miss: Found["miss"], personal: boolean, pass: boolean): Found {
  return { base, key, record: undefined, meta: undefined, miss, personal, pass };
}
