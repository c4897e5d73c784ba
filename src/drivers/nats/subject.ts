/**
 * Names as NATS subjects and as keys of a bucket, reversibly: no two names meet, and none reaches a wildcard. Letters,
 * digits, `-`, `_` and `/` stay; a `:` between two parts becomes the `.` between two tokens; every other byte is `=` and
 * its two hex digits. So `sluice:rl:user-7` is `sluice.rl.user-7`, and permissions and `nats sub` can go by parts.
 */

import { decodeText, encodeText } from "../../core/codec.ts";

// The client takes no key with other characters, and a bucket reserves keys that begin with `_kv`.
const PLAIN: RegExp = /^[A-Za-z0-9/-][A-Za-z0-9_/-]*$/;
const OTHER: RegExp = /[^A-Za-z0-9_/-]/gu;

/** A non-empty name without lone surrogates (`utf8Key` takes care of those) as a subject. */
export function toSubject(name: string): string {
  if (PLAIN.test(name)) return name;
  const subject = name.replace(OTHER, (char, at: number) => (char === ":" && at > 0 && at < name.length - 1 && name[at - 1] !== ":" ? "." : hex(char)));
  return subject.startsWith("_") ? `=5f${subject.slice(1)}` : subject;
}

/** The name, or `undefined` for a subject that `toSubject` does not give. */
export function fromSubject(subject: string): string | undefined {
  const bytes: number[] = [];
  for (let at = 0; at < subject.length; at++) {
    const char = subject[at] as string;
    if (char === "=") {
      bytes.push(Number.parseInt(subject.slice(at + 1, at + 3), 16));
      at += 2;
    } else bytes.push(char === "." ? 0x3a : char.charCodeAt(0));
  }
  if (!bytes.every((byte) => byte < 0x100)) return undefined;
  const name = decodeText(Uint8Array.from(bytes));
  return name !== "" && toSubject(name) === subject ? name : undefined;
}

function hex(char: string): string {
  let text = "";
  for (const byte of encodeText(char)) text += `=${byte.toString(16).padStart(2, "0")}`;
  return text;
}
