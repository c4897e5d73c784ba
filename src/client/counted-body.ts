/** Upload progress. */

import type { AdapterBody } from "../core/adapter.ts";
import { encodeText } from "../core/utf8.ts";
import type { CallInput } from "./config.ts";

/** A body that reports how much of it was taken. */
export function counted(body: AdapterBody, total: number | undefined, onProgress: NonNullable<CallInput["onProgress"]>): AdapterBody {
  if (body === null) return null;
  const tell = (loadedBytes: number): void => {
    try {
      onProgress({ direction: "upload", loadedBytes, ...(total === undefined ? {} : { totalBytes: total }) });
    } catch {
      // An observer: what it throws must not fail the upload.
    }
  };
  return (async function* pieces(): AsyncGenerator<Uint8Array> {
    let loaded = 0;
    if (typeof body === "string" || body instanceof Uint8Array) {
      const bytes = typeof body === "string" ? encodeText(body) : body;
      for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES) {
        const piece = bytes.subarray(at, at + PIECE_BYTES);
        yield piece;
        tell((loaded += piece.byteLength));
      }
      if (bytes.byteLength === 0) tell(0);
      return;
    }
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      yield chunk;
      loaded += chunk.byteLength;
      tell(total === undefined ? loaded : Math.min(loaded, total));
    }
  })();
}

const PIECE_BYTES = 65_536;
