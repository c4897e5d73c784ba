import { describe, it } from "vitest";
import { RATES, grantsTheRate } from "./token-bucket-drift.ts";

describe("token-bucket over time", () => {
  it.each(RATES)("grants neither more nor less than %s over ten years or ten million steps", (_, tokensPerSecond, capacity, steps, cost) => {
    grantsTheRate(tokensPerSecond, capacity, steps, cost);
  });
});
