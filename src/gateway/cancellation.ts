/** Learns that a client has left, without making an `AbortController` where the runtime offers something cheaper. */

import type { Context } from "hono";

interface Outgoing {
  readonly destroyed: boolean;
  readonly writableFinished: boolean;
  once(event: "close", listener: () => void): void;
}

/** The outgoing message of Node's server behind this request, when there is one. */
function outgoingOf(c: Context): Outgoing | undefined {
  const outgoing = (c.env as { outgoing?: { once?: unknown; write?: unknown } } | undefined | null)?.outgoing;
  return typeof outgoing?.once === "function" && typeof outgoing.write === "function" ? (outgoing as unknown as Outgoing) : undefined;
}

/** Whether the client has left before its answer was complete. */
export function clientHasLeft(c: Context): boolean {
  const outgoing = outgoingOf(c);
  return outgoing === undefined ? c.req.raw.signal.aborted : outgoing.destroyed && !outgoing.writableFinished;
}

/** Whether everything waits for the rest of the request's body: what came of it is passed on. Known on Node alone. */
export function awaitsClient(c: Context): boolean {
  const incoming = (c.env as { incoming?: { complete?: unknown; readableLength?: unknown } } | undefined | null)?.incoming;
  return incoming?.complete === false && incoming.readableLength === 0;
}

export type Cancel = (reason: unknown) => void;

/**
 * Tells everybody concerned that a request is over before its time: its client left, or the gateway's grace period
 * ended. One listener per request, and none while nobody asks.
 */
export interface Cancellation {
  /** Calls `cancel` at most once; the function returned forgets it. */
  add(cancel: Cancel): () => void;
}

/**
 * `onAbort` registers for the end of the grace period, and gives what forgets it. `answered` tells whether the answer has
 * been handed to the runtime.
 */
export function createCancellation(c: Context, onAbort: (abort: Cancel) => () => void, answered: () => boolean): Cancellation {
  const waiting: (Cancel | undefined)[] = [];
  let count = 0;
  let listening = false;
  let forgetAbort: (() => void) | undefined;
  let forgetClient: (() => void) | undefined;
  let over: { readonly reason: unknown } | undefined;
  const cancelAll: Cancel = (reason) => {
    over ??= { reason };
    for (let i = 0; i < waiting.length; i++) {
      const cancel = waiting[i];
      waiting[i] = undefined;
      if (cancel !== undefined) cancel(reason);
    }
  };
  return {
    add(cancel) {
      if (over !== undefined) {
        cancel(over.reason);
        return () => {};
      }
      const place = waiting.push(cancel) - 1;
      count++;
      forgetAbort ??= onAbort(cancelAll);
      if (!listening) {
        listening = true;
        forgetClient = onClientLeft(c, cancelAll, answered);
      }
      let held = true;
      return () => {
        if (!held) return;
        held = false;
        waiting[place] = undefined;
        if (--count > 0) return;
        waiting.length = 0;
        forgetAbort?.();
        forgetAbort = undefined;
        if (forgetClient === undefined) return;
        forgetClient();
        forgetClient = undefined;
        listening = false;
      };
    },
  };
}

/**
 * Gives what stops listening, where that is worth it: on Node taking the listener off costs more than letting it find
 * nothing. The signal of a request must be left alone in time: on Deno it aborts after every answer, also a complete one.
 */
function onClientLeft(c: Context, left: Cancel, answered: () => boolean): (() => void) | undefined {
  const outgoing = outgoingOf(c);
  if (outgoing !== undefined) {
    const onClose = (): void => {
      if (!outgoing.writableFinished) left(clientLeft());
    };
    if (outgoing.destroyed) onClose();
    else outgoing.once("close", onClose);
    return undefined;
  }
  const { signal } = c.req.raw;
  if (signal.aborted) {
    // Work that begins after the answer does not end with a client who has it.
    if (!answered()) left(signal.reason);
    return undefined;
  }
  const onAbort = (): void => left(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  return () => signal.removeEventListener("abort", onAbort);
}

function clientLeft(): DOMException {
  return new DOMException("The client closed the connection", "AbortError");
}
