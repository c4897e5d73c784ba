/** Keys of Workers KV: at most 512 bytes of UTF-8, and neither `.` nor `..`. */

import { boundKey, utf8Key } from "../../core/keys.ts";

export function kvKey(key: string): string {
  const stored = utf8Key(boundKey(key));
  // Marked with `~`, which every other key that begins with it doubles.
  return stored === "." || stored === ".." ? `~${stored}` : stored;
}
