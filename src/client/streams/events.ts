/** Server-sent events (WHATWG HTML 9.2): each delivered once and in order, across broken connections. */

import { createParser, type EventSourceMessage } from "eventsource-parser";
import type { Answer } from "../answer.ts";
import type { Call } from "../call.ts";
import { StitchError, isStitchError } from "../errors.ts";
import { newFields } from "../fields.ts";
import type { Prepared } from "../prepare.ts";
import { checkOutput } from "../checks.ts";
import type { OnItem } from "../run.ts";
import { fetchAnswer, type Equipment } from "../tries.ts";

const MAX_RECONNECT_MS = 300_000;
const MAX_ID = 4096;

export async function readEvents(call: Call, prepared: Prepared, equipment: Equipment, onItem: OnItem): Promise<void> {
  const { sse = {} } = call.plan.config;
  const { reconnect = true, attempts = 5, delayMs = 1000, parse = "auto" } = sse;
  let lastEventId = sse.lastEventId;
  let retryMs = delayMs;
  let failures = 0;
  for (;;) {
    let broke: StitchError | undefined;
    let some = false;
    const headers = newFields(prepared.headers);
    if (lastEventId !== undefined && lastEventId !== "") headers["last-event-id"] = lastEventId;
    try {
      const answer = await fetchAnswer(call, { ...prepared, headers }, equipment);
      call.status = answer.status;
      if (answer.status === 204) {
        await answer.discard();
        return;
      }
      const type = answer.get("content-type") ?? "";
      if (!/^text\/event-stream\s*(?:;|$)/i.test(type.trim())) {
        await answer.discard();
        throw new StitchError("PROTOCOL_ERROR", "the answer is no event stream", { status: answer.status, sent: true });
      }
      if (!call.plan.timeout.explicitTotal) call.scope.unlimit();
      await readBody(call, answer, async (message) => {
        some = true;
        failures = 0;
        if (message.id !== undefined && message.id.length <= MAX_ID && !/[\r\n]/.test(message.id)) lastEventId = message.id;
        await onItem(await checkOutput(call, parsed(message.data, parse)), message.id, message.event);
      }, (ms) => {
        retryMs = Math.min(ms, MAX_RECONNECT_MS);
      });
      return;
    } catch (error) {
      if (!isStitchError(error) || !BREAKS.has(error.code) || call.scope.cancelled !== undefined) throw error;
      broke = error;
    }
    // Without an id the server cannot know where to go on, and events would be lost or told twice.
    if (!reconnect || lastEventId === undefined || lastEventId === "" || (!some && ++failures > attempts)) throw broke;
    if (some && attempts === 0) throw broke;
    call.emit({ type: "progress", phase: "reconnect", delayMs: retryMs });
    await call.scope.sleep(retryMs);
  }
}

const BREAKS: ReadonlySet<string> = /* @__PURE__ */ new Set(["BODY_TRUNCATED", "NETWORK", "TIMEOUT"]);

function parsed(data: string, parse: "auto" | "json" | "text"): unknown {
  if (parse === "text") return data;
  try {
    return JSON.parse(data);
  } catch {
    if (parse === "auto") return data;
    throw new StitchError("PARSE_FAILED", "an event's data is no JSON", { sent: true });
  }
}

async function readBody(call: Call, answer: Answer, onEvent: (message: EventSourceMessage) => Promise<void>, onRetry: (ms: number) => void): Promise<void> {
  const { body } = answer;
  if (body === null) {
    answer.end();
    return;
  }
  const pending: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (message) => void pending.push(message), onRetry });
  const decoder = new TextDecoder();
  const limit = call.plan.maxResponseBytes;
  let unfinished = 0;
  const take = async (chunk: Uint8Array): Promise<void> => {
    const text = decoder.decode(chunk, { stream: true });
    unfinished += chunk.byteLength;
    parser.feed(text);
    if (pending.length > 0) unfinished = 0;
    if (unfinished > limit) throw new StitchError("RESPONSE_TOO_LARGE", `an event is longer than maxResponseBytes (${limit})`, { sent: true, status: answer.status });
    for (const message of pending.splice(0)) await onEvent(message);
  };
  if (body instanceof Uint8Array) {
    await take(body);
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
      await take(value);
    }
  } catch (error) {
    await reader.cancel(error).catch(() => undefined);
    throw error;
  } finally {
    forget();
    answer.end();
  }
}
