/**
 * Native versions of algorithms on Redis: a script moves the state, and the replies come from `step`.
 *
 * A script gets, for each key, groups of equal charges, applies them to the stored state in one go, and answers with the
 * server's time and the state *before*. From those two the driver replays `step` and so gives exactly the replies of the
 * definition; the script has only to arrive at the same state, which the model test checks on the real server. Refusals
 * write nothing.
 *
 * Records are text: `<name>/<version>` and the state's integers, separated by spaces, so that Lua reads them with one
 * pattern. Lua's numbers are doubles as in JavaScript, and all states are safe integers, printed with `%.0f`.
 */

import type { Algorithm } from "../../../state/contracts.ts";
import { sha1Hex } from "../../../core/digest.ts";
import type { Script } from "../client.ts";

export interface NativeAlgorithm {
  readonly algorithm: Algorithm;
  readonly script: Script;
  /** The same for keys that all get charges of one kind, without tables and with the arguments once. Rows only. */
  readonly uniform?: Script;
  /** What stands in front of the integers of a record. */
  readonly head: string;
  /** The arguments of one command, or `undefined` for a command that only compare-and-set can run. */
  toArgs(command: unknown): NativeCharge | undefined;
  toNumbers(state: never): readonly number[];
  fromNumbers(numbers: readonly number[]): unknown;
}

/** Equal charges next to each other travel once, with how many they are. */
export interface NativeCharge {
  readonly args: string;
}

/**
 * A script around the part that is the algorithm's. `body` sees `now` (ms, with fraction), `s` (the integers of the state,
 * empty when there is none), and per group `times` and the arguments `a[1] … a[n]`; it changes `s`, sets `changed`, and
 * leaves the instant of expiry in `ends`.
 */
export function nativeScript(head: string, groupArgs: number, body: string): Script {
  const source = `local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max
local head = '${head}'
local reply = { string.format('%.3f', now) }
for k = 1, #KEYS do
  local stored = redis.call('GET', KEYS[k])
  reply[k + 1] = stored
  if not stored or string.sub(stored, 1, #head) == head then
    local s, n = {}, 0
    if stored then
      for number in string.gmatch(string.sub(stored, #head + 1), '%-?%d+') do
        n = n + 1
        s[n] = tonumber(number)
      end
    end
    local changed, ends, next = false, 0, string.gmatch(ARGV[k], '%d+')
    for group = 1, tonumber(next()) do
      local times = tonumber(next())
      local a = {}
      for i = 1, ${groupArgs} do a[i] = tonumber(next()) end
${body.trim().replace(/^/gm, "      ")}
    end
    if changed then
      local parts = {}
      for i = 1, #s do parts[i] = string.format('%.0f', s[i]) end
      redis.call('SET', KEYS[k], head .. table.concat(parts, ' '), 'PX', string.format('%.0f', max(1, ceil(ends - now)) + 1000))
    end
  end
end
return reply`;
  return { source, sha: sha1Hex(source) };
}

/**
 * The script of a row of `width` integers for the common case: every key gets one group, and all groups have the same
 * arguments, which stand once in front. The numbers of charges follow them, unless each is 1. The body is the same text with
 * plain variables in the place of table fields, which halves the time a key takes on the server.
 */
export function uniformScript(head: string, width: number, groupArgs: number, body: string): Script {
  const names = (letter: string, count: number): string => Array.from({ length: count }, (_, i) => `${letter}${i + 1}`).join(", ");
  const scalar = body.trim().replace(/\b([sa])\[(\d)\]/g, "$1$2").replace(/^/gm, "    ");
  const pattern = `^${head.trimEnd().replaceAll("-", "%-")}${" (%d+)".repeat(width)}$`;
  const source = `local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local floor, ceil, min, max, format, match, call = math.floor, math.ceil, math.min, math.max, string.format, string.match, redis.call
local reply = { format('%.3f', now) }
local ${names("a", groupArgs)} = ${Array.from({ length: groupArgs }, (_, i) => `tonumber(ARGV[${i + 1}])`).join(", ")}
local single = #ARGV == ${groupArgs}
for k = 1, #KEYS do
  local stored = call('GET', KEYS[k])
  reply[k + 1] = stored
  local ${names("s", width)}
  local n = 0
  if stored then
    ${names("s", width)} = match(stored, '${pattern}')
    if s1 then ${names("s", width)}, n = ${Array.from({ length: width }, (_, i) => `tonumber(s${i + 1})`).join(", ")}, ${width} end
  end
  if not stored or n > 0 then
    local times = single and 1 or tonumber(ARGV[${groupArgs} + k])
    local changed, ends = false, 0
${scalar}
    if changed then
      call('SET', KEYS[k], format('${head.replaceAll("%", "%%")}${Array.from({ length: width }, () => "%.0f").join(" ")}', ${names("s", width)}), 'PX', format('%.0f', max(1, ceil(ends - now)) + 1000))
    end
  end
end
return reply`;
  return { source, sha: sha1Hex(source) };
}
