import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeValue, encodeValue } from "../../core/codec.ts";
import { StoreError } from "../../core/errors.ts";
import { MAX_VALUE_TEXT_BYTES, value, type ValueCommand, type ValueReply, type ValueState } from "./value.ts";

const START = 1_700_000_000_000;

class Record {
  state: ValueState | undefined;
  expiresAt: number | undefined;
  now = START;

  try(command: ValueCommand): ValueReply | StoreError {
    const before = structuredClone(this.state);
    const step = value.step(this.state, command, this.now);
    expect(this.state).toEqual(before);
    if (step.state !== undefined) expect(value.decode(value.encode(step.state))).toEqual(step.state);
    expect(step.expiresAt).toBe(step.state?.expiresAt);
    this.state = step.state;
    this.expiresAt = step.expiresAt;
    return step.reply;
  }

  run(command: ValueCommand): ValueReply {
    const reply = this.try(command);
    if (reply instanceof StoreError) throw reply;
    return reply;
  }

  set(what: unknown, ttlMs?: number): void {
    this.run({ type: "set", text: encodeValue(what), ttlMs });
  }

  get(): unknown {
    const { ok, text } = this.run({ type: "get" });
    expect(ok).toBe(text !== undefined);
    return text === undefined ? undefined : decodeValue(text);
  }

  add(by = 1, ttlMs?: number): number {
    return this.run({ type: "add", by, ttlMs }).count as number;
  }

  swap(expected: unknown, next: unknown, ttlMs?: number): boolean {
    const text = (what: unknown): string | undefined => (what === undefined ? undefined : encodeValue(what));
    return this.run({ type: "compareAndSet", expected: text(expected), text: text(next), ttlMs }).ok;
  }
}

describe("values", () => {
  test("missing is undefined, null is null, a read writes nothing", () => {
    const record = new Record();
    expect(record.get()).toBeUndefined();
    record.set(null);
    const { state } = record;
    expect(record.get()).toBeNull();
    expect(record.state).toBe(state);
  });

  test("the deadline is checked on the read, to the millisecond", () => {
    const record = new Record();
    record.set("x", 100);
    record.now += 99;
    expect(record.get()).toBe("x");
    record.now += 1;
    expect(record.get()).toBeUndefined();
    expect(record.run({ type: "delete" }).ok).toBe(false);
  });

  test("an overwrite replaces the value and its deadline", () => {
    const record = new Record();
    record.set("x", 100);
    record.set("y");
    expect(record.expiresAt).toBeUndefined();
    record.now += 1e9;
    expect(record.get()).toBe("y");
  });

  test("undefined deletes, and delete says whether something was there", () => {
    const record = new Record();
    record.set("x");
    record.run({ type: "set", text: undefined });
    expect(record.state).toBeUndefined();
    expect(record.run({ type: "delete" }).ok).toBe(false);
    record.set("x");
    expect(record.run({ type: "delete" }).ok).toBe(true);
  });

  test("rev grows with every write, over a deletion, too", () => {
    const record = new Record();
    const revs: number[] = [];
    for (let i = 0; i < 5; i++) {
      record.set(i);
      revs.push(record.run({ type: "get" }).rev);
    }
    record.run({ type: "delete" });
    record.now += 1;
    record.set("again");
    revs.push(record.run({ type: "get" }).rev);
    expect(revs).toEqual([...new Set(revs)].toSorted((a, b) => a - b));
  });

  test("a text that is too large is refused and leaves the old one", () => {
    const record = new Record();
    record.set("old");
    const { state } = record;
    expect(record.try({ type: "set", text: "é".repeat(MAX_VALUE_TEXT_BYTES / 2 + 1) })).toMatchObject({ code: "STORE_VALUE_TOO_LARGE", outcome: "not-applied" });
    expect(record.state).toBe(state);
    record.run({ type: "set", text: "é".repeat(MAX_VALUE_TEXT_BYTES / 2) });
    expect(value.encode(record.state as ValueState).length).toBeLessThanOrEqual(value.maxStateBytes);
  });

  test("a clock that steps back does not lengthen a life", () => {
    const record = new Record();
    record.set("x", 100);
    record.now -= 86_400_000;
    expect(record.get()).toBe("x");
    record.now += 100;
    expect(record.get()).toBeUndefined();
  });
});

describe("compareAndSet", () => {
  test("matches absent, equal and counters; false leaves value and deadline alone", () => {
    const record = new Record();
    expect(record.swap("a", "b")).toBe(false);
    expect(record.swap(undefined, { n: 1 }, 100)).toBe(true);
    expect(record.swap(undefined, "b")).toBe(false);
    const { state } = record;
    expect(record.swap({ n: 2 }, "b")).toBe(false);
    expect(record.state).toBe(state);
    expect(record.expiresAt).toBe(START + 100);
    expect(record.swap({ n: 1 }, "b")).toBe(true);
    expect(record.expiresAt, "a plain write").toBeUndefined();
    expect(record.swap("b", undefined)).toBe(true);
    expect(record.get()).toBeUndefined();
    expect(record.swap(undefined, undefined)).toBe(true);
    record.add(5);
    expect(record.swap(5, 6)).toBe(true);
    expect(record.get()).toBe(6);
  });

  test("an expired value is absent", () => {
    const record = new Record();
    record.set("x", 10);
    record.now += 10;
    expect(record.swap("x", "y")).toBe(false);
    expect(record.swap(undefined, "y")).toBe(true);
  });
});

describe("counters", () => {
  test("the creating add sets the deadline, no later one moves it, and afterwards it starts again", () => {
    const record = new Record();
    expect(record.add(1, 100)).toBe(1);
    record.now += 60;
    expect(record.add(1, 1000)).toBe(2);
    expect(record.add(1)).toBe(3);
    expect(record.expiresAt).toBe(START + 100);
    expect(record.get()).toBe(3);
    record.now += 40;
    expect(record.get()).toBeUndefined();
    expect(record.add()).toBe(1);
    expect(record.expiresAt).toBeUndefined();
    record.now += 1e12;
    expect(record.add(1, 5), "created without a deadline").toBe(2);
    expect(record.expiresAt).toBeUndefined();
  });

  test("a value that is no counter is left alone", () => {
    for (const what of ["text", 5, null, { a: 1 }]) {
      const record = new Record();
      record.set(what, 50);
      const { state } = record;
      expect(record.try({ type: "add", by: 1 })).toMatchObject({ code: "STORE_WRONG_TYPE" });
      expect(record.state).toBe(state);
    }
  });

  test("exact to 2^53 - 1, and an error beyond", () => {
    const record = new Record();
    record.add(Number.MAX_SAFE_INTEGER - 1);
    expect(record.add()).toBe(Number.MAX_SAFE_INTEGER);
    const { state } = record;
    expect(record.try({ type: "add", by: 1 })).toMatchObject({ code: "STORE_OVERFLOW" });
    expect(record.state).toBe(state);
    expect(record.add(-2)).toBe(Number.MAX_SAFE_INTEGER - 2);
  });
});

test("damaged bytes are an error", () => {
  for (const text of ["", "1,2", "1,2,3", "1,2,3#x", "1,2,3#1.5", "1,2,3#9007199254740993", "zzzzzzzzzzzzzz,1,=a"]) {
    expect(() => value.decode(new TextEncoder().encode(text)), text).toThrow(expect.objectContaining({ code: "STORE_CORRUPT" }));
  }
  expect(value.decode(value.encode({ text: "=#\n,é", rev: 1, seen: 2 }))).toMatchObject({ text: "=#\n,é" });
});

test("random histories agree with a map of one entry", () => {
  const text = fc.constantFrom(encodeValue("a"), encodeValue(1), encodeValue(2));
  const ttlMs = fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined });
  const command: fc.Arbitrary<ValueCommand> = fc.oneof(
    fc.record({ type: fc.constant("get" as const) }),
    fc.record({ type: fc.constant("set" as const), text: fc.option(text, { nil: undefined }), ttlMs }),
    fc.record({ type: fc.constant("delete" as const) }),
    fc.record({ type: fc.constant("compareAndSet" as const), expected: fc.option(text, { nil: undefined }), text: fc.option(text, { nil: undefined }), ttlMs }),
    fc.record({ type: fc.constant("add" as const), by: fc.integer({ min: -2, max: 2 }), ttlMs }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(command, fc.nat(25)), { maxLength: 50 }), (history) => {
      const record = new Record();
      let model: { text: string; counter: boolean; until: number } | undefined;
      for (const [next, wait] of history) {
        record.now += wait;
        if (model !== undefined && model.until <= record.now) model = undefined;
        const until = "ttlMs" in next && next.ttlMs !== undefined ? record.now + next.ttlMs : Infinity;
        const reply = record.try(next);
        if (next.type === "get") expect(reply).toMatchObject({ ok: model !== undefined, text: model?.text });
        else if (next.type === "delete" || (next.type === "set" && next.text === undefined)) {
          expect(reply).toMatchObject({ ok: model !== undefined });
          model = undefined;
        } else if (next.type === "add") {
          if (model !== undefined && !model.counter) expect(reply).toMatchObject({ code: "STORE_WRONG_TYPE" });
          else {
            const count: number = (model === undefined ? 0 : (decodeValue(model.text) as number)) + next.by;
            expect(reply).toMatchObject({ count });
            model = { text: encodeValue(count), counter: true, until: model?.until ?? until };
          }
        } else {
          const match = next.type === "set" || model?.text === next.expected;
          expect(reply).toMatchObject({ ok: match });
          if (match) model = next.text === undefined ? undefined : { text: next.text, counter: false, until };
        }
      }
    }),
    { numRuns: 500 },
  );
});
