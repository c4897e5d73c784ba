/**
 * The key-value verbs as one script. The stored text is the value itself, as `encodeValue` gives it, or a counter's digits:
 * what other tools put there can be read, and what Sluice put there can be looked at. Redis keeps the deadline, by its own
 * clock, and does not show a key past it.
 *
 * Texts in the reply carry a `t` in front, since some HTTP clients turn text that looks like JSON into something else.
 */

import { StoreError } from "../../../core/errors.ts";
import { sha1Hex } from "../../../core/digest.ts";
import type { ValueCommand, ValueReply } from "../../../state/algorithms/value.ts";
import type { Script } from "../client.ts";
import { FAILED_WRITES, TELL_FAILED } from "./failed-writes.ts";

const source = `local function textof(stored)
  if stored and string.find(stored, '^%-?%d+$') then return '\\1j' .. stored end
  return stored or ''
end
${FAILED_WRITES}
local function put(k, text, ttl)
  if ttl == '' then note(k, redis.pcall('SET', KEYS[k], text)) else note(k, redis.pcall('SET', KEYS[k], text, 'PX', ttl)) end
end
local reply = {}
for k = 1, #KEYS do
  local at = (k - 1) * 4
  local key, op, a, b, ttl = KEYS[k], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'none' and kind ~= 'string' and op ~= 's' and op ~= 'd' then
    reply[k] = 'wrong type'
  elseif op == 'g' then
    local stored = redis.call('GET', key)
    reply[k] = stored and 't' .. stored
  elseif op == 's' then
    put(k, a, ttl)
    reply[k] = 1
  elseif op == 'd' then
    reply[k] = redis.pcall('DEL', key)
    note(k, reply[k])
  elseif op == 'c' then
    local stored = redis.call('GET', key)
    if textof(stored) ~= a then
      reply[k] = 0
    else
      if b == '' then note(k, redis.pcall('DEL', key)) else put(k, b, ttl) end
      reply[k] = 1
    end
  else
    local stored = redis.call('GET', key)
    if stored and not string.find(stored, '^%-?%d+$') then
      reply[k] = 'wrong type'
    else
      local sum = (tonumber(stored) or 0) + tonumber(a)
      if sum > 9007199254740991 or sum < -9007199254740991 then
        reply[k] = 'overflow'
      else
        local done = redis.pcall('INCRBY', key, a)
        note(k, done)
        if not stored and ttl ~= '' and type(done) == 'number' then redis.call('PEXPIRE', key, ttl) end
        reply[k] = 't' .. string.format('%.0f', sum)
      end
    end
  end
end
${TELL_FAILED}
return reply`;

/** One key per command; a key may stand there several times, and its commands run in order. */
export const VALUE: Script = { source, sha: /* @__PURE__ */ sha1Hex(source) };

export function valueArgs(command: ValueCommand): string[] {
  switch (command.type) {
    case "get":
      return ["g", "", "", ""];
    case "delete":
      return ["d", "", "", ""];
    case "set":
      return command.text === undefined ? ["d", "", "", ""] : ["s", command.text, "", ttl(command.ttlMs)];
    case "compareAndSet":
      return ["c", command.expected ?? "", command.text ?? "", ttl(command.ttlMs)];
    case "add":
      return ["i", String(command.by), "", ttl(command.ttlMs)];
  }
}

export function valueReply(command: ValueCommand, reply: unknown): ValueReply | StoreError {
  if (reply === "wrong type") return new StoreError("STORE_WRONG_TYPE", "the key holds something that this verb does not work on", { outcome: "not-applied" });
  if (reply === "overflow") return new StoreError("STORE_OVERFLOW", "the counter would leave the integers that are exact (2^53 - 1)", { outcome: "not-applied" });
  if (command.type === "get") return reply === null || reply === undefined ? { ok: false, rev: 0 } : { ok: true, text: String(reply).slice(1), rev: 0 };
  if (command.type === "add") return { ok: true, count: Number(String(reply).slice(1)), rev: 0 };
  return { ok: Number(reply) > 0, rev: 0 };
}

/** Redis refuses TTLs whose end is beyond 64 bits; 400 years from now are as good as never. */
function ttl(ttlMs: number | undefined): string {
  return ttlMs === undefined ? "" : String(Math.min(ttlMs, 400 * 366 * 86_400_000));
}
