/** Streams of lines, JSON values or bytes. Nothing is read before it is wanted. */

import type { Answer } from "../answer.ts";
import { textOf } from "../answer.ts";
import type { Call } from "../call.ts";
import { StitchError, isStitchError } from "../errors.ts";
import { newFields } from "../fields.ts";
import type { Prepared } from "../prepare.ts";
import { checkOutput } from "../checks.ts";
import type { OnItem } from "../run.ts";
import { fetchAnswer, type Equipment } from "../tries.ts";

/** Times a stream of bytes is continued where it broke. */
const MAX_RESUMES = 5;

export async function readFrames(call: Call, prepared: Prepared, equipment: Equipment, onItem: OnItem): Promise<void> {
  const { decode = "ndjson", resume = true } = call.plan.config.stream ?? {};
  const emit = async (data: unknown): Promise<void> => {
    await onItem(await checkOutput(call, data), undefined, undefined);
  };
  const answer = await fetchAnswer(call, prepared, equipment);
  call.status = answer.status;
  if (!call.plan.timeout.explicitTotal) call.scope.unlimit();
  if (decode === "bytes") {
    await readBytes(call, prepared, equipment, answer, resume, emit);
    return;
  }
  const limit = call.plan.maxResponseBytes;
  if (decode === "json") {
    // A document can be told from its beginning only at its end.
    const bytes = await answer.bytes(limit);
    await emit(parse(textOf(bytes, answer.get("content-type")), undefined));
    return;
  }
  const decoder = new TextDecoder();
  let rest = "";
  let line = 0;
  let scanned = 0;
  const flush = async (last: boolean): Promise<void> => {
    for (let end = rest.indexOf("\n", scanned); end !== -1; end = rest.indexOf("\n", scanned)) {
      const text = rest.slice(0, end).replace(/\r$/, "");
      rest = rest.slice(end + 1);
      scanned = 0;
      line++;
      if (text.trim() !== "") await emit(decode === "lines" ? text : parse(text, line));
    }
    scanned = rest.length;
    if (rest.length > limit) throw new StitchError("RESPONSE_TOO_LARGE", `line ${line + 1} is longer than maxResponseBytes (${limit})`, { sent: true, status: answer.status });
    if (last && rest.trim() !== "") await emit(decode === "lines" ? rest.replace(/\r$/, "") : parse(rest, line + 1));
  };
  await eachChunk(call, answer, async (chunk) => {
    rest += decoder.decode(chunk, { stream: true });
    await flush(false);
  });
  rest += decoder.decode();
  await flush(true);
}

function parse(text: string, line: number | undefined): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new StitchError("PARSE_FAILED", line === undefined ? "the answer is no JSON" : `line ${line} is no JSON`, { sent: true });
  }
}

async function eachChunk(call: Call, answer: Answer, onChunk: (chunk: Uint8Array) => Promise<void>): Promise<void> {
  const { body } = answer;
  if (body === null || body instanceof Uint8Array) {
    if (body !== null) await onChunk(body);
    answer.end();
    return;
  }
  const reader = body.getReader();
  const forget = call.scope.onCancel((reason) => void reader.cancel(reason).catch(() => undefined));
  try {
    for (;;) {
      const { done, value } = await reader.read();
      call.scope.throwIfCancelled();
      if (done) return;
      await onChunk(value);
    }
  } catch (error) {
    await reader.cancel(error).catch(() => undefined);
    throw error;
  } finally {
    forget();
    answer.end();
  }
}

/** Bytes, continued by `Range` where the body broke and a strong ETag says that it is the same content (RFC 9110 14.2, 13.1.5). */
async function readBytes(call: Call, prepared: Prepared, equipment: Equipment, first: Answer, resume: boolean, emit: (data: unknown) => Promise<void>): Promise<void> {
  const etag = first.get("etag");
  const strong = etag !== undefined && !etag.startsWith("W/") && first.status === 200 ? etag : undefined;
  let answer = first;
  let loaded = 0;
  for (let resumes = 0; ; resumes++) {
    try {
      await eachChunk(call, answer, async (chunk) => {
        loaded += chunk.byteLength;
        await emit(chunk);
      });
      return;
    } catch (error) {
      if (!isStitchError(error) || error.code !== "BODY_TRUNCATED" || !resume || strong === undefined || resumes >= MAX_RESUMES || call.scope.cancelled !== undefined) throw error;
      call.emit({ type: "progress", phase: "reconnect", loadedBytes: loaded });
      const headers = newFields(prepared.headers);
      headers["range"] = `bytes=${loaded}-`;
      headers["if-range"] = strong;
      answer = await fetchAnswer(call, { ...prepared, headers }, equipment);
      // Anything but the rest of the same content cannot be joined to what was delivered.
      if (answer.status !== 206 || !(answer.get("content-range") ?? "").startsWith(`bytes ${loaded}-`)) {
        await answer.discard();
        throw error;
      }
    }
  }
}
