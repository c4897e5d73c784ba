/** Response bodies that are laborious to write by hand, for `mockAdapter`. */

import { encodeText } from "../core/codec.ts";
import type { MockResponse } from "./mock-adapter.ts";

export interface SseMessage {
  /** Text as it is, anything else as JSON. */
  readonly data?: unknown;
  readonly event?: string;
  readonly id?: string;
  readonly retry?: number;
  /** A line that no reader sees. */
  readonly comment?: string;
}

/** Server-sent events as an answer: `respond: sseBody([{ id: "1", data: { n: 1 } }])`. An `Error` at the end breaks the body there. */
export function sseBody(messages: readonly (string | SseMessage | Error)[]): MockResponse {
  return { headers: { "content-type": "text/event-stream" }, stream: messages.map((message) => (message instanceof Error ? message : textOf(typeof message === "string" ? { data: message } : message))) };
}

function textOf({ data, event, id, retry, comment }: SseMessage): string {
  const lines: string[] = [];
  if (comment !== undefined) lines.push(`: ${comment}`);
  if (event !== undefined) lines.push(`event: ${event}`);
  if (id !== undefined) lines.push(`id: ${id}`);
  if (retry !== undefined) lines.push(`retry: ${retry}`);
  if (data !== undefined) for (const line of (typeof data === "string" ? data : JSON.stringify(data)).split("\n")) lines.push(`data: ${line}`);
  return `${lines.join("\n")}\n\n`;
}

/** A body that ends after `keepBytes` of what its `Content-Length` says: `respond: truncatedBody("whole text", 5)`. */
export function truncatedBody(whole: string | Uint8Array, keepBytes: number, headers: Readonly<Record<string, string>> = {}): MockResponse {
  const bytes = typeof whole === "string" ? encodeText(whole) : whole;
  return { headers: { "content-type": "application/octet-stream", ...headers, "content-length": String(bytes.byteLength) }, stream: [bytes.slice(0, keepBytes)] };
}
