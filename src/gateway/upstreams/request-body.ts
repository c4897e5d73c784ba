/** The body a url upstream sends on: the client's stream, or the bytes a policy has read. */

import { keptBytes } from "../collect-body.ts";
import type { MaybePromise } from "../../core/maybe-promise.ts";
import type { RequestState } from "../context.ts";

export interface OutgoingBody {
  readonly body: ReadableStream<Uint8Array> | Uint8Array | AsyncIterable<Uint8Array> | null;
  /** The client's `content-length` is true of it. */
  readonly original: boolean;
}

/** The incoming message of Node's server. */
interface Incoming {
  readonly readableDidRead: boolean;
  readonly complete: boolean;
  readonly headers: Readonly<Record<string, string | undefined>>;
  listenerCount(event: string): number;
  iterator?(options: { destroyOnReturn: boolean }): AsyncIterable<Uint8Array>;
}

const NONE: OutgoingBody = { body: null, original: false };

export function outgoingBody(state: RequestState): MaybePromise<OutgoingBody> {
  const { c } = state;
  const { raw, method } = c.req;
  if (method === "GET" || method === "HEAD") return NONE;
  const untouched = raw === state.original;
  if (untouched && !raw.bodyUsed) {
    const incoming = (c.env as { incoming?: Incoming } | undefined | null)?.incoming;
    if (incoming !== undefined && unread(incoming)) {
      if (incoming.headers["content-length"] === undefined && incoming.headers["transfer-encoding"] === undefined) return NONE;
      // Without a web stream in between; and an upstream that fails must not destroy the client's connection with it.
      const body = incoming.iterator?.({ destroyOnReturn: false });
      if (body !== undefined) return { body, original: true };
    }
  }
  if (!raw.bodyUsed) return { body: raw.body, original: untouched };
  return keptBytes(c).then((body) => ({ body, original: false }));
}

function unread(incoming: Incoming): boolean {
  return incoming.readableDidRead === false && incoming.listenerCount("data") === 0 && incoming.listenerCount("readable") === 0;
}
