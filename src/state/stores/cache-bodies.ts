/** Bodies of cached responses that are too large for their entry: chunks that carry the name of their write. */

import { joinBytes } from "../../core/concat-bytes.ts";
import { StoreError } from "../../core/errors.ts";
import type { StateDriver } from "../contracts/driver.ts";

/** Where the chunks of large bodies go. A driver is one. */
export type CacheBlobs = Pick<StateDriver, "get" | "set" | "delete">;

/** A body that was written: its chunks are found by these two. */
export interface StoredBody {
  readonly write: number;
  readonly chunks: number;
}

export interface BodyLimits {
  readonly maxEntryBytes: number;
  readonly inlineBytes: number;
  readonly chunkBytes: number;
}

/** Chunks on the way at once. */
const WINDOW = 4;

export class CacheBodies {
  readonly #blobs: CacheBlobs;
  readonly #prefix: string;
  readonly #limits: BodyLimits;

  constructor(blobs: CacheBlobs, prefix: string, limits: BodyLimits) {
    this.#blobs = blobs;
    this.#prefix = prefix;
    this.#limits = limits;
  }

  checkSize(bytes: number): void {
    const { maxEntryBytes } = this.#limits;
    if (bytes > maxEntryBytes) throw new StoreError("STORE_VALUE_TOO_LARGE", `the body takes more than the maxEntryBytes of ${maxEntryBytes}`, { outcome: "not-applied" });
  }

  /** The body in one piece; `undefined` when a part of it was lost. */
  async whole(name: string, { write, chunks }: StoredBody, length: number): Promise<Uint8Array | undefined> {
    const whole = new Uint8Array(length);
    let at = 0;
    for (let from = 0; from < chunks; from += WINDOW) {
      const indexes = Array.from({ length: Math.min(WINDOW, chunks - from) }, (_, i) => from + i);
      for (const chunk of await Promise.all(indexes.map((index) => this.#blobs.get(this.#key(name, write, index))))) {
        if (chunk === undefined || at + chunk.length > length) return undefined;
        whole.set(chunk, at);
        at += chunk.length;
      }
    }
    return at === length ? whole : undefined;
  }

  /** The body as it is read; `undefined` when its beginning was lost. */
  async stream(name: string, { write, chunks }: StoredBody): Promise<ReadableStream<Uint8Array> | undefined> {
    // The first chunk before anything is promised: an entry whose body was lost is a miss.
    const first = await this.#blobs.get(this.#key(name, write, 0));
    if (first === undefined) return undefined;
    let next = 0;
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const index = next++;
        const chunk = index === 0 ? first : await this.#blobs.get(this.#key(name, write, index));
        if (chunk === undefined) throw new StoreError("STORE_CORRUPT", "a part of a stored body was lost while it was read");
        controller.enqueue(chunk);
        if (next === chunks) controller.close();
      },
    }, { highWaterMark: 0 });
  }

  /** Writes a body; gives how many chunks it has. */
  async store(name: string, write: number, body: Uint8Array, ttlMs: number): Promise<number> {
    const { chunkBytes } = this.#limits;
    let chunks = 0;
    for (let at = 0; at < body.length; at += WINDOW * chunkBytes) {
      const parts: Promise<void>[] = [];
      for (let i = at; i < Math.min(body.length, at + WINDOW * chunkBytes); i += chunkBytes) parts.push(this.#set(name, write, chunks++, body.subarray(i, i + chunkBytes), ttlMs));
      await Promise.all(parts);
    }
    return chunks;
  }

  /**
   * Writes the body of a response chunk by chunk, as it comes: what is held at a time is bounded, however large it is. A short one
   * is given back whole, and nothing of it is written. Nothing stays of a body that fails.
   */
  async storeStream(name: string, write: number, response: Response, ttlMs: number): Promise<{ chunks: number; length: number; inline: Uint8Array | undefined }> {
    const { chunkBytes, inlineBytes } = this.#limits;
    let [chunks, length, held] = [0, 0, 0];
    let parts: Uint8Array[] = [];
    const reader = response.body?.getReader();
    try {
      for (;;) {
        const { value, done } = reader === undefined ? { value: undefined, done: true } : await reader.read();
        if (value !== undefined) {
          length += value.length;
          this.checkSize(length);
          // The stream may use its memory again.
          parts.push(new Uint8Array(value));
          held += value.length;
        }
        const over = chunks > 0 || length > inlineBytes;
        while (over && (held >= chunkBytes || (done && held > 0))) {
          const joined = joinBytes(parts, held);
          await this.#set(name, write, chunks++, joined.subarray(0, chunkBytes), ttlMs);
          parts = held > chunkBytes ? [joined.subarray(chunkBytes)] : [];
          held = Math.max(0, held - chunkBytes);
        }
        if (done) return { chunks, length, inline: over ? undefined : joinBytes(parts, held) };
      }
    } catch (error) {
      await reader?.cancel(error).catch(() => undefined);
      await this.drop(name, { write, chunks }).catch(() => undefined);
      throw error;
    }
  }

  async drop(name: string, { write, chunks }: StoredBody): Promise<void> {
    for (let index = 0; index < chunks; index++) await this.#blobs.delete(this.#key(name, write, index));
  }

  async #set(name: string, write: number, index: number, chunk: Uint8Array, ttlMs: number): Promise<void> {
    await this.#blobs.set(this.#key(name, write, index), chunk, ttlMs);
  }

  #key(name: string, write: number, index: number): string {
    return `${this.#prefix}body:${name}:${write}:${index}`;
  }
}
