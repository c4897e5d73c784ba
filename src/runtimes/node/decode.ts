/** Undoing content codings on Node, under a bound: a small body may decode to gigabytes. */

import { Duplex } from "node:stream";
import zlib from "node:zlib";
import { MAX_CODINGS, TransportError, type RawResponse, type RawTransportRequest } from "../../core/transport.ts";

type Unpack = (bytes: Uint8Array, options: zlib.ZlibOptions | zlib.BrotliOptions, callback: (error: Error | null, result: Buffer) => void) => void;

const BYTES: Readonly<Record<string, Unpack>> = { gzip: zlib.gunzip, "x-gzip": zlib.gunzip, deflate: zlib.inflate, br: zlib.brotliDecompress };
const STREAMS: Readonly<Record<string, () => Duplex>> = { gzip: zlib.createGunzip, "x-gzip": zlib.createGunzip, deflate: zlib.createInflate, br: zlib.createBrotliDecompress };

/** The response with its body decoded. Rejects with a `TransportError` for codings it does not know, damage and too many bytes. */
export async function decoded(response: RawResponse, codings: readonly string[], request: RawTransportRequest): Promise<RawResponse> {
  const { body } = response;
  if (body === null || request.method === "HEAD") return response;
  const unknown = codings.find((coding) => !Object.hasOwn(BYTES, coding));
  if (unknown !== undefined || codings.length > MAX_CODINGS) {
    if (!(body instanceof Uint8Array)) await body.cancel().catch(() => undefined);
    throw new TransportError("RESPONSE_BROKEN", unknown === undefined ? `a body with ${codings.length} codings, at most ${MAX_CODINGS} are undone` : "a body in a coding that was not asked for");
  }
  const headers = without(response.headers);
  if (body instanceof Uint8Array) {
    const limit = response.status >= 400 ? Math.max(request.maxResponseBytes ?? 0, 1) : request.maxResponseBytes;
    let bytes: Uint8Array = body;
    for (let i = codings.length - 1; i >= 0 && bytes.byteLength > 0; i--) bytes = await unpack(BYTES[codings[i] as string] as Unpack, bytes, limit);
    return { status: response.status, headers, body: bytes };
  }
  let stream: ReadableStream<Uint8Array> = body;
  for (let i = codings.length - 1; i >= 0; i--) {
    stream = stream.pipeThrough(Duplex.toWeb((STREAMS[codings[i] as string] as () => Duplex)()) as unknown as ReadableWritablePair<Uint8Array, Uint8Array>);
  }
  return { status: response.status, headers, body: stream };
}

function unpack(run: Unpack, bytes: Uint8Array, maxBytes: number | undefined): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    run(bytes, maxBytes === undefined ? {} : { maxOutputLength: Math.max(1, maxBytes) }, (error, result) => {
      if (error === null) resolve(result);
      else if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") reject(new TransportError("BODY_TOO_LONG", `the response body decodes to more than ${maxBytes} bytes`, { cause: error }));
      else reject(new TransportError("RESPONSE_BROKEN", `the response body does not decode: ${error.message}`, { cause: error }));
    });
  });
}

function without(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== "content-encoding" && headers[i] !== "content-length") kept.push(headers[i] as string, headers[i + 1] as string);
  }
  return kept;
}
