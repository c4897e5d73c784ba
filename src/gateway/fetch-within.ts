/** Requests of policies to other services: key sets, introspection, callouts. */

import type { Clock } from "../core/clock.ts";

export interface FetchWithinOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Ends the request early. */
  readonly signal?: AbortSignal | undefined;
  /** A longer answer is a failure. @default 1 MiB */
  readonly maxBytes?: number;
}

export interface FetchedText {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

const MAX_BYTES = 1_048_576;

/**
 * Fetches a small text. Redirects are not followed: an address comes from the configuration, not from an answer. Rejects at the
 * deadline, however the other side and the runtime behave.
 */
export function fetchText(url: string, init: RequestInit, options: FetchWithinOptions): Promise<FetchedText> {
  return fetchWithin(url, init, options, async (response) => ({ status: response.status, headers: response.headers, text: await boundedText(response, options.maxBytes ?? MAX_BYTES) }));
}

/** The same for any use of the answer: the deadline holds until `use` has ended. */
export function fetchWithin<T>(url: string, init: RequestInit, options: FetchWithinOptions, use: (response: Response) => Promise<T>): Promise<T> {
  const { clock, timeoutMs, signal } = options;
  const controller = new AbortController();
  return new Promise<T>((resolve, reject) => {
    const abort = (reason: unknown): void => {
      reject(reason);
      controller.abort(reason);
    };
    const onAbort = (): void => abort(signal?.reason);
    const timer = clock.setTimeout(() => abort(new DOMException(`No answer within ${timeoutMs} ms`, "TimeoutError")), timeoutMs);
    const done = (): void => {
      clock.clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    if (signal?.aborted === true) {
      done();
      reject(signal.reason);
      return;
    }
    signal?.addEventListener("abort", onAbort, { once: true });
    const attempt = async (): Promise<T> => use(await fetch(url, { redirect: "manual", ...init, signal: controller.signal }));
    attempt().then(
      (value) => {
        done();
        resolve(value);
      },
      (error: unknown) => {
        done();
        reject(error);
      },
    );
  });
}

async function boundedText(response: Response, maxBytes: number): Promise<string> {
  if (response.body === null) return "";
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.byteLength;
    if (size > maxBytes) {
      reader.cancel().catch(() => {});
      throw new RangeError(`The answer is longer than ${maxBytes} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}
