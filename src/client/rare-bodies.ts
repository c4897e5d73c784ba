/** Bodies that most calls never send: multipart forms, blobs and streams, and any body whose progress is told. */

import type { EncodedBody } from "./body.ts";
import { fromBytes } from "./body.ts";
import type { BodyKind } from "./config.ts";
import { StitchError } from "./errors.ts";
import { isPlain } from "./merge.ts";

export { counted } from "./counted-body.ts";

/** A part of a multipart form with a name or type of its own. */
interface Part {
  readonly value: string | Uint8Array | Blob;
  readonly filename?: string;
  readonly type?: string;
}

/** `FormData`, `Blob`, a stream, a function that gives one; or a record as multipart. */
export async function encodeRare(value: unknown, kind: BodyKind): Promise<EncodedBody> {
  if (kind === "multipart" && !(value instanceof FormData)) return encodeRare(formOf(value), "auto");
  if (value instanceof FormData) {
    // The platform knows how names are escaped; encoded once, so that every try sends the same boundary.
    const encoded = new Response(value);
    // Bun forgets the type, and with it the boundary, once the body has been read.
    const type = encoded.headers.get("content-type") ?? undefined;
    return fromBytes(new Uint8Array(await encoded.arrayBuffer()), type);
  }
  if (value instanceof Blob) {
    return { make: () => value.stream() as ReadableStream<Uint8Array>, replayable: true, contentType: value.type === "" ? "application/octet-stream" : value.type, bytes: value.size, text: undefined, raw: undefined };
  }
  if (typeof value === "function") {
    return { make: async () => streamOf(await (value as () => unknown)()), replayable: true, contentType: "application/octet-stream", bytes: undefined, text: undefined, raw: undefined };
  }
  const stream = streamOf(value);
  return { make: () => stream, replayable: false, contentType: "application/octet-stream", bytes: undefined, text: undefined, raw: undefined };
}

function streamOf(value: unknown): ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> {
  if (value instanceof ReadableStream) return value as ReadableStream<Uint8Array>;
  if (typeof value === "object" && value !== null && Symbol.asyncIterator in value) return value as AsyncIterable<Uint8Array>;
  throw new StitchError("INPUT_INVALID", "body is neither plain data, a form, bytes, a Blob nor a stream", { issues: [{ message: "cannot be sent", path: ["body"] }] });
}

const UNSAFE_NAME = /[\u0000\r\n]/;

function formOf(value: unknown): FormData {
  if (!isPlain(value)) throw new StitchError("INPUT_INVALID", "body must be a record or FormData for multipart", { issues: [{ message: "not a record", path: ["body"] }] });
  const form = new FormData();
  for (const [name, field] of Object.entries(value)) {
    if (UNSAFE_NAME.test(name)) throw new StitchError("INPUT_INVALID", "body holds a field whose name has a line break", { issues: [{ message: "a line break", path: ["body"] }] });
    for (const item of Array.isArray(field) ? (field as unknown[]) : [field]) if (item !== undefined) append(form, name, item);
  }
  return form;
}

function append(form: FormData, name: string, item: unknown): void {
  if (isPlain(item) && "value" in item) {
    const { value, filename, type } = item as unknown as Part;
    if (filename !== undefined && UNSAFE_NAME.test(filename)) throw new StitchError("INPUT_INVALID", "a file name has a line break", { issues: [{ message: "a line break", path: ["body", name] }] });
    if (filename === undefined && type === undefined && typeof value === "string") form.append(name, value);
    else form.append(name, new Blob([value as BlobPart], { type: type ?? (value instanceof Blob ? value.type : "") }), filename ?? "blob");
  } else if (item instanceof Blob) form.append(name, item);
  else if (item instanceof Uint8Array) form.append(name, new Blob([item as Uint8Array<ArrayBuffer>]));
  else form.append(name, item === null ? "" : item instanceof Date ? item.toISOString() : typeof item === "object" ? JSON.stringify(item) : String(item));
}
