/** Answers whose bytes a policy must read: asked for without a content coding, and decoded under a cap where one has it all the same. */

import type { Context } from "hono";
import { concatBytes } from "../core/concat-bytes.ts";
import { collectBody } from "./collect-body.ts";
import { editRequestFields } from "./request-edit.ts";

/** A coding that is undone here; one layer of it. */
const FORMATS: Readonly<Record<string, CompressionFormat>> = { __proto__: null as never, gzip: "gzip", "x-gzip": "gzip", deflate: "deflate" };

/** What a body may come to when it is decoded: more is a bomb, or nothing a policy should hold. */
const MAX_DECODED_BYTES = 10 * 1_048_576;
const MAX_RATIO = 100;
/** Lists of equal items compress better than the ratio, and do no harm while they are this small. */
const UNRATED_BYTES = 65_536;
/** A decoder may give all that a chunk holds at once: at most a thousand times this. */
const SLICE_BYTES = 16_384;

/**
 * Makes what inner layers and the upstream get a request for a whole answer without content coding (RFC 9110 12.5.3, 14.2). The
 * client's own wish is lost to them; `compression` has read it before.
 */
export function askForPlainAnswer(c: Context): void {
  const { headers } = c.req.raw;
  if (headers.get("accept-encoding") === "identity" && !headers.has("range")) return;
  editRequestFields(c, (fields) => {
    fields.set("accept-encoding", "identity");
    // A part of an answer can be neither judged nor changed.
    fields.delete("range");
    fields.delete("if-range");
  });
}

/** The coding of an answer in lower case, a list of several; `undefined` where its bytes are plain. */
export function codingOf(headers: Headers): string | undefined {
  const coding = headers.get("content-encoding")?.trim().toLowerCase() ?? "";
  return coding === "" || coding === "identity" ? undefined : coding;
}

/** The body of an answer: its plain bytes, or why there are none; and the body as it came, which can be sent on either way. */
export type AnswerBody =
  | { readonly bytes: Uint8Array<ArrayBuffer>; readonly raw: Uint8Array<ArrayBuffer>; readonly why?: undefined }
  | { readonly bytes: undefined; readonly raw: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>; readonly why: string };

/** Reads the body of `response`, of at most `limit` plain bytes. */
export async function readAnswer(response: Response, limit: number): Promise<AnswerBody> {
  const body = response.body as ReadableStream<Uint8Array> | null;
  if (body === null) return { bytes: new Uint8Array(0), raw: new Uint8Array(0) };
  if (response.status === 206) return { bytes: undefined, raw: body, why: "it is a part of an answer" };
  const coding = codingOf(response.headers);
  const most = coding === undefined ? limit : Math.min(limit, MAX_DECODED_BYTES);
  if (coding !== undefined && !decodes(coding)) return { bytes: undefined, raw: body, why: "it has a content coding that cannot be undone" };
  const raw = (await collectBody(body, most)) as Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  if (!(raw instanceof Uint8Array)) return { bytes: undefined, raw, why: `it is longer than ${most} bytes` };
  if (coding === undefined) return { bytes: raw, raw };
  const bytes = await decoded(raw, coding, most);
  return bytes === undefined ? { bytes, raw, why: `its content coding is broken, or hides more than ${most} bytes or ${MAX_RATIO} times its length` } : { bytes, raw };
}

async function decoded(raw: Uint8Array, coding: string, limit: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const take = (chunk: Uint8Array): void => {
    chunks.push(chunk);
    size += chunk.byteLength;
  };
  const decoder = createDecoder(coding, take, limit);
  await decoder?.write(raw);
  return (await decoder?.end()) === true ? (concatBytes(chunks, size) as Uint8Array<ArrayBuffer>) : undefined;
}

function decodes(coding: string): boolean {
  return FORMATS[coding] !== undefined && typeof DecompressionStream === "function";
}

/** Undoes a content coding while its bytes come. */
export interface Decoder {
  /** Settles when there is room for more; never rejects. */
  write(chunk: Uint8Array): Promise<void>;
  /** Whether all that was written could be decoded within the caps. `cut`: the end may be missing. */
  end(cut?: boolean): Promise<boolean>;
}

/** A decoder of `coding`; `undefined` when the platform has none, or it is a list of several. */
export function createDecoder(coding: string, take: (bytes: Uint8Array) => void, limit: number = MAX_DECODED_BYTES): Decoder | undefined {
  const format = FORMATS[coding];
  if (format === undefined || !decodes(coding)) return undefined;
  const { readable, writable } = new DecompressionStream(format) as unknown as { readable: ReadableStream<Uint8Array>; writable: WritableStream<Uint8Array> };
  const reader = readable.getReader();
  const writer = writable.getWriter();
  for (const closed of [reader.closed, writer.closed]) closed.catch(() => {});
  let given = 0;
  let got = 0;
  let broken = false;
  const drain = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      got += value.byteLength;
      if (got > limit || (got > UNRATED_BYTES && got > given * MAX_RATIO)) break;
      take(value);
    }
    broken = true;
    reader.cancel().catch(() => {});
  };
  const drained = drain().catch(() => {
    broken = true;
  });
  return {
    async write(chunk) {
      for (let at = 0; at < chunk.byteLength && !broken; at += SLICE_BYTES) {
        const slice = chunk.subarray(at, at + SLICE_BYTES);
        given += slice.byteLength;
        // Once nobody reads, a write may never settle.
        await Promise.race([writer.write(slice).catch(() => {}), drained]);
      }
    },
    async end(cut = false) {
      const before = broken;
      writer.close().catch(() => {});
      await drained;
      return cut ? !before : !broken;
    },
  };
}
