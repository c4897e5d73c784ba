/**
 * Leases and what is given back of them, as scripts: one round trip each, and no process loses one to another. Each mirrors
 * `state/lease/lease-command.ts` over the charges of its algorithm; plain charges of the same batch go along.
 */

import { fixedWindow } from "../../../state/algorithms/fixed-window.ts";
import { MAX_COST, isCost } from "../../../state/algorithms/limit-command.ts";
import { type SlidingWindowPolicy, slidingWindow } from "../../../state/algorithms/sliding-window.ts";
import { type BucketPolicy, tokenBucket } from "../../../state/algorithms/token-bucket.ts";
import type { Algorithm } from "../../../state/contracts/driver.ts";
import type { LimitTicket } from "../../../state/contracts/limits.ts";
import type { LimitLeaseCommand } from "../../../state/lease/lease-command.ts";
import { type NativeAlgorithm, type NativeCharge, nativeScript } from "./native.ts";
import { nativeLimits } from "./limits.ts";
import { type RowScriptOptions, rowScripts } from "./row-script.ts";

interface Command<Policy> {
  readonly policy: Policy;
  readonly cost?: number;
  readonly dry?: boolean;
  readonly refund?: LimitTicket;
}

/** Kinds of a command, its first argument. */
const CHARGE = 0;
const LEASE = 1;
const REFUND = 2;

/** Every word of a command, or `undefined` when one of them is no whole number. */
function words(...numbers: readonly (number | undefined)[]): NativeCharge | undefined {
  return numbers.every((number) => Number.isSafeInteger(number) && (number as number) >= 0) ? { args: numbers.join(" ") } : undefined;
}

/** Least, most, what waiting callers may get of the limit at once, and the divisor. */
function leaseWords({ lease, least = 1, waiting = 0, divisor }: LimitLeaseCommand, limit: number): number[] | undefined {
  if (!(lease >= 1) || !(divisor >= 1) || !isCost(least)) return undefined;
  const atLeast = Math.max(1, least);
  return [atLeast, Math.max(atLeast, Math.min(Math.floor(lease), MAX_COST)), Math.max(atLeast, Math.min(Math.ceil(waiting), Math.floor(limit / divisor))), divisor];
}

function isPlainCharge(command: object): boolean {
  return !("settle" in command) && !("reset" in command) && !("force" in command);
}

/** The words of a command on a window: kind, `terms`, then those of its kind. */
function windowWords(command: Command<{ readonly max: number }>, terms: readonly number[], ttlMs?: number): NativeCharge | undefined {
  const fill = ttlMs === undefined ? [] : [ttlMs];
  if ("lease" in command) {
    const lease = leaseWords(command as unknown as LimitLeaseCommand, command.policy.max);
    return lease === undefined ? undefined : words(LEASE, ...terms, ...lease, ...fill);
  }
  if (command.refund !== undefined) {
    const { era, at, need } = command.refund;
    const amount = command.cost ?? need;
    return isCost(need) && isCost(amount) ? words(REFUND, ...terms, era, at, Math.min(need, amount), 0, ...fill) : undefined;
  }
  if (!isPlainCharge(command) || !isCost(command.cost)) return undefined;
  return words(CHARGE, ...terms, command.dry === true ? 0 : command.cost, 0, 0, 0, ...fill);
}

/** The record is the one of the algorithm itself, so only the script and its arguments are other ones. */
function alike(algorithm: Algorithm<never, never, unknown>): NativeAlgorithm {
  return nativeLimits.find((native) => native.algorithm === (algorithm as unknown)) as NativeAlgorithm;
}

function leasedRow(algorithm: Algorithm<readonly number[], never, unknown>, options: Omit<RowScriptOptions, "version" | "width">, toArgs: (command: never) => NativeCharge | undefined): NativeAlgorithm {
  return { ...alike(algorithm as never), epoch: true, rows: rowScripts({ ...options, version: algorithm.version, width: 3, epoch: true }), toArgs } as NativeAlgorithm;
}

/** s = start, count, era; a = kind, max, windowMs, then cost | least, most, share, divisor | era, at, amount. */
const fixedWindowLeases = /* @__PURE__ */ leasedRow(fixedWindow as Algorithm<readonly number[], never, unknown>, { letter: "F", groupArgs: 7, body: `
if s3 ~= 0 and now < s1 then
  s1, s3, changed = floor(now), s3 + 1, true
end
local live = s3 ~= 0 and now < s1 + a3
local used = live and s2 or 0
local charge = 0
if a1 == ${CHARGE} then
  if a4 > 0 then charge = max(0, min(times, floor((a2 - used) / a4))) * a4 end
elseif a1 == ${LEASE} then
  for turn = 1, times do
    local left = a2 - used - charge
    if left >= a4 then charge = charge + min(a5, max(a6, floor(left / a7)), left) end
  end
elseif live and s3 == a4 and s1 == a5 then
  charge = -min(used, times * a6)
end
if charge ~= 0 then
  if not live then s1, s3 = floor(now), max(s3, floor(now), 1) end
  s2, changed = used + charge, true
end
ends = s1 + a3
if s2 == 0 then ends = ends + 1 end
` }, (command: Command<{ readonly max: number; readonly windowMs: number }>) => windowWords(command, [command.policy.max, command.policy.windowMs]));

/** s = last, owed, era; a = kind, capacityUnits, p, q, then need | least, most, share, divisor | era, at, units. */
const tokenBucketLeases = /* @__PURE__ */ leasedRow(tokenBucket as Algorithm<readonly number[], never, unknown>, { letter: "B", groupArgs: 8, body: `
local t, owed, era, moved = floor(now), s2, s3, false
if era ~= 0 and t < s1 then
  era, moved = era + 1, true
elseif owed > 0 then
  owed = max(0, owed - min(t - s1, ceil(owed / a3)) * a3)
end
for turn = 1, times do
  local charge = 0
  if a1 == ${CHARGE} then
    if owed + a5 <= a2 then charge = a5 end
  elseif a1 == ${LEASE} then
    if owed + a5 * a4 <= a2 then
      local left = floor((a2 - owed) / a4)
      charge = min(a6, max(a7, floor(left / a8)), left) * a4
    end
  elseif era == a5 then
    local elapsed = min(t - a6, ceil(a7 / a3))
    if elapsed >= 0 then charge = -min(owed, max(0, a7 - elapsed * a3)) end
  end
  if charge == 0 then break end
  if owed == 0 then era = max(era, t, 1) end
  owed, moved = owed + charge, true
end
if moved then s1, s2, s3, changed = t, owed, era, true end
ends = s1 + max(1, ceil(s2 / a3))
` }, (command: Command<BucketPolicy>) => {
  const { limit, capacityUnits, p, q } = command.policy;
  const terms = [capacityUnits, p, q];
  if ("lease" in command) {
    const lease = leaseWords(command as unknown as LimitLeaseCommand, limit);
    return lease === undefined ? undefined : words(LEASE, ...terms, ...lease);
  }
  if (command.refund !== undefined) {
    const { era, at, need } = command.refund;
    return words(REFUND, ...terms, era, at, command.cost === undefined ? need : Math.min(need, Math.floor(command.cost * q)), 0);
  }
  if (!isPlainCharge(command)) return undefined;
  return words(CHARGE, ...terms, command.dry === true ? 0 : Math.ceil((command.cost as number) * q), 0, 0, 0);
});

/** s = era, head, count of the head, then the older buckets; a = kind, max, bucketMs, span, then cost | least, most, share, divisor | era, at, amount; ttlMs last. */
const SLIDING = `
local index = floor(floor(now) / a[3])
local oldest = index - a[4]
if n > 0 and s[2] > index + 1 then
  local back = s[2] - index - 1
  s[1], s[2], changed = s[1] + 1, s[2] - back, true
  for i = 4, n, 2 do s[i] = s[i] - back end
end
local used, from = 0, 4
if n > 0 and s[2] >= oldest then
  while from <= n and s[from] < oldest do from = from + 2 end
  used = s[3]
  for i = from + 1, n, 2 do used = used + s[i] end
end
local charge, at = 0, index
if a[1] == ${CHARGE} then
  if a[5] > 0 then charge = max(0, min(times, floor((a[2] - used) / a[5]))) * a[5] end
elseif a[1] == ${LEASE} then
  at = floor((now + min(a[3], a[9])) / a[3])
  for turn = 1, times do
    local left = a[2] - used - charge
    if left >= a[5] then charge = charge + min(a[6], max(a[7], floor(left / a[8])), left) end
  end
elseif n > 0 and s[1] == a[5] and a[6] >= oldest then
  at = a[6]
  local count = s[2] == at and s[3] or 0
  for i = 4, n, 2 do
    if s[i] == at then count = s[i + 1] end
  end
  charge = -min(count, times * a[7])
end
if charge ~= 0 then
  changed = true
  if n == 0 or used == 0 then
    s = { max(n > 0 and s[1] or 0, floor(now), 1), at, charge }
    n = 3
  else
    if from > 4 then
      local kept = { s[1], s[2], s[3] }
      for i = from, n do kept[#kept + 1] = s[i] end
      s, n = kept, #kept
    end
    if at == s[2] then
      s[3] = s[3] + charge
    elseif at > s[2] then
      if s[3] > 0 then s[n + 1], s[n + 2], n = s[2], s[3], n + 2 end
      s[2], s[3] = at, charge
    else
      local i = 4
      while i <= n and s[i] < at do i = i + 2 end
      if s[i] ~= at then
        table.insert(s, i, at)
        table.insert(s, i + 1, charge)
        n = n + 2
      elseif s[i + 1] + charge > 0 then
        s[i + 1] = s[i + 1] + charge
      else
        table.remove(s, i)
        table.remove(s, i)
        n = n - 2
      end
    end
  end
end
if n > 0 then ends = (s[2] + a[4] + 1) * a[3] end
`;

const slidingHead: string = /* @__PURE__ */ (() => alike(slidingWindow as never).head)();

const slidingWindowLeases = /* @__PURE__ */ (() => ({
  ...alike(slidingWindow as never),
  epoch: true,
  script: nativeScript(slidingHead, 9, SLIDING, true),
  toArgs: (command: Command<SlidingWindowPolicy>) => {
    const { max, bucketMs, span } = command.policy;
    return windowWords(command, [max, bucketMs, span], "lease" in command ? (command as unknown as LimitLeaseCommand).ttlMs : 0);
  },
}) as NativeAlgorithm)();

export const nativeLeases: readonly NativeAlgorithm[] = [fixedWindowLeases, tokenBucketLeases, slidingWindowLeases];
