/** Request bodies: what a value becomes on the wire, and whether it can be sent twice. */

import type { AdapterBody } from "../core/adapter.ts";
import { encodeText } from "../core/utf8.ts";
import { isPromise, type MaybePromise } from "../core/maybe-promise.ts";
import type { BodyKind } from "./config.ts";
import { StitchError } from "./errors.ts";
import { featuresOf } from "./features/features.ts";
import type { Runtime } from "./runtime.ts";
import { encodeForm, type ArrayFormat } from "./walk.ts";

export interface EncodedBody {
  /** For one try. */
  make(): MaybePromise<AdapterBody>;
  readonly replayable: boolean;
  /** Set unless the caller names another. */
  readonly contentType: string | undefined;
  /** Known length, for progress. */
  readonly bytes: number | undefined;
  /** The body as text, for keys, signatures and sinks. */
  readonly text: string | undefined;
  /** The body as bytes, where it is not a stream. */
  readonly raw: Uint8Array | undefined;
}

/** Encodes a value. `typed`: the caller set a content type. @throws StitchError */
export function encodeBody(value: unknown, kind: BodyKind, format: ArrayFormat, typed: boolean, runtime: Runtime): MaybePromise<EncodedBody> {
  switch (kind === "auto" ? kindOf(value) : kind) {
    case "json":
      // A text with a content type of the caller's is JSON already.
      return fromText(typeof value === "string" && typed ? value : stringify(value), "application/json");
    case "text":
      return fromText(String(value), "text/plain;charset=UTF-8");
    case "form":
      return fromText(formText(value, format), "application/x-www-form-urlencoded;charset=UTF-8");
    case "bytes":
      return fromBytes(value);
    case "multipart":
    case "other": {
      const loaded = featuresOf(runtime).bodies();
      return isPromise(loaded) ? loaded.then((bodies) => bodies.encodeRare(value, kind)) : loaded.encodeRare(value, kind);
    }
  }
}

function kindOf(value: unknown): "json" | "text" | "form" | "bytes" | "other" {
  if (typeof value === "string") return "text";
  if (value === null || typeof value === "number" || typeof value === "boolean" || Array.isArray(value)) return "json";
  if (value instanceof Uint8Array || value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return "bytes";
  if (value instanceof URLSearchParams) return "form";
  if (typeof value === "function") return "other";
  if (typeof value === "object") {
    const prototype = Object.getPrototypeOf(value) as unknown;
    if (prototype === Object.prototype || prototype === null || typeof (value as { toJSON?: unknown }).toJSON === "function") return "json";
    return "other";
  }
  throw new StitchError("INPUT_INVALID", `body: a ${typeof value} cannot be sent`, { issues: [{ message: "cannot be sent", path: ["body"] }] });
}

export function fromText(text: string, contentType: string | undefined): EncodedBody {
  let raw: Uint8Array | undefined;
  return {
    make: () => text, replayable: true, contentType, text,
    get bytes() {
      return (raw ??= encodeText(text)).byteLength;
    },
    get raw() {
      return (raw ??= encodeText(text));
    },
  };
}

export function fromBytes(value: unknown, contentType?: string): EncodedBody {
  const view = value instanceof Uint8Array ? value : value instanceof ArrayBuffer ? new Uint8Array(value) : ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : undefined;
  if (view === undefined) throw new StitchError("INPUT_INVALID", "body must be bytes", { issues: [{ message: "not bytes", path: ["body"] }] });
  // A copy: what the caller does to the buffer afterwards changes nothing.
  const bytes = view.slice();
  return { make: () => bytes, replayable: true, contentType: contentType ?? "application/octet-stream", bytes: bytes.byteLength, text: undefined, raw: bytes };
}

function stringify(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new StitchError("INPUT_INVALID", "body has no JSON form", { cause, issues: [{ message: "no JSON form", path: ["body"] }] });
  }
  if (text === undefined) throw new StitchError("INPUT_INVALID", "body has no JSON form", { issues: [{ message: "no JSON form", path: ["body"] }] });
  return text;
}

function formText(value: unknown, format: ArrayFormat): string {
  if (value instanceof URLSearchParams) return value.toString();
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) throw new StitchError("INPUT_INVALID", "body must be a record for a form", { issues: [{ message: "not a record", path: ["body"] }] });
  return encodeForm(value, format);
}
