/** Finds the stored response a request selects: shared or the caller's own, with or without variants. */

import { chain, isPromise, type MaybePromise } from "../../../../core/maybe-promise.ts";
import type { CacheFill, CacheOpening, CacheRecord } from "../../../../state/contracts/cache.ts";
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
  /** The lock of `key`, when it was asked for in the same step and nothing was there. */
  readonly fill: CacheFill | undefined;
}

export type LookUp = MaybePromise<Found | StoreFailure>;

/** Who looks up what, when. */
export interface Question {
  readonly request: RequestFacts;
  /** The key tells callers apart, so what is stored for this caller alone is looked up, too. */
  readonly personal: boolean;
  readonly now: number;
  /** The caller would fill what is missing: lock it for so long, in ms, where that takes no round trip more. */
  readonly lockMs: number | undefined;
}

export function lookUp(port: CachePort, key: string, question: Question): LookUp {
  if (!question.personal) return select(port, key, question, false);
  const shared = select(port, key, { ...question, lockMs: undefined }, false);
  const own = (found: Found | StoreFailure): LookUp => {
    if (found instanceof StoreFailure || found.meta?.shared === true) return found;
    return select(port, privateKey(key, question.request.caller), question, true);
  };
  return isPromise(shared) ? shared.then(own) : own(shared);
}

function select(port: CachePort, base: string, question: Question, personal: boolean): LookUp {
  if (question.lockMs !== undefined && port.canOpen) return chain(port.open(base, question.now, question.lockMs), (first) => resolve(port, base, question, personal, first));
  const first = port.read(base, question.now);
  return isPromise(first) ? first.then((record) => resolve(port, base, question, personal, record)) : resolve(port, base, question, personal, first);
}

/** A record by itself, or what `open` gave. */
type Read = CacheRecord | CacheOpening | StoreFailure | undefined;

function isOpening(read: CacheRecord | CacheOpening): read is CacheOpening {
  return !("status" in read);
}

function resolve(port: CachePort, base: string, question: Question, personal: boolean, first: Read): LookUp {
  if (first === undefined) return missing(base, base, "uri-miss", personal, false);
  if (first instanceof StoreFailure) return first;
  const record = isOpening(first) ? first.record : first;
  if (record === undefined) return missing(base, base, "uri-miss", personal, false, (first as CacheOpening).fill);
  const meta = metaOf(record);
  if (meta?.kind === "entry") return { base, key: base, record, meta, miss: "uri-miss", personal, pass: false, fill: undefined };
  if (meta?.kind !== "index") return missing(base, base, "uri-miss", personal, meta?.kind === "pass");
  const key = variantOf(base, meta.id, question.request.variant(meta.vary));
  const second: MaybePromise<Read> = question.lockMs !== undefined && port.canOpen ? port.open(key, question.now, question.lockMs) : port.read(key, question.now);
  return isPromise(second) ? second.then((read) => variant(base, key, personal, read)) : variant(base, key, personal, second);
}

function variant(base: string, key: string, personal: boolean, second: Read): Found | StoreFailure {
  if (second instanceof StoreFailure) return second;
  const record = second === undefined || !isOpening(second) ? second : second.record;
  const meta = record === undefined ? undefined : metaOf(record);
  if (record === undefined || meta?.kind !== "entry") return missing(base, key, "vary-miss", personal, meta?.kind === "pass", (second as CacheOpening | undefined)?.fill);
  return { base, key, record, meta, miss: "vary-miss", personal, pass: false, fill: undefined };
}

function missing(base: string, key: string, miss: Found["miss"], personal: boolean, pass: boolean, fill?: CacheFill): Found {
  return { base, key, record: undefined, meta: undefined, miss, personal, pass, fill };
}
