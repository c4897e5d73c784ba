/** Close codes and reasons (RFC 6455, section 7.4). */

import { OptionError } from "../core/errors.ts";
import { encodeText } from "../core/codec.ts";

export const CLOSE = {
  normal: 1000,
  away: 1001,
  noStatus: 1005,
  abnormal: 1006,
  policy: 1008,
  tooBig: 1009,
  internal: 1011,
  restart: 1012,
  overload: 1013,
  unauthenticated: 4401,
  forbidden: 4403,
  heartbeatLost: 4408,
  replaced: 4409,
} as const;

const MAX_REASON_BYTES = 123;

/** Codes an endpoint may send: 1000 to 1014 without those that only describe a lost connection, and 3000 to 4999. */
export function isSendableCode(code: unknown): code is number {
  if (typeof code !== "number" || !Number.isInteger(code)) return false;
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
}

/** Throws a `RangeError` for a code that cannot be sent. */
export function checkCloseCode(option: string, code: unknown): number {
  if (!isSendableCode(code)) throw new OptionError(option, code, "a close code that can be sent: 1000 to 1003, 1007 to 1014, or 3000 to 4999");
  return code;
}

/** At most 123 UTF-8 bytes, cut between characters. */
export function cutReason(reason: string): string {
  if (reason.length * 3 <= MAX_REASON_BYTES) return reason;
  let text = "";
  let bytes = 0;
  for (const char of reason) {
    bytes += encodeText(char).length;
    if (bytes > MAX_REASON_BYTES) return text;
    text += char;
  }
  return text;
}

/** What `onClose` is told: a runtime that reports 0 or nothing had no close frame. */
export function wireCode(code: number | undefined): number {
  return code === undefined || code === 0 ? CLOSE.abnormal : code;
}
