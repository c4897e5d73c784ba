/** Who listens to what, and who has missed something: in the broker's SQLite database, so that it outlives the broker's sleep. */

import { StoreError } from "../../../core/errors.ts";
import type { DurableObjectStorageLike, SqlStorageLike } from "../types.ts";

export interface Missed {
  readonly hub: string;
  /** Epoch ms. */
  readonly since: number;
  readonly tries: number;
}

export class Listeners {
  readonly #storage: DurableObjectStorageLike;
  #prepared: SqlStorageLike | undefined;
  /** Who has missed something, as the table has it. */
  #missed: Map<string, Missed> | undefined;

  constructor(storage: DurableObjectStorageLike) {
    this.#storage = storage;
  }

  add(name: string, hub: string): void {
    this.#sql().exec("INSERT OR IGNORE INTO sluice_listeners (name, hub) VALUES (?, ?)", name, hub);
  }

  remove(name: string, hub: string): void {
    this.#sql().exec("DELETE FROM sluice_listeners WHERE name = ? AND hub = ?", name, hub);
  }

  /** Forgets an object: it has been silent for too long. */
  removeHub(hub: string): void {
    this.#sql().exec("DELETE FROM sluice_listeners WHERE hub = ?", hub);
    this.reached(hub);
  }

  of(name: string): string[] {
    return this.#sql().exec("SELECT hub FROM sluice_listeners WHERE name = ?", name).toArray().map((row) => row["hub"] as string);
  }

  count(): number {
    return this.#sql().exec("SELECT COUNT(*) AS count FROM sluice_listeners").toArray()[0]?.["count"] as number;
  }

  missedSince(hub: string): number | undefined {
    return this.#all().get(hub)?.since;
  }

  missed(): Missed[] {
    return [...this.#all().values()];
  }

  /** Something could not be handed over. The first instant counts until {@link reached}. */
  miss(hub: string, now: number, tried: boolean): Missed {
    const known = this.#all().get(hub);
    const missed = { hub, since: known?.since ?? now, tries: (known?.tries ?? 0) + (tried ? 1 : 0) };
    this.#sql().exec("INSERT INTO sluice_missed (hub, since, tries) VALUES (?, ?, ?) ON CONFLICT (hub) DO UPDATE SET tries = excluded.tries", hub, missed.since, missed.tries);
    this.#all().set(hub, missed);
    return missed;
  }

  /** It has been told. */
  reached(hub: string): void {
    if (!this.#all().has(hub)) return;
    this.#sql().exec("DELETE FROM sluice_missed WHERE hub = ?", hub);
    this.#all().delete(hub);
  }

  #all(): Map<string, Missed> {
    return (this.#missed ??= new Map(this.#sql().exec("SELECT hub, since, tries FROM sluice_missed").toArray().map((row) => [row["hub"] as string, row as unknown as Missed])));
  }

  #sql(): SqlStorageLike {
    if (this.#prepared !== undefined) return this.#prepared;
    try {
      const { sql } = this.#storage;
      sql.exec("CREATE TABLE IF NOT EXISTS sluice_listeners (name TEXT NOT NULL, hub TEXT NOT NULL, PRIMARY KEY (name, hub)) WITHOUT ROWID");
      sql.exec("CREATE TABLE IF NOT EXISTS sluice_missed (hub TEXT PRIMARY KEY, since INTEGER NOT NULL, tries INTEGER NOT NULL) WITHOUT ROWID");
      return (this.#prepared = sql);
    } catch (error) {
      throw new StoreError("STORE_CAPABILITY", "pub/sub needs SQLite: list PubSubDO under new_sqlite_classes in migrations", { cause: error, outcome: "not-applied" });
    }
  }
}
