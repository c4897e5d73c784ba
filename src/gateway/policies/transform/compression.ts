/** `compression`: answers in fewer bytes, for clients that take them so (RFC 9110 12.5.3). */

import { checkInteger, checkOneOf } from "../../../core/check.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { essenceOf, mediaTypeIn } from "../../media-type.ts";
import { checkNames } from "../../option-checks.ts";
import { Priority } from "../../priority.ts";
import { bodyless } from "../../response.ts";
import type { PolicyOptions } from "../../types.ts";
import { weakenTag } from "../traffic/rewritten-body.ts";

export type CompressionEncoding = "br" | "gzip" | "deflate";

export interface CompressionConfig extends PolicyOptions {
  /** Encodings, the most wanted first. @default those the runtime has of `br` and `gzip` */
  readonly encodings?: readonly CompressionEncoding[];
  /** Answers that declare a shorter length stay as they are. @default 1024 */
  readonly thresholdBytes?: number;
  /** Media types that are compressed. @default text, JSON, JavaScript, XML, SVG, WebAssembly */
  readonly contentTypes?: readonly string[];
}

const TYPES: readonly string[] = ["text/*", "application/json", "application/javascript", "application/xml", "application/xhtml+xml", "application/rss+xml", "application/atom+xml", "application/wasm", "image/svg+xml"];

/** Compresses while the body streams. Not what is encoded already, forbids it (`no-transform`), or is an event stream. */
export const compression: PolicyFactory<CompressionConfig> = /* @__PURE__ */ definePolicy<CompressionConfig, readonly CompressionEncoding[]>({
  name: "compression",
  httpOnly: true,
  priority: Priority.EARLY,
  validate(config) {
    if (config.encodings !== undefined) checkNames("encodings", config.encodings, 1);
    for (const encoding of config.encodings ?? []) checkOneOf("encodings", encoding, ["br", "gzip", "deflate"]);
    checkInteger("thresholdBytes", config.thresholdBytes ?? 1024, 0);
    if (config.contentTypes !== undefined) checkNames("contentTypes", config.contentTypes, 1);
  },
  setup: (config) => (config.encodings ?? ["br", "gzip"]).filter(supported),
  async handler(c, next, { config, state }) {
    const accepted = c.req.raw.headers.get("accept-encoding");
    const { method } = c.req;
    await next();
    const { res } = c;
    const { headers } = res;
    const eligible =
      method !== "HEAD" && res.body !== null && !bodyless(res.status) && res.status !== 206 && !headers.has("content-encoding") &&
      !/(?:^|[\s,])no-transform(?:$|[\s,;])/i.test(headers.get("cache-control") ?? "") && essenceOf(headers.get("content-type")) !== "text/event-stream" &&
      mediaTypeIn(headers.get("content-type"), config.contentTypes ?? TYPES) && Number(headers.get("content-length") ?? Infinity) >= (config.thresholdBytes ?? 1024);
    if (!eligible) return;
    // The answer depends on the field also where this one stays as it is.
    addVary(headers);
    const encoding = negotiate(accepted, state);
    if (encoding === undefined) return;
    weakenTag(headers);
    for (const name of ["content-length", "accept-ranges", "content-digest", "content-md5"]) headers.delete(name);
    headers.set("content-encoding", encoding);
    const encoder = new CompressionStream(formatOf(encoding)) as unknown as TransformStream<Uint8Array, Uint8Array>;
    return new Response((res.body as ReadableStream<Uint8Array>).pipeThrough(encoder), { status: res.status, statusText: res.statusText, headers });
  },
});

/** The most wanted encoding of those that `Accept-Encoding` rates highest; `undefined` leaves the answer as it is. */
export function negotiate(field: string | null, encodings: readonly CompressionEncoding[]): CompressionEncoding | undefined {
  if (field === null) return undefined;
  const rates = new Map<string, number>();
  for (const part of field.split(",")) {
    const [name, ...parameters] = part.split(";");
    const q = parameters.map((one) => /^\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*$/i.exec(one)?.[1]).find((one) => one !== undefined);
    const token = name?.trim().toLowerCase() ?? "";
    if (token !== "") rates.set(token === "x-gzip" ? "gzip" : token, q === undefined ? 1 : Number(q));
  }
  const rate = (name: string): number => rates.get(name) ?? rates.get("*") ?? 0;
  let best: CompressionEncoding | undefined;
  for (const encoding of encodings) if (rate(encoding) > (best === undefined ? 0 : rate(best))) best = encoding;
  // Without a word about it, `identity` is as good as the least of the others.
  return best !== undefined && rate(best) >= (rates.get("identity") ?? 0) ? best : undefined;
}

function formatOf(encoding: CompressionEncoding): CompressionFormat {
  return (encoding === "br" ? "brotli" : encoding) as CompressionFormat;
}

/** Asked once per policy: runtimes differ in `br`. */
function supported(encoding: CompressionEncoding): boolean {
  try {
    void new CompressionStream(formatOf(encoding));
    return true;
  } catch {
    return false;
  }
}

function addVary(headers: Headers): void {
  const present = headers.get("vary");
  if (present === null) headers.set("vary", "Accept-Encoding");
  else if (!present.split(",").some((one) => one.trim() === "*" || one.trim().toLowerCase() === "accept-encoding")) headers.set("vary", `${present}, Accept-Encoding`);
}
