import { describe, expect, it } from "vitest";
import { SWEPT_ZONES, sweepBoundaries } from "../../test/models/calendar-sweep.ts";
import { calendarLimit, zoneBoundaries } from "./calendar-policy.ts";

const HOUR = 3_600_000;
const at = (text: string): number => Date.parse(text);

describe("boundaries of a time zone", () => {
  it.each([
    ["a day in UTC", "day", "UTC", "2026-07-01T12:00:00.5Z", ["2026-07-01T00:00Z", "2026-07-02T00:00Z", "2026-07-03T00:00Z"]],
    ["23 hours where summer time begins", "day", "Europe/Paris", "2026-03-29T10:00Z", ["2026-03-28T23:00Z", "2026-03-29T22:00Z", "2026-03-30T22:00Z"]],
    ["25 hours where it ends", "day", "America/New_York", "2026-11-01T12:00Z", ["2026-11-01T04:00Z", "2026-11-02T05:00Z", "2026-11-03T05:00Z"]],
    ["a zone with quarter hours", "day", "Asia/Kathmandu", "2026-01-01T00:00Z", ["2025-12-31T18:15Z", "2026-01-01T18:15Z", "2026-01-02T18:15Z"]],
    ["a day whose midnight is skipped", "day", "America/Sao_Paulo", "2018-11-04T12:00Z", ["2018-11-04T03:00Z", "2018-11-05T02:00Z", "2018-11-06T02:00Z"]],
    ["a day that is skipped", "day", "Pacific/Apia", "2011-12-30T05:00Z", ["2011-12-29T10:00Z", "2011-12-30T10:00Z", "2011-12-31T10:00Z"]],
    ["weeks from Monday", "week", "Europe/Paris", "2026-03-29T21:59:59Z", ["2026-03-22T23:00Z", "2026-03-29T22:00Z", "2026-04-05T22:00Z"]],
    ["months over the new year", "month", "Asia/Tokyo", "2025-12-31T14:59:59.999Z", ["2025-11-30T15:00Z", "2025-12-31T15:00Z", "2026-01-31T15:00Z"]],
    ["February of a leap year", "month", "UTC", "2028-02-29T23:59Z", ["2028-02-01T00:00Z", "2028-03-01T00:00Z", "2028-04-01T00:00Z"]],
    ["years", "year", "America/New_York", "2027-01-01T04:59:59Z", ["2026-01-01T05:00Z", "2027-01-01T05:00Z", "2028-01-01T05:00Z"]],
  ] as const)("%s", (_, unit, zone, now, expected) => {
    expect(zoneBoundaries(unit, zone, at(now)).map((ms) => new Date(ms).toISOString())).toEqual(expected.map((text) => new Date(text).toISOString()));
  });

  // In 2011 Samoa skipped a day, and Goose Bay changed its clocks at one minute past midnight.
  it.each(SWEPT_ZONES)("surround the instants of a year in %s, and go on where the last ones ended", (zone) => sweepBoundaries(zone, 2011, 2012, 22));

  it("names an unknown zone and unit", () => {
    expect(() => zoneBoundaries("day", "Mars/Olympus", 0)).toThrow('timeZone must be an IANA time zone such as "Europe/Paris", got "Mars/Olympus"');
    expect(() => zoneBoundaries("hour" as "day", "UTC", 0)).toThrow("unit must be one of");
  });
});

describe("calendarLimit", () => {
  it("keeps the record while boundaries move on, and starts a new one for another length or offset", () => {
    const daily = (now: number): string =>
      calendarLimit({ max: 5, unit: "day", timeZone: "Europe/Paris", boundaries: zoneBoundaries("day", "Europe/Paris", now) }).keySuffix;
    expect(daily(at("2026-07-01T00:00Z"))).toBe(daily(at("2026-08-01T00:00Z")));
    expect(calendarLimit({ max: 5, windowMs: HOUR }).keySuffix).toBe(calendarLimit({ max: 9, windowMs: HOUR, offsetMs: 3 * HOUR }).keySuffix);
    expect(calendarLimit({ max: 5, windowMs: HOUR, offsetMs: 1 }).keySuffix).not.toBe(calendarLimit({ max: 5, windowMs: HOUR }).keySuffix);
  });

  it("refuses what is no limit", () => {
    expect(() => calendarLimit({ max: -1, windowMs: 1 })).toThrow("max must be");
    expect(() => calendarLimit({ max: 1, windowMs: 0 })).toThrow("windowMs must be");
    expect(() => calendarLimit({ max: 1, unit: "day", timeZone: "UTC", boundaries: [1, 1, 2] })).toThrow("boundaries must be three growing instants");
  });
});
