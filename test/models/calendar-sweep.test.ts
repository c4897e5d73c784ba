import { describe, it } from "vitest";
import { SWEPT_ZONES, sweepBoundaries } from "./calendar-sweep.ts";

describe("boundaries of a time zone", () => {
  it.each(SWEPT_ZONES)("surround every hour of three years in %s, and go on where the last ones ended", (zone) => sweepBoundaries(zone, 2009, 2012, 11));
});
