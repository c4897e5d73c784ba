/** HTTP dates (RFC 9110 5.6.7): the three forms a recipient must read, and nothing `Date.parse` would guess at. */

const MONTHS: readonly string[] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

// Fixed widths throughout, so the match is linear in the text.
const IMF = /^(?:mon|tue|wed|thu|fri|sat|sun), (\d{2}) ([a-z]{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) gmt$/;
const RFC_850 = /^(?:mon|tues|wednes|thurs|fri|satur|sun)day, (\d{2})-([a-z]{3})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) gmt$/;
const ASCTIME = /^(?:mon|tue|wed|thu|fri|sat|sun) ([a-z]{3}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/;

/** Epoch milliseconds, or `undefined` when the text is no HTTP date. `now` places two-digit years. */
export function parseHttpDate(text: string | null | undefined, now: number): number | undefined {
  if (text === null || text === undefined || text.length > 40) return undefined;
  const lower = text.trim().toLowerCase();
  const imf = IMF.exec(lower);
  if (imf !== null) return instant(Number(imf[3]), imf[2], imf[1], imf[4], imf[5], imf[6]);
  const rfc850 = RFC_850.exec(lower);
  if (rfc850 !== null) return instant(fullYear(Number(rfc850[3]), now), rfc850[2], rfc850[1], rfc850[4], rfc850[5], rfc850[6]);
  const asctime = ASCTIME.exec(lower);
  if (asctime !== null) return instant(Number(asctime[6]), asctime[1], asctime[2], asctime[3], asctime[4], asctime[5]);
  return undefined;
}

/** The preferred form, in whole seconds. */
export function formatHttpDate(at: number): string {
  return new Date(at).toUTCString();
}

/** A two-digit year that lies more than 50 years ahead is the latest such year in the past. */
function fullYear(twoDigits: number, now: number): number {
  const current = new Date(now).getUTCFullYear();
  const year = Math.floor(current / 100) * 100 + twoDigits;
  return year > current + 50 ? year - 100 : year;
}

function instant(
  year: number,
  monthName: string | undefined,
  day: string | undefined,
  hour: string | undefined,
  minute: string | undefined,
  second: string | undefined,
): number | undefined {
  const month = MONTHS.indexOf(monthName ?? "");
  if (month < 0 || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  const at = Date.UTC(year, month, Number(day), Number(hour), Number(minute), Number(second));
  // `Date.UTC` rolls 31 February over to March; such a date is none.
  return new Date(at).getUTCDate() === Number(day) || Number(second) === 60 ? at : undefined;
}
