import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CircuitPolicy, CircuitState } from "../contracts/circuits.ts";
import type { Row } from "../define-algorithm.ts";
import { circuit, type CircuitCommand, type CircuitReply, type CircuitReport } from "./circuit.ts";
import { circuitPolicy } from "./circuit-policy.ts";

const START = 1_700_000_000_000;

/** A record with a clock of its own, run through `step`; every step is also run in place and compared. */
class Record {
  state: Row | undefined;
  expiresAt: number | undefined;
  now = START;
  readonly policy: CircuitPolicy;

  constructor(options: Partial<CircuitPolicy> = {}) {
    this.policy = circuitPolicy({ failureThreshold: 3, windowMs: 1000, resetTimeoutMs: 500, ...options });
  }

  run(command: CircuitCommand): CircuitReply {
    const before = this.state?.slice();
    const step = circuit.step(this.state, command, this.now);
    expect(this.state, "step must not change its argument").toEqual(before);
    const cells = Float64Array.from(before ?? Array.from<number>({ length: circuit.row.width }).fill(0));
    const reply = circuit.row.reply();
    const changed = circuit.row.apply(cells, 0, command, this.now, reply);
    expect(reply).toEqual(step.reply);
    expect(step.state !== this.state).toBe(changed);
    expect([...cells]).toEqual(step.state ?? Array.from<number>({ length: circuit.row.width }).fill(0));
    if (step.state !== undefined) {
      expect(circuit.decode(circuit.encode(step.state))).toEqual(step.state);
      expect(circuit.encode(step.state).length).toBeLessThanOrEqual(circuit.maxStateBytes);
    }
    this.state = step.state;
    this.expiresAt = step.expiresAt;
    return step.reply;
  }

  acquire(): CircuitReply {
    return this.run({ type: "acquire", policy: this.policy });
  }

  report(counts: Partial<CircuitReport>): CircuitReply {
    return this.run({ type: "report", epoch: 0, ok: 0, fail: 0, slow: 0, policy: this.policy, ...counts });
  }

  view(): CircuitReply {
    return this.run({ type: "view" });
  }

  force(to: CircuitState | "isolated" | "disabled"): CircuitReply {
    return this.run({ type: "force", to, policy: this.policy });
  }

  /** Opens it, waits, and takes the first probe. */
  halfOpen(): CircuitReply {
    this.report({ fail: this.policy.failureThreshold });
    this.now += this.policy.resetTimeoutMs;
    return this.acquire();
  }
}

describe("closed", () => {
  test("an absent record is closed, and admitting writes nothing", () => {
    const record = new Record();
    expect(record.acquire()).toMatchObject({ allowed: true, state: "closed", token: 0, epoch: START * 1024 });
    expect(record.state).toBeUndefined();
    record.report({ ok: 1 });
    const { state } = record;
    expect(record.acquire().allowed).toBe(true);
    expect(record.state).toBe(state);
  });

  test("opens at the threshold, and not one failure earlier", () => {
    const record = new Record();
    record.report({ fail: 1 });
    expect(record.report({ fail: 1 })).toMatchObject({ state: "closed", from: undefined, to: undefined });
    expect(record.report({ fail: 1 })).toMatchObject({ allowed: false, state: "open", from: "closed", to: "open" });
  });

  test("a failure counts for the whole window and at most a tenth longer", () => {
    for (const offset of [0, 1, 50, 99]) {
      const record = new Record();
      record.now = START + offset;
      record.report({ fail: 2 });
      record.now += 999;
      expect(record.view().failureCount).toBe(2);
      const other = new Record();
      other.now = START + offset;
      other.report({ fail: 2 });
      other.now += 1000;
      expect(other.report({ fail: 1 }).state).toBe("open");
      record.now = START + offset + 1100;
      expect(record.view().failureCount).toBe(0);
      expect(record.report({ fail: 1 }).state).toBe("closed");
    }
  });

  test("failures spread over the window add up, old ones fade slot by slot", () => {
    const record = new Record({ failureThreshold: 4 });
    for (let i = 0; i < 40; i++) {
      expect(record.report({ fail: 1 }).state).toBe("closed");
      record.now += 400;
    }
    record.report({ fail: 1 });
    expect(record.view()).toMatchObject({ failureCount: 3 });
    expect(record.report({ fail: 1 }).state).toBe("open");
  });

  test("a rate needs the minimum throughput and is compared exactly", () => {
    for (const [failureRate, fail, total] of [[0.5, 10, 20], [1 / 3, 7, 21], [2 / 3, 14, 21], [0.29, 29, 100], [0.1, 3, 30]] as const) {
      const options = { failureThreshold: 1000, failureRate, minimumThroughput: 20 };
      const below = new Record(options);
      expect(below.report({ fail: fail - 1, ok: total - fail + 1 }).state, `${fail - 1} of ${total}`).toBe("closed");
      const at = new Record(options);
      expect(at.report({ fail, ok: total - fail }), `${fail} of ${total}`).toMatchObject({ state: "open", from: "closed" });
    }
    const few = new Record({ failureThreshold: 1000, failureRate: 0.5, minimumThroughput: 20 });
    expect(few.report({ fail: 19 }).state).toBe("closed");
    expect(few.report({ ok: 1 }).state).toBe("open");
  });

  test("slow calls open it by their own rate and count as good otherwise", () => {
    const slow = new Record({ slowCallMs: 100, slowCallRate: 0.5, minimumThroughput: 4 });
    slow.report({ slow: 2 });
    expect(slow.view()).toMatchObject({ failureCount: 0, successCount: 2 });
    expect(slow.report({ ok: 2 }).state).toBe("open");
    const indifferent = new Record({ slowCallMs: 100, minimumThroughput: 4 });
    expect(indifferent.report({ slow: 100 }).state).toBe("closed");
  });

  test("a report without a snapshot counts, one of an unknown epoch or with a token does not", () => {
    const record = new Record();
    record.report({ fail: 1 });
    const { epoch } = record.view();
    expect(record.report({ epoch: epoch + 1, fail: 1 }).stale).toBe(true);
    expect(record.report({ epoch, token: 1, fail: 1 }).stale).toBe(true);
    expect(record.report({ epoch, fail: 1 }).stale).toBe(false);
    expect(record.report({ epoch: 0, fail: 1 }).state).toBe("open");
  });

  test("a permit given before the record existed counts until the first change of phase", () => {
    const record = new Record();
    const early = record.acquire();
    record.now += 5;
    record.report({ fail: 1 });
    expect(record.report({ epoch: early.epoch, fail: 1 }).stale).toBe(false);
    record.force("closed");
    expect(record.report({ epoch: early.epoch, fail: 1 }).stale).toBe(true);
  });

  test("a repeated report of an instance counts once", () => {
    const record = new Record();
    for (let i = 0; i < 5; i++) {
      expect(record.report({ fail: 1, instance: 7, seq: 1 }).stale).toBe(i > 0);
      expect(record.report({ fail: 1, instance: 8, seq: 1 }).stale).toBe(i > 0);
    }
    expect(record.view().failureCount).toBe(2);
    expect(record.report({ fail: 1, instance: 7, seq: 2 }).state).toBe("open");
  });

  test("a changed window keeps the counts", () => {
    const record = new Record();
    record.report({ ok: 1, fail: 2 });
    record.now += 400;
    record.run({ type: "count", ok: 1, fail: 0, policy: circuitPolicy({ windowMs: 5000 }) });
    expect(record.view()).toMatchObject({ state: "closed", failureCount: 2, successCount: 2 });
    expect(record.run({ type: "report", epoch: 0, ok: 0, fail: 1, slow: 0, policy: circuitPolicy({ failureThreshold: 3, windowMs: 5000 }) }).state).toBe("open");
  });

  test("two windows on one circuit: failures add up", () => {
    const record = new Record();
    const policies = [10_000, 20_000].map((windowMs) => circuitPolicy({ failureThreshold: 5, windowMs }));
    for (let i = 0; i < 4; i++) {
      expect(record.run({ type: "report", epoch: 0, ok: 3, fail: 1, slow: 0, policy: policies[i % 2] as CircuitPolicy }).state).toBe("closed");
      record.now += 1500;
    }
    expect(record.run({ type: "report", epoch: 0, ok: 0, fail: 1, slow: 0, policy: policies[0] as CircuitPolicy }).to).toBe("open");
  });

  test("two windows in any turn: a failure counts for the shorter one, and ends with the one asked last", () => {
    const windowMs = fc.oneof(fc.constantFrom(1, 10, 60_000), fc.integer({ min: 1, max: 40_000 }));
    fc.assert(fc.property(windowMs, windowMs, fc.nat(100_000), fc.array(fc.record({ other: fc.boolean(), wait: fc.nat(3000), fail: fc.nat(2) }), { minLength: 1, maxLength: 60 }), (first, second, start, reports) => {
      const record = new Record();
      record.now += start;
      const policies = [first, second].map((windowMs) => circuitPolicy({ failureThreshold: 1_000_000, windowMs }));
      const failed: number[] = [];
      for (const { other, wait, fail } of reports) {
        record.now += wait;
        const policy = policies[Number(other)] as CircuitPolicy;
        record.run({ type: "count", ok: 1, fail, policy });
        for (let i = 0; i < fail; i++) failed.push(record.now);
        const within = (ms: number): number => failed.filter((at) => record.now - at <= ms).length;
        const { failureCount } = record.view();
        const [short, long] = [Math.min(first, second), Math.max(first, second)];
        expect(failureCount).toBeGreaterThanOrEqual(within(short * 0.9 - 1));
        expect(failureCount).toBeLessThanOrEqual(within(policy.windowMs * 1.1 + long * 0.15 + 1));
      }
    }));
  });
});

describe("open", () => {
  test("refuses until the very millisecond, saying how long", () => {
    const record = new Record();
    record.report({ fail: 3 });
    const { state } = record;
    expect(record.acquire()).toMatchObject({ allowed: false, state: "open", retryAfterMs: 500 });
    record.now += 499;
    expect(record.acquire()).toMatchObject({ allowed: false, retryAfterMs: 1 });
    expect(record.state, "a refusal writes nothing").toBe(state);
    record.now += 1;
    expect(record.acquire()).toMatchObject({ allowed: true, state: "half-open", token: 1, from: "open", to: "half-open" });
  });

  test("reports from before it opened, and blind ones, are ignored", () => {
    const record = new Record();
    const permit = record.acquire();
    record.report({ fail: 3 });
    for (const epoch of [permit.epoch, 0, record.view().epoch]) expect(record.report({ epoch, ok: 1 })).toMatchObject({ stale: true, state: "open" });
  });

  test("each opening in a row waits twice as long, up to the cap, and closing starts over", () => {
    const record = new Record({ maxResetTimeoutMs: 3000 });
    const waits: number[] = [];
    record.report({ fail: 3 });
    for (let i = 0; i < 5; i++) {
      const { retryAfterMs } = record.acquire();
      waits.push(retryAfterMs);
      record.now += retryAfterMs;
      const probe = record.acquire();
      record.report({ epoch: probe.epoch, token: probe.token, fail: 1, random: 0 });
    }
    expect(waits).toEqual([500, 1000, 2000, 3000, 3000]);
    record.now += 3000;
    const probe = record.acquire();
    record.report({ epoch: probe.epoch, token: probe.token, ok: 1 });
    record.report({ fail: 3 });
    expect(record.acquire().retryAfterMs).toBe(500);
  });
});

describe("half-open", () => {
  test("grants at most halfOpenMax probes and names the time of the next place", () => {
    const record = new Record({ halfOpenMax: 2, probeTimeoutMs: 300 });
    expect(record.halfOpen().token).toBe(1);
    record.now += 100;
    expect(record.acquire()).toMatchObject({ allowed: true, token: 2, from: undefined });
    expect(record.acquire()).toMatchObject({ allowed: false, state: "half-open", retryAfterMs: 200 });
  });

  test("a hung probe gives its place back, and its late report is ignored", () => {
    const record = new Record({ probeTimeoutMs: 300 });
    const hung = record.halfOpen();
    record.now += 299;
    expect(record.acquire().allowed).toBe(false);
    record.now += 1;
    const next = record.acquire();
    expect(next).toMatchObject({ allowed: true, token: 2 });
    expect(record.report({ epoch: hung.epoch, token: hung.token, fail: 1 })).toMatchObject({ stale: true, state: "half-open" });
    expect(record.report({ epoch: next.epoch, token: next.token, ok: 1 })).toMatchObject({ state: "closed", from: "half-open", to: "closed" });
  });

  test("an expired probe nobody replaced is ignored, too", () => {
    const record = new Record({ probeTimeoutMs: 300 });
    const hung = record.halfOpen();
    record.now += 300;
    expect(record.report({ epoch: hung.epoch, token: hung.token, ok: 1 }).stale).toBe(true);
  });

  test("successThreshold good probes close it; a token counts once", () => {
    const record = new Record({ halfOpenMax: 2, successThreshold: 2 });
    const first = record.halfOpen();
    const second = record.acquire();
    expect(record.report({ epoch: first.epoch, token: first.token, ok: 1 })).toMatchObject({ state: "half-open", stale: false });
    expect(record.report({ epoch: first.epoch, token: first.token, ok: 1 })).toMatchObject({ state: "half-open", stale: true });
    expect(record.report({ epoch: second.epoch, token: second.token, ok: 1 })).toMatchObject({ state: "closed", to: "closed" });
    expect(record.view()).toMatchObject({ failureCount: 0, successCount: 0 });
  });

  test("a bad probe opens it again, for the whole time", () => {
    const record = new Record({ halfOpenMax: 2, successThreshold: 2 });
    const first = record.halfOpen();
    const second = record.acquire();
    expect(record.report({ epoch: first.epoch, token: first.token, fail: 1 })).toMatchObject({ state: "open", from: "half-open", to: "open" });
    expect(record.acquire().retryAfterMs).toBe(500);
    expect(record.report({ epoch: second.epoch, token: second.token, ok: 1 }).stale).toBe(true);
  });

  test("a permit returned unused frees its place and counts neither way", () => {
    const record = new Record();
    const probe = record.halfOpen();
    expect(record.report({ epoch: probe.epoch, token: probe.token })).toMatchObject({ state: "half-open", stale: false });
    expect(record.acquire()).toMatchObject({ allowed: true, token: 2 });
  });

  test("a slow probe is bad where slowness opens the circuit, good elsewhere", () => {
    const strict = new Record({ slowCallMs: 10, slowCallRate: 0.5 });
    const probe = strict.halfOpen();
    expect(strict.report({ epoch: probe.epoch, token: probe.token, slow: 1 }).state).toBe("open");
    const lax = new Record();
    const other = lax.halfOpen();
    expect(lax.report({ epoch: other.epoch, token: other.token, slow: 1 }).state).toBe("closed");
  });

  test("reports without a token, with a wrong one, and from every phase before are ignored", () => {
    const record = new Record();
    const closed = record.acquire();
    const probe = record.halfOpen();
    for (const report of [{ epoch: closed.epoch }, { epoch: 0 }, { epoch: probe.epoch }, { epoch: probe.epoch, token: 99 }, { epoch: probe.epoch - 1, token: probe.token }]) {
      expect(record.report({ ...report, fail: 1 })).toMatchObject({ stale: true, state: "half-open" });
    }
    record.report({ epoch: probe.epoch, token: probe.token, ok: 1 });
    for (const epoch of [closed.epoch, probe.epoch]) expect(record.report({ epoch, fail: 100 })).toMatchObject({ stale: true, state: "closed" });
  });

  test("a halfOpenMax that was lowered waits for the probes that are out", () => {
    const record = new Record({ halfOpenMax: 3, probeTimeoutMs: 300 });
    record.halfOpen();
    record.acquire();
    const single = circuitPolicy({ ...record.policy, halfOpenMax: 1 });
    expect(record.run({ type: "acquire", policy: single }).allowed).toBe(false);
    record.now += 300;
    expect(record.run({ type: "acquire", policy: single }).allowed).toBe(true);
    expect(record.run({ type: "acquire", policy: single }).allowed).toBe(false);
  });
});

describe("administration", () => {
  test("isolate refuses whatever the time, disable admits whatever the outcome, reset closes", () => {
    const record = new Record();
    expect(record.force("isolated")).toMatchObject({ from: "closed", to: "open", forced: "isolated" });
    record.now += 3_600_000;
    expect(record.acquire()).toMatchObject({ allowed: false, state: "open", retryAfterMs: 500 });
    record.force("disabled");
    const { epoch } = record.acquire();
    expect(record.report({ epoch, fail: 100 })).toMatchObject({ stale: true, state: "closed", forced: "disabled" });
    expect(record.acquire().allowed).toBe(true);
    expect(record.force("closed").epoch).toBe(epoch + 1);
    expect(record.report({ epoch, fail: 3 }).stale).toBe(true);
    expect(record.report({ epoch: epoch + 1, fail: 3 }).state).toBe("open");
  });

  test("count never moves the circuit, whatever its phase", () => {
    const record = new Record();
    for (let i = 0; i < 10; i++) record.run({ type: "count", ok: 1, fail: 1, policy: record.policy });
    expect(record.view()).toMatchObject({ state: "closed", failureCount: 10, successCount: 10, lastFailureAt: START, changedAt: 0 });
    expect(record.force("half-open")).toMatchObject({ state: "half-open", failureCount: 0, changedAt: START });
    record.run({ type: "count", ok: 2, fail: 0, policy: record.policy });
    expect(record.view()).toMatchObject({ state: "half-open", successCount: 2 });
  });
});

describe("time", () => {
  test("a step back keeps what was left of the refusal, never more than the reset timeout", () => {
    const record = new Record();
    record.report({ fail: 3 });
    record.now += 100;
    record.acquire();
    record.now -= 86_400_000;
    expect(record.acquire()).toMatchObject({ allowed: false, retryAfterMs: 500 });
    record.now += 500;
    expect(record.acquire().allowed).toBe(true);
  });

  test("a step back keeps failures and probes", () => {
    const record = new Record({ probeTimeoutMs: 300 });
    record.report({ fail: 2 });
    record.now -= 3_600_000;
    expect(record.view().failureCount).toBe(2);
    expect(record.report({ fail: 1 }).state).toBe("open");
    record.now += 500;
    const probe = record.acquire();
    record.now -= 3_600_000;
    expect(record.acquire()).toMatchObject({ allowed: false, retryAfterMs: 300 });
    expect(record.report({ epoch: probe.epoch, token: probe.token, ok: 1 }).state).toBe("closed");
  });

  test("epochs grow across the loss of the record and across its expiry", () => {
    const record = new Record();
    record.force("closed");
    const { epoch } = record.view();
    record.state = undefined;
    record.now += 1;
    record.report({ fail: 1 });
    expect(record.view().epoch).toBeGreaterThan(epoch);
    record.now = record.expiresAt as number;
    expect(record.acquire().epoch).toBeGreaterThan(epoch);
  });

  test("works from the beginning of time", () => {
    const record = new Record();
    record.now = 0;
    const { epoch } = record.acquire();
    expect(epoch).toBeGreaterThan(0);
    expect(record.report({ epoch, fail: 3 }).state).toBe("open");
    expect(record.acquire()).toMatchObject({ allowed: false, retryAfterMs: 500 });
  });
});

describe("encoding", () => {
  test("damaged bytes are an error, never an empty circuit", () => {
    for (const text of ["", "x", "1,-1", "9,1,1,1,,,,,1000", ",1,1,1.5", `${"1,".repeat(200)}1`]) {
      expect(() => circuit.decode(new TextEncoder().encode(text))).toThrow(expect.objectContaining({ code: "STORE_CORRUPT" }));
    }
  });

  test("the largest state fits", () => {
    const cells = Array.from<number>({ length: circuit.row.width }).fill(Number.MAX_SAFE_INTEGER);
    expect(circuit.encode(cells).length).toBeLessThanOrEqual(circuit.maxStateBytes);
  });
});

/** One caller's view of a history: everything it was given, to be reported sooner, later, twice or never. */
type Action =
  | { readonly do: "acquire" }
  | { readonly do: "report"; readonly which: number; readonly outcome: "ok" | "fail" | "slow" | "unused" }
  | { readonly do: "wait"; readonly ms: number };

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("acquire" as const) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("report" as const), which: fc.nat(30), outcome: fc.constantFrom("ok", "ok", "fail", "fail", "slow", "unused") }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.oneof(fc.integer({ min: 1, max: 150 }), fc.constantFrom(299, 300, 499, 500, 501, 1200, 90_000_000)) }) },
);

interface Permit {
  readonly phase: number;
  readonly epoch: number;
  readonly token: number;
  readonly until: number;
}

/** The circuit again, by a list of outcomes and a set of probes: slow, and nothing in common with the row. */
class Model {
  state: CircuitState = "closed";
  /** Counts changes of state: what an epoch stands for. */
  phase = 0;
  openUntil = 0;
  changedAt = 0;
  good = 0;
  log: { at: number; outcome: "ok" | "fail" | "slow" }[] = [];
  probes = new Set<Permit>();
  readonly policy: CircuitPolicy;

  constructor(policy: CircuitPolicy) {
    this.policy = policy;
  }

  to(state: CircuitState, now: number): void {
    this.state = state;
    this.phase++;
    this.changedAt = now;
    this.openUntil = now + this.policy.resetTimeoutMs;
    this.good = 0;
    this.log = [];
    this.probes.clear();
  }

  /** After a day without change everything is forgotten. */
  forget(now: number): void {
    const last = this.state === "open" ? this.openUntil : this.changedAt;
    if (this.phase > 0 && this.state !== "closed" && now >= last + 86_400_000) {
      this.to("closed", now);
    }
  }

  acquire(now: number): "permit" | "probe" | "refusal" {
    this.forget(now);
    if (this.state === "closed") return "permit";
    if (this.state === "open") {
      if (now < this.openUntil) return "refusal";
      this.to("half-open", now);
    }
    for (const probe of this.probes) if (probe.until <= now) this.probes.delete(probe);
    return this.probes.size < this.policy.halfOpenMax ? "probe" : "refusal";
  }

  report(permit: Permit, outcome: "ok" | "fail" | "slow" | "unused", now: number): void {
    this.forget(now);
    if (permit.phase !== this.phase) return;
    const { policy } = this;
    if (this.state === "half-open") {
      if (!this.probes.has(permit) || permit.until <= now) return;
      this.probes.delete(permit);
      if (outcome === "unused") return;
      if (outcome === "fail" || (outcome === "slow" && policy.slowCallRate !== undefined)) this.to("open", now);
      else if (++this.good >= policy.successThreshold) this.to("closed", now);
    } else if (this.state === "closed" && outcome !== "unused") {
      this.log.push({ at: now, outcome });
      const slot = (at: number): number => Math.floor((at * 10) / policy.windowMs);
      const seen = this.log.filter((entry) => slot(entry.at) >= slot(now) - 10);
      const fails = seen.filter((entry) => entry.outcome === "fail").length;
      const slow = seen.filter((entry) => entry.outcome === "slow").length;
      const judged = seen.length >= policy.minimumThroughput;
      if (
        fails >= policy.failureThreshold || (judged && policy.failureRate !== undefined && fails / seen.length >= policy.failureRate)
        || (judged && policy.slowCallRate !== undefined && slow / seen.length >= policy.slowCallRate)
      ) this.to("open", now);
    }
  }
}

test("random histories: the state of the model, and never more probes out than halfOpenMax", () => {
  const policies = fc.record({
    failureThreshold: fc.integer({ min: 1, max: 4 }),
    failureRate: fc.constantFrom(undefined, 0.5, 0.75),
    minimumThroughput: fc.integer({ min: 1, max: 4 }),
    slowCallRate: fc.constantFrom(undefined, 0.5),
    slowCallMs: fc.constant(10),
    halfOpenMax: fc.integer({ min: 1, max: 3 }),
    successThreshold: fc.integer({ min: 1, max: 3 }),
    probeTimeoutMs: fc.constantFrom(50, 300, 2000),
  });
  fc.assert(
    fc.property(policies, fc.array(action, { maxLength: 80 }), (options, actions) => {
      const record = new Record(options);
      const model = new Model(record.policy);
      const permits: Permit[] = [];
      for (const step of actions) {
        if (step.do === "wait") {
          record.now += step.ms;
          // A record that is forgotten takes its calls along: what one of them reports then, it reports of a circuit that never was.
          if (record.expiresAt !== undefined && record.now >= record.expiresAt) permits.length = 0;
        } else if (step.do === "acquire") {
          const reply = record.acquire();
          const expected = model.acquire(record.now);
          expect(reply.allowed ? (reply.token > 0 ? "probe" : "permit") : "refusal").toBe(expected);
          if (reply.allowed) {
            const permit = { phase: model.phase, epoch: reply.epoch, token: reply.token, until: record.now + record.policy.probeTimeoutMs };
            permits.push(permit);
            if (reply.token > 0) model.probes.add(permit);
          } else {
            expect(reply.retryAfterMs).toBeGreaterThan(0);
          }
          expect([...model.probes].filter((probe) => probe.until > record.now).length).toBeLessThanOrEqual(record.policy.halfOpenMax);
        } else {
          const permit = permits[permits.length - 1 - step.which];
          if (permit === undefined) continue;
          const reply = record.report({ epoch: permit.epoch, token: permit.token, ok: 0, [step.outcome === "unused" ? "slow" : step.outcome]: step.outcome === "unused" ? 0 : 1 });
          model.report(permit, step.outcome, record.now);
          expect(reply.state).toBe(model.state);
        }
      }
    }),
    { numRuns: 1500 },
  );
});

test("random histories with a clock that steps: it always recovers, and refusals never last beyond their timeouts", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(action, fc.constantFrom(0, 0, 0, -1, 1, -1000, 1000, -86_400_000, 86_400_000)), { maxLength: 60 }), (steps) => {
      const record = new Record({ halfOpenMax: 2, probeTimeoutMs: 300 });
      const permits: CircuitReply[] = [];
      for (const [step, jump] of steps) {
        record.now += jump;
        if (step.do === "wait") record.now += step.ms;
        else if (step.do === "acquire") {
          const reply = record.acquire();
          if (reply.allowed) permits.push(reply);
          else expect(reply.retryAfterMs).toBeLessThanOrEqual(500);
        } else {
          const permit = permits[permits.length - 1 - step.which];
          if (permit !== undefined) record.report({ epoch: permit.epoch, token: permit.token, [step.outcome === "unused" ? "slow" : step.outcome]: step.outcome === "unused" ? 0 : 1 });
        }
        expect(record.view().failureCount).toBeGreaterThanOrEqual(0);
      }
      for (let i = 0; i < 2; i++) record.now += record.acquire().retryAfterMs;
      expect(record.acquire().allowed).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test("forgetting: from expiresAt on, a record answers as none would", () => {
  const later = fc.constantFrom(0, 1, 1000, 10_000_000);
  fc.assert(
    fc.property(fc.array(action, { maxLength: 30 }), later, (actions, after) => {
      const record = new Record();
      const permits: CircuitReply[] = [];
      for (const step of actions) {
        if (step.do === "wait") record.now += step.ms;
        else if (step.do === "acquire") permits.push(record.acquire());
        else {
          const permit = permits[permits.length - 1 - step.which];
          if (permit?.allowed === true) record.report({ epoch: permit.epoch, token: permit.token, [step.outcome === "unused" ? "slow" : step.outcome]: step.outcome === "unused" ? 0 : 1 });
        }
      }
      if (record.expiresAt === undefined) return;
      const now = record.expiresAt + after;
      const commands: CircuitCommand[] = [
        { type: "acquire", policy: record.policy },
        { type: "view" },
        { type: "report", epoch: 0, ok: 0, fail: 3, slow: 0, policy: record.policy },
        ...permits.map((permit): CircuitCommand => ({ type: "report", epoch: permit.epoch, token: permit.token, ok: 0, fail: 3, slow: 0, policy: record.policy })),
      ];
      for (const command of commands) {
        const { epoch: kept, ...withRecord } = circuit.step(record.state, command, now).reply;
        const { epoch: fresh, ...without } = circuit.step(undefined, command, now).reply;
        expect(withRecord).toEqual(without);
        expect(kept).toBeGreaterThanOrEqual(fresh);
      }
    }),
    { numRuns: 500 },
  );
});

test("a policy outside its domain is refused by name", () => {
  for (const [option, value] of Object.entries({ failureThreshold: 0, windowMs: Number.NaN, failureRate: 0, minimumThroughput: 1.5, slowCallRate: 2, resetTimeoutMs: -1, halfOpenMax: 17, successThreshold: 0, probeTimeoutMs: Infinity, slowCallMs: 0, maxResetTimeoutMs: "1s" })) {
    expect(() => circuitPolicy({ slowCallMs: 10, [option]: value }), option).toThrow(expect.objectContaining({ option }));
  }
  expect(() => circuitPolicy({ slowCallRate: 0.5 })).toThrow(/slowCallMs/);
});
