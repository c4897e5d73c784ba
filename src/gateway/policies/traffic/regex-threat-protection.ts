/** `regexThreatProtection`: requests that match a pattern stay out. */

import type { Context } from "hono";
import { checkInteger, checkOneOf, checkString } from "../../../core/check.ts";
import { concatBytes } from "../../../core/concat-bytes.ts";
import { OptionError, quote, stackless } from "../../../core/errors.ts";
import { requestBytes } from "../../collect-body.ts";
import { codingOf } from "../../content-coding.ts";
import { definePolicy, type PolicyFactory } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { essenceOf, isUtf8Type, mediaTypeIn } from "../../media-type.ts";
import { checkNames } from "../../option-checks.ts";
import { queryOf } from "../../path.ts";
import { Priority } from "../../priority.ts";
import type { PolicyOptions } from "../../types.ts";
import { riskOf } from "./regex-threat-protection/risky-pattern.ts";

export type ThreatTarget = "path" | "headers" | "body" | "query";

export interface ThreatPattern {
  /** Source of a regular expression. */
  readonly regex: string;
  /** What it is matched against. */
  readonly targets: readonly ThreatTarget[];
  /** Detail of a refusal. @default "The request looks like an attack" */
  readonly message?: string;
}

export interface RegexThreatProtectionConfig extends PolicyOptions {
  /** What stays out. */
  readonly patterns: readonly ThreatPattern[];
  /** Flags of all patterns; `g` and `y` are not among them. @default "i" */
  readonly flags?: string;
  /** Media types of bodies that are scanned. @default ["application/json", "text/plain", "application/x-www-form-urlencoded"] */
  readonly contentTypes?: readonly string[];
  /** Bytes of a body that are scanned. @default 65536 */
  readonly maxBodyScanLength?: number;
  /** A longer body: refused with 413, or scanned as far as that. @default "reject" */
  readonly oversize?: "reject" | "scan-prefix";
}

interface CompiledPattern {
  readonly regex: RegExp;
  readonly targets: readonly ThreatTarget[];
  readonly message: string;
}

/**
 * Refuses with 400 `threat_detected`. Texts are scanned as they came and decoded once; in queries and forms `+` is a space, and in JSON
 * escapes are what they stand for. A body of a scanned type that cannot be scanned, because it has a content coding or is no UTF-8, is
 * refused with 415 `unsupported_media_type`.
 */
export const regexThreatProtection: PolicyFactory<RegexThreatProtectionConfig> = /* @__PURE__ */ definePolicy<RegexThreatProtectionConfig, readonly CompiledPattern[]>({
  name: "regex-threat-protection",
  httpOnly: true,
  priority: Priority.EARLY,
  guard: true,
  validate(config) {
    compile(config);
    if (config.contentTypes !== undefined) checkNames("contentTypes", config.contentTypes, 1);
    checkInteger("maxBodyScanLength", config.maxBodyScanLength ?? 65_536, 1);
    checkOneOf("oversize", config.oversize ?? "reject", ["reject", "scan-prefix"]);
  },
  warn: ({ patterns }) => patterns.flatMap(({ regex }, i) => {
    const risk = riskOf(regex);
    return risk === undefined ? [] : [`patterns[${i}]: matching ${quote(regex)} may take exponential time: ${risk}`];
  }),
  setup: compile,
  async handler(c, next, { config, state }) {
    const wanted = new Set(state.flatMap(({ targets }) => targets));
    const { raw } = c.req;
    const texts: Partial<Record<ThreatTarget, readonly string[]>> = {};
    if (wanted.has("path")) texts.path = forms(new URL(raw.url).pathname, false);
    if (wanted.has("query")) texts.query = forms(queryOf(raw.url).slice(1), true);
    if (wanted.has("headers")) texts.headers = [...raw.headers].flatMap(([name, value]) => forms(`${name}: ${value}`, false));
    if (wanted.has("body")) texts.body = await bodyForms(c, config);
    const error = decideThreat(state, texts);
    if (error !== undefined) throw error;
    await next();
  },
});

/** The refusal of the first pattern that matches. */
export function decideThreat(patterns: readonly CompiledPattern[], texts: Partial<Record<ThreatTarget, readonly string[]>>): GatewayError | undefined {
  const found = patterns.find(({ regex, targets }) => targets.some((target) => texts[target]?.some((text) => regex.test(text)) === true));
  return found === undefined ? undefined : stackless(() => new GatewayError(400, "threat_detected", found.message));
}

async function bodyForms(c: Context, config: RegexThreatProtectionConfig): Promise<readonly string[]> {
  const type = c.req.raw.headers.get("content-type");
  if (!mediaTypeIn(type, config.contentTypes ?? ["application/json", "text/plain", "application/x-www-form-urlencoded"])) return [];
  const { headers } = c.req.raw;
  if (codingOf(headers) !== undefined) throw unscannable("The body must have no content coding");
  if (!isUtf8Type(type)) throw unscannable("The body must be in UTF-8");
  const limit = config.maxBodyScanLength ?? 65_536;
  let bytes: Uint8Array | undefined;
  if (config.oversize === "scan-prefix") bytes = (await prefix(c, limit)).subarray(0, limit);
  else bytes = await requestBytes(c, limit);
  if (bytes === undefined) throw new GatewayError(413, "body_too_large", `The body of the request is longer than ${limit} bytes`);
  const essence = essenceOf(type);
  const text = scannedText(bytes);
  // JSON has no NUL: it is the half of a character of UTF-16, which some parsers understand by themselves.
  if (text === undefined || (isJson(essence) && text.includes("\0"))) throw unscannable("The body must be in UTF-8");
  const plain = forms(text, essence === "application/x-www-form-urlencoded");
  const unescaped = isJson(essence) ? withoutEscapes(text) : text;
  return unescaped === text ? plain : [...plain, ...forms(unescaped, false)];
}

function unscannable(detail: string): GatewayError {
  return stackless(() => new GatewayError(415, "unsupported_media_type", detail));
}

/** The text of bytes in UTF-8, of which a prefix may end inside a character; `undefined` when they are not. */
function scannedText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return undefined;
  }
}

function isJson(essence: string): boolean {
  return /\bjson$/.test(essence);
}

const ESCAPED: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

/** A JSON text with its strings as a parser gives them (RFC 8259 7), whether or not it is JSON as a whole. */
function withoutEscapes(text: string): string {
  if (!text.includes("\\")) return text;
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|([^]))/g, (_, code: string | undefined, char: string) => (code === undefined ? (ESCAPED[char] ?? char) : String.fromCharCode(Number.parseInt(code, 16))));
}

/** The first bytes of the body, which streams on whole. */
async function prefix(c: Context, limit: number): Promise<Uint8Array> {
  const { raw } = c.req;
  if (raw.bodyUsed || raw.body === null) return (await requestBytes(c, Number.MAX_SAFE_INTEGER)) ?? new Uint8Array(0);
  const reader = (raw.body as ReadableStream<Uint8Array>).getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  let ended = false;
  while (size < limit && !ended) {
    const { done, value } = await reader.read();
    ended = done;
    if (value === undefined) continue;
    chunks.push(value);
    size += value.byteLength;
  }
  const head = concatBytes(chunks, size);
  let sent = false;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (!sent && head.byteLength > 0) {
          sent = true;
          controller.enqueue(new Uint8Array(head));
          return;
        }
        const { done, value } = ended ? { done: true, value: undefined } : await reader.read();
        if (done || value === undefined) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  c.req.raw = new Request(raw, { body, duplex: "half" } as RequestInit);
  return head;
}

/** A text as it came, and decoded once where that makes a difference. Malformed escapes stay as they are. */
function forms(text: string, plus: boolean): readonly string[] {
  const spaced = plus ? text.replaceAll("+", " ") : text;
  const decoded = spaced.replace(/(?:%[0-9a-fA-F]{2})+/g, (run) => {
    try {
      return decodeURIComponent(run);
    } catch {
      return run;
    }
  });
  return decoded === text ? [text] : [text, decoded];
}

const TARGETS: readonly ThreatTarget[] = ["path", "headers", "body", "query"];

function compile(config: RegexThreatProtectionConfig): readonly CompiledPattern[] {
  const flags = checkString("flags", config.flags ?? "i");
  if (/[gy]/.test(flags)) throw new OptionError("flags", flags, "without g and y, which make a match depend on the one before");
  if (!Array.isArray(config.patterns) || config.patterns.length === 0) throw new OptionError("patterns", config.patterns, "a list of at least one pattern");
  return config.patterns.map((pattern: ThreatPattern, i: number) => {
    const where = `patterns[${i}]`;
    checkNames(`${where}.targets`, pattern?.targets, 1);
    for (const target of pattern.targets) checkOneOf(`${where}.targets`, target, TARGETS);
    const source = checkString(`${where}.regex`, pattern.regex);
    let regex: RegExp | undefined;
    try {
      regex = new RegExp(source, flags);
    } catch {
      regex = undefined;
    }
    if (regex === undefined || source === "") throw new OptionError(`${where}.regex`, source, "a regular expression");
    return { regex, targets: pattern.targets, message: checkString(`${where}.message`, pattern.message ?? "The request looks like an attack") };
  });
}
