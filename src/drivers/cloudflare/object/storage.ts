/** Where an object keeps its records: a table of its SQLite database, or its key-value storage where it has none. */

import { StoreError } from "../../../core/errors.ts";
import type { MaybePromise } from "../../../core/maybe-promise.ts";
import { expiryOf } from "../../../state/plain-record.ts";
import type { DurableObjectStorageLike, SqlStorageLike } from "../types.ts";

export interface RecordStorage {
  /** Largest record, in bytes. */
  readonly maxRecordBytes: number;
  /** The records of `keys`, in their order. SQLite answers at once. */
  read(keys: readonly string[]): MaybePromise<(Uint8Array | undefined)[]>;
  /** `expiresAt`: epoch ms. A failure is thrown or rejects, and nothing is written. */
  write(key: string, bytes: Uint8Array, expiresAt: number | undefined): MaybePromise<void>;
  delete(key: string): MaybePromise<boolean>;
  /** Deletes what has expired. Gives the next expiry of what is left, and whether anything is left. */
  sweep(now: number): MaybePromise<{ readonly next: number | undefined; readonly empty: boolean }>;
  /** The storage was deleted as a whole. */
  forget(): void;
}

/** The SQLite table if the class has SQLite (`new_sqlite_classes`), else key-value storage (`new_classes`). */
export function recordStorage(storage: DurableObjectStorageLike): RecordStorage {
  return hasSql(storage) ? new SqlRecords(storage.sql) : new KeyedRecords(storage);
}

function hasSql(storage: DurableObjectStorageLike): boolean {
  try {
    storage.sql.exec("SELECT 1").toArray();
    return true;
  } catch {
    return false;
  }
}

/** A row is at most 2 MB; the rest is for key and row. */
const MAX_ROW_BYTES = 2_000_000 - 4096;

class SqlRecords implements RecordStorage {
  readonly maxRecordBytes = MAX_ROW_BYTES;
  readonly #sql: SqlStorageLike;
  #ready = false;

  constructor(sql: SqlStorageLike) {
    this.#sql = sql;
  }

  read(keys: readonly string[]): (Uint8Array | undefined)[] {
    this.#prepare();
    return keys.map((key) => {
      const [row] = this.#sql.exec("SELECT state FROM sluice_records WHERE key = ?", key).toArray();
      return row === undefined ? undefined : new Uint8Array(row["state"] as ArrayBuffer);
    });
  }

  write(key: string, bytes: Uint8Array, expiresAt: number | undefined): void {
    checkSize(bytes, this.maxRecordBytes);
    this.#prepare();
    this.#sql.exec(
      "INSERT INTO sluice_records (key, state, expires_at) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at",
      key, bytes, expiresAt === undefined ? null : Math.ceil(expiresAt),
    );
  }

  delete(key: string): boolean {
    this.#prepare();
    return this.#sql.exec("DELETE FROM sluice_records WHERE key = ?", key).rowsWritten > 0;
  }

  sweep(now: number): { next: number | undefined; empty: boolean } {
    this.#prepare();
    this.#sql.exec("DELETE FROM sluice_records WHERE expires_at <= ?", now);
    const [row] = this.#sql.exec("SELECT MIN(expires_at) AS next, COUNT(*) AS count FROM sluice_records").toArray();
    return { next: (row?.["next"] as number | null) ?? undefined, empty: row?.["count"] === 0 };
  }

  forget(): void {
    this.#ready = false;
  }

  #prepare(): void {
    if (this.#ready) return;
    // No index on the expiry: it moves with most writes, and every index is one more row written and billed.
    this.#sql.exec("CREATE TABLE IF NOT EXISTS sluice_records (key TEXT PRIMARY KEY, state BLOB NOT NULL, expires_at INTEGER) WITHOUT ROWID");
    this.#ready = true;
  }
}

/** Values are at most 128 KiB. */
const MAX_VALUE_BYTES = 131_072 - 1024;
const PREFIX = "sluice:";
const PAGE = 128;

class KeyedRecords implements RecordStorage {
  readonly maxRecordBytes = MAX_VALUE_BYTES;
  readonly #storage: DurableObjectStorageLike;

  constructor(storage: DurableObjectStorageLike) {
    this.#storage = storage;
  }

  async read(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    const found: (Uint8Array | undefined)[] = [];
    for (let at = 0; at < keys.length; at += PAGE) {
      const page = keys.slice(at, at + PAGE).map((key) => PREFIX + key);
      const values = await this.#storage.get(page);
      for (const key of page) found.push(values.get(key) as Uint8Array | undefined);
    }
    return found;
  }

  write(key: string, bytes: Uint8Array): Promise<void> {
    checkSize(bytes, this.maxRecordBytes);
    return this.#storage.put(PREFIX + key, bytes);
  }

  async delete(key: string): Promise<boolean> {
    return (await this.#storage.delete([PREFIX + key])) > 0;
  }

  async sweep(now: number): Promise<{ next: number | undefined; empty: boolean }> {
    let startAfter: string | undefined;
    let next: number | undefined;
    let empty = true;
    for (;;) {
      const page = await this.#storage.list({ prefix: PREFIX, limit: PAGE, ...(startAfter === undefined ? {} : { startAfter }) });
      const expired: string[] = [];
      for (const [key, value] of page) {
        startAfter = key;
        const expiresAt = expiryOf(value as Uint8Array);
        if (expiresAt !== undefined && expiresAt <= now) {
          expired.push(key);
          continue;
        }
        empty = false;
        if (expiresAt !== undefined && (next === undefined || expiresAt < next)) next = expiresAt;
      }
      if (expired.length > 0) await this.#storage.delete(expired);
      if (page.size < PAGE) return { next, empty };
    }
  }

  forget(): void {}
}

function checkSize(bytes: Uint8Array, most: number): void {
  if (bytes.length > most) throw new StoreError("STORE_VALUE_TOO_LARGE", `a record of ${bytes.length} bytes is over the ${most} that the object can store`, { outcome: "not-applied" });
}
