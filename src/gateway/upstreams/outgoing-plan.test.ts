import { expect, test } from "vitest";
import type { RequestState } from "../context.ts";
import { outgoingPlan, plannedFields } from "./outgoing-plan.ts";

test("what a policy signs takes the place of the client's own field, and only of it", async () => {
  const plan = outgoingPlan({} as RequestState);
  plan.sign.set("signer", () => [["signature", "ours"]]);
  const fields = await plannedFields(plan, ["b", "signature", "signature", "forged", "c", "1"], { method: "GET", origin: "http://origin.example", target: "/" });
  expect(fields).toEqual(["b", "signature", "c", "1", "signature", "ours"]);
});
