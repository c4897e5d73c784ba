/**
 * Compare-and-set in two calls: read, step here, swap. For commands and algorithms that no script runs. Packed rows travel as
 * the text that other records are, so a client that only has text can carry them.
 */

import { type Clock, sleep } from "../../core/clock.ts";
import { toBase64 } from "../../core/codec.ts";
import { sha1Hex } from "../../core/digest.ts";
import { StoreError } from "../../core/errors.ts";
import type { Random } from "../../core/random.ts";
import type { Operation, Reply, RunOptions } from "../../state/contracts/driver.ts";
import { encodeRecord } from "../../state/record.ts";
import { failedReplies, replay, unwrittenReplies } from "../../state/replay.ts";
import type { Script } from "./client.ts";
import type { Entry } from "./entry.ts";
import { ENDED } from "./native/ended.ts";
import type { NativeAlgorithm } from "./native/native.ts";
import { FAILED_WRITES, TELL_FAILED } from "./native/failed-writes.ts";
import { failIfAllFailed, failedWrites, headOf, parseNative, parseRecord, readAnswer } from "./records.ts";

/** Tries of a compare-and-set before `STORE_CONTENTION`. One is in flight per key and process, so more is an anomaly. */
const MAX_TRIES = 100;

/** Redis refuses TTLs whose end is beyond 64 bits; 400 years from now are as good as never. */
export const MAX_TTL_MS: number = 400 * 366 * 86_400_000;

/** `textof(key, tag, head)`: what is stored, a row of this tag as `head` and its numbers; `false` for nothing, or another's that has ended. */
const TEXT: string = `${ENDED}
local function textof(key, tag, head)
  local stored = redis.pcall('GET', key)
  if not stored then return false end
  if type(stored) ~= 'string' then return not ended(key, stored) and '!' end
  if tag ~= '' then
    local count = (#stored - 2) / 8
    if count >= 1 and count == math.floor(count) and struct.unpack('>H', stored) == tonumber(tag) then
      local parts = {}
      for i = 1, count do parts[i] = string.format('%.0f', (struct.unpack('>d', stored, 8 * i - 5))) end
      return head .. table.concat(parts, ' ')
    end
  end
  if string.sub(stored, 1, #head) ~= head and ended(key, stored) then return false end
  return stored
end`;

/** Per key: the tag of a packed row or nothing, and what a record of its algorithm begins with. Reads records and the server's time. */
const READ: Script = /* @__PURE__ */ script(`${TEXT}
local time = redis.call('TIME')
local reply = { string.format('%.3f', time[1] * 1000 + time[2] / 1000) }
for k = 1, #KEYS do
  local text = textof(KEYS[k], ARGV[2 * k - 1], ARGV[2 * k])
  if text and string.find(text, '%c') then text = '!' end
  reply[k + 1] = text
end
return reply`);

/** Per key: tag, head, what must be there ('' for nothing), what to write ('' deletes), its TTL in ms (0 for none). Says which were swapped, and after that which writes failed. */
const SWAP: Script = /* @__PURE__ */ script(`${TEXT}
${FAILED_WRITES}
local reply = {}
for k = 1, #KEYS do
  local at = (k - 1) * 5
  local key, tag, head, text, ttl = KEYS[k], ARGV[at + 1], ARGV[at + 2], ARGV[at + 4], ARGV[at + 5]
  if (textof(key, tag, head) or '') ~= ARGV[at + 3] then
    reply[k] = 0
  else
    if text ~= '' and tag ~= '' then
      local packed = { struct.pack('>H', tonumber(tag)) }
      for number in string.gmatch(string.sub(text, #head + 1), '%d+') do packed[#packed + 1] = struct.pack('>d', tonumber(number)) end
      text = table.concat(packed)
    end
    if text == '' then note(k, redis.pcall('DEL', key))
    elseif ttl == '0' then note(k, redis.pcall('SET', key, text))
    else note(k, redis.pcall('SET', key, text, 'PX', ttl)) end
    reply[k] = 1
  end
end
${TELL_FAILED}
return reply`);

function script(source: string): Script {
  return { source, sha: sha1Hex(source) };
}

/** What a swap needs of its driver. */
export interface SwapEnd {
  readonly clock: Clock;
  readonly random: Random;
  evaluate(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown>;
  codecOf(name: string): NativeAlgorithm | undefined;
}

/** Reads, steps, and writes what changed, if nobody else wrote in between; else again for the keys that lost. */
export async function runSwaps(driver: SwapEnd, list: readonly Entry[], replies: Reply[][], options?: RunOptions): Promise<void> {
  let left = list;
  const failures = new Map<number, Error>();
  for (let tries = 1; left.length > 0; tries++) {
    if (isAborted(options)) throw options?.signal?.reason;
    const codecs = left.map(({ operation }) => driver.codecOf(operation.algorithm.name));
    const kinds = left.map(({ operation }, i) => kindOf(operation, codecs[i]));
    const { now, stored } = readAnswer(await driver.evaluate(READ, left.map(({ key }) => key), kinds.flat()), left.length);
    const swaps: { entry: Entry; args: string[]; before: unknown; replies: Reply[] }[] = [];
    left.forEach((entry, i) => {
      const { operation, at } = entry;
      const [tag, head] = kinds[i] as [string, string];
      try {
        const codec = codecs[i];
        const state = codec === undefined ? parseRecord(operation.algorithm, stored[i]) : parseNative(codec, stored[i]);
        const result = replay(operation, state, now);
        if (result.state === state) {
          replies[at] = result.replies;
          return;
        }
        const ttlMs = result.expiresAt === undefined ? 0 : Math.min(MAX_TTL_MS, Math.max(1, Math.ceil(result.expiresAt - now)) + 1000);
        const text = result.state === undefined ? "" : codec === undefined ? toBase64(encodeRecord(operation.algorithm, result.state)) : codec.head + codec.print(result.state);
        swaps.push({ entry, args: [tag, head, stored[i] ?? "", text, String(ttlMs)], before: state, replies: result.replies });
      } catch (error) {
        replies[at] = failedReplies(operation, error);
      }
    });
    if (swaps.length === 0) break;
    const done = (await driver.evaluate(SWAP, swaps.map(({ entry }) => entry.key), swaps.flatMap(({ args }) => args))) as unknown[];
    const failed = failedWrites(done, swaps.length);
    const lost: Entry[] = [];
    swaps.forEach((swap, i) => {
      const failure = failed?.get(i);
      if (failure !== undefined) failures.set(swap.entry.at, failure);
      if (failure !== undefined) replies[swap.entry.at] = unwrittenReplies(swap.entry.operation, swap.before, now, failure);
      else if (Number(done[i]) === 1) replies[swap.entry.at] = swap.replies;
      else lost.push(swap.entry);
    });
    left = lost;
    if (left.length === 0) break;
    if (tries >= MAX_TRIES) {
      for (const { at, operation } of left) replies[at] = failedReplies(operation, new StoreError("STORE_CONTENTION", `${tries} compare-and-sets on one key lost against other writers`, { outcome: "not-applied" }));
      break;
    }
    await sleep(Math.min(250, 5 * tries) * driver.random.next(), driver.clock);
  }
  failIfAllFailed(list.map(({ at }) => replies[at]), failures);
}

/** Looks without making a signal that nobody needs. */
export function isAborted(options: RunOptions | undefined): boolean {
  return options?.aborted ?? options?.signal?.aborted ?? false;
}

function kindOf({ algorithm }: Operation, codec: NativeAlgorithm | undefined): [string, string] {
  return codec === undefined ? ["", headOf(algorithm)] : [codec.rows === undefined ? "" : String(codec.rows.tag), codec.head];
}
