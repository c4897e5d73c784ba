/** The canonical path of a request: computed once, and used by the match, policies, keys and the upstream alike. */

/**
 * The path of an absolute or relative URL text in canonical form, or `undefined` when it is malformed (a `%` without
 * two hex digits, or a NUL in any spelling).
 *
 * - `%41`, `%7e`: unreserved characters (RFC 3986 2.3) are decoded; every other escape stays, its digits in upper case (6.2.2.1).
 * - `.` and `..` segments are resolved, also when written `%2e`; nothing leaves the root.
 * - `%2F`, `%5C` and `\` are never separators; a raw `\` becomes `%5C`.
 * - Raw control characters, spaces, non-ASCII and `"<>^\`{}` are percent-encoded as UTF-8, as WHATWG URL does; not every
 *   runtime has parsed the URL when it hands over the request.
 *
 * It is idempotent, and free for a path that is canonical already.
 */
export function canonicalPath(url: string): string | undefined {
  const start = pathStart(url);
  let end = start;
  let plain = true;
  let afterSlash = false;
  for (; end < url.length; end++) {
    const code = url.charCodeAt(end);
    if (code === 63 || code === 35) break;
    if (code >= 127 || SPECIAL[code] === 1 || (code === 46 && afterSlash)) plain = false;
    afterSlash = code === 47;
  }
  const raw = url.slice(start, end);
  if (plain) return raw === "" ? "/" : raw;
  return canonicalise(raw);
}

/** Index of the path: after the authority of an absolute URL, else 0. */
function pathStart(url: string): number {
  if (url.charCodeAt(0) === 47) return 0;
  const authority = url.indexOf("://");
  if (authority === -1) return 0;
  for (let i = authority + 3; i < url.length; i++) {
    const code = url.charCodeAt(i);
    if (code === 47 || code === 63 || code === 35) return i;
  }
  return url.length;
}

/** The query of a URL text with its `?`, or an empty string. As received. */
export function queryOf(url: string): string {
  const mark = url.indexOf("?");
  if (mark === -1) return "";
  const hash = url.indexOf("#", mark);
  const beforeHash = url.indexOf("#");
  if (beforeHash !== -1 && beforeHash < mark) return "";
  return hash === -1 ? url.slice(mark) : url.slice(mark, hash);
}

const UNRESERVED = /[A-Za-z0-9\-._~]/;
const TO_ENCODE = /[\\"<>^`{}\u0000-\u0020\u007f-\uffff]/;
const RUNS_TO_ENCODE = /[\\"<>^`{}\u0000-\u0020\u007f-\uffff]+/g;

/** ASCII that makes a path go through the slow way: what is encoded, and `%`. */
const SPECIAL: Uint8Array = /* @__PURE__ */ Uint8Array.from({ length: 127 }, (_, code) => (code === 37 || TO_ENCODE.test(String.fromCharCode(code)) ? 1 : 0));

function canonicalise(raw: string): string | undefined {
  let text = raw;
  if (text.includes("%")) {
    if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined;
    if (text.includes("%00")) return undefined;
    text = text.replace(/%[0-9a-fA-F]{2}/g, canonicalEscape);
  }
  if (text.includes("\0")) return undefined;
  if (TO_ENCODE.test(text)) text = text.replace(RUNS_TO_ENCODE, (run) => encodeURIComponent(run.replace(/\p{Surrogate}/gu, "\ufffd")));
  return resolveDots(text);
}

/** An escape as the canonical path spells it. */
export function canonicalEscape(escape: string): string {
  const char = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
  return UNRESERVED.test(char) ? char : escape.toUpperCase();
}

/** Escapes of what may stand in a path unescaped, of `/` and of `\`. */
const DECODED_BY_SOME = /%(?:2[146789A-CF]|3[ABD]|40|5C)/g;

/**
 * A canonical path as a server may read it that decodes reserved characters, takes `\` for `/`, and drops path parameters and
 * empty segments. Most frameworks do some of it.
 */
export function laxPath(path: string): string {
  if (!path.includes("%") && !path.includes(";") && !path.includes("//")) return path;
  const decoded = path.replace(DECODED_BY_SOME, (escape) => String.fromCharCode(Number.parseInt(escape.slice(1), 16)));
  return resolveDots(decoded.replace(/\\/g, "/").replace(/;[^/]*/g, "").replace(/\/{2,}/g, "/"));
}

/** RFC 3986 5.2.4 on a path that may begin without a slash. */
function resolveDots(path: string): string {
  if (!/(?:^|\/)\.{1,2}(?:\/|$)/.test(path)) return path.startsWith("/") ? path : `/${path}`;
  const segments = path.split("/");
  const kept: string[] = [];
  for (let i = path.startsWith("/") ? 1 : 0; i < segments.length; i++) {
    const segment = segments[i] as string;
    const last = i === segments.length - 1;
    if (segment === "..") {
      kept.pop();
      if (last) kept.push("");
    } else if (segment === ".") {
      if (last) kept.push("");
    } else kept.push(segment);
  }
  return `/${kept.join("/")}`;
}

/** Whether the dot segments of a path, in whatever spelling, reach above its root. */
export function climbs(path: string): boolean {
  let depth = 0;
  for (const segment of path.split("/").slice(path.startsWith("/") ? 1 : 0)) {
    const plain = segment.replace(/%2e/gi, ".");
    if (plain === "..") depth--;
    else if (plain !== ".") depth++;
    if (depth < 0) return true;
  }
  return false;
}
