/**
 * Native versions of algorithms on Redis: a script moves the state, and the replies come from `step`.
 *
 * A script gets, for each key, groups of equal charges, applies them to the stored state in one go, and answers with the
 * server's time and the state *before*. From those two the driver replays `step` and so gives exactly the replies of the
 * definition; the script has only to arrive at the same state, which the model test checks on the real server. Refusals
 * write nothing. A key whose write the server refuses is told after the states, and keeps its state.
 *
 * Records of lists are text: `<name>/<version>` and the state's integers, separated by spaces. Records of rows are binary
 * (`row-script.ts`). Lua's numbers are doubles as in JavaScript, and all states are safe integers, printed with `%.0f`.
 */

import type { Algorithm } from "../../../state/contracts/driver.ts";
import { sha1Hex } from "../../../core/digest.ts";
import { StoreError } from "../../../core/errors.ts";
import type { Script } from "../client.ts";
import { ENDED } from "./ended.ts";
import { EPOCH } from "./epoch.ts";
import { FAILED_WRITES, TELL_FAILED } from "./failed-writes.ts";
import type { RowScripts } from "./row-script.ts";

export interface NativeAlgorithm {
  readonly algorithm: Algorithm;
  /** What stands in front of the integers of a record: as it is kept, or as `READ` gives it for a packed one. */
  readonly head: string;
  /** Absent for rows. */
  readonly script?: Script;
  /** Its script can tell the life of the data, from one more key: the sentinel. */
  readonly epoch?: boolean;
  /** For algorithms whose state is a few numbers. */
  readonly rows?: RowScripts;
  /** The arguments of one command, or `undefined` for a command that only compare-and-set can run. */
  toArgs(command: unknown): NativeCharge | undefined;
  /** A state as the text after the head, and back. */
  print(state: unknown): string;
  parse(text: string): unknown;
}

/** Equal charges next to each other travel once, with how many they are. */
export interface NativeCharge {
  readonly args: string;
}

/**
 * A script around the part that is the algorithm's. `body` sees `now` (ms, with fraction), `s` (the integers of the state,
 * empty when there is none), and per group `times` and the arguments `a[1] … a[n]`; it changes `s`, sets `changed`, and
 * leaves the instant of expiry in `ends`. With `epoch`, and `e` as the argument of the last key, that key is the sentinel, and its
 * value stands behind the answer.
 */
export function nativeScript(head: string, groupArgs: number, body: string, epoch = false): Script {
  const source = `local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max
${ENDED}
${FAILED_WRITES}
${epoch ? `${EPOCH}
local life
if ARGV[#KEYS] == 'e' then life = epochof(table.remove(KEYS)) end
` : ""}local head = '${head}'
local reply = { string.format('%.3f', now) }
for k = 1, #KEYS do
  local stored = redis.pcall('GET', KEYS[k])
  local good = not stored or type(stored) == 'string' and string.sub(stored, 1, #head) == head
  if not good and ended(KEYS[k], stored) then stored, good = false, true end
  if stored and type(stored) ~= 'string' then stored = '!' end
  reply[k + 1] = stored
  if good then
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
      note(k, redis.pcall('SET', KEYS[k], head .. table.concat(parts, ' '), 'PX', string.format('%.0f', max(1, ceil(ends - now)) + 1000)))
    end
  end
end
${TELL_FAILED}
${epoch ? "reply[#reply + 1] = life\n" : ""}return reply`;
  return { source, sha: sha1Hex(source) };
}

/** States that are lists of safe integers, as text. */
export function numbersText<State>(name: string, toNumbers: (state: State) => readonly number[], fromNumbers: (numbers: number[]) => State): Pick<NativeAlgorithm, "print" | "parse"> {
  return {
    print: (state) => toNumbers(state as State).join(" "),
    parse(text) {
      const numbers: number[] = [];
      for (let from = 0; from <= text.length; ) {
        const space = text.indexOf(" ", from);
        const end = space === -1 ? text.length : space;
        const number = Number(text.slice(from, end));
        if (end === from || !Number.isSafeInteger(number)) throw new StoreError("STORE_CORRUPT", `a record of ${name} is damaged`);
        numbers.push(number);
        from = end + 1;
      }
      return fromNumbers(numbers);
    },
  };
}
