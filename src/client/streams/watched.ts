/** A streaming body under the idle limit, its failure named. */

import { TransportError } from "../../core/transport.ts";
import type { Answer } from "../answer.ts";
import type { Call } from "../call.ts";
import { StitchError, isStitchError } from "../errors.ts";
import type { Scope } from "../scope.ts";

export function watched(answer: Answer, body: ReadableStream<Uint8Array>, call: Call, scope: Scope): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const { idleMs } = call.plan.timeout;
  const { clock } = call.runtime;
  const expected = answer.get("content-encoding") === undefined && call.plan.method !== "HEAD" && answer.status !== 304 ? Number(answer.get("content-length") ?? Number.NaN) : Number.NaN;
  let loaded = 0;
  const { onProgress } = call.input;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let timer: unknown;
      let forget = (): void => undefined;
      const ended = new Promise<never>((_, reject) => {
        forget = scope.onCancel(reject);
        if (idleMs !== Infinity) timer = clock.setTimeout(() => reject(Object.assign(call.timeout("idle"), { sent: true })), idleMs);
      });
      // Whoever loses the race is not heard, and must not count as unhandled.
      ended.catch(() => undefined);
      try {
        const { done, value } = await Promise.race([reader.read(), ended]);
        if (done) {
          if (loaded < expected) throw new StitchError("BODY_TRUNCATED", `the body ended after ${loaded} of ${expected} bytes`, { sent: true, retryable: true, status: answer.status });
          answer.end();
          controller.close();
          return;
        }
        loaded += value.byteLength;
        if (onProgress !== undefined) {
          try {
            onProgress({ direction: "download", loadedBytes: loaded, ...(Number.isNaN(expected) ? {} : { totalBytes: expected }) });
          } catch {
            // An observer.
          }
        }
        controller.enqueue(value);
      } catch (error) {
        answer.end();
        reader.cancel(error).catch(() => undefined);
        controller.error(isStitchError(error) ? error : bodyFailure(error, answer.status));
      } finally {
        clock.clearTimeout(timer);
        forget();
      }
    },
    async cancel(reason) {
      answer.end();
      await reader.cancel(reason).catch(() => undefined);
    },
  }, { highWaterMark: 0 });
}

function bodyFailure(error: unknown, status: number): StitchError {
  if (error instanceof TransportError && error.code === "BODY_TOO_LONG") return new StitchError("RESPONSE_TOO_LARGE", "the response is longer than maxResponseBytes", { cause: error, sent: true, status });
  return new StitchError("BODY_TRUNCATED", "the response broke off", { cause: error, sent: true, retryable: true, status });
}
