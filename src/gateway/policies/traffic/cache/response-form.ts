/** Records as responses, for stores that keep only those. What a record holds beside the response travels in one field. */

import type { CacheRecord } from "../../../../state/contracts/cache.ts";
import { bodyless, isResponse } from "../../../response.ts";

/** The field with the facts. It never reaches a client: it is taken off when the response is read. */
const FACTS_FIELD = "x-sluice-cache-record";

interface Facts {
  readonly status: number;
  readonly storedAt: number;
  readonly freshUntil: number;
  readonly keepUntil: number;
  readonly tags?: readonly string[];
  readonly meta?: Readonly<Record<string, unknown>>;
}

export function toResponse(record: CacheRecord): Response {
  const { status, storedAt, freshUntil, keepUntil, tags, meta } = record;
  const headers = new Headers(record.headers.map(([name, value]): [string, string] => [name, value]));
  headers.set(FACTS_FIELD, ascii(JSON.stringify({ status, storedAt, freshUntil, keepUntil, tags, meta } satisfies Facts)));
  const body = status === 0 || bodyless(status) ? null : (record.body as Uint8Array<ArrayBuffer>);
  return new Response(body, { status: status === 0 ? 200 : status, headers });
}

/** The record in a response that {@link toResponse} made; `undefined` for any other one. */
export async function fromResponse(response: unknown): Promise<CacheRecord | undefined> {
  if (!isResponse(response)) return undefined;
  const facts = parseFacts(response.headers.get(FACTS_FIELD));
  if (facts === undefined) {
    response.body?.cancel().catch(() => {});
    return undefined;
  }
  const body = new Uint8Array(await response.arrayBuffer());
  const headers = [...response.headers].filter(([name]) => name !== FACTS_FIELD);
  return { ...facts, headers, body };
}

function parseFacts(text: string | null): Facts | undefined {
  if (text === null) return undefined;
  try {
    const facts: unknown = JSON.parse(text);
    return typeof facts === "object" && facts !== null && typeof (facts as Facts).status === "number" ? (facts as Facts) : undefined;
  } catch {
    return undefined;
  }
}

/** JSON whose characters may stand in a field. */
function ascii(json: string): string {
  return json.replace(/[^ -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
