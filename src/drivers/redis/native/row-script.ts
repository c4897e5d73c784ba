/**
 * Scripts for algorithms whose state is a few numbers. The record is binary: two bytes that say whose it is, and a double
 * (big endian) per number. Reading and writing decimal text would take the server twice as long as all the rest of a decision.
 *
 * A script answers with the server's time (seconds and microseconds) and, per key, the numbers *before*; zeros where there was
 * no record. After that, the place and the error of each key whose write the server refused.
 */

import { sha1Hex } from "../../../core/digest.ts";
import type { Script } from "../client.ts";
import { ENDED } from "./ended.ts";

export interface RowScripts {
  /** First two bytes of a record, as a number. */
  readonly tag: number;
  /** For keys that all get charges of one kind: `form`, the arguments once, then the numbers of charges unless each is 1. */
  readonly uniform: Script;
  /** For all others: `form`, then per key a text of `groups times a1 … an times a1 …`. */
  readonly grouped: Script;
}

/** Takes a number of a record's place for "none of ours" and "ours, of another version". */
export const WRONG_TYPE: number = -1;
export const WRONG_VERSION: number = -2;

/** Bytes of a record of `width` numbers. */
export const rowBytes = (width: number): number => 2 + 8 * width;

export interface RowScriptOptions {
  /** One letter, the record's first byte; the second is the version. */
  readonly letter: string;
  readonly version: number;
  readonly width: number;
  /** Arguments of a charge. */
  readonly groupArgs: number;
  /**
   * Sees `now`, the state `s1 …`, `n` (0 when there is no record), `times` and the arguments `a1 …`; changes the state, sets
   * `changed`, and leaves the instant of expiry in `ends`.
   */
  readonly body: string;
  /** The record ends at the same instant as long as its first number stays: the key's TTL is then left alone, which halves the write. */
  readonly fixedEnd?: boolean;
}

export function rowScripts({ letter, version, width, groupArgs, body, fixedEnd = false }: RowScriptOptions): RowScripts {
  const tag = letter.charCodeAt(0) * 256 + version;
  const list = (prefix: string, count: number): string => Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`).join(", ");
  const [s, a, d] = [list("s", width), list("a", groupArgs), "d".repeat(width)];
  const sane = Array.from({ length: width }, (_, i) => `s${i + 1} >= 0 and s${i + 1} <= 9007199254740991`).join(" and ");
  const indent = (by: number): string => body.trim().replace(/^/gm, " ".repeat(by));
  const around = (before: string, charges: string): Script => {
    // A single decision runs this cold: what only some calls need is looked up where it is needed.
    const source = `local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local try, pack, unpack, floor, ceil, min, max = redis.pcall, struct.pack, struct.unpack, math.floor, math.ceil, math.min, math.max
local bytes, last = ARGV[1] == 'b', #KEYS
local packed, failed
if bytes and last > 1 then packed = {} end
${before}
for k = 1, last do
  local key = KEYS[k]
  local stored = try('GET', key)
  local n, good, tag, ${s} = 0, true, 0${", 0".repeat(width)}
  if stored then
    if #stored == ${rowBytes(width)} then tag, ${s} = unpack('>H${d}', stored) end
    if tag == ${tag} and ${sane} then
      n = ${width}
    else
      ${ENDED.replaceAll("\n", "\n      ")}
      if ended(key, stored) then
        stored, ${s} = false${", 0".repeat(width)}
      else
        good, s1${s.slice(2)} = false, tag >= ${letter.charCodeAt(0) * 256} and tag < ${letter.charCodeAt(0) * 256 + 256} and ${WRONG_VERSION} or ${WRONG_TYPE}${", 0".repeat(width - 1)}
        stored = pack('>H${d}', 0, ${s})
      end
    end
  end
  if not bytes then
    ${Array.from({ length: width }, (_, i) => `time[(k - 1) * ${width} + ${i + 3}] = s${i + 1}`).join("\n    ")}
  else
    if not stored then stored = pack('>H${d}', 0${", 0".repeat(width)}) end
    if packed then packed[k] = stored else time[3] = stored end
  end
  if good then
    local changed, ends${fixedEnd ? ", began" : ""} = false, 0${fixedEnd ? ", n > 0 and s1" : ""}
${charges}
    if changed then
      local record = pack('>H${d}', ${tag}, ${s})
      local done${fixedEnd ? "\n      if s1 == began then done = try('SET', key, record, 'KEEPTTL') else done" : ""} = try('SET', key, record, 'PX', string.format('%.0f', max(1, ceil(ends - now)) + 1000))${fixedEnd ? " end" : ""}
      if done.err then
        failed = failed or {}
        failed[#failed + 1], failed[#failed + 2] = k, done.err
      end
    end
  end
end
if packed then time[3] = table.concat(packed) end
if failed then for i = 1, #failed do time[#time + 1] = failed[i] end end
return time`;
    return { source, sha: sha1Hex(source) };
  };
  return {
    tag,
    uniform: around(
      `local ${a} = ${Array.from({ length: groupArgs }, (_, i) => `tonumber(ARGV[${i + 2}])`).join(", ")}\nlocal counts = ARGV[${groupArgs + 2}] and string.gmatch(ARGV[${groupArgs + 2}], '%d+')`,
      `    local times = counts and tonumber(counts()) or 1\n${indent(4)}`,
    ),
    grouped: around(
      "",
      `    local next = string.gmatch(ARGV[k + 1], '%d+')
    for group = 1, tonumber(next()) do
      local times = tonumber(next())
      local ${a} = ${Array.from({ length: groupArgs }, () => "tonumber(next())").join(", ")}
${indent(6)}
    end`,
    ),
  };
}
