/** Boundaries of days over whole years: they surround every instant, and each step goes on where the last one ended. */

import { expect } from "vitest";
import { zoneBoundaries } from "../../src/state/calendar-policy.ts";

/** Zones that change their clocks at midnight, by half an hour, twice a year around a fast, or by a whole day. */
export const SWEPT_ZONES = ["Europe/Paris", "America/New_York", "Asia/Beirut", "America/Goose_Bay", "Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Apia"] as const;

/** Steps shorter than the shortest day, so that none is jumped over. */
export function sweepBoundaries(zone: string, fromYear: number, toYear: number, stepHours: number): void {
  let [first, second, third] = zoneBoundaries("day", zone, Date.UTC(fromYear, 0));
  for (let now = first; now < Date.UTC(toYear, 0); now += stepHours * 3_600_000) {
    const next = zoneBoundaries("day", zone, now);
    expect(next[0] <= now && now < next[1] && next[1] < next[2]).toBe(true);
    if (next[0] === first) expect(next).toEqual([first, second, third]);
    else expect([next[0], next[1]]).toEqual([second, third]);
    [first, second, third] = next;
  }
}
