/**
 * The circuit as a script: `acquire` and `report` in one round trip each, over everybody who uses the record. Like the limits, it
 * moves the state and answers with the state before, from which the driver replays `step`. Mirrors `state/algorithms/circuit.ts`
 * and `circuit-row.ts` function by function.
 *
 * Records are `circuit/1` and the cells as `encode` writes them: joined by commas, a zero is nothing, zeros at the end are left out.
 */

import { decodeText, encodeText } from "../../../core/codec.ts";
import { sha1Hex } from "../../../core/digest.ts";
import { type CircuitCommand, circuit } from "../../../state/algorithms/circuit.ts";
import * as row from "../../../state/algorithms/circuit-row.ts";
import type { Algorithm } from "../../../state/contracts/driver.ts";
import type { CircuitPolicy } from "../../../state/contracts/circuits.ts";
import type { Row } from "../../../state/define-algorithm.ts";
import { ENDED } from "./ended.ts";
import { FAILED_WRITES, TELL_FAILED } from "./failed-writes.ts";
import type { NativeAlgorithm } from "./native.ts";

const HEAD = `${circuit.name}/${circuit.version} `;
const PPM = 1_000_000;
const MAX_DOUBLINGS = 16;
const KEEP_MS = 86_400_000;

/** Lua counts from one. */
const cell = (index: number): string => `c[${index + 1}]`;
const [PHASE, EPOCH, BASE, SEEN, CHANGED_AT, LAST_FAILURE_AT, OPEN_UNTIL, ATTEMPT, WINDOW_MS, NEWEST, POSITION, GOOD, FAILS, SLOW, PROBE_GOOD, PROBE_SEQ, INSTANCE_NEXT, LIVE_UNTIL, SLOT_END] = [
  row.PHASE, row.EPOCH, row.BASE, row.SEEN, row.CHANGED_AT, row.LAST_FAILURE_AT, row.OPEN_UNTIL, row.ATTEMPT, row.WINDOW_MS, row.HEAD, row.POSITION, row.GOOD, row.FAILS, row.SLOW,
  row.PROBE_GOOD, row.PROBE_SEQ, row.INSTANCE_NEXT, row.LIVE_UNTIL, row.LIVE_UNTIL + 1,
].map(cell) as [string, string, string, string, string, string, string, string, string, string, string, string, string, string, string, string, string, string, string];
const [ring, probes, instances] = [row.RING + 1, row.PROBE + 1, row.INSTANCE + 1];

const source = `local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local floor, ceil, min, max, find, match, gmatch, format = math.floor, math.ceil, math.min, math.max, string.find, string.match, string.gmatch, string.format
local t, c, live = floor(now), nil, false
${ENDED}
${FAILED_WRITES}
local function slot(w) return floor(now * 10 / w) end
local function settle()
  local w, head = ${WINDOW_MS}, ${NEWEST}
  local last = ceil((head + ${row.SLOTS}) * w / 10)
  if ${EPOCH} ~= ${BASE} then last = max(last, ${KEEP_MS} + max(${CHANGED_AT}, ${OPEN_UNTIL})) end
  ${LIVE_UNTIL}, ${SLOT_END} = last, floor((head + 1) * w / 10)
end
local function clear(from, to) for i = from, to do c[i] = 0 end end
local function clear_ring()
  clear(${ring}, ${ring + 3 * row.SLOTS - 1})
  ${POSITION}, ${GOOD}, ${FAILS}, ${SLOW} = 0, 0, 0, 0
end
local function restart()
  clear_ring()
  ${NEWEST} = slot(${WINDOW_MS})
end
local function shift(i, by) if c[i] ~= 0 then c[i] = max(1, c[i] - by) end end
local function reanchor()
  local behind = ${SEEN} - t
  if behind <= 0 then return false end
  for _, i in ipairs({ ${[row.SEEN, row.CHANGED_AT, row.LAST_FAILURE_AT, row.OPEN_UNTIL].map((i) => i + 1).join(", ")} }) do shift(i, behind) end
  for i = ${probes + 1}, ${instances - 1}, 2 do shift(i, behind) end
  ${NEWEST} = min(${NEWEST}, slot(${WINDOW_MS}))
  settle()
  return true
end
local function advance()
  if now < ${SLOT_END} then return end
  local newest = slot(${WINDOW_MS})
  local steps = newest - ${NEWEST}
  if steps <= 0 then return end
  ${NEWEST} = newest
  settle()
  if steps >= ${row.SLOTS} then clear_ring() return end
  local position = ${POSITION}
  for step = 1, steps do
    position = position + 1 == ${row.SLOTS} and 0 or position + 1
    local i = ${ring} + 3 * position
    ${GOOD}, ${FAILS}, ${SLOW} = ${GOOD} - c[i], ${FAILS} - c[i + 1], ${SLOW} - c[i + 2]
    c[i], c[i + 1], c[i + 2] = 0, 0, 0
  end
  ${POSITION} = position
end
local function resize(w)
  advance()
  local width, head, position, old = ${WINDOW_MS}, ${NEWEST}, ${POSITION}, {}
  for i = 1, ${3 * row.SLOTS} do old[i] = c[${ring} + i - 1] end
  ${WINDOW_MS} = w
  restart()
  for age = 0, ${row.SLOTS - 1} do
    local at = head - age
    local to = w > width and floor((2 * at + 1) * width / (2 * w)) or ceil((2 * (at + 1) * width - w) / (2 * w)) - 1
    local gone = max(0, ${NEWEST} - to)
    if gone >= ${row.SLOTS} then break end
    local from, i = 3 * ((position - age + ${row.SLOTS}) % ${row.SLOTS}), ${ring} + 3 * ((${row.SLOTS} - gone) % ${row.SLOTS})
    c[i], c[i + 1], c[i + 2] = c[i] + old[from + 1], c[i + 1] + old[from + 2], c[i + 2] + old[from + 3]
    ${GOOD}, ${FAILS}, ${SLOW} = ${GOOD} + old[from + 1], ${FAILS} + old[from + 2], ${SLOW} + old[from + 3]
  end
  settle()
end
local function create(w)
  local last = ${EPOCH}
  local epoch = max(last == 0 and ${row.EPOCHS_PER_MS} or (floor(last / ${row.EPOCHS_PER_MS}) + 1) * ${row.EPOCHS_PER_MS}, t * ${row.EPOCHS_PER_MS})
  clear(1, ${row.WIDTH})
  ${EPOCH}, ${BASE}, ${WINDOW_MS}, ${SEEN} = epoch, epoch, w, t
  restart()
  settle()
end
local function record(w, ok, fail, slow)
  if ${WINDOW_MS} ~= w then resize(w) end
  advance()
  local i = ${ring} + 3 * ${POSITION}
  c[i], c[i + 1], c[i + 2] = c[i] + ok, c[i + 1] + fail, c[i + 2] + slow
  ${GOOD}, ${FAILS}, ${SLOW} = ${GOOD} + ok, ${FAILS} + fail, ${SLOW} + slow
  ${SEEN} = t
  if fail > 0 then ${LAST_FAILURE_AT} = t end
end
local function change(to)
  ${PHASE}, ${EPOCH}, ${CHANGED_AT}, ${SEEN}, ${OPEN_UNTIL}, ${PROBE_GOOD} = to, ${EPOCH} + 1, t, t, 0, 0
  clear(${probes}, ${instances - 1})
  if to ~= ${row.OPEN} then restart() end
  settle()
end
local function open(reset, cap, random)
  change(${row.OPEN})
  ${ATTEMPT} = min(${ATTEMPT} + 1, ${MAX_DOUBLINGS + 1})
  local ms = reset
  if cap > ms then
    ms = min(ms * 2 ^ (${ATTEMPT} - 1), cap)
    ms = max(reset, floor(ms * (1 - 0.1 * random)))
  end
  ${OPEN_UNTIL} = t + ms
  settle()
end
local function probe(most, timeout)
  local out, free = 0, nil
  for i = ${probes}, ${instances - 1}, 2 do
    if c[i + 1] > now then out = out + 1 elseif not free then free = i end
  end
  if out >= most or not free then return false end
  ${PROBE_SEQ} = ${PROBE_SEQ} + 1
  c[free], c[free + 1], ${SEEN} = ${PROBE_SEQ}, ceil(now) + timeout, t
  return true
end
local function acquire(most, timeout)
  local phase = live and ${PHASE} or 0
  if phase == ${row.HALF_OPEN} then return probe(most, timeout) end
  if phase ~= ${row.OPEN} or ${OPEN_UNTIL} > now then return false end
  change(${row.HALF_OPEN})
  return probe(most, timeout)
end
local function repeated(instance, seq)
  for i = ${instances}, ${row.WIDTH}, 2 do
    if c[i] == instance then return seq <= c[i + 1] end
  end
  return false
end
local function remember(instance, seq)
  for i = ${instances}, ${row.WIDTH}, 2 do
    if c[i] == instance then c[i + 1] = seq return end
  end
  local i = ${instances} + 2 * ${INSTANCE_NEXT}
  c[i], c[i + 1], ${INSTANCE_NEXT} = instance, seq, (${INSTANCE_NEXT} + 1) % ${row.INSTANCES}
end
local function reaches(part, total, ppm) return ppm >= 0 and part > 0 and part * ${PPM} >= total * ppm end
local function trips(threshold, rate, least, slow_rate)
  if ${FAILS} >= threshold then return true end
  if rate < 0 and slow_rate < 0 then return false end
  local total = ${GOOD} + ${FAILS} + ${SLOW}
  if total < least then return false end
  return reaches(${FAILS}, total, rate) or reaches(${SLOW}, total, slow_rate)
end
local function report(epoch, token, ok, fail, slow, instance, seq, random, w, threshold, rate, least, slow_rate, reset, cap, good)
  local phase = live and ${PHASE} or 0
  if phase == ${row.HALF_OPEN} and epoch == ${EPOCH} then
    local place
    for i = ${probes}, ${instances - 1}, 2 do if c[i] == token and c[i + 1] > now then place = i end end
    if token == 0 or not place then return false end
    c[place], c[place + 1], ${SEEN} = 0, 0, t
    if fail > 0 or (slow > 0 and slow_rate >= 0) then
      if fail > 0 then ${LAST_FAILURE_AT} = t end
      open(reset, cap, random)
    elseif ok + slow > 0 then
      ${PROBE_GOOD} = ${PROBE_GOOD} + 1
      if ${PROBE_GOOD} >= good then
        change(${row.CLOSED})
        ${ATTEMPT} = 0
      end
    end
    return true
  end
  local current = epoch == 0 or (live and epoch == ${EPOCH}) or (epoch % ${row.EPOCHS_PER_MS} == 0 and (not live or ${EPOCH} == ${BASE}))
  if phase ~= ${row.CLOSED} or token ~= 0 or not current or ok + fail + slow == 0 then return false end
  local known = instance >= 0 and seq >= 0
  if live and known and repeated(instance, seq) then return false end
  if not live then create(w) end
  if known then remember(instance, seq) end
  record(w, ok, fail, slow)
  if trips(threshold, rate, least, slow_rate) then open(reset, cap, random) end
  return true
end
local reply = { format('%.3f', now) }
for k = 1, #KEYS do
  local stored = redis.pcall('GET', KEYS[k])
  local text = type(stored) == 'string' and match(stored, '^${HEAD.replaceAll("-", "%-")}([%d,]*)$')
  local good = not stored or text
  if not good and ended(KEYS[k], stored) then stored, good = false, true end
  if stored and type(stored) ~= 'string' then stored = '!' end
  reply[k + 1] = stored
  -- Most calls ask a closed circuit, which changes nothing unless the clock went back.
  local idle = not stored or (text and find(text, '^,') and (tonumber(match(text, '^,%d*,%d*,(%d*)')) or 0) <= t)
  if good and not (idle and find(ARGV[k], '^1 %d+ 0 ')) then
    c = {}
    if text then
      for number in gmatch(text .. ',', '(%d*),') do c[#c + 1] = tonumber(number) or 0 end
    end
    if text and (#c > ${row.WIDTH} or #c < ${row.LIVE_UNTIL + 1} or ${WINDOW_MS} == 0 or ${EPOCH} == 0) then good = false end
    for i = #c + 1, ${row.WIDTH} do c[i] = 0 end
    local changed, next = false, gmatch(ARGV[k], '%S+')
    for group = 1, good and tonumber(next()) or 0 do
      local times, a = tonumber(next()), {}
      for i = 1, 17 do a[i] = tonumber(next()) end
      for time = 1, times do
        live = now < ${LIVE_UNTIL}
        if live and now < ${SEEN} and reanchor() then changed = true end
        local op, moved = a[1], false
        if op == 0 then moved = acquire(a[2], a[3])
        elseif op == 1 then moved = report(unpack(a, 2))
        elseif op == 2 then
          if not live then create(a[10]) end
          record(a[10], a[4], a[5], 0)
          moved = true
        elseif op == 3 then
          if not live then create(a[10]) end
          if a[2] == ${row.OPEN} then open(a[15], a[16], 0.5) else change(a[2]) end
          if a[2] == ${row.CLOSED} or a[2] == ${row.DISABLED} then ${ATTEMPT} = 0 end
          moved = true
        end
        changed = changed or moved
      end
    end
    if changed then
      local last, parts = ${row.WIDTH}, {}
      while c[last] == 0 do last = last - 1 end
      for i = 1, last do parts[i] = c[i] == 0 and '' or format('%.0f', c[i]) end
      note(k, redis.pcall('SET', KEYS[k], '${HEAD}' .. table.concat(parts, ','), 'PX', format('%.0f', max(1, ceil(${LIVE_UNTIL} - now)) + 1000)))
    end
  end
end
${TELL_FAILED}
return reply`;

const PHASES: Readonly<Record<string, number>> = { closed: row.CLOSED, open: row.OPEN, "half-open": row.HALF_OPEN, isolated: row.ISOLATED, disabled: row.DISABLED };

/** Op, epoch, token, ok, fail, slow, instance, seq, random, then the policy; an acquire has its two numbers in the second and third place. */
function argsOf(command: CircuitCommand): string {
  switch (command.type) {
    case "acquire":
      return `0 ${command.policy.halfOpenMax} ${command.policy.probeTimeoutMs} 0 0 0 -1 -1 0 ${NO_POLICY}`;
    case "report": {
      const { epoch, token = 0, ok, fail, slow, instance, seq, random = 0.5 } = command;
      return `1 ${epoch} ${token} ${ok} ${fail} ${slow} ${instance ?? -1} ${seq ?? -1} ${random} ${policyText(command.policy)}`;
    }
    case "count":
      return `2 0 0 ${command.ok} ${command.fail} 0 -1 -1 0 ${policyText(command.policy)}`;
    case "force":
      return `3 ${PHASES[command.to]} 0 0 0 0 -1 -1 0 ${policyText(command.policy)}`;
    case "view":
      return `4 0 0 0 0 0 -1 -1 0 ${NO_POLICY}`;
  }
}

const NO_POLICY = "0 0 0 0 0 0 0 0";
const texts: WeakMap<CircuitPolicy, string> = /* @__PURE__ */ new WeakMap();

function policyText(policy: CircuitPolicy): string {
  let text = texts.get(policy);
  if (text === undefined) {
    const { windowMs, failureThreshold, failureRate, minimumThroughput, slowCallRate, resetTimeoutMs, maxResetTimeoutMs, successThreshold } = policy;
    text = [windowMs, failureThreshold, ppm(failureRate), minimumThroughput, ppm(slowCallRate), resetTimeoutMs, maxResetTimeoutMs ?? -1, successThreshold].join(" ");
    if (Object.isFrozen(policy)) texts.set(policy, text);
  }
  return text;
}

/** As the algorithm compares rates: whole millionths. */
function ppm(rate: number | undefined): number {
  return rate === undefined ? -1 : Math.floor(rate * PPM + 0.001);
}

export const nativeCircuit: NativeAlgorithm = {
  algorithm: circuit as Algorithm,
  head: HEAD,
  script: { source, sha: /* @__PURE__ */ sha1Hex(source) },
  toArgs: (command) => ({ args: argsOf(command as CircuitCommand) }),
  print: (state) => decodeText(circuit.encode(state as Row)),
  parse: (text) => circuit.decode(encodeText(text)),
};
