/**
 * The history of topics in Redis: one stream per topic, one script to add and to tell. The id of an entry is its offset: behind the
 * dash the number, in front of it the epoch, which is the server's clock when the numbers began and six digits of the server
 * that counted. A stream that was lost, or is counted on by another run of a server (which may not have the newest entries),
 * goes on in another epoch. A stream with nothing left in it still knows its newest number.
 */

import { sha1Hex } from "../../core/digest.ts";
import { utf8Key } from "../../core/keys.ts";
import type { WireAnnouncement, WireHistory } from "../../state/pubsub/backend-pub-sub.ts";
import { type LogOptions, type LogSlice, REMEMBERED_MS, isGap, parseOffset } from "../../state/pubsub/topic-log.ts";
import type { RedisConnection, Script } from "./client.ts";

/** Field `b` is the body, `t` when it came in ms, `c` the bytes of the stream up to and with it. */
const COMMON = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local epoch, last
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then epoch, last = string.match(info[i + 1], '(%d+)-(%d+)') end
  end
end
local size, ttl, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local function field(entry, name)
  for i = 1, #entry[2], 2 do
    if entry[2][i] == name then return entry[2][i + 1] end
  end
end
local function newest() return redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1] end
local function trim(total)
  redis.call('XTRIM', KEYS[1], 'MAXLEN', size)
  while true do
    local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 32)
    for i = 1, #oldest do
      local kept = total - tonumber(field(oldest[i], 'c')) + #field(oldest[i], 'b')
      if tonumber(field(oldest[i], 't')) + ttl > now and kept <= most then return end
      redis.call('XDEL', KEYS[1], oldest[i][1])
    end
    if #oldest < 32 then return end
  end
end
`;

/** Size, ttl, bytes, body, how long to remember, channel ('' for nobody), text before and after the offset. Gives the offset. */
const APPEND: Script = /* @__PURE__ */ script(`${COMMON}
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%x%x%x%x%x)')
run = string.format('%06d', run and tonumber(run, 16) % 1000000 or 0)
local total = #ARGV[4]
if epoch then
  local before = newest()
  if before then total = total + tonumber(field(before, 'c')) end
end
if epoch and string.sub(epoch, -6) == run then
  last = string.format('%.0f', tonumber(last) + 1)
else
  local from = epoch and tonumber(string.sub(epoch, 1, -7)) + 1 or 0
  epoch, last = string.format('%.0f', math.max(now, from)) .. run, '1'
end
redis.call('XADD', KEYS[1], epoch .. '-' .. last, 'b', ARGV[4], 't', string.format('%.0f', now), 'c', string.format('%.0f', total))
trim(total)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
local offset = epoch .. ':' .. last
if ARGV[6] ~= '' then redis.call('PUBLISH', ARGV[6], ARGV[7] .. offset .. ARGV[8]) end
return offset`);

/**
 * Size, ttl, bytes, after which number of which epoch ('' for none), how many (0 for all). Gives epoch, newest number, first number
 * kept of it, then offsets and bodies, each with a letter in front: some HTTP clients turn text that looks like JSON into something else.
 */
const READ: Script = /* @__PURE__ */ script(`${COMMON}
if not epoch then return {} end
local top = newest()
if top then trim(tonumber(field(top, 'c'))) end
local oldest = redis.call('XRANGE', KEYS[1], epoch .. '-0', '+', 'COUNT', 1)[1]
local reply = { 't' .. epoch, 't' .. last, 't' .. (oldest and string.match(oldest[1], '%-(%d+)') or string.format('%.0f', tonumber(last) + 1)) }
local count, entries = tonumber(ARGV[6]), nil
local function give(entry)
  reply[#reply + 1] = 't' .. string.gsub(entry[1], '%-', ':')
  reply[#reply + 1] = 't' .. field(entry, 'b')
end
if ARGV[5] == '' then
  entries = count > 0 and redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', count) or redis.call('XREVRANGE', KEYS[1], '+', '-')
  for i = #entries, 1, -1 do give(entries[i]) end
  return reply
end
local from = '-'
if ARGV[4] == epoch and tonumber(ARGV[5]) <= tonumber(last) or string.match(ARGV[4], '^%d+$') and #ARGV[4] == #epoch and ARGV[4] < epoch then
  from = ARGV[4] .. '-' .. string.format('%.0f', tonumber(ARGV[5]) + 1)
end
entries = count > 0 and redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', count) or redis.call('XRANGE', KEYS[1], from, '+')
for i = 1, #entries do give(entries[i]) end
return reply`);

function script(source: string): Script {
  return { source, sha: sha1Hex(source) };
}

export class RedisTopicHistory implements WireHistory {
  readonly #connection: RedisConnection;
  readonly #prefix: string;

  constructor(connection: RedisConnection, prefix: string) {
    this.#connection = connection;
    this.#prefix = prefix;
  }

  async append(topic: string, body: string, options: LogOptions, announcement: WireAnnouncement | undefined): Promise<string> {
    const { physical = "", before = "", after = "" } = announcement ?? {};
    const remembered = Math.ceil(Math.max(options.ttlMs, REMEMBERED_MS));
    return String(await this.#connection.evaluate(APPEND, [this.#key(topic)], [...limits(options), body, String(remembered), physical, before, after]));
  }

  async read(topic: string, after: string | undefined, options: LogOptions, limit: number): Promise<LogSlice> {
    const from = parseOffset(after);
    // What is no offset is one of a history that never was.
    const [epoch, n] = after === undefined ? ["", ""] : [from?.epoch ?? "none", String(from?.n ?? 0)];
    const reply = (await this.#connection.evaluate(READ, [this.#key(topic)], [...limits(options), epoch, n, Number.isFinite(limit) ? String(limit) : "0"])) as unknown[];
    const [own, last, first, ...rest] = reply.map((word) => String(word).slice(1));
    if (own === undefined) return { entries: [], gap: after !== undefined, last: undefined };
    const entries = Array.from({ length: rest.length / 2 }, (_, i) => ({ offset: rest[2 * i] as string, body: rest[2 * i + 1] as string }));
    return { entries, gap: isGap(after, own, Number(first), Number(last)), last: `${own}:${last}` };
  }

  #key(topic: string): string {
    return `${this.#prefix}history:${utf8Key(topic)}`;
  }
}

function limits({ size, ttlMs, maxBytes }: LogOptions): string[] {
  return [String(size), String(Math.min(Math.ceil(ttlMs), 2 ** 50)), String(maxBytes)];
}
