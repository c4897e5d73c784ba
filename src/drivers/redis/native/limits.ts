/** The limiter algorithms as scripts. Each mirrors the charges of its file in `state/algorithms`, line by line. */

import { type FixedWindowCommand, fixedWindow } from "../../../state/algorithms/fixed-window.ts";
import { isCost } from "../../../state/algorithms/limit-command.ts";
import { type SlidingLogPolicy, type SlidingLogState, slidingLog } from "../../../state/algorithms/sliding-log.ts";
import { type SlidingWindowPolicy, type SlidingWindowState, slidingWindow } from "../../../state/algorithms/sliding-window.ts";
import { type BucketPolicy, tokenBucket } from "../../../state/algorithms/token-bucket.ts";
import type { Algorithm } from "../../../state/contracts/driver.ts";
import type { LimitCommand } from "../../../state/contracts/limits.ts";
import { type NativeAlgorithm, type NativeCharge, nativeScript, numbersText } from "./native.ts";
import { type RowScriptOptions, rowScripts } from "./row-script.ts";

/** A charge that costs nothing changes no state unless the clock went back, and then as a peek would. */
function chargeOf(command: { readonly cost?: number; readonly dry?: boolean; readonly force?: boolean }): number | undefined {
  if (!("cost" in command) || !("policy" in command) || "refund" in command) return undefined;
  return command.dry === true && command.force !== true ? 0 : command.cost;
}

function windowArgs(command: LimitCommand<{ readonly max: number; readonly windowMs: number }>, ...more: readonly number[]): NativeCharge | undefined {
  const cost = chargeOf(command as never);
  if (!isCost(cost)) return undefined;
  return { args: [cost, command.policy.max, ...more].join(" ") };
}

function native<State>(algorithm: Algorithm<State, never, unknown>, groupArgs: number, body: string, rest: { toArgs(command: never): NativeCharge | undefined; toNumbers(state: State): readonly number[]; fromNumbers(numbers: readonly number[]): State }): NativeAlgorithm {
  const { toArgs, toNumbers, fromNumbers } = rest;
  const head = `${algorithm.name}/${algorithm.version} `;
  return { algorithm: algorithm as Algorithm, head, script: nativeScript(head, groupArgs, body), toArgs, ...numbersText(algorithm.name, toNumbers, fromNumbers) } as NativeAlgorithm;
}

/** An algorithm whose state is three integers. */
function nativeRow(algorithm: Algorithm<readonly number[], never, unknown>, options: Omit<RowScriptOptions, "version" | "width">, toArgs: (command: never) => NativeCharge | undefined): NativeAlgorithm {
  const { name, version } = algorithm;
  return {
    algorithm: algorithm as Algorithm,
    head: `${name}/${version} `,
    rows: rowScripts({ ...options, version, width: 3 }),
    ...numbersText(name, (state: readonly number[]) => state, (numbers) => numbers),
    toArgs,
  } as NativeAlgorithm;
}

/** s = start, count, era; a = cost, max, windowMs, force. `windowMs` is a part of every key, so an unmoved start is an unmoved end. */
const fixedWindowNative = nativeRow(fixedWindow as Algorithm<readonly number[], never, unknown>, { letter: "F", groupArgs: 4, fixedEnd: true, body: `
if s3 ~= 0 and now < s1 then
  s1, s3, changed = floor(now), s3 + 1, true
end
local live = s3 ~= 0 and now < s1 + a3
local used = live and s2 or 0
local charge = 0
if a1 > 0 then
  charge = times * a1
  if charge > a2 - used and a4 ~= 1 then charge = max(0, floor((a2 - used) / a1)) * a1 end
end
if charge > 0 then
  if not live then s1, s3 = floor(now), max(s3, floor(now), 1) end
  s2, changed = min(used + charge, 9007199254740991), true
end
ends = s1 + a3
` }, (command: FixedWindowCommand) => {
  const charge = windowArgs(command as never, command.policy.windowMs);
  return charge === undefined ? undefined : { args: `${charge.args} ${"force" in command && command.force ? 1 : 0}` };
});

/** s = last, owed, era; a = need, capacityUnits, p. */
const tokenBucketNative = nativeRow(tokenBucket as Algorithm<readonly number[], never, unknown>, { letter: "B", groupArgs: 3, body: `
local t, owed, era, moved = floor(now), s2, s3, false
if era ~= 0 and t < s1 then
  era, moved = era + 1, true
elseif owed > 0 then
  owed = max(0, owed - min(t - s1, ceil(owed / a3)) * a3)
end
if a1 > 0 then
  local passed = max(0, min(times, floor((a2 - owed) / a1)))
  if passed > 0 then
    if owed == 0 then era = max(era, t, 1) end
    owed, moved = owed + passed * a1, true
  end
end
if moved then s1, s2, s3, changed = t, owed, era, true end
ends = s1 + ceil(s2 / a3)
` }, (command: LimitCommand<BucketPolicy>) => {
  const cost = chargeOf(command as never);
  if (typeof cost !== "number" || !(cost >= 0) || cost === Number.POSITIVE_INFINITY) return undefined;
  const { p, q, capacityUnits } = command.policy;
  const need = Math.ceil(cost * q);
  return Number.isSafeInteger(need) ? { args: `${need} ${capacityUnits} ${p}` } : undefined;
});

/** s = era, head, count of the head, then index and count of the older buckets, oldest first; a = cost, max, bucketMs, span. */
const slidingWindowNative = native<SlidingWindowState>(slidingWindow as Algorithm<SlidingWindowState, never, unknown>, 4, `
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
local charge = 0
if a[1] > 0 then charge = max(0, min(times, floor((a[2] - used) / a[1]))) * a[1] end
if charge > 0 then
  changed = true
  if n == 0 or used == 0 then
    s = { max(n > 0 and s[1] or 0, floor(now), 1), index, charge }
    n = 3
  else
    if from > 4 then
      local kept = { s[1], s[2], s[3] }
      for i = from, n do kept[#kept + 1] = s[i] end
      s, n = kept, #kept
    end
    if index == s[2] then
      s[3] = s[3] + charge
    elseif index > s[2] then
      if s[3] > 0 then s[n + 1], s[n + 2], n = s[2], s[3], n + 2 end
      s[2], s[3] = index, charge
    elseif n > 3 and s[n - 1] == index then
      s[n] = s[n] + charge
    else
      s[n + 1], s[n + 2], n = index, charge, n + 2
    end
  end
end
if n > 0 then ends = (s[2] + a[4] + 1) * a[3] end
`, {
  toArgs: (command: LimitCommand<SlidingWindowPolicy>) => windowArgs(command as never, command.policy.bucketMs, command.policy.span),
  toNumbers: ({ era, head, count, older }) => [era, head, count, ...older],
  fromNumbers([era, head, count, ...older]) {
    let sum = count as number;
    for (let i = 1; i < older.length; i += 2) sum += older[i] as number;
    return { era: era as number, head: head as number, count: count as number, sum, older };
  },
});

/** s = era, then instant and amount, oldest first; a = cost, max, windowMs. */
const slidingLogNative = native<SlidingLogState>(slidingLog as Algorithm<SlidingLogState, never, unknown>, 3, `
local x, t = ceil(now), floor(now)
if n > 1 and s[n - 1] > x then
  local back = s[n - 1] - x
  s[1], changed = s[1] + 1, true
  for i = 2, n, 2 do s[i] = s[i] - back end
end
local used, from = 0, 2
while from <= n and t - s[from] >= a[3] do from = from + 2 end
for i = from + 1, n, 2 do used = used + s[i] end
local charge = 0
if a[1] > 0 then charge = max(0, min(times, floor((a[2] - used) / a[1]))) * a[1] end
if charge > 0 then
  changed = true
  if n == 0 or used == 0 then
    s = { max(n > 0 and s[1] or 0, floor(now), 1), x, charge }
    n = 3
  else
    local kept = { s[1] }
    for i = from, n do kept[#kept + 1] = s[i] end
    s, n = kept, #kept
    if s[n - 1] == x then
      s[n] = s[n] + charge
    elseif n - 1 >= 2 * max(1, a[2] + 1) then
      s[n - 1], s[n] = x, s[n] + charge
    else
      s[n + 1], s[n + 2], n = x, charge, n + 2
    end
  end
end
if n > 1 then ends = s[n - 1] + a[3] elseif n == 1 then ends = t + 1 end
`, {
  toArgs: (command: LimitCommand<SlidingLogPolicy>) => windowArgs(command as never, command.policy.windowMs),
  toNumbers: ({ era, pairs }) => [era, ...pairs],
  fromNumbers: ([era, ...pairs]) => ({ era: era as number, pairs }),
});

export const nativeLimits: readonly NativeAlgorithm[] = [fixedWindowNative, tokenBucketNative, slidingWindowNative, slidingLogNative];
