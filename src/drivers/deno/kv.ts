/** A Deno KV database as a store with revisions, and what its errors mean. */

import { type Clock, sleep } from "../../core/clock.ts";
import { encodeValue } from "../../core/codec.ts";
import { OptionError, SluiceError, StoreError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import { value } from "../../state/algorithms/value.ts";
import type { RevisionStore, RevisionWrite, Stored } from "../../state/compare-and-set.ts";
import { encodeRecord } from "../../state/record.ts";
import { timed } from "../../state/timed.ts";

/** A key of the database: parts. */
export type DenoKvKey = readonly string[];

/** One entry; `versionstamp` is `null` for a key that is not there. */
export interface DenoKvEntryLike {
  readonly value: unknown;
  readonly versionstamp: string | null;
}

/** A transaction of the database. */
export interface DenoKvAtomicLike {
  check(...checks: { key: DenoKvKey; versionstamp: string | null }[]): DenoKvAtomicLike;
  /** `expireIn`: ms from now. A write without it has no expiry. */
  set(key: DenoKvKey, value: unknown, options?: { expireIn?: number }): DenoKvAtomicLike;
  delete(key: DenoKvKey): DenoKvAtomicLike;
  commit(): Promise<{ readonly ok: boolean }>;
}

/** What of a database is used: `Deno.openKv()` gives one, and `openKv()` of `@deno/kv` on Node and Bun. */
export interface DenoKvLike {
  get(key: DenoKvKey): Promise<DenoKvEntryLike>;
  /** Is asked for at most ten keys. Without it each is read by `get`. */
  getMany?(keys: DenoKvKey[]): Promise<DenoKvEntryLike[]>;
  atomic(): DenoKvAtomicLike;
}

/** A value is at most 65,536 bytes with the head of its serialisation. */
export const MAX_RECORD_BYTES = 65_500;

/**
 * Keys of one read, and checks of one transaction: what every backend takes. Deno itself takes 100 checks, `@deno/kv` takes
 * 10. Ten records fit into a transaction, whose values may have 800 KiB.
 */
export const KEYS_PER_CALL = 10;

/** How often a call is repeated that found the file locked by another process, and the waits in between. */
const BUSY_TRIES = 20;
const MIN_WAIT_MS = 5;
const MAX_WAIT_MS = 100;

/** The database takes no longer life: a hundred years. */
const MAX_EXPIRE_IN_MS = 3_153_600_000_000;

/** @throws OptionError for an object that is no database. */
export function checkKv(kv: DenoKvLike): DenoKvLike {
  const missing = (["get", "atomic"] as const).filter((method) => typeof (kv as Partial<DenoKvLike> | null | undefined)?.[method] !== "function");
  if (missing.length > 0) throw new OptionError("kv", kv, `a Deno KV database, such as \`await Deno.openKv()\` gives; it lacks ${missing.join(", ")}`);
  return kv;
}

/** Every call ends within `timeoutMs`, whatever the database does. Keys lie under one part, or under none. */
export class KvRecords implements RevisionStore<string | null> {
  readonly #kv: DenoKvLike;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(kv: DenoKvLike, prefix: string, timeoutMs: number, clock: Clock, random: Random) {
    this.#kv = kv;
    this.#prefix = prefix;
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#random = random;
  }

  async read(key: string): Promise<Stored<string | null>> {
    return this.#stored(await this.#call("get", "not-applied", () => this.#kv.get(this.#path(key))));
  }

  async readMany(keys: readonly string[]): Promise<Stored<string | null>[]> {
    const { getMany } = this.#kv;
    if (getMany === undefined) return Promise.all(keys.map((key) => this.read(key)));
    const entries = await this.#call("getMany", "not-applied", () => getMany.call(this.#kv, keys.map((key) => this.#path(key))));
    return entries.map((entry) => this.#stored(entry));
  }

  write(key: string, bytes: Uint8Array | undefined, revision: string | null, expiresAt: number | undefined): Promise<boolean> {
    return this.writeMany([{ key, bytes, revision, expiresAt }]);
  }

  async writeMany(writes: readonly RevisionWrite<string | null>[]): Promise<boolean> {
    const kept = writes.filter(({ bytes, revision }) => bytes !== undefined || revision !== null);
    if (kept.length === 0) return true;
    return this.#commit((atomic) => {
      for (const { key, bytes, revision, expiresAt } of kept) {
        const path = this.#path(key);
        atomic = atomic.check({ key: path, versionstamp: revision });
        atomic = bytes === undefined ? atomic.delete(path) : atomic.set(path, bytes, this.#lifetime(expiresAt));
      }
      return atomic;
    });
  }

  /** Writes whatever is there. */
  async put(key: string, bytes: Uint8Array, expiresAt: number | undefined): Promise<void> {
    await this.#commit((atomic) => atomic.set(this.#path(key), bytes, this.#lifetime(expiresAt)));
  }

  #path(key: string): DenoKvKey {
    return this.#prefix === "" ? [key] : [this.#prefix, key];
  }

  /** Each write says the remaining life again: one without it would make the entry immortal. */
  #lifetime(expiresAt: number | undefined): { expireIn: number } | undefined {
    if (expiresAt === undefined) return undefined;
    return { expireIn: Math.min(MAX_EXPIRE_IN_MS, Math.max(1, Math.ceil(expiresAt - this.#clock.now()))) };
  }

  #commit(build: (atomic: DenoKvAtomicLike) => DenoKvAtomicLike): Promise<boolean> {
    return this.#call("commit", "unknown", async () => {
      let atomic: DenoKvAtomicLike;
      try {
        atomic = build(this.#kv.atomic());
      } catch (error) {
        throw kvError(error, "commit", "not-applied");
      }
      const { ok } = await atomic.commit();
      if (typeof ok !== "boolean") throw new StoreError("STORE_CORRUPT", "deno kv: a commit was answered without ok", { outcome: "unknown" });
      return ok;
    });
  }

  #stored({ value: found, versionstamp }: DenoKvEntryLike): Stored<string | null> {
    if (versionstamp === null) return { bytes: undefined, revision: null };
    return { bytes: found instanceof Uint8Array ? found : this.#foreign(found), revision: versionstamp };
  }

  /** What others wrote under a key reads as the value it is: text as text, anything else as the same JSON. */
  #foreign(found: unknown): Uint8Array {
    try {
      const text = typeof found === "string" ? found : encodeValue(found);
      const { state } = value.step(undefined, { type: "set", text }, this.#clock.now());
      return encodeRecord(value, state as NonNullable<typeof state>);
    } catch (cause) {
      throw new StoreError("STORE_CORRUPT", "deno kv: the key holds a value that is neither a record of Sluice nor JSON", { cause, outcome: "not-applied" });
    }
  }

  async #call<T>(operation: string, outcome: "not-applied" | "unknown", call: () => Promise<T>): Promise<T> {
    let expired = false;
    const late = (): Error => {
      expired = true;
      return new StoreError("STORE_TIMEOUT", `deno kv: ${operation} gave no answer within ${this.#timeoutMs} ms`, { outcome });
    };
    const patient = async (): Promise<T> => {
      for (let tries = 1; ; tries++) {
        try {
          return await call();
        } catch (error) {
          if (!isBusy(error) || tries >= BUSY_TRIES || expired) throw error;
          await sleep(MIN_WAIT_MS + Math.min(MAX_WAIT_MS, MIN_WAIT_MS * tries) * this.#random.next(), this.#clock);
          if (expired) throw error;
        }
      }
    };
    try {
      return await timed(patient(), this.#timeoutMs, late, this.#clock);
    } catch (error) {
      throw kvError(error, operation, outcome);
    }
  }
}

/** Another process holds the file (SQLite's codes 5 and 6): nothing was done. */
function isBusy(error: unknown): boolean {
  return /database (?:table )?is locked|SQLITE_BUSY/i.test(String((error as { message?: unknown } | null)?.message ?? error));
}

/** What the database said, as an error of the state layer. `lost` is the outcome when the reply was lost. */
function kvError(error: unknown, operation: string, lost: "not-applied" | "unknown"): SluiceError {
  if (error instanceof SluiceError) return error;
  const { name, message: whole } = error instanceof Error ? error : { name: "", message: String(error) };
  // Some messages go on with a stack of native code.
  const message = whole.split("\n", 1)[0] as string;
  const refused = { cause: error, outcome: "not-applied" } as const;
  if (/value too large|mutation size too large/i.test(message)) return new StoreError("STORE_VALUE_TOO_LARGE", `deno kv: ${message}`, refused);
  // A closed database, in Deno and in @deno/kv; and arguments it checked before it did anything.
  if (isBusy(error)) return new StoreError("STORE_UNAVAILABLE", "deno kv: the database stays locked by another process", refused);
  const closed = name === "BadResource" || /after '?\.?close|resource id/i.test(message);
  if (closed) return new StoreError("STORE_UNAVAILABLE", "deno kv: the database is closed", refused);
  return new StoreError("STORE_UNAVAILABLE", `deno kv: ${operation} failed: ${message === "" ? "no reason given" : message}`, name === "TypeError" ? refused : { cause: error, outcome: lost });
}
