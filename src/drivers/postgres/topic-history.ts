/**
 * The history of topics in Postgres. A topic is a row with its newest number, and whoever adds an entry holds that row to the
 * end of the statement: numbers are visible in their order. The same statement tells everybody who listens. The tables are
 * unlogged: a crash of the server empties both, and with the row goes the epoch, so clients are told.
 */

import { encodeText } from "../../core/codec.ts";
import { escapeKeyPart } from "../../core/keys.ts";
import type { WireAnnouncement, WireHistory } from "../../state/pubsub/backend-pub-sub.ts";
import { type LogOptions, type LogSlice, REMEMBERED_MS, isGap, parseOffset } from "../../state/pubsub/topic-log.ts";
import type { PostgresConnection, Statement } from "./client.ts";
import { postgresError } from "./failure.ts";
import { INLINE_BYTES } from "./outbox.ts";

/** Appends between two looks at what nobody reads any more. */
const SWEEP_EVERY = 512;

export class PostgresTopicHistory implements WireHistory {
  readonly #connection: PostgresConnection;
  readonly #append: Statement;
  readonly #read: Statement;
  readonly #sweep: Statement;
  readonly #tag: () => string;
  #appended = 0;

  constructor(connection: PostgresConnection, tablePrefix: string, tag: () => string) {
    this.#connection = connection;
    this.#tag = tag;
    const [topics, entries] = [`${tablePrefix}topics`, `${tablePrefix}topic_entries`];
    // `total` is the bytes of a topic up to and with an entry: what is kept of it is a difference.
    this.#append = {
      name: `${tablePrefix}topic_append`,
      text: `WITH head AS (
  INSERT INTO ${topics} AS t (topic, epoch, last, total) VALUES ($1::text, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, 1, octet_length($2::text))
  ON CONFLICT (topic) DO UPDATE SET last = t.last + 1, total = t.total + excluded.total, sent_at = clock_timestamp()
  RETURNING epoch, last, total
), added AS (
  INSERT INTO ${entries} (topic, epoch, n, body, total) SELECT $1::text, epoch, last, $2::text, total FROM head RETURNING n
), old AS (
  DELETE FROM ${entries} e USING head h WHERE e.topic = $1::text AND (
    e.epoch <> h.epoch OR e.n <= h.last - $3::text::bigint OR e.sent_at <= clock_timestamp() - $4::text::float8 * interval '1 millisecond'
    OR h.total - e.total + octet_length(e.body) > $5::text::bigint)
)
SELECT h.epoch, h.last, CASE WHEN $6::text = '' THEN NULL ELSE pg_notify($6::text, $7::text || h.epoch || ':' || h.last || $8::text)::text END AS told FROM head h, added`,
    };
    this.#read = {
      name: `${tablePrefix}topic_read`,
      text: `WITH head AS (SELECT epoch, last, total FROM ${topics} WHERE topic = $1::text), kept AS (
  SELECT e.n, e.body FROM ${entries} e, head h WHERE e.topic = $1::text AND e.epoch = h.epoch AND e.n > h.last - $2::text::bigint
    AND e.sent_at > clock_timestamp() - $3::text::float8 * interval '1 millisecond' AND h.total - e.total + octet_length(e.body) <= $4::text::bigint
)
SELECT h.epoch, h.last, (SELECT min(n) FROM kept) AS first, k.n, k.body FROM head h LEFT JOIN LATERAL (
  SELECT n, body FROM kept WHERE n > CASE WHEN $5::text = h.epoch::text AND $6::text::bigint <= h.last THEN $6::text::bigint ELSE 0 END
  ORDER BY CASE WHEN $5::text = '' THEN -n ELSE n END LIMIT $7::text::bigint
) k ON true ORDER BY k.n`,
    };
    this.#sweep = {
      name: `${tablePrefix}topic_sweep`,
      text: `WITH gone AS (
  DELETE FROM ${topics} WHERE topic IN (SELECT topic FROM ${topics} WHERE sent_at < clock_timestamp() - $1::text::float8 * interval '1 millisecond' LIMIT 1000 FOR UPDATE SKIP LOCKED) RETURNING topic
)
DELETE FROM ${entries} WHERE topic IN (SELECT topic FROM gone)`,
    };
  }

  async append(topic: string, body: string, options: LogOptions, announcement: WireAnnouncement | undefined): Promise<string> {
    const { physical = "", before, after } = announcement === undefined ? NOBODY : this.#notice(topic, announcement);
    try {
      const [row] = await this.#connection.execute(this.#append, [escapeKeyPart(topic), body, ...limits(options), physical, before, after]);
      if (++this.#appended % SWEEP_EVERY === 0) this.#connection.execute(this.#sweep, [String(Math.max(options.ttlMs, REMEMBERED_MS))]).catch(() => undefined);
      return `${row!["epoch"]}:${row!["last"]}`;
    } catch (error) {
      throw postgresError(error, "write");
    }
  }

  /** A message too long for a notification is told of by its number alone: who listens reads it here. */
  #notice(topic: string, { physical, before, after }: WireAnnouncement): WireAnnouncement {
    const tag = `m${this.#tag()}:`;
    const length = before.length + after.length + 64;
    const long = length * 3 > INLINE_BYTES && encodeText(before).length + encodeText(after).length + 64 > INLINE_BYTES;
    return long ? { physical, before: `${tag}{"offset":"`, after: `","topic":${JSON.stringify(topic)}}` } : { physical, before: tag + before, after };
  }

  async read(topic: string, after: string | undefined, options: LogOptions, limit: number): Promise<LogSlice> {
    const from = parseOffset(after);
    const [epoch, n] = after === undefined ? ["", "0"] : [from?.epoch ?? "none", String(from?.n ?? 0)];
    try {
      const rows = await this.#connection.execute(this.#read, [escapeKeyPart(topic), ...limits(options), epoch, n, String(Number.isFinite(limit) ? limit : 2 ** 31)]);
      const [head] = rows;
      if (head === undefined) return { entries: [], gap: after !== undefined, last: undefined };
      const own = String(head["epoch"]);
      const last = Number(head["last"]);
      const entries = rows.filter(({ n: number }) => number !== null).map((row) => ({ offset: `${own}:${row["n"]}`, body: String(row["body"]) }));
      return { entries, gap: isGap(after, own, head["first"] === null ? last + 1 : Number(head["first"]), last), last: `${own}:${last}` };
    } catch (error) {
      throw postgresError(error, "read");
    }
  }
}

const NOBODY: WireAnnouncement = { physical: "", before: "", after: "" };

function limits({ size, ttlMs, maxBytes }: LogOptions): string[] {
  return [String(size), String(ttlMs), String(maxBytes)];
}
