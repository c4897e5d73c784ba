/** A file as a stream, with a name that is safe to use. */

import type { CallInput } from "./config.ts";
import type { ResponseFields } from "./fields.ts";
import { StitchError, configError } from "./errors.ts";
import type { Args } from "./infer.ts";
import { PLAN, isStitch, type Stitch } from "./stitch.ts";

export interface Download {
  /** Read it or cancel it: it holds the connection. */
  readonly stream: ReadableStream<Uint8Array>;
  /** Of `Content-Disposition`: a base name without control characters, or nothing. */
  readonly filename: string | undefined;
  readonly totalBytes: number | undefined;
}

/** Begins a download. The stitch is declared with `response: "raw"`. @throws StitchError */
export async function download<In>(stitch: Stitch<unknown, In>, ...input: Args<In>): Promise<Download> {
  if (!isStitch(stitch) || stitch[PLAN].responseKind !== "raw") throw configError("download", stitch, 'a stitch with response: "raw"');
  const result = (await (stitch as unknown as Stitch<unknown, CallInput>)(input[0] as CallInput)) as { headers: ResponseFields; body: ReadableStream<Uint8Array> | null };
  if (result.body === null) throw new StitchError("PROTOCOL_ERROR", "the answer has no body", { sent: true });
  const length = result.headers["content-length"];
  const disposition = result.headers["content-disposition"];
  return {
    stream: result.body,
    filename: typeof disposition === "string" ? filenameOf(disposition) : undefined,
    totalBytes: typeof length === "string" && /^\d{1,15}$/.test(length) ? Number(length) : undefined,
  };
}

/** The name a server suggests (RFC 6266, `filename*` first), as a base name. */
export function filenameOf(disposition: string): string | undefined {
  if (disposition.length > 4096) return undefined;
  const extended = /(?:^|;)\s*filename\*\s*=\s*(utf-8|iso-8859-1)'[^']*'([^;\s]+)/i.exec(disposition);
  let name: string | undefined;
  if (extended !== null) {
    try {
      name = (extended[1] as string).toLowerCase() === "utf-8" ? decodeURIComponent(extended[2] as string) : unescapeLatin(extended[2] as string);
    } catch {
      // What does not decode is no name.
    }
  }
  name ??= /(?:^|;)\s*filename\s*=\s*"((?:[^"\\]|\\.)*)"/i.exec(disposition)?.[1]?.replace(/\\(.)/g, "$1") ?? /(?:^|;)\s*filename\s*=\s*([^;"\s]+)/i.exec(disposition)?.[1];
  const base = name?.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "").split(/[/\\]/).pop()?.trim();
  return base === undefined || base === "" || base === "." || base === ".." ? undefined : base.slice(0, 255);
}

function unescapeLatin(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
