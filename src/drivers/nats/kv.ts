/** A JetStream key-value bucket as a store with revisions, and what its errors mean. */

import type { Clock } from "../../core/clock.ts";
import { OptionError, SluiceError, StoreError } from "../../core/errors.ts";
import type { RevisionStore, Stored } from "../../state/compare-and-set.ts";
import { timed } from "../../state/timed.ts";

/** One message of a bucket. */
export interface NatsKvEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
  /** Time of the server at the write. */
  readonly created?: Date;
  /** `DEL` and `PURGE` mark a deleted key. */
  readonly operation: string;
}

/** A bucket of `@nats-io/kv`: what `new Kvm(connection).create(name)` gives. */
export interface NatsKv {
  get(key: string): Promise<NatsKvEntry | null>;
  /** With `previousSeq`, only if that is still the revision of the key; 0 for a key that is not there. */
  put(key: string, value: Uint8Array, options?: { previousSeq?: number }): Promise<number>;
  delete(key: string, options?: { previousSeq?: number }): Promise<void>;
}

/** What a bucket has beside that: read where it is there. */
interface BucketInside {
  readonly stream?: string;
  readonly js?: { readonly nc?: { readonly info?: { readonly max_payload?: number } } };
  readonly jsm?: { readonly streams?: { deleteMessage(stream: string, sequence: number, erase?: boolean): Promise<boolean> } };
  history?(options?: { key?: string }): Promise<AsyncIterable<NatsKvEntry>>;
}

/** Headers of a write count as payload; a message above `max_payload` costs the connection. */
const HEADER_BYTES = 1024;
const DEFAULT_MAX_PAYLOAD = 2 ** 20;

/** Codes of the JetStream API (nats-server, `server/errors.json`). */
const WRONG_LAST_SEQUENCE: ReadonlySet<number | undefined> = /* @__PURE__ */ new Set([10071, 10164]);
const TOO_LARGE: ReadonlySet<number | undefined> = /* @__PURE__ */ new Set([10054]);
const FULL: ReadonlySet<number | undefined> = /* @__PURE__ */ new Set([10023, 10028, 10047, 10077]);
const NO_STREAM = 10059;

/** The client did not send, or nobody took it: nothing was written. */
const NOT_SENT: ReadonlySet<string> = /* @__PURE__ */ new Set(["ClosedConnectionError", "DrainingConnectionError", "NoRespondersError", "JetStreamNotEnabled", "PermissionViolationError", "AuthorizationError"]);

/** @throws OptionError for an object that is no bucket. */
export function checkKv(kv: NatsKv): NatsKv {
  const missing = (["get", "put", "delete"] as const).filter((method) => typeof (kv as Partial<NatsKv> | null | undefined)?.[method] !== "function");
  if (missing.length > 0) throw new OptionError("kv", kv, `a key-value bucket of NATS; it lacks ${missing.join(", ")}`);
  return kv;
}

/** The largest record the server of this bucket takes, as far as the client says so. */
export function maxRecordBytes(kv: NatsKv): number {
  const max = (kv as BucketInside).js?.nc?.info?.max_payload;
  return (typeof max === "number" && max > HEADER_BYTES ? max : DEFAULT_MAX_PAYLOAD) - HEADER_BYTES;
}

/** Every call ends within `timeoutMs`, whatever the connection does. */
export class KvRecords implements RevisionStore<number> {
  readonly #kv: NatsKv;
  readonly #timeoutMs: number;
  readonly #clock: Clock;

  constructor(kv: NatsKv, timeoutMs: number, clock: Clock) {
    this.#kv = kv;
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
  }

  async read(key: string): Promise<Stored<number>> {
    const entry = await this.#call("get", "not-applied", () => this.#kv.get(key));
    if (entry === null) return { bytes: undefined, revision: 0 };
    const { operation, value, revision, created } = entry;
    const writtenAt = created?.getTime();
    const at = writtenAt === undefined || Number.isNaN(writtenAt) ? {} : { writtenAt };
    // A copy: the client's bytes are a view of what it received, and on Node of another class.
    return { bytes: operation === "DEL" || operation === "PURGE" ? undefined : new Uint8Array(value), revision, ...at };
  }

  async write(key: string, bytes: Uint8Array | undefined, revision: number): Promise<boolean> {
    try {
      if (bytes !== undefined) await this.#call("put", "unknown", () => this.#kv.put(key, bytes, { previousSeq: revision }));
      else if (revision > 0) await this.#call("delete", "unknown", () => this.#kv.delete(key, { previousSeq: revision }));
      return true;
    } catch (error) {
      if (WRONG_LAST_SEQUENCE.has(codeOf((error as { cause?: unknown }).cause))) return false;
      throw error;
    }
  }

  /** Writes whatever is there. */
  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.#call("put", "unknown", () => this.#kv.put(key, bytes));
  }

  /**
   * Every message of the bucket, marks of deleted keys included.
   *
   * @throws StoreError `STORE_CAPABILITY` for a bucket whose client cannot list them or delete one by its number.
   */
  entries(): { list(): Promise<AsyncIterable<NatsKvEntry>>; remove(revision: number): Promise<void> } {
    const inside = this.#kv as BucketInside;
    const { stream, jsm } = inside;
    if (inside.history === undefined || stream === undefined || jsm?.streams === undefined) {
      throw new StoreError("STORE_CAPABILITY", "this bucket cannot be cleaned: its client does not list messages or delete one by its sequence number; use a bucket of @nats-io/kv, or give the bucket a ttl", { outcome: "not-applied" });
    }
    return {
      list: () => this.#call("history", "not-applied", () => inside.history!({ key: ">" })),
      // By its number: a message that was replaced meanwhile has another one, so nothing newer is ever removed.
      remove: async (revision) => void (await this.#call("delete", "unknown", () => jsm.streams!.deleteMessage(stream, revision, false))),
    };
  }

  async #call<T>(operation: string, outcome: "not-applied" | "unknown", call: () => Promise<T>): Promise<T> {
    const late = (): Error => new StoreError("STORE_TIMEOUT", `nats: ${operation} gave no answer within ${this.#timeoutMs} ms`, { outcome });
    try {
      return await timed(call(), this.#timeoutMs, late, this.#clock);
    } catch (error) {
      throw natsError(error, operation, outcome);
    }
  }
}

/** What the client or the server said, as an error of the state layer. `lost` is the outcome when the reply was lost. */
export function natsError(error: unknown, operation: string, lost: "not-applied" | "unknown"): SluiceError {
  if (error instanceof SluiceError) return error;
  const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
  const code = codeOf(error);
  const refused = { cause: error, outcome: "not-applied" } as const;
  if (TOO_LARGE.has(code) || (name === "InvalidArgumentError" && message.includes("max_payload"))) return new StoreError("STORE_VALUE_TOO_LARGE", `nats: the value is over what the server or the bucket takes (${message})`, refused);
  if (FULL.has(code)) return new StoreError("STORE_FULL", `nats: ${message}`, refused);
  if (code === NO_STREAM || name === "StreamNotFoundError") return new StoreError("STORE_SCHEMA", "nats: the bucket does not exist any more; create it with new Kvm(connection).create(name)", refused);
  // A numeric code is an answer of the server: it decided against the call.
  const outcome = code !== undefined || NOT_SENT.has(name) || NOT_SENT.has((error as { cause?: { name?: string } } | null)?.cause?.name ?? "") ? "not-applied" : lost;
  if (name === "TimeoutError") return new StoreError("STORE_TIMEOUT", `nats: ${operation} gave no answer in time`, { cause: error, outcome });
  return new StoreError("STORE_UNAVAILABLE", `nats: ${operation} failed: ${message === "" ? "no reason given" : message}`, { cause: error, outcome });
}

/** The `err_code` of a JetStream error. */
function codeOf(error: unknown): number | undefined {
  const { code } = (typeof error === "object" && error !== null ? error : {}) as { code?: unknown };
  return typeof code === "number" ? code : undefined;
}
