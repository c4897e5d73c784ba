import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LeaseReply } from "../contracts/key-value.ts";
import { checkLeaseCommand, leaseSet, MAX_LEASE_LIMIT, MAX_LEASE_TOKEN_BYTES, type LeaseCommand, type LeaseSetState } from "./lease-set.ts";

const START = 1_700_000_000_000;

class Record {
  state: LeaseSetState | undefined;
  expiresAt: number | undefined;
  now = START;

  run(command: LeaseCommand): LeaseReply {
    const before = structuredClone(this.state);
    const step = leaseSet.step(this.state, command, this.now);
    expect(this.state).toEqual(before);
    if (step.state !== undefined) {
      const bytes = leaseSet.encode(step.state);
      expect(leaseSet.decode(bytes)).toEqual(step.state);
      expect(bytes.length).toBeLessThanOrEqual(leaseSet.maxStateBytes);
    }
    this.state = step.state;
    this.expiresAt = step.expiresAt;
    return step.reply;
  }

  take(token: string, limit = 1, ttlMs = 100): LeaseReply {
    return this.run({ token, limit, ttlMs });
  }
}

describe("lease set", () => {
  test("at most limit holders; a refusal names the soonest expiry and writes nothing", () => {
    const record = new Record();
    expect(record.take("a", 2)).toEqual({ held: true, fence: START * 1024, retryInMs: 0 });
    record.now += 30;
    expect(record.take("b", 2).held).toBe(true);
    const { state } = record;
    expect(record.take("c", 2)).toMatchObject({ held: false, retryInMs: 70 });
    expect(record.state).toBe(state);
    record.now += 70;
    expect(record.take("c", 2).held).toBe(true);
    expect(record.take("d", 2)).toMatchObject({ held: false, retryInMs: 30 });
  });

  test("a held token renews: its fence stays, and it takes no second place", () => {
    const record = new Record();
    const { fence } = record.take("a", 2);
    record.now += 90;
    expect(record.take("a", 2)).toEqual({ held: true, fence, retryInMs: 0, renewed: true });
    expect(record.take("b", 2).held).toBe(true);
    record.now += 99;
    expect(record.run({ renew: "a", ttlMs: 100 })).toMatchObject({ held: true, fence, renewed: true });
    record.now += 1;
    expect(record.take("c", 2), "b has expired, a was renewed").toEqual({ held: true, fence: expect.any(Number) as number, retryInMs: 0 });
    expect(record.take("d", 2).held).toBe(false);
  });

  test("renew never takes a place", () => {
    const record = new Record();
    expect(record.run({ renew: "a", ttlMs: 100 }).held).toBe(false);
    expect(record.state).toBeUndefined();
    record.take("a");
    record.now += 100;
    expect(record.run({ renew: "a", ttlMs: 100 }).held).toBe(false);
  });

  test("release frees that token only, once", () => {
    const record = new Record();
    record.take("a", 2);
    record.take("b", 2);
    expect(record.run({ release: "x" }).held).toBe(false);
    expect(record.run({ release: "a" }).held).toBe(true);
    expect(record.run({ release: "a" }).held).toBe(false);
    expect(record.take("c", 2).held).toBe(true);
    expect(record.take("d", 2).held).toBe(false);
    record.now += 100;
    expect(record.run({ release: "b" }).held, "expired").toBe(false);
  });

  test("fences grow with every holder, over release, expiry, and the loss of the record after an hour", () => {
    const record = new Record();
    let last = 0;
    for (let i = 0; i < 50; i++) {
      const { fence } = record.take(`t${i}`);
      expect(fence).toBeGreaterThan(last);
      last = fence;
      if (i % 2 === 0) record.run({ release: `t${i}` });
      else record.now += 100;
    }
    expect(record.expiresAt).toBeGreaterThanOrEqual(record.now + 3_599_000);
    record.now = record.expiresAt as number;
    record.state = undefined;
    expect(record.take("z").fence).toBeGreaterThan(last);
  });

  test("a clock that steps back leaves nobody in longer than the ttl", () => {
    const record = new Record();
    record.take("a");
    record.now -= 86_400_000;
    expect(record.take("b")).toMatchObject({ held: false, retryInMs: 100 });
    record.now += 100;
    expect(record.take("b").held).toBe(true);
  });

  test("a store at its bound may drop a set that nobody holds, no other", () => {
    const record = new Record();
    record.take("a");
    expect(leaseSet.limiting?.(record.state as LeaseSetState, record.now + 99)).toBe(true);
    expect(leaseSet.limiting?.(record.state as LeaseSetState, record.now + 100)).toBe(false);
  });

  test("arguments outside their domain are refused by name", () => {
    const good = { token: "a", limit: 1, ttlMs: 1 };
    expect(checkLeaseCommand(good)).toEqual(good);
    const bad = { token: ["", "x".repeat(MAX_LEASE_TOKEN_BYTES + 1), "é".repeat(41), "\ud800", 5], limit: [0, 1.5, MAX_LEASE_LIMIT + 1, Number.NaN], ttlMs: [0, -1, Infinity] };
    for (const [option, values] of Object.entries(bad)) {
      for (const value of values) expect(() => checkLeaseCommand({ ...good, [option]: value } as LeaseCommand), `${option} ${value}`).toThrow(expect.objectContaining({ option }));
    }
    expect(() => checkLeaseCommand({ release: "" })).toThrow(RangeError);
  });

  test("the largest state fits and comes back", () => {
    const record = new Record();
    for (let i = 0; i < MAX_LEASE_LIMIT; i++) {
      const token = `${i}`.padStart(MAX_LEASE_TOKEN_BYTES, "\u0000");
      record.state = leaseSet.step(record.state, { token, limit: MAX_LEASE_LIMIT, ttlMs: 400 * 86_400_000 }, START).state;
    }
    const bytes = leaseSet.encode(record.state as LeaseSetState);
    expect(bytes.length).toBeLessThanOrEqual(Math.min(leaseSet.maxStateBytes, 65_536));
    expect(leaseSet.decode(bytes)).toEqual(record.state);
  });

  test("damaged bytes are an error", () => {
    for (const text of ["", "1,2", "1,2,3", "!,1,1;", "1,1,1;5:ab", "1,1,1;1:a1,1"]) {
      expect(() => leaseSet.decode(new TextEncoder().encode(text)), text).toThrow(expect.objectContaining({ code: "STORE_CORRUPT" }));
    }
  });

  test("random histories hold the limit, grant every free place, and never reuse a fence", () => {
    const token = fc.constantFrom("a", "b", "c;1", "d:2", "é,=");
    const command: fc.Arbitrary<LeaseCommand> = fc.oneof(
      { weight: 4, arbitrary: fc.record({ token, limit: fc.constant(2), ttlMs: fc.integer({ min: 1, max: 50 }) }) },
      { weight: 1, arbitrary: fc.record({ renew: token, ttlMs: fc.integer({ min: 1, max: 50 }) }) },
      { weight: 2, arbitrary: fc.record({ release: token }) },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(command, fc.nat(30)), { maxLength: 60 }), (history) => {
        const record = new Record();
        const model = new Map<string, number>();
        const fences = new Set<number>();
        for (const [next, wait] of history) {
          record.now += wait;
          for (const [name, until] of model) if (until <= record.now) model.delete(name);
          const reply = record.run(next);
          if ("release" in next) expect(reply.held).toBe(model.delete(next.release));
          else {
            const name = "renew" in next ? next.renew : next.token;
            const had = model.has(name);
            expect(reply.held).toBe(had || ("token" in next && model.size < 2));
            if (reply.held && !had) {
              expect(fences.has(reply.fence)).toBe(false);
              fences.add(reply.fence);
            }
            if (reply.held) model.set(name, record.now + next.ttlMs);
            else if ("token" in next) expect(reply.retryInMs).toBe(Math.min(...model.values()) - record.now);
          }
          expect(model.size).toBeLessThanOrEqual(2);
        }
      }),
      { numRuns: 500 },
    );
  });
});
