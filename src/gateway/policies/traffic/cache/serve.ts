/** Answers made of a stored response. What is the same for every use of a record is prepared once. */

import type { CacheRecord } from "../../../../state/contracts/cache.ts";
import { createFieldHeaders } from "../../../../core/field-headers.ts";
import { parseHttpDate } from "../../../../core/http-date.ts";
import { bodyless } from "../../../response.ts";
import { isNotModified, type StoredValidators } from "./conditional.ts";
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
  /** Name of the field with the result in one word, lower-case. */
  readonly resultField: string;
  readonly result: string;
  /** This cache's member of `Cache-Status`. */
  readonly cacheStatus: string;
  readonly now: number;
}

/** What is the same for every answer from one record. */
interface Prepared extends StoredValidators {
  /** Names of all fields of a whole answer, sorted, so that sending needs no sorting; and the values that do not change. */
  readonly names: readonly string[];
  readonly values: readonly string[];
  /** Where the fields stand that change. */
  readonly ageAt: number;
  readonly resultAt: number;
  readonly statusAt: number;
  readonly resultField: string;
  readonly cookies: readonly string[];
  /** The body to send: text where that is the same bytes, since Node writes head and text with one call. */
  readonly body: string | Uint8Array;
  /** What stands before this cache's own member of `Cache-Status`. */
  readonly statusPrefix: string;
}

const preparations: WeakMap<CacheRecord, Prepared> = /* @__PURE__ */ new WeakMap();

/** Fields of the representation that a 304 does not repeat (RFC 9110 15.4.5). */
const REPRESENTATION: readonly string[] = ["content-encoding", "content-language", "content-length", "content-range", "content-type"];

/** The response to send: whole, partial, "not modified" or without a body, as the request asks. */
export function answerFrom(record: CacheRecord, request: AnswerRequest, report: AnswerReport): Response {
  let prepared = preparations.get(record);
  if (prepared === undefined || prepared.resultField !== report.resultField) prepared = prepare(record, report.resultField);
  const fields = fieldsOf(prepared, report);
  const { status, body } = record;
  if (status >= 200 && status < 300 && (request.ifNoneMatch !== undefined || request.ifModifiedSince !== undefined)) {
    if (isNotModified(request.ifNoneMatch, request.ifModifiedSince, prepared, report.now)) {
      for (const name of REPRESENTATION) fields.delete(name);
      return new Response(null, { status: 304, headers: fields });
    }
  }
  if (request.head || bodyless(status)) return new Response(null, { status, headers: fields });
  if (request.range !== undefined && status === 200 && (request.ifRange === undefined || ifRangeHolds(request.ifRange, prepared, report.now))) {
    const range = parseRange(request.range, body.byteLength);
    if (range === "unsatisfiable") {
      for (const name of REPRESENTATION) fields.delete(name);
      fields.set("content-range", `bytes */${body.byteLength}`);
      fields.set("content-length", "0");
      return new Response(null, { status: 416, headers: fields });
    }
    if (range !== undefined) {
      const part = body.subarray(range.first, range.last + 1) as Uint8Array<ArrayBuffer>;
      fields.set("content-range", `bytes ${range.first}-${range.last}/${body.byteLength}`);
      fields.set("content-length", String(part.byteLength));
      return new Response(part, { status: 206, headers: fields });
    }
  }
  return new Response(prepared.body as string | Uint8Array<ArrayBuffer>, { status, headers: fields });
}

/** The value of one stored field. */
export function storedField(record: CacheRecord, name: string): string | undefined {
  let value: string | undefined;
  for (const [other, text] of record.headers) if (other === name) value = value === undefined ? text : `${value}, ${text}`;
  return value;
}

/** The fields of a whole answer. Stored ones were checked when they came in. */
function fieldsOf(prepared: Prepared, report: AnswerReport): Headers {
  const { names, values, ageAt, resultAt, statusAt } = prepared;
  const fields = createFieldHeaders();
  for (let i = 0; i < names.length; i++) {
    let value = values[i] as string;
    if (i === ageAt) value = String(report.ageSeconds);
    else if (i === resultAt) value = report.result;
    else if (i === statusAt) value = prepared.statusPrefix + report.cacheStatus;
    fields.receive(names[i] as string, value);
  }
  for (const cookie of prepared.cookies) fields.append("set-cookie", cookie);
  return fields;
}

function prepare(record: CacheRecord, resultField: string): Prepared {
  const fields = new Map<string, string>();
  const cookies: string[] = [];
  for (const [name, value] of record.headers) {
    const known = fields.get(name);
    if (name === "set-cookie") cookies.push(value);
    else fields.set(name, known === undefined ? value : `${known}, ${value}`);
  }
  const upstreamStatus = fields.get("cache-status");
  const etag = fields.get("etag");
  const lastModified = fields.get("last-modified");
  const date = parseHttpDate(fields.get("date"), record.storedAt) ?? record.storedAt;
  const typed = fields.has("content-type");
  if (!bodyless(record.status)) fields.set("content-length", String(record.body.byteLength));
  for (const name of ["age", "cache-status", resultField]) fields.set(name, "");
  const sorted = [...fields].sort(([a], [b]) => (a < b ? -1 : 1));
  const names = sorted.map(([name]) => name);
  const prepared: Prepared = {
    names,
    values: sorted.map(([, value]) => value),
    ageAt: names.indexOf("age"),
    resultAt: names.indexOf(resultField),
    statusAt: names.indexOf("cache-status"),
    resultField,
    cookies,
    // Without a type of its own, a text would be given one.
    body: typed ? (asText(record.body) ?? record.body) : record.body,
    statusPrefix: upstreamStatus === undefined || upstreamStatus === "" ? "" : `${upstreamStatus}, `,
    etag,
    lastModified,
    date,
  };
  preparations.set(record, prepared);
  return prepared;
}

/** Longest body that is also kept as text; it is not counted by the store, and beyond this size one call more is nothing. */
const MAX_TEXT_BYTES = 4096;
const utf8: TextDecoder = /* @__PURE__ */ new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text whose UTF-8 is exactly these bytes. */
function asText(bytes: Uint8Array): string | undefined {
  if (bytes.byteLength > MAX_TEXT_BYTES) return undefined;
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
