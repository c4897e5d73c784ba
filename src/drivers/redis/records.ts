/** Records as scripts give them: text that is ours, another algorithm's, or nobody's. */

import { decodeText, fromBase64, toBase64 } from "../../core/codec.ts";
import { StoreError } from "../../core/errors.ts";
import type { Algorithm, Reply } from "../../state/contracts/driver.ts";
import { decodeRecord, recordHead } from "../../state/record.ts";
import type { NativeAlgorithm } from "./native/native.ts";
import { refusedBy } from "./refusal.ts";

/** The server's time, which stands first in an answer. */
export function timeOf(answer: unknown): number {
  const first: unknown = Array.isArray(answer) ? answer[0] : undefined;
  const now = numberOf(first);
  if (first === undefined || first === null || !Number.isFinite(now)) throw unknownShape();
  return now;
}

/** The same from the words of `TIME`, which stand first: seconds and microseconds. The sum is the one that scripts make. */
export function clockOf(answer: unknown): number {
  if (!Array.isArray(answer) || answer.length < 3) throw unknownShape();
  const now = numberOf(answer[0]) * 1000 + numberOf(answer[1]) / 1000;
  if (!Number.isFinite(now)) throw unknownShape();
  return now;
}

function numberOf(word: unknown): number {
  return Number(word instanceof Uint8Array ? decodeText(word) : word);
}

/** By place, what the server said to the writes that failed: pairs after the `regular` parts of an answer. */
export function failedWrites(answer: readonly unknown[], regular: number): ReadonlyMap<number, Error> | undefined {
  if (answer.length <= regular) return undefined;
  const failed = new Map<number, Error>();
  for (let i = regular; i + 1 < answer.length; i += 2) {
    const said = answer[i + 1];
    failed.set(numberOf(answer[i]) - 1, refusedBy(new Error(said instanceof Uint8Array ? decodeText(said) : String(said))) as Error);
  }
  return failed;
}

/** The name of this life of the data, where it stands behind an answer: its pairs of failed writes leave one word over. */
export function lifeOf(answer: unknown, regular: number): string | undefined {
  if (!Array.isArray(answer) || answer.length <= regular || (answer.length - regular) % 2 === 0) return undefined;
  const last: unknown = answer.at(-1);
  return last instanceof Uint8Array ? decodeText(last) : String(last);
}

/** A call of which no part worked has failed as a whole, which is what its guard counts. */
export function failIfAllFailed(replies: Iterable<readonly Reply[] | undefined>, failed: ReadonlyMap<number, Error> | undefined): void {
  if (failed === undefined || failed.size === 0) return;
  for (const row of replies) if (row?.some((reply) => !(reply instanceof Error)) !== false) return;
  throw failed.values().next().value;
}

export function readAnswer(answer: unknown, keys: number): { now: number; stored: (string | undefined)[]; failed: ReadonlyMap<number, Error> | undefined } {
  const now = timeOf(answer);
  const list = answer as unknown[];
  const stored: (string | undefined)[] = [];
  for (let i = 1; i <= keys; i++) stored.push(list[i] === null || list[i] === undefined ? undefined : String(list[i]));
  return { now, stored, failed: failedWrites(list, keys + 1) };
}

export function unknownShape(): StoreError {
  return new StoreError("STORE_CORRUPT", "redis gave a reply of an unknown shape", { outcome: "unknown" });
}

export function wrongType(name: string): StoreError {
  return new StoreError("STORE_WRONG_TYPE", `the key holds something else than the state of ${name}`, { outcome: "not-applied" });
}

export function parseNative(native: NativeAlgorithm, text: string | undefined): unknown {
  if (text === undefined) return undefined;
  if (!text.startsWith(native.head)) throw foreign(native.algorithm.name, text);
  return native.parse(text.slice(native.head.length));
}

const heads: WeakMap<Algorithm, string> = /* @__PURE__ */ new WeakMap();

/** What the text of a record of this algorithm begins with: of its header, what fills whole groups of base64. */
export function headOf(algorithm: Algorithm): string {
  let head = heads.get(algorithm);
  if (head === undefined) {
    const bytes = recordHead(algorithm);
    heads.set(algorithm, (head = toBase64(bytes.subarray(0, bytes.length - (bytes.length % 3)))));
  }
  return head;
}

export function parseRecord(algorithm: Algorithm, text: string | undefined): unknown {
  if (text === undefined) return undefined;
  let bytes: Uint8Array;
  try {
    bytes = fromBase64(text);
  } catch {
    throw foreign(algorithm.name, text);
  }
  return decodeRecord(algorithm, bytes).state;
}

/** Text that is no record of this algorithm: another one's, another version's, or not ours at all. */
function foreign(name: string, text: string): StoreError {
  const other = /^([a-z0-9-]+)\/(\d+) /.exec(text);
  return other !== null && other[1] === name
    ? new StoreError("STORE_CORRUPT", `a record of ${name} has the unknown version ${other[2]}; was it written by a newer release?`)
    : wrongType(name);
}
