import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { START, Subject } from "../../../test/models/limit-subject.ts";
import type { LimitPolicy } from "../contracts/limits.ts";
import { compileLimits } from "../limit-policy.ts";
import { decodeRecord, encodeRecord } from "../record.ts";
import { type AllOfDecision, MAX_MEMBERS, allOf } from "./all-of.ts";
import { fixedWindow } from "./fixed-window.ts";
import { tokenBucket } from "./token-bucket.ts";

class Several {
  readonly limits;
  state: unknown;

  constructor(...policies: LimitPolicy[]) {
    this.limits = compileLimits(policies);
  }

  run(command: object, now: number): AllOfDecision {
    const step = this.limits.algorithm.step(this.state, { ...command, policies: this.limits.policies } as never, now);
    this.state = step.state;
    return step.reply;
  }
}

const SECOND: LimitPolicy = { algorithm: "fixed-window", max: 3, windowMs: 1000 };
const MINUTE: LimitPolicy = { algorithm: "sliding-window", max: 5, windowMs: 60_000 };
const BURST: LimitPolicy = { algorithm: "token-bucket", capacity: 4, max: 2, windowMs: 1000 };
const NEVER: LimitPolicy = { algorithm: "fixed-window", max: 0, windowMs: 1000 };

describe("all-of", () => {
  it("charges every member or none, and names the one that refuses longest", () => {
    const several = new Several(SECOND, MINUTE, BURST);
    expect(several.run({ cost: 3 }, START)).toMatchObject({ allowed: true, binding: -1, decisions: [{ remaining: 0 }, { remaining: 2 }, { remaining: 1 }] });
    const { state } = several;
    expect(several.run({ cost: 1 }, START)).toMatchObject({ allowed: false, binding: 0, decisions: [{ allowed: false, retryAfterMs: 1000 }, { allowed: true, remaining: 2 }, { allowed: true, remaining: 1 }] });
    expect(several.state).toBe(state);
    expect(several.run({ cost: 3 }, START + 1000)).toMatchObject({ allowed: false, binding: 1, decisions: [{ allowed: true, remaining: 3 }, { allowed: false, retryAfterMs: 59_000 }, { allowed: true, remaining: 3 }] });
    expect(several.state).toBe(state);
    expect(several.run({ cost: 2 }, START + 1000)).toMatchObject({ allowed: true });
  });

  it("puts for ever above every wait", () => {
    expect(new Several(SECOND, NEVER, MINUTE).run({ cost: 1 }, START)).toMatchObject({ allowed: false, binding: 1 });
    const first = new Several(SECOND, MINUTE);
    first.run({ cost: 3 }, START);
    expect(first.run({ cost: 4 }, START)).toMatchObject({ binding: 0, decisions: [{ retryAfterMs: null }, { retryAfterMs: 60_000 }] });
    const several = new Several(MINUTE, SECOND);
    several.run({ cost: 3 }, START);
    expect(several.run({ cost: 4 }, START)).toMatchObject({ binding: 1, decisions: [{ retryAfterMs: 60_000 }, { retryAfterMs: null }] });
  });

  it("admits exactly what its members would all admit, in any history", () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 0, max: 5 })), { maxLength: 80 }), (history) => {
      const several = new Several(SECOND, MINUTE, BURST);
      const members = several.limits.members.map((member) => new Subject(member));
      let now = START;
      for (const [gap, cost] of history) {
        now += gap;
        const expected = members.every((member) => member.dry(cost, now).allowed);
        const decision = several.run({ cost }, now);
        expect(decision.allowed).toBe(expected);
        const decisions = members.map((member) => (expected ? member.run({ cost }, now) : member.dry(cost, now)));
        expect(decision.decisions).toEqual(decisions);
        expect(decision.binding < 0).toBe(expected);
      }
    }));
  });

  it("counts a limit that stands there twice, twice", () => {
    const several = new Several(SECOND, SECOND);
    expect(several.run({ cost: 2 }, START).decisions.map(({ remaining }) => remaining)).toEqual([1, 1]);
    expect(several.run({ cost: 2 }, START).allowed).toBe(false);
  });

  it("refunds, settles and resets every member", () => {
    const several = new Several(SECOND, MINUTE, BURST);
    const { ticket } = several.run({ cost: 3, ticket: true }, START);
    expect(ticket).toHaveLength(3);
    expect(several.run({ refund: ticket, cost: 1 }, START).decisions.map(({ remaining }) => remaining)).toEqual([1, 3, 2]);
    expect(several.run({ settle: ticket, actual: 9 }, START)).toMatchObject({ allowed: true, binding: -1, decisions: [{ debt: 5 }, { debt: 3 }, { debt: 4 }] });
    expect(several.run({ reset: true }, START).decisions.map(({ remaining }) => remaining)).toEqual([3, 5, 4]);
    expect(several.run({ refund: ticket }, START).decisions.map(({ remaining }) => remaining)).toEqual([3, 5, 4]);
    expect(several.run({ cost: 1 }, START).ticket).toBeUndefined();
  });

  it("re-anchors a member although another one refuses", () => {
    const open = new Several(SECOND, BURST);
    open.run({ cost: 3 }, START);
    const { state } = open;
    expect(open.run({ cost: 1 }, START - 5000)).toMatchObject({ allowed: false, decisions: [{ retryAfterMs: 1000 }, {}] });
    expect(open.state).not.toBe(state);
    expect(open.run({ cost: 1 }, START - 4000).allowed).toBe(true);
  });

  it("is stored as one record that knows its members", () => {
    const several = new Several(SECOND, MINUTE, BURST);
    several.run({ cost: 2 }, START);
    const { algorithm } = several.limits;
    const bytes = encodeRecord(algorithm, several.state);
    expect(decodeRecord(algorithm, bytes).state).toEqual(several.state);
    expect(() => decodeRecord(allOf([fixedWindow]), bytes)).toThrow(expect.objectContaining({ code: "STORE_CORRUPT" }));
    expect(() => decodeRecord(allOf([fixedWindow, fixedWindow, { ...tokenBucket, version: 9 }]), bytes)).toThrow(expect.objectContaining({ code: "STORE_CORRUPT" }));
  });

  it("is one algorithm per list of members", () => {
    expect(allOf([fixedWindow, tokenBucket])).toBe(allOf([fixedWindow, tokenBucket]));
    expect(allOf([fixedWindow, tokenBucket])).not.toBe(allOf([tokenBucket, fixedWindow]));
    expect(() => allOf([])).toThrow("members must be");
    expect(() => allOf(Array.from({ length: MAX_MEMBERS + 1 }, () => fixedWindow))).toThrow("members must be");
  });
});
