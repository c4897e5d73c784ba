/** Limits of a JSON text, checked in one pass without recursion and before anybody parses it. */

export interface JsonLimits {
  readonly maxDepth: number;
  readonly maxKeys: number;
  readonly maxStringLength: number;
  readonly maxArraySize: number;
}

export type JsonBreach = "maxDepth" | "maxKeys" | "maxStringLength" | "maxArraySize";

/**
 * The first limit a text breaks, or `undefined`. Only brackets, commas and strings are looked at: whether it is JSON at all is the
 * parser's to say, which cannot exhaust the stack on what passed here.
 */
export function scanJson(text: string, limits: JsonLimits): JsonBreach | undefined {
  /** Per open bracket: members so far; negative in arrays, less one. */
  const open: number[] = [];
  let keys = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x22) {
      const end = endOfString(text, at);
      if (end - at - 1 > limits.maxStringLength && decodedLength(text, at + 1, end) > limits.maxStringLength) return "maxStringLength";
      at = end;
    } else if (char === 0x7b || char === 0x5b) {
      if (open.length >= limits.maxDepth) return "maxDepth";
      open.push(char === 0x7b ? 0 : isEmptyArray(text, at) ? -1 : -2);
      if (open.at(-1) === -2 && limits.maxArraySize < 1) return "maxArraySize";
    } else if (char === 0x7d || char === 0x5d) open.pop();
    else if (char === 0x3a && (open.at(-1) ?? -1) >= 0) {
      if (++keys > limits.maxKeys) return "maxKeys";
    } else if (char === 0x2c && (open.at(-1) ?? 0) < 0) {
      const size = (open[open.length - 1] as number) - 1;
      open[open.length - 1] = size;
      if (-size - 1 > limits.maxArraySize) return "maxArraySize";
    }
  }
  return undefined;
}

/** Index of the closing quote, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x5c) at++;
    else if (char === 0x22) return at;
  }
  return text.length;
}

/** Characters of a string literal: an escape is one. */
function decodedLength(text: string, from: number, to: number): number {
  let length = 0;
  for (let at = from; at < to; at++, length++) if (text.charCodeAt(at) === 0x5c) at += text[at + 1] === "u" ? 5 : 1;
  return length;
}

function isEmptyArray(text: string, at: number): boolean {
  for (let next = at + 1; next < text.length; next++) {
    const char = text.charCodeAt(next);
    if (char !== 0x20 && char !== 0x09 && char !== 0x0a && char !== 0x0d) return char === 0x5d;
  }
  return true;
}
