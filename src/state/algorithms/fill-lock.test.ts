import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Row } from "../define-algorithm.ts";
import { fillLock, type FillLockCommand, type FillLockReply } from "./fill-lock.ts";

const START = 1_700_000_000_000;

class Record {
  state: Row | undefined;
  expiresAt: number | undefined;
  now = START;

  run(command: FillLockCommand): FillLockReply {
    const step = fillLock.step(this.state, command, this.now);
    if (step.state !== undefined) expect(fillLock.decode(fillLock.encode(step.state))).toEqual(step.state);
    this.state = step.state;
    this.expiresAt = step.expiresAt;
    return step.reply;
  }

  open(lockMs = 100): FillLockReply {
    return this.run({ type: "open", lockMs });
  }
}

describe("fill lock", () => {
  test("one fills, the others wait, also for one that died", () => {
    const record = new Record();
    const { ok, token } = record.open();
    expect(ok).toBe(true);
    const { state } = record;
    record.now += 40;
    expect(record.open()).toEqual({ ok: false, token: 0, waitMs: 60 });
    expect(record.state, "waiting writes nothing").toBe(state);
    record.now += 60;
    expect(record.open().token).toBeGreaterThan(token);
    expect(record.run({ type: "close", token }).ok, "late").toBe(false);
  });

  test("renew keeps it, close frees it once", () => {
    const record = new Record();
    const { token } = record.open();
    record.now += 90;
    expect(record.run({ type: "renew", token, lockMs: 100 }).ok).toBe(true);
    expect(record.run({ type: "renew", token: token + 1, lockMs: 100 }).ok).toBe(false);
    record.now += 99;
    expect(record.open().ok).toBe(false);
    expect(record.run({ type: "close", token }).ok).toBe(true);
    expect(record.run({ type: "close", token }).ok).toBe(false);
    expect(record.open().ok).toBe(true);
  });

  test("a purge voids the token that is out", () => {
    const record = new Record();
    const { token } = record.open();
    expect(record.run({ type: "void" }).ok).toBe(true);
    expect(record.run({ type: "void" }).ok).toBe(false);
    const next = record.open();
    expect(next.ok).toBe(true);
    expect(next.token).toBeGreaterThan(token);
    expect(record.run({ type: "close", token }).ok).toBe(false);
    expect(record.run({ type: "close", token: next.token }).ok).toBe(true);
  });

  test("tokens grow over the loss of the record at its expiry", () => {
    const record = new Record();
    const { token } = record.open();
    record.run({ type: "close", token });
    record.now = record.expiresAt as number;
    record.state = undefined;
    expect(record.open().token).toBeGreaterThan(token);
  });

  test("a clock that steps back makes nobody wait longer than lockMs", () => {
    const record = new Record();
    const { token } = record.open();
    record.now -= 86_400_000;
    expect(record.open().waitMs).toBe(100);
    expect(record.run({ type: "close", token }).ok).toBe(true);
  });

  test("random histories: one live token at most, granted as soon as there is none", () => {
    const step = fc.tuple(fc.constantFrom("open", "close", "renew", "void"), fc.nat(6), fc.nat(60));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (history) => {
        const record = new Record();
        const tokens: number[] = [];
        let live: { token: number; until: number } | undefined;
        for (const [type, which, wait] of history) {
          record.now += wait;
          if (live !== undefined && live.until <= record.now) live = undefined;
          const token = tokens[tokens.length - 1 - which] ?? 0;
          if (type === "open") {
            const reply = record.open();
            expect(reply.ok).toBe(live === undefined);
            if (live !== undefined) expect(reply.waitMs).toBe(live.until - record.now);
            else {
              expect(reply.token).toBeGreaterThan(tokens.at(-1) ?? 0);
              tokens.push(reply.token);
              live = { token: reply.token, until: record.now + 100 };
            }
          } else if (type === "renew") {
            expect(record.run({ type, token, lockMs: 100 }).ok).toBe(live?.token === token);
            if (live?.token === token) live.until = record.now + 100;
          } else {
            const ok = record.run(type === "void" ? { type } : { type: "close", token }).ok;
            expect(ok).toBe(live !== undefined && (type === "void" || live.token === token));
            if (ok) live = undefined;
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
