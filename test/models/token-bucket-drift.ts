/** A bucket that is polled for years grants its rate: roundings may not add up. */

import { expect } from "vitest";
import { tokenBucket } from "../../src/state/algorithms/token-bucket.ts";
import { type CompiledLimit, tokenRateLimit } from "../../src/state/limit-policy.ts";
import { START } from "./limit-subject.ts";

const YEARS_MS = 10 * 365 * 86_400_000;

/** What the rate is called, tokens per second, capacity, steps of the long run, cost of a step. */
export const RATES: readonly (readonly [name: string, tokensPerSecond: number, capacity: number, steps: number, cost: number])[] = [
  ["1 per year", 1 / 31_536_000, 1, 1e6, 1],
  ["1 per 3 s", 1 / 3, 2, 1e7, 1],
  ["7.3 per s", 7.3, 5, 1e7, 100],
  ["10^6 per s", 1e6, 5e6, 1e7, 33_333],
];

export function grantsTheRate(tokensPerSecond: number, capacity: number, steps: number, cost: number): void {
  const perStep = (cost / tokensPerSecond) * 1000 * 0.9;
  const stepMs = Math.max(0.01, Math.min(YEARS_MS / steps, perStep));
  // Twice the cost, so that a bucket polled this often is never found full.
  const burst = Math.max(capacity, 2 * cost);
  const { granted, elapsedMs } = run(tokenRateLimit({ capacity: burst, tokensPerSecond }), steps, stepMs, cost);
  const ideal = burst + (tokensPerSecond * elapsedMs) / 1000;
  expect(granted).toBeLessThanOrEqual(ideal);
  expect(granted).toBeGreaterThan(ideal - 2 * cost);
}

/** Runs the row in place, as a store in this process does. */
function run(limit: CompiledLimit, steps: number, stepMs: number, cost: number): { granted: number; elapsedMs: number } {
  const cells = new Float64Array(3);
  const row = tokenBucket.row!;
  const reply = row.reply();
  const command = { cost, policy: limit.policy };
  let granted = 0;
  let now = START;
  for (let i = 0; i < steps; i++) {
    now = START + Math.floor(i * stepMs);
    row.apply(cells, 0, command, now, reply);
    if (reply.allowed) granted += cost;
  }
  return { granted, elapsedMs: now - START };
}
