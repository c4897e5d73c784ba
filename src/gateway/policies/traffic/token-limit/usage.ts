/** What an AI provider's answer says it has used, read while the answer passes. */

import type { MaybePromise } from "../../../../core/maybe-promise.ts";
import { codingOf, createDecoder } from "../../../content-coding.ts";
import { essenceOf, mediaTypeIn } from "../../../media-type.ts";

export interface SeenUsage {
  /** Tokens in all, by the last usage that was seen. */
  readonly total: number | undefined;
  /** The end of the body's text, at most {@link MAX_KEPT} characters. */
  readonly text: string;
  readonly aborted: boolean;
  /** Bytes of the body as it passed. */
  readonly bytes: number;
  /** The text is not there, or not all of it: the body has a content coding that could not be undone within its caps. */
  readonly unread: boolean;
}

/** Usage stands at the end of an answer; what is further ahead is dropped. */
const MAX_KEPT = 1_048_576;

/** The same bytes, chunk by chunk; `done` is called once when they have ended or broken off. */
export function watchUsage(body: ReadableStream<Uint8Array>, headers: Headers, done: (seen: MaybePromise<SeenUsage>) => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const utf8 = new TextDecoder();
  const contentType = headers.get("content-type");
  const coding = codingOf(headers);
  const stream = essenceOf(contentType) === "text/event-stream";
  const json = mediaTypeIn(contentType, ["application/json", "application/x-ndjson", "application/jsonl"]);
  let text = "";
  let bytes = 0;
  let ended = false;
  const look = (chunk: Uint8Array): void => {
    text += utf8.decode(chunk, { stream: true });
    if (text.length > 2 * MAX_KEPT) text = text.slice(-MAX_KEPT);
  };
  const decoder = coding === undefined ? undefined : createDecoder(coding, look);
  const seen = (aborted: boolean, read: boolean): SeenUsage => ({ total: stream ? ofEvents(text) : json ? ofJson(text) : undefined, text, aborted, bytes, unread: !read });
  const end = (aborted: boolean): void => {
    if (ended) return;
    ended = true;
    done(decoder === undefined ? seen(aborted, coding === undefined) : decoder.end(aborted).then((read) => seen(aborted, read)));
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const chunk = await reader.read();
          if (chunk.done) {
            end(false);
            controller.close();
            return;
          }
          bytes += chunk.value.byteLength;
          if (coding === undefined) look(chunk.value);
          else await decoder?.write(chunk.value);
          controller.enqueue(chunk.value);
        } catch (error) {
          end(true);
          controller.error(error);
        }
      },
      cancel(reason) {
        end(true);
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

function ofJson(text: string): number | undefined {
  return totalOf(parse(text)) ?? ofEvents(text);
}

/** Later events say more: parts that come apart (input first, output last) are added up. */
function ofEvents(text: string): number | undefined {
  let input: number | undefined;
  let output: number | undefined;
  let total: number | undefined;
  for (const line of text.split(/\r\n|\n|\r/)) {
    const data = line.startsWith("data:") ? line.slice(5).trim() : line.startsWith("{") ? line : "";
    if (!data.startsWith("{")) continue;
    const usage = usageOf(parse(data));
    if (usage === undefined) continue;
    total = number(usage, "total_tokens", "totalTokens", "totalTokenCount") ?? total;
    input = number(usage, "prompt_tokens", "input_tokens", "inputTokens", "promptTokenCount") ?? input;
    output = number(usage, "completion_tokens", "output_tokens", "outputTokens", "candidatesTokenCount") ?? output;
  }
  return total ?? (input === undefined && output === undefined ? undefined : (input ?? 0) + (output ?? 0));
}

function totalOf(value: unknown): number | undefined {
  const usage = usageOf(value);
  if (usage === undefined) return undefined;
  const total = number(usage, "total_tokens", "totalTokens", "totalTokenCount");
  if (total !== undefined) return total;
  const input = number(usage, "prompt_tokens", "input_tokens", "inputTokens", "promptTokenCount");
  const output = number(usage, "completion_tokens", "output_tokens", "outputTokens", "candidatesTokenCount");
  return input === undefined && output === undefined ? undefined : (input ?? 0) + (output ?? 0);
}

/** `usage` of OpenAI, Anthropic and Bedrock, `usageMetadata` of Gemini; inside `message` or `response` in their streams. */
function usageOf(value: unknown): object | undefined {
  for (const holder of [value, own(value, "message"), own(value, "response")]) {
    const usage = own(holder, "usage") ?? own(holder, "usageMetadata");
    if (typeof usage === "object" && usage !== null) return usage;
  }
  return undefined;
}

function number(usage: object, ...names: readonly string[]): number | undefined {
  return names.map((name) => own(usage, name)).find((found): found is number => typeof found === "number" && Number.isFinite(found) && found >= 0);
}

function own(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
