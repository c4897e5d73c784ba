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
import { EPOCH } from "./epoch.ts";

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
   * Sees `now`, the state `s1 …` (zeros when there is no record), `times` and the arguments `a1 …`; changes the state, sets
   * `changed`, and leaves the instant of expiry in `ends`.
   */
  readonly body: string;
  /** With an `e` behind the form the last key is the sentinel, and its value stands behind the answer. */
  readonly epoch?: boolean;
  /** The record ends at the same instant as long as its first number stays: the key's TTL is then left alone, which halves the write. */
  readonly fixedEnd?: boolean;
}

export function rowScripts({ letter, version, width, groupArgs, body, epoch = false, fixedEnd = false }: RowScriptOptions): RowScripts {
  const tag = letter.charCodeAt(0) * 256 + version;
  const list = (prefix: string, count: number): string => Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`).join(", ");
  const [s, a, d] = [list("s", width), list("a", groupArgs), "d".repeat(width)];
  const sane = Array.from({ length: width }, (_, i) => `s${i + 1} >= 0 and s${i + 1} <= 9007199254740991`).join(" and ");
  const indent = (by: number): string => body.trim().replace(/^/gm, " ".repeat(by));
  const zeros = ", 0".repeat(width - 1);
  const around = (before: string, charges: string): Script => {
    // All keys are read at once: a call costs more than what it does. `MGET` shows a key of another type as none, so what seems
    // absent is written with `NX`, and looked for where nothing is written.
    const source = `local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local try, pack, read, floor, ceil, min, max = redis.pcall, struct.pack, struct.unpack, math.floor, math.ceil, math.min, math.max
${ENDED}
local function wrong(why) return pack('>H${d}', 0, why${zeros}) end
${epoch ? `${EPOCH}
local form, life = string.sub(ARGV[1], 1, 1)
if #ARGV[1] > 1 then life = epochof(table.remove(KEYS)) end` : "local form = ARGV[1]"}
local none, failed = pack('>H${d}', 0, 0${zeros})
${before}
local all = redis.call('MGET', unpack(KEYS))
for k = 1, #KEYS do
  local stored = all[k]
  local good, tag, ${s} = true, 0, 0${zeros}
  if stored then
    if #stored == ${rowBytes(width)} then tag, ${s} = read('>H${d}', stored) end
    if tag ~= ${tag} or not (${sane}) then
      good, ${s} = ended(KEYS[k], stored), 0${zeros}
      all[k] = good and none or wrong(tag >= ${letter.charCodeAt(0) * 256} and tag < ${letter.charCodeAt(0) * 256 + 256} and ${WRONG_VERSION} or ${WRONG_TYPE})
    end
  else
    all[k] = none
  end
  if good then
    local changed, ends${fixedEnd ? ", began" : ""} = false, 0${fixedEnd ? ", stored and s1" : ""}
${charges}
    if changed then
      local record, done = pack('>H${d}', ${tag}, ${s})
      ${fixedEnd ? "if s1 == began then\n        done = try('SET', KEYS[k], record, 'KEEPTTL')\n      else" : "do"}
        local px = max(1, ceil(ends - now)) + 1000
        if stored then done = try('SET', KEYS[k], record, 'PX', px) else done = try('SET', KEYS[k], record, 'PX', px, 'NX') end
        if not done then
          if ended(KEYS[k], false) then done = try('SET', KEYS[k], record, 'PX', px) else all[k] = wrong(${WRONG_TYPE}) end
        end
      end
      if done and done.err then
        failed = failed or {}
        failed[#failed + 1], failed[#failed + 2] = k, done.err
      end
    elseif not stored and try('EXISTS', KEYS[k]) == 1 and not ended(KEYS[k], false) then
      all[k] = wrong(${WRONG_TYPE})
    end
  end
end
if form == 'b' then
  time[3] = table.concat(all)
else
  for k = 1, #all do
    local at, _ = (k - 1) * ${width} + 2
    _, ${Array.from({ length: width }, (_, i) => `time[at + ${i + 1}]`).join(", ")} = read('>H${d}', all[k])
  end
end
if failed then for i = 1, #failed do time[#time + 1] = failed[i] end end
${epoch ? "time[#time + 1] = life\n" : ""}return time`;
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
