/** Reads lists of cache directives (RFC 9111 5.2): one pass over the text, whatever the text is. */

/** Called once per directive: lower-case name, and its value without quotes (`undefined` when there is none). */
export type DirectiveVisitor = (name: string, value: string | undefined, quoted: boolean) => void;

const COMMA = 0x2c;
const QUOTE = 0x22;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

/**
 * Visits the directives of a field value. A quote that never closes is an ordinary character: what stands behind it
 * still counts, so that `private="a, no-store` hides no `no-store`.
 */
export function visitDirectives(text: string, visit: DirectiveVisitor): void {
  const end = text.length;
  let unclosed = false;
  let at = 0;
  while (at < end) {
    at = skipSpace(text, at, end);
    const nameStart = at;
    while (at < end && text.charCodeAt(at) !== COMMA && text.charCodeAt(at) !== EQUALS) at++;
    const name = text.slice(nameStart, at);
    let value: string | undefined;
    let quoted = false;
    if (at < end && text.charCodeAt(at) === EQUALS) {
      at++;
      const close = !unclosed && text.charCodeAt(at) === QUOTE ? closingQuote(text, at + 1, end) : -1;
      if (close >= 0) {
        value = unescape(text.slice(at + 1, close));
        quoted = true;
        at = close + 1;
      } else {
        unclosed ||= text.charCodeAt(at) === QUOTE;
      }
      const restStart = at;
      while (at < end && text.charCodeAt(at) !== COMMA) at++;
      const rest = text.slice(restStart, at).trimEnd();
      // Text behind a closing quote belongs to no grammar; keeping it makes the value invalid wherever a number is wanted.
      value = value === undefined ? rest : value + rest;
    }
    at++;
    const key = name.trimEnd().toLowerCase();
    if (key !== "") visit(key, value, quoted);
  }
}

/** `delta-seconds` (RFC 9111 1.2.2): digits only, at most 2^31; `undefined` for anything else. */
export function deltaSeconds(value: string | undefined): number | undefined {
  if (value === undefined || value === "") return undefined;
  let seconds = 0;
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    seconds = Math.min(seconds * 10 + digit, 2_147_483_648);
  }
  return seconds;
}

/** The members of a comma list, trimmed and lower-cased, empty ones left out. */
export function listMembers(text: string): string[] {
  const members: string[] = [];
  for (const part of text.split(",")) {
    const member = part.trim().toLowerCase();
    if (member !== "") members.push(member);
  }
  return members;
}

/** True for a field name (RFC 9110 5.1). */
export function isToken(text: string): boolean {
  if (text.length === 0) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const alphanumeric = (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
    if (!alphanumeric && !"!#$%&'*+-.^_`|~".includes(text[i] as string)) return false;
  }
  return true;
}

function skipSpace(text: string, at: number, end: number): number {
  while (at < end && (text.charCodeAt(at) === 0x20 || text.charCodeAt(at) === 0x09)) at++;
  return at;
}

function closingQuote(text: string, at: number, end: number): number {
  while (at < end) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    at += code === BACKSLASH ? 2 : 1;
  }
  return -1;
}

function unescape(text: string): string {
  return text.includes("\\") ? text.replace(/\\([^])/g, "$1") : text;
}
