/** Cache entries and their sets of names as scripts. Records are looked at in Redis and never travel for a lock or a purge. */

import { StoreError } from "../../../core/errors.ts";
import { sha1Hex } from "../../../core/digest.ts";
import { type CacheEntryCommand, type CacheEntryReply, cacheEntry } from "../../../state/algorithms/cache-entry.ts";
import { type KeySetCommand, type KeySetReply, keySet } from "../../../state/algorithms/key-set.ts";
import { PURGE_NUMBER_KEEP_MS, PURGE_NUMBER_NAME, type PurgeNumberCommand, purgeNumber } from "../../../state/algorithms/purge-number.ts";
import type { Algorithm } from "../../../state/contracts/driver.ts";
import { FAILED_WRITES, TELL_FAILED } from "./failed-writes.ts";
import type { ScriptedAlgorithm } from "./scripted.ts";

/** The head of a record: what `parseNative` and its kin look for, too. */
export const CACHE_ENTRY_HEAD: string = `${cacheEntry.name}/${cacheEntry.version} `;

const NUMBER_HEAD = `${PURGE_NUMBER_NAME} `;

/** Puts a name into a set; gives what the write did. Names that have ended leave, and the set ends with its last. */
const ADD_NAME = `local function addname(key, name, ttl)
  local ends, done = math.ceil(now) + ttl, nil
  local old = redis.pcall('ZSCORE', key, name)
  if type(old) == 'table' and old.err then return old end
  if ends > (tonumber(old or '0') or 0) then done = redis.pcall('ZADD', key, string.format('%.0f', ends), name) end
  redis.pcall('ZREMRANGEBYSCORE', key, '-inf', string.format('%.3f', now))
  local last = redis.pcall('ZRANGE', key, -1, -1, 'WITHSCORES')
  if last[2] then redis.pcall('PEXPIRE', key, string.format('%.0f', math.max(1, math.ceil(tonumber(last[2]) - now)) + 1000)) end
  return done
end`;

/** Arguments of a command on an entry. */
const ENTRY_ARGS = 11;

/**
 * Mirrors `step` of cache-entry. A reply is `status write chunks`, with the text after it for a view; or a token; or a wait. Behind
 * the key of a `put` that is a whole fill stand those of the purge number and of the sets.
 */
const entrySource = `local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local floor, ceil, max = math.floor, math.ceil, math.max
local head = '${CACHE_ENTRY_HEAD}'
${FAILED_WRITES}
${ADD_NAME}
local reply = {}
local function whole(n) return string.format('%.0f', n) end
-- A key of another type fails its own command, and not the call.
local function foreign(done) return type(done) == 'table' and done.err and string.find(done.err, 'WRONGTYPE', 1, true) end
-- Whether the rest of a fill is done: the number is still that of the fill, and the name is in all sets.
local function filled(place, from, count, number, name, ttl)
  local kept = number ~= '' and redis.pcall('GET', KEYS[from])
  if foreign(kept) then
    reply[place] = 'wrong type'
    return false
  end
  if number ~= '' and string.match(kept or '', '^${NUMBER_HEAD.replaceAll("-", "%-")}(%d+) ') ~= number then
    reply[place] = 'p'
    return false
  end
  for i = from + 1, from + count - 1 do
    local done = addname(KEYS[i], name, ttl)
    if foreign(done) then
      reply[place] = 'wrong type'
      return false
    end
    if type(done) == 'table' and done.err then
      note(place, done)
      return false
    end
  end
  return true
end
local next = 1
for k = 1, #ARGV / ${ENTRY_ARGS} do
  local at, own = (k - 1) * ${ENTRY_ARGS}, next
  local op, token, more = ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 9])
  next = own + 1 + more
  local stored = redis.pcall('GET', KEYS[own])
  if type(stored) == 'table' then stored = '!' end
  local fence, lock, seen, ends, write, chunks, status, tags, from = 0, 0, 0, 0, 0, 0, 0, '', nil
  if stored then
    local a, b, c, d, e, f, g, h, stop = string.match(stored, '^${CACHE_ENTRY_HEAD.replaceAll("-", "%-").trimEnd()} (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) ([^\\n]*)\\n()')
    if a then
      fence, lock, seen, ends, write, chunks, status, tags, from = tonumber(a), tonumber(b), tonumber(c), tonumber(d), tonumber(e), tonumber(f), tonumber(g), h, stop
    end
  end
  if stored and not from then
    reply[k] = 'wrong type'
  else
    local changed, text = false, nil
    local behind = seen - floor(now)
    if from and behind > 0 then
      changed, seen = true, floor(now)
      if lock ~= 0 then lock = max(1, lock - behind) end
      if ends ~= 0 then ends = max(1, ends - behind) end
    end
    local live, locked = ends > now, lock > now
    local old = live and (whole(status) .. ' ' .. whole(write) .. ' ' .. whole(chunks)) or '0 0 0'
    reply[k] = 0
    if op == 'v' and live then
      reply[k] = old .. '\\n' .. string.sub(stored, from)
    elseif op == 'o' or (op == 'v' and token > 0) then
      if locked then
        reply[k] = 'w' .. whole(ceil(lock - now))
      else
        if not live then ends, write, chunks, status, tags, text = 0, 0, 0, 0, '', '' end
        fence = max(fence + 1, floor(now) * 1024)
        lock, changed = floor(now) + token, true
        reply[k] = 't' .. whole(fence)
      end
    elseif op == 'k' then
      if locked and token == fence then reply[k] = 1 end
    elseif op == 'c' then
      if locked and token == fence then lock, changed, reply[k] = 0, true, 1 end
    elseif op == 'p' then
      local ttl = tonumber(ARGV[at + 3])
      if (token < 0 or (locked and token == fence)) and (more == 0 or filled(k, own + 1, more, ARGV[at + 10], ARGV[at + 11], ttl)) then
        if token >= 0 then lock = 0 end
        changed, reply[k] = true, old
        if ttl <= 0 then
          ends, write, chunks, status, tags, text = 0, 0, 0, 0, '', ''
        else
          ends, write, chunks, status = ceil(now) + ttl, tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
          tags, text = ARGV[at + 7], ARGV[at + 8]
        end
      end
    elseif op == 'd' or op == 'u' then
      local hit = live and (op == 'd' and (ARGV[at + 7] == '' or string.find(tags, ':' .. ARGV[at + 7] .. ':', 1, true)) or op == 'u' and write == token)
      if op == 'd' and (hit or locked) then lock, changed = 0, true end
      if hit then
        reply[k], changed = old, true
        ends, write, chunks, status, tags, text = 0, 0, 0, 0, '', ''
      end
    end
    if changed then
      if not ((op == 'v' and token == 0) or op == 'k') then seen = floor(now) end
      local record = head .. whole(fence) .. ' ' .. whole(lock) .. ' ' .. whole(seen) .. ' ' .. whole(ends) .. ' ' .. whole(write) .. ' ' .. whole(chunks) .. ' ' .. whole(status) .. ' ' .. tags .. '\\n'
      if text then record = record .. text elseif from then record = record .. string.sub(stored, from) end
      note(k, redis.pcall('SET', KEYS[own], record, 'PX', whole(max(1, ceil(max(ends, lock, seen) + 1000 - now)) + 1000)))
    end
  end
end
${TELL_FAILED}
return reply`;

function entryArgs(command: CacheEntryCommand): readonly string[] {
  const fill = command.type === "put" ? command.fill : undefined;
  const more = fill === undefined ? ["0", "", ""] : [String(1 + fill.sets.length), String(fill.purge ?? ""), fill.name];
  return [...ownArgs(command), ...more];
}

/** What stands behind the entry's own key. */
function fillKeys(command: CacheEntryCommand): readonly string[] {
  const fill = command.type === "put" ? command.fill : undefined;
  return fill === undefined ? [] : [fill.purges, ...fill.sets];
}

function ownArgs(command: CacheEntryCommand): readonly string[] {
  switch (command.type) {
    case "view":
      return ["v", String(command.lockMs ?? 0), "", "", "", "", "", ""];
    case "open":
      return ["o", String(command.lockMs), "", "", "", "", "", ""];
    case "check":
      return ["k", String(command.token), "", "", "", "", "", ""];
    case "close":
      return ["c", String(command.token), "", "", "", "", "", ""];
    case "put":
      return ["p", String(command.token ?? -1), String(command.ttlMs), String(command.write), String(command.chunks), String(command.status), command.tags, command.text];
    case "drop":
      return ["d", "0", "", "", "", "", command.tag ?? "", ""];
    case "undo":
      return ["u", String(command.write), "", "", "", "", "", ""];
  }
}

function entryReply(command: CacheEntryCommand, reply: unknown): CacheEntryReply | StoreError {
  const none = { ok: false, token: 0, waitMs: 0, status: 0, write: 0, chunks: 0 };
  if (reply === 0) return none;
  if (reply === "p") return { ...none, purged: true };
  const text = String(reply);
  if (text === "wrong type") return new StoreError("STORE_WRONG_TYPE", `the key holds something else than the state of ${cacheEntry.name}`, { outcome: "not-applied" });
  if (command.type === "check" || command.type === "close") return { ...none, ok: Number(reply) === 1 };
  if (text[0] === "t") return { ...none, ok: command.type === "open", token: Number(text.slice(1)) };
  if (text[0] === "w") return { ...none, waitMs: Number(text.slice(1)) };
  const end = text.indexOf("\n");
  const [status, write, chunks] = (end === -1 ? text : text.slice(0, end)).split(" ").map(Number) as [number, number, number];
  return { ...none, ok: true, status, write, chunks, ...(command.type === "view" ? { text: text.slice(end + 1) } : {}) };
}

/**
 * A sorted set by end. A name of a set that has ended is gone with it, and every `add` takes out those that have.
 * Names in a reply carry a letter in front: some HTTP clients turn text that looks like JSON into something else.
 */
const setSource = `local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
${FAILED_WRITES}
${ADD_NAME}
local reply = {}
for k = 1, #KEYS do
  local at = (k - 1) * 3
  local op, a, b = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local kind = redis.call('TYPE', KEYS[k]).ok
  if kind ~= 'none' and kind ~= 'zset' then
    reply[k] = 'wrong type'
  elseif op == 'a' then
    note(k, addname(KEYS[k], a, tonumber(b)))
    reply[k] = 1
  else
    reply[k] = redis.call('ZREVRANGEBYSCORE', KEYS[k], '+inf', '(' .. string.format('%.3f', now), 'LIMIT', a, b)
    for i = 1, #reply[k] do reply[k][i] = 't' .. reply[k][i] end
  end
end
${TELL_FAILED}
return reply`;

function setArgs(command: KeySetCommand): readonly string[] {
  return command.type === "add" ? ["a", command.name, String(command.ttlMs)] : ["p", String(command.from), String(command.limit)];
}

function setReply(_command: KeySetCommand, reply: unknown): KeySetReply | StoreError {
  if (reply === "wrong type") return new StoreError("STORE_WRONG_TYPE", "the key holds something else than a set of names", { outcome: "not-applied" });
  return { names: Array.isArray(reply) ? reply.map((name) => String(name).slice(1)) : [] };
}

/** Mirrors `step` of purge-number, on a record that a fill can read. */
const numberSource = `local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
${FAILED_WRITES}
local reply = {}
for k = 1, #KEYS do
  local stored = redis.pcall('GET', KEYS[k])
  if type(stored) == 'table' then stored = '!' end
  local last, seen = string.match(stored or '${NUMBER_HEAD}0 0', '^${NUMBER_HEAD.replaceAll("-", "%-")}(%d+) (%d+)$')
  if not last then
    reply[k] = 'wrong type'
  else
    last, seen = tonumber(last), tonumber(seen)
    if last == 0 or ARGV[k] == 'n' then
      local first = math.floor(now) * 1024
      last = ARGV[k] == 'n' and math.max(last + 1, first) or first - 1
      seen = math.max(seen, math.floor(now))
      local record = '${NUMBER_HEAD}' .. string.format('%.0f', last) .. ' ' .. string.format('%.0f', seen)
      note(k, redis.pcall('SET', KEYS[k], record, 'PX', string.format('%.0f', math.ceil(seen + ${PURGE_NUMBER_KEEP_MS} - now) + 1000)))
    end
    reply[k] = 't' .. string.format('%.0f', last)
  end
end
${TELL_FAILED}
return reply`;

function numberArgs({ type }: PurgeNumberCommand): readonly string[] {
  return [type === "next" ? "n" : "c"];
}

function numberReply(_command: PurgeNumberCommand, reply: unknown): { last: number } | StoreError {
  if (reply === "wrong type") return new StoreError("STORE_WRONG_TYPE", `the key holds something else than the state of ${purgeNumber.name}`, { outcome: "not-applied" });
  return { last: Number(String(reply).slice(1)) };
}

export const cacheScripts: readonly ScriptedAlgorithm[] = [
  { algorithm: cacheEntry as Algorithm, script: { source: entrySource, sha: /* @__PURE__ */ sha1Hex(entrySource) }, toArgs: entryArgs, toReply: entryReply, moreKeys: fillKeys },
  { algorithm: keySet as Algorithm, script: { source: setSource, sha: /* @__PURE__ */ sha1Hex(setSource) }, toArgs: setArgs, toReply: setReply },
  { algorithm: purgeNumber as Algorithm, script: { source: numberSource, sha: /* @__PURE__ */ sha1Hex(numberSource) }, toArgs: numberArgs, toReply: numberReply },
];
