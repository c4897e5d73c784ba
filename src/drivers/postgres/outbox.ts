/**
 * What one object publishes, in order. Notifications are sent one statement after the other: two at a time could commit in
 * either order, and all notifying transactions of a database wait for one lock at their commit anyway. What waits meanwhile
 * leaves together.
 */

import type { PostgresConnection, Statement } from "./client.ts";
import { postgresError } from "./failure.ts";
import { arrayLiteral } from "./statements.ts";

/** Postgres takes payloads below 8,000 bytes; the rest is for what stands in front of the text. */
export const INLINE_BYTES = 7900;

/** Messages of one statement. */
const MOST = 256;

/** How long a message that is passed by reference can be fetched. */
const KEEP = "60 seconds";

export interface OutgoingMessage {
  readonly channel: string;
  /** Unique per message: Postgres drops equal notifications of one transaction. */
  readonly tag: string;
  readonly text: string;
  /** Too long for a notification. */
  readonly long: boolean;
}

interface Waiting {
  readonly message: OutgoingMessage;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Outbox {
  readonly #connection: PostgresConnection;
  readonly #notify: Statement;
  readonly #store: Statement;
  readonly #fetch: Statement;
  #waiting: Waiting[] = [];
  #sending = false;

  constructor(connection: PostgresConnection, tablePrefix: string) {
    const table = `${tablePrefix}messages`;
    this.#connection = connection;
    this.#notify = {
      name: `${tablePrefix}notify`,
      text: "SELECT pg_notify(i.channel, i.payload) FROM unnest($1::text::text[], $2::text::text[]) WITH ORDINALITY AS i (channel, payload, n) ORDER BY i.n",
    };
    this.#store = {
      name: `${tablePrefix}notify_stored`,
      text: `WITH old AS (
  DELETE FROM ${table} WHERE id IN (SELECT id FROM ${table} WHERE sent_at < clock_timestamp() - interval '${KEEP}' ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED)
), stored AS (INSERT INTO ${table} (payload) VALUES ($3::text) RETURNING id)
SELECT pg_notify($1::text, $2::text || id) FROM stored`,
    };
    this.#fetch = { name: `${tablePrefix}message`, text: `SELECT payload FROM ${table} WHERE id = $1::text::bigint` };
  }

  /** Resolves when the server has taken it. */
  send(message: OutgoingMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ message, resolve, reject });
      if (!this.#sending) void this.#drain();
    });
  }

  /** The text of a message that was passed by reference; `undefined` when it is no longer there. */
  async fetch(id: string): Promise<string | undefined> {
    const [row] = await this.#connection.execute(this.#fetch, [id]);
    return row === undefined ? undefined : String(row["payload"]);
  }

  async #drain(): Promise<void> {
    this.#sending = true;
    // Callers of one turn leave together.
    await undefined;
    while (this.#waiting.length > 0) {
      const batch = this.#take();
      try {
        await this.#execute(batch.map(({ message }) => message));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        const failure = postgresError(error, "write");
        for (const { reject } of batch) reject(failure);
      }
    }
    this.#sending = false;
  }

  /** A long message alone, or short ones up to the next long one. */
  #take(): Waiting[] {
    const firstLong = this.#waiting.findIndex(({ message }) => message.long);
    const count = firstLong === 0 ? 1 : Math.min(MOST, firstLong < 0 ? this.#waiting.length : firstLong);
    return this.#waiting.splice(0, count);
  }

  #execute(batch: readonly OutgoingMessage[]): Promise<unknown> {
    const [first] = batch as [OutgoingMessage];
    if (first.long) return this.#connection.execute(this.#store, [first.channel, `x${first.tag}:`, first.text]);
    return this.#connection.execute(this.#notify, [arrayLiteral(batch.map(({ channel }) => channel)), arrayLiteral(batch.map(({ tag, text }) => `m${tag}:${text}`))]);
  }
}
