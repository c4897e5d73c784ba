/** Compiles calendar limits, and finds the boundaries of days, weeks, months and years in a time zone. */

import { checkInteger, checkWindowMs } from "../core/check.ts";
import { OptionError } from "../core/errors.ts";
import { type CalendarWindowPolicy, calendarWindow } from "./algorithms/calendar-window.ts";
import type { CompiledLimit } from "./limit-policy.ts";

export type CalendarUnit = "day" | "week" | "month" | "year";

export type CalendarLimitOptions =
  | {
      readonly max: number;
      /** Length of a period, counted in UTC. */
      readonly windowMs: number;
      /** Any instant at which a period begins, epoch ms. @default 0 */
      readonly offsetMs?: number;
    }
  | {
      readonly max: number;
      readonly unit: CalendarUnit;
      /** IANA name, such as `Europe/Paris`. */
      readonly timeZone: string;
      /** Of {@link zoneBoundaries}. */
      readonly boundaries: readonly [number, number, number];
    };

/**
 * Compiles a calendar limit. One in a time zone is compiled again with new boundaries when the old ones are over, or when
 * a reply was `stale`; its record stays the same.
 *
 * @throws OptionError for `max`, `windowMs` or `offsetMs` outside their domains, and boundaries that do not grow.
 */
export function calendarLimit(options: CalendarLimitOptions): CompiledLimit<CalendarWindowPolicy> {
  const max = checkInteger("max", options.max, 0);
  if (!("boundaries" in options)) {
    const windowMs = checkWindowMs("windowMs", options.windowMs);
    const offset = options.offsetMs === undefined ? 0 : checkInteger("offsetMs", options.offsetMs, Number.MIN_SAFE_INTEGER);
    const offsetMs = ((offset % windowMs) + windowMs) % windowMs;
    return Object.freeze({
      algorithm: calendarWindow,
      policy: Object.freeze({ max, windowMs, offsetMs }),
      keySuffix: `calendar-${windowMs}-${offsetMs}`,
      limit: max,
      horizonMs: windowMs,
    });
  }
  const [first, second, third] = options.boundaries;
  if (![first, second, third].every(Number.isSafeInteger) || first >= second || second >= third) {
    throw new OptionError("boundaries", options.boundaries, "three growing instants in whole milliseconds");
  }
  return Object.freeze({
    algorithm: calendarWindow,
    policy: Object.freeze({ max, boundaries: Object.freeze([first, second, third] as const) }),
    keySuffix: `calendar-${options.unit}-${options.timeZone}`,
    limit: max,
    horizonMs: Math.max(second - first, third - second),
  });
}

const DAY_MS = 86_400_000;

/**
 * Start of the present period, of the next and of the one after it, epoch ms. Weeks begin on Monday (ISO 8601). A day on
 * which summer time begins or ends has 23 or 25 hours; where midnight is skipped, the day begins at its first instant.
 *
 * @throws OptionError for a zone or unit that is not known.
 */
export function zoneBoundaries(unit: CalendarUnit, timeZone: string, now: number): [number, number, number] {
  const clock = wallClock(timeZone);
  let start = startOf(unit, clock(now), 0);
  // Around a midnight that happens twice, the wall clock alone does not say on which side of the boundary `now` is.
  if (instantOf(clock, start) > now) start = startOf(unit, start, -1);
  const boundaries = [instantOf(clock, start)];
  while (boundaries.length < 3) {
    start = startOf(unit, start, 1);
    const next = instantOf(clock, start);
    // A zone that crosses the date line skips a day: a period without length is none.
    if (next <= now) boundaries[0] = next;
    else if (next > (boundaries.at(-1) as number)) boundaries.push(next);
  }
  return boundaries as [number, number, number];
}

/** What a wall clock shows, as if it were UTC. */
type WallClock = (instant: number) => number;

const FIELDS = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23" } as const;

function wallClock(timeZone: string): WallClock {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", { ...FIELDS, calendar: "gregory", numberingSystem: "latn", timeZone });
  } catch {
    throw new OptionError("timeZone", timeZone, "an IANA time zone such as \"Europe/Paris\"");
  }
  return (instant) => {
    const found: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(instant)) found[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = found;
    return Date.UTC(year, month - 1, day, hour, minute, second);
  };
}

/** Start of the period of `wall`, `ahead` periods later. Wall time is UTC arithmetic: it knows no summer time. */
function startOf(unit: CalendarUnit, wall: number, ahead: number): number {
  const day = Math.floor(wall / DAY_MS);
  if (unit === "day") return (day + ahead) * DAY_MS;
  // 1 January 1970 was a Thursday, the fourth day of its week.
  if (unit === "week") return (day - ((((day + 3) % 7) + 7) % 7) + 7 * ahead) * DAY_MS;
  const [year = 0, month = 0] = civil(day);
  if (unit === "month") return Date.UTC(year, month + ahead, 1);
  if (unit === "year") return Date.UTC(year + ahead, 0, 1);
  throw new OptionError("unit", unit, 'one of "day", "week", "month", "year"');
}

/** Year and month, from 0, of a day of the epoch: counted from the longest it can be, down to where it fits. */
function civil(day: number): [year: number, month: number] {
  let year = 1970 + Math.floor(day / 365.2425) + 1;
  while (Date.UTC(year, 0, 1) > day * DAY_MS) year -= 1;
  let month = 11;
  while (Date.UTC(year, month, 1) > day * DAY_MS) month -= 1;
  return [year, month];
}

/** The first whole second at which the clock shows `wall` or later: no zone is further than a day from UTC. */
function instantOf(clock: WallClock, wall: number): number {
  let before = wall - DAY_MS;
  let after = wall + DAY_MS;
  while (after - before > 1000) {
    const middle = Math.floor((before + after) / 2000) * 1000;
    if (clock(middle) >= wall) after = middle;
    else before = middle;
  }
  return after;
}
