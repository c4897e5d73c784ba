/** Feeds a body to its reader and keeps a copy, up to a limit. */

/** How a captured body ended: its bytes, longer than the limit, or broken off. */
export type Captured = Uint8Array | "too-large" | "broken";

export interface CaptureOptions {
  readonly maxBytes: number;
  /** Length the response declared; a body of another one is broken. */
  readonly length: number | undefined;
  /** Called once. */
  readonly done: (captured: Captured) => void;
  /** Asked when the reader leaves early: whether to read on for others. */
  readonly readOn: () => boolean;
}

/** The body for the client. It is read at the client's pace; nothing is held back. */
export function captureBody(body: ReadableStream<Uint8Array>, options: CaptureOptions): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const copy = new Copy(options);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const chunk = await reader.read();
          if (chunk.done) {
            copy.end();
            controller.close();
            return;
          }
          copy.add(chunk.value);
          controller.enqueue(chunk.value);
        } catch (error) {
          copy.fail();
          controller.error(error);
        }
      },
      cancel(reason) {
        if (copy.open && options.readOn()) {
          void drain(reader, copy);
          return undefined;
        }
        copy.fail();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Reads a body that no client waits for. */
export async function readBody(body: ReadableStream<Uint8Array> | null, maxBytes: number, length: number | undefined): Promise<Captured> {
  let result: Captured = "broken";
  const copy = new Copy({ maxBytes, length, done: (captured) => (result = captured), readOn: () => false });
  if (body === null) copy.end();
  else await drain(body.getReader(), copy);
  return result;
}

async function drain(reader: ReadableStreamDefaultReader<Uint8Array>, copy: Copy): Promise<void> {
  try {
    while (copy.open) {
      const chunk = await reader.read();
      if (chunk.done) {
        copy.end();
        return;
      }
      copy.add(chunk.value);
    }
    await reader.cancel();
  } catch {
    copy.fail();
  }
}

class Copy {
  open = true;
  readonly #options: CaptureOptions;
  #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(options: CaptureOptions) {
    this.#options = options;
  }

  add(chunk: Uint8Array): void {
    if (!this.open) return;
    this.#size += chunk.byteLength;
    if (this.#size > this.#options.maxBytes) this.#finish("too-large");
    // Whoever gets the chunk may change it in place.
    else this.#chunks.push(new Uint8Array(chunk));
  }

  end(): void {
    if (!this.open) return;
    const { length } = this.#options;
    this.#finish(length !== undefined && length !== this.#size ? "broken" : this.#whole());
  }

  fail(): void {
    if (this.open) this.#finish("broken");
  }

  #finish(captured: Captured): void {
    this.open = false;
    this.#chunks = [];
    this.#options.done(captured);
  }

  #whole(): Uint8Array {
    const first = this.#chunks[0];
    if (first !== undefined && this.#chunks.length === 1) return first;
    const whole = new Uint8Array(this.#size);
    let at = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, at);
      at += chunk.byteLength;
    }
    return whole;
  }
}
