/** Learns that a client has left, without making an `AbortController` where the runtime offers something cheaper. */

import type { Context } from "hono";

interface Outgoing {
  readonly destroyed: boolean;
  readonly writableFinished: boolean;
  once(event: "close", listener: () => void): void;
  removeListener(event: "close", listener: () => void): void;
}

/** The outgoing message of Node's server behind this request, when there is one. */
export function outgoingOf<T = Outgoing>(c: Context): T | undefined {
  const outgoing = (c.env as { outgoing?: { once?: unknown; write?: unknown } } | undefined | null)?.outgoing;
  return typeof outgoing?.once === "function" && typeof outgoing.write === "function" ? (outgoing as unknown as T) : undefined;
}

/** Calls `left` once when the client leaves before its answer was sent whole; gives what forgets it. */
export function onClientLeft(c: Context, left: (reason: unknown) => void): () => void {
  const outgoing = outgoingOf(c);
  if (outgoing !== undefined) {
    const onClose = (): void => {
      if (!outgoing.writableFinished) left(clientLeft());
    };
    if (outgoing.destroyed) {
      onClose();
      return nothing;
    }
    outgoing.once("close", onClose);
    return () => outgoing.removeListener("close", onClose);
  }
  const { signal } = c.req.raw;
  if (signal.aborted) {
    left(signal.reason);
    return nothing;
  }
  const onAbort = (): void => left(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  return () => signal.removeEventListener("abort", onAbort);
}

const nothing = (): void => {};

function clientLeft(): DOMException {
  return new DOMException("The client closed the connection", "AbortError");
}
