/** Answers made of a stored response. What is the same for every use of a record is prepared once. */

import type { CacheRecord } from "../../../../state/contracts.ts";
import { bodyless } from "../../../response.ts";
import { isNotModified, type StoredValidators } from "./conditional.ts";
import { parseHttpDate } from "./http-date.ts";
import { ifRangeHolds, parseRange } from "./range.ts";

/** What a request says that changes the form of the answer. */
export interface AnswerRequest {
  readonly head: boolean;
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
}

/** What the cache says about the answer. */
export interface AnswerReport {
  readonly ageSeconds: number;
  /** Name of the field with the result in one word, or empty for none. */
  readonly resultField: string;
  readonly result: string;
  /** This cache's member of `Cache-Status`. */
  readonly cacheStatus: string;
  readonly now: number;
}

interface Prepared extends StoredValidators {
  /** Lower-case names; several `set-cookie` are kept apart in `cookies`. */
  readonly fields: Readonly<Record<string, string>>;
  readonly cookies: readonly string[];
  /** What stands before this cache's own member. */
  readonly statusPrefix: string;
}

const preparations: WeakMap<CacheRecord, Prepared> = /* @__PURE__ */ new WeakMap();

/** Fields of the representation that a 304 does not repeat (RFC 9110 15.4.5). */
const REPRESENTATION: readonly string[] = ["content-encoding", "content-language", "content-length", "content-range", "content-type"];

/** The response to send: whole, partial, "not modified" or without a body, as the request asks. */
export function answerFrom(record: CacheRecord, request: AnswerRequest, report: AnswerReport): Response {
  const prepared = preparations.get(record) ?? prepare(record);
  const fields: Record<string, string> = { ...prepared.fields };
  fields.age = String(report.ageSeconds);
  if (report.resultField !== "") fields[report.resultField] = report.result;
  fields["cache-status"] = prepared.statusPrefix + report.cacheStatus;

  const { status, body } = record;
  const success = status >= 200 && status < 300;
  if (success && (request.ifNoneMatch !== undefined || request.ifModifiedSince !== undefined)) {
    if (isNotModified(request.ifNoneMatch, request.ifModifiedSince, prepared, report.now)) {
      for (const name of REPRESENTATION) delete fields[name];
      return respond(null, 304, fields, prepared.cookies);
    }
  }
  if (bodyless(status)) return respond(null, status, fields, prepared.cookies);
  if (request.head) return respond(null, status, fields, prepared.cookies);
  if (request.range !== undefined && status === 200 && (request.ifRange === undefined || ifRangeHolds(request.ifRange, prepared, report.now))) {
    const range = parseRange(request.range, body.byteLength);
    if (range === "unsatisfiable") {
      for (const name of REPRESENTATION) delete fields[name];
      fields["content-range"] = `bytes */${body.byteLength}`;
      fields["content-length"] = "0";
      return respond(null, 416, fields, prepared.cookies);
    }
    if (range !== undefined) {
      const part = body.subarray(range.first, range.last + 1);
      fields["content-range"] = `bytes ${range.first}-${range.last}/${body.byteLength}`;
      fields["content-length"] = String(part.byteLength);
      return respond(part, 206, fields, prepared.cookies);
    }
  }
  return respond(body, status, fields, prepared.cookies);
}

/** The value of one stored field. */
export function storedField(record: CacheRecord, name: string): string | undefined {
  return (preparations.get(record) ?? prepare(record)).fields[name];
}

function prepare(record: CacheRecord): Prepared {
  const fields = Object.create(null) as Record<string, string>;
  const cookies: string[] = [];
  for (const [name, value] of record.headers) {
    if (name === "set-cookie") cookies.push(value);
    else fields[name] = fields[name] === undefined ? value : `${fields[name]}, ${value}`;
  }
  const upstreamStatus = fields["cache-status"];
  if (!bodyless(record.status)) fields["content-length"] = String(record.body.byteLength);
  const prepared: Prepared = {
    fields,
    cookies,
    statusPrefix: upstreamStatus === undefined || upstreamStatus === "" ? "" : `${upstreamStatus}, `,
    etag: fields.etag,
    lastModified: fields["last-modified"],
    date: parseHttpDate(fields.date, record.storedAt) ?? record.storedAt,
  };
  preparations.set(record, prepared);
  return prepared;
}

/** A plain object of fields is the cheapest form on every runtime; only repeated cookies need more. */
function respond(body: Uint8Array | null, status: number, fields: Record<string, string>, cookies: readonly string[]): Response {
  const response = new Response(body as Uint8Array<ArrayBuffer> | null, { status, headers: fields });
  for (const cookie of cookies) response.headers.append("set-cookie", cookie);
  return response;
}
