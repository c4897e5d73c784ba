/** Answers to HEAD: the fields of the GET, and no body (RFC 9110 9.3.2). */

/** A longer or slower body is one that GET would send in chunks, without a length. */
const MAX_COUNTED_BYTES = 1_048_576;
const MAX_COUNTED_CHUNKS = 64;

/** The same response without its body; with its length, where a GET would tell it. */
export async function withoutBody(response: Response): Promise<Response> {
  const headers = new Headers(response.headers);
  const body = response.body as ReadableStream<Uint8Array>;
  if (headers.has("content-length") || body.locked) body.cancel().catch(() => {});
  else {
    // A body that breaks off has no length; the fields of the answer stand.
    const length = await lengthOf(body).catch(() => undefined);
    if (length !== undefined) headers.set("content-length", String(length));
  }
  return new Response(null, { status: response.status, statusText: response.statusText, headers });
}

/** Bytes of a body that is in memory already: what does not come within a few turns is not waited for. */
async function lengthOf(body: ReadableStream<Uint8Array>): Promise<number | undefined> {
  const reader = body.getReader();
  let bytes = 0;
  for (let chunks = 0; chunks < MAX_COUNTED_CHUNKS && bytes <= MAX_COUNTED_BYTES; chunks++) {
    const next = await Promise.race([reader.read(), fewTurns()]);
    if (next === undefined) break;
    if (next.done) return bytes;
    bytes += next.value.byteLength;
  }
  reader.cancel().catch(() => {});
  return undefined;
}

async function fewTurns(): Promise<undefined> {
  for (let i = 0; i < 16; i++) await undefined;
  return undefined;
}
