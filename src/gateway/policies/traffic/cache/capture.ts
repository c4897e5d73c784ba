/** Feeds a body to its reader and keeps a copy, up to a limit. */

import { joinBytes } from "../../../../core/concat-bytes.ts";

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

/** Turns of the microtask queue in which a body that is already in memory comes to its end. */
const TURNS = 40;

/**
 * The body for the client: all of it, when it was in memory already, else a stream of it. Up to the limit the source is
 * read ahead, since its bytes are kept anyway: a client that reads slowly, or not at all, holds nobody up. Above the
 * limit it is read at the client's pace.
 */
export async function captureBody(body: ReadableStream<Uint8Array>, options: CaptureOptions): Promise<Uint8Array | ReadableStream<Uint8Array>> {
  const capture = new Capture(body.getReader(), options);
  for (let turn = 0; turn < TURNS && capture.reading; turn++) await undefined;
  return capture.whole ?? capture.stream();
}

/** Reads a body that no client waits for. */
export async function readBody(body: ReadableStream<Uint8Array> | null, maxBytes: number, length: number | undefined): Promise<Captured> {
  const ends: Captured[] = [];
  const copy = new Copy({ maxBytes, length, done: (captured) => ends.push(captured) });
  if (body === null) {
    copy.end();
    return ends[0] ?? "broken";
  }
  const reader = body.getReader();
  try {
    while (copy.open) {
      const chunk = await reader.read();
      if (chunk.done) copy.end();
      else copy.add(chunk.value);
    }
    // Not awaited: cancelling one branch of a clone settles only with the other.
    if (ends[0] === "too-large") reader.cancel().catch(() => {});
  } catch {
    copy.fail();
  }
  return ends[0] ?? "broken";
}

class Capture {
  /** The source is being read ahead. */
  reading = true;
  /** The whole body, when it ended well. */
  whole: Uint8Array | undefined;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #copy: Copy;
  readonly #readOn: () => boolean;
  /** Read and not yet taken by the client. */
  #queue: Uint8Array[] = [];
  #end: "open" | "done" | { readonly error: unknown } = "open";
  #left = false;
  #wake: (() => void) | undefined;

  constructor(reader: ReadableStreamDefaultReader<Uint8Array>, options: CaptureOptions) {
    this.#reader = reader;
    this.#readOn = options.readOn;
    this.#copy = new Copy({
      maxBytes: options.maxBytes,
      length: options.length,
      done: (captured) => {
        if (captured instanceof Uint8Array) this.whole = captured;
        options.done(captured);
      },
    });
    void this.#readAhead();
  }

  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({ pull: (controller) => this.#pull(controller), cancel: (reason) => this.#cancel(reason) }, { highWaterMark: 0 });
  }

  async #readAhead(): Promise<void> {
    while (this.#copy.open && this.#end === "open") await this.#readOne();
    this.reading = false;
    this.#wake?.();
  }

  async #readOne(): Promise<void> {
    try {
      const chunk = await this.#reader.read();
      if (chunk.done) {
        this.#end = "done";
        this.#copy.end();
      } else {
        this.#copy.add(chunk.value);
        if (!this.#left) this.#queue.push(chunk.value);
      }
    } catch (error) {
      this.#end = { error };
      this.#copy.fail();
    }
    this.#wake?.();
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    while (this.#queue.length === 0 && this.#end === "open") {
      if (this.reading) await new Promise<void>((resolve) => (this.#wake = resolve));
      else await this.#readOne();
    }
    const chunk = this.#queue.shift();
    if (chunk !== undefined) controller.enqueue(chunk);
    else if (this.#end === "done") controller.close();
    else controller.error((this.#end as { error: unknown }).error);
  }

  #cancel(reason: unknown): Promise<void> | undefined {
    this.#left = true;
    this.#queue = [];
    if (this.#copy.open && this.#readOn()) return undefined;
    if (this.#end === "open") this.#end = { error: reason };
    this.#copy.fail();
    return this.#reader.cancel(reason);
  }
}

class Copy {
  open = true;
  readonly #maxBytes: number;
  readonly #length: number | undefined;
  readonly #done: (captured: Captured) => void;
  #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(options: Pick<CaptureOptions, "maxBytes" | "length" | "done">) {
    this.#maxBytes = options.maxBytes;
    this.#length = options.length;
    this.#done = options.done;
  }

  add(chunk: Uint8Array): void {
    if (!this.open) return;
    this.#size += chunk.byteLength;
    if (this.#size > this.#maxBytes) this.#finish("too-large");
    // A copy: whoever gets the chunk may change it in place.
    else this.#chunks.push(new Uint8Array(chunk));
  }

  end(): void {
    if (this.open) this.#finish(this.#length !== undefined && this.#length !== this.#size ? "broken" : joinBytes(this.#chunks, this.#size));
  }

  fail(): void {
    if (this.open) this.#finish("broken");
  }

  #finish(captured: Captured): void {
    this.open = false;
    this.#chunks = [];
    this.#done(captured);
  }
}
