/** Looks at a body while it passes: the first bytes and the size, without holding it up. */

import { concatBytes } from "../../../../core/concat-bytes.ts";

export interface Capture {
  readonly stream: ReadableStream<Uint8Array>;
  /** The bytes kept, whether they are all there were, and how many have passed. */
  read(): { readonly bytes: Uint8Array; readonly whole: boolean; readonly size: number };
}

/** Keeps at most `limit` bytes of `body`. One read of the source per read of the stream, so backpressure and cancellation pass. */
export function capture(body: ReadableStream<Uint8Array>, limit: number): Capture {
  const reader = body.getReader();
  let kept: Uint8Array[] = [];
  let size = 0;
  let ended = false;
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const chunk = await reader.read();
        if (chunk.done) {
          ended = true;
          controller.close();
          return;
        }
        size += chunk.value.byteLength;
        if (size <= limit) kept.push(chunk.value.slice());
        else kept = [];
        controller.enqueue(chunk.value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  return {
    stream,
    read() {
      const whole = ended && size <= limit;
      return { bytes: concatBytes(whole ? kept : []), whole, size };
    },
  };
}
