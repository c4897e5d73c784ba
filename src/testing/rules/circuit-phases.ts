/** Rules on the atomic pair of a circuit breaker store: `acquire` and `report`. */

import type { CircuitOutcome, CircuitPermit } from "../../state/contracts/circuits.ts";
import { expect, expectEqual, expectRangeError, show, type Rule } from "../report.ts";
import { circuitOf, circuits, firstProbe, policyOf, readyToProbe, type CircuitContext } from "./circuit-context.ts";

const OPENED = { from: "closed", to: "open" };

export const circuitPhaseRules: readonly Rule<CircuitContext>[] = [
  {
    rule: "closed/admits",
    async run(c) {
      const [a, b] = await circuits(c);
      for (let i = 0; i < 50; i++) expectEqual([(await (i % 2 === 0 ? a : b).permit("a call through a closed circuit")).state], ["closed"], "the state in a permit");
      await a.calls("success", 50);
      expectEqual((await b.acquire()).allowed, true, "acquire after 50 successes");
    },
  },
  {
    rule: "closed/opens-at-the-threshold",
    async run(c) {
      const [a, b] = await circuits(c);
      expectEqual(await a.calls("failure", 4), [undefined, undefined, undefined, undefined], "the transitions of four failures of five");
      expectEqual(await b.calls("failure", 1), [OPENED], "the transition of the fifth failure");
      const refusal = await a.acquire();
      expectEqual([refusal.allowed, refusal.state], [false, "open"], "acquire afterwards");
    },
  },
  {
    rule: "closed/failures-fade",
    async run(c) {
      c.time.needDriven();
      const [a] = await circuits(c, { windowMs: 10_000 });
      for (let i = 0; i < 10; i++) {
        await a.calls("failure", 2);
        await c.time.pass(6000);
      }
      expectEqual((await a.acquire()).allowed, true, "acquire after twenty failures, at most four of them within one window and a tenth");
    },
  },
  {
    rule: "closed/failures-of-a-window-count",
    async run(c) {
      c.time.needDriven();
      for (let i = 0; i < 10; i++) {
        await c.time.pass(c.pick(0, 9999));
        const [a] = await circuits(c, { windowMs: 10_000 });
        await a.calls("failure", 4);
        await c.time.pass(9999);
        expectEqual(await a.calls("failure", 1), [OPENED], "the transition of the fifth failure within 10 s");
      }
    },
  },
  {
    rule: "closed/failure-rate",
    async run(c) {
      const rate = { failureThreshold: 1000, failureRate: 0.5, minimumThroughput: 10 };
      const [a] = await circuits(c, rate);
      await a.calls("success", 4);
      expectEqual((await a.calls("failure", 5)).filter((move) => move !== undefined), [], "transitions of 5 failures of 9 calls, where the least throughput is 10");
      expectEqual(await a.calls("success", 1), [OPENED], "the transition of the call that makes it 5 failures of 10");
      const [b] = await circuits(c, rate);
      await b.calls("success", 60);
      expectEqual((await b.calls("failure", 50)).filter((move) => move !== undefined), [], "transitions of 50 failures of 110 calls");
    },
  },
  {
    rule: "closed/slow-rate",
    async run(c) {
      const slow = { failureThreshold: 1000, slowCallMs: 100, slowCallRate: 0.5, minimumThroughput: 10 };
      const [a, b] = [(await circuits(c, slow))[0], (await circuits(c, slow))[0]];
      await a.calls("success", 5);
      const moves = await a.calls("slow", 5);
      expectEqual(moves.at(-1), OPENED, "the transition of the fifth slow call of ten");
      await b.calls("success", 6);
      expectEqual((await b.calls("slow", 5)).filter((move) => move !== undefined), [], "transitions of 5 slow calls of 11");
    },
  },
  {
    rule: "closed/unused-is-not-counted",
    async run(c) {
      const [a] = await circuits(c, { failureThreshold: 3, failureRate: 0.5, minimumThroughput: 4 });
      await a.calls("failure", 2);
      expectEqual(await a.calls("unused", 5), [undefined, undefined, undefined, undefined, undefined], "the transitions of unused permits beside 2 failures of 3");
      expectEqual((await a.acquire()).allowed, true, "acquire afterwards");
    },
  },
  {
    rule: "closed/one-report-opens",
    async run(c) {
      const [a, b] = await circuits(c);
      const permits = await Promise.all(Array.from({ length: 30 }, () => a.permit("a call through a closed circuit")));
      const moves = await Promise.all(permits.map((permit, i) => (i % 2 === 0 ? a : b).report(permit, "failure")));
      expectEqual(moves.filter((move) => move !== undefined), [OPENED], "the transitions that 30 concurrent failures report");
    },
  },
  {
    rule: "open/refuses-until-the-reset-timeout",
    async run(c) {
      const [a, b] = await circuits(c, { resetTimeoutMs: c.time.driven ? 30_000 : 60_000 });
      await a.calls("failure", 5);
      const refusal = await b.acquire();
      if (!c.time.driven) {
        expect(!refusal.allowed && refusal.retryAfterMs > 0 && refusal.retryAfterMs <= 60_001, `a refusal with a retryAfterMs up to 60000: got ${show(refusal)}`);
        return;
      }
      expectEqual(refusal, { allowed: false, state: "open", retryAfterMs: 30_000 }, "the refusal right after opening");
      await c.time.pass(29_999);
      expectEqual(await b.acquire(), { allowed: false, state: "open", retryAfterMs: 1 }, "the refusal 1 ms before the end");
      await c.time.pass(1);
      expectEqual((await b.acquire()).allowed, true, "acquire at the end");
    },
  },
  {
    rule: "open/probe-after-the-reset-timeout",
    async run(c) {
      const [a] = await readyToProbe(c);
      const probe = await firstProbe(c, a);
      expectEqual([probe.state, probe.transition], ["half-open", { from: "open", to: "half-open" }], "state and transition of the first probe");
      expect(typeof probe.token === "string" && probe.token.length > 0, `the token of a probe: expected text, got ${show(probe.token)}`);
    },
  },
  {
    rule: "open/clock-steps-back",
    async run(c) {
      const [a] = await circuits(c, { resetTimeoutMs: 30_000 });
      await a.calls("failure", 5);
      c.time.step(-86_400_000);
      const refusal = await a.acquire();
      expect(!refusal.allowed && refusal.retryAfterMs <= 30_000, `the refusal after the clock was set back by a day: expected a retryAfterMs up to 30000, got ${show(refusal)}`);
      await c.time.pass(30_000);
      expectEqual((await a.acquire()).allowed, true, "acquire 30 s later");
    },
  },
  {
    rule: "half-open/limit",
    async run(c) {
      for (const halfOpenMax of [1, 3]) {
        const [a, b] = await readyToProbe(c, { halfOpenMax });
        // Some answers may still be refusals of the open circuit on a slow backend: the wait is over when there is one probe.
        const probes: CircuitPermit[] = [];
        await c.time.until("an open circuit admits probes after its reset timeout", 1000, async () => {
          const answers = await Promise.all(Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? a : b).acquire()));
          for (const answer of answers) if (answer.allowed) probes.push(answer);
          return probes.length > 0;
        });
        const more = await b.acquire();
        expectEqual([probes.length, more.allowed], [halfOpenMax, false], `probes of 64 concurrent calls, and one call more, where halfOpenMax is ${halfOpenMax}`);
        expectEqual(new Set(probes.map(({ token }) => token)).size, halfOpenMax, "different tokens");
        expectEqual(probes.filter(({ transition }) => transition !== undefined).length, 1, "probes that carry the transition to half-open");
      }
    },
  },
  {
    rule: "half-open/hung-probe-gives-its-place-back",
    async run(c) {
      const probeTimeoutMs = c.time.driven ? 7000 : c.ttlMs;
      const [a, b] = await readyToProbe(c, { probeTimeoutMs });
      const hung = await firstProbe(c, a);
      if (c.time.driven) {
        await c.time.pass(6999);
        expectEqual(await b.acquire(), { allowed: false, state: "half-open", retryAfterMs: 1 }, "the refusal 1 ms before the probe times out");
      }
      await c.time.pass(c.time.driven ? 1 : probeTimeoutMs);
      let next: CircuitPermit | undefined;
      await c.time.until("the place of a hung probe is free after probeTimeoutMs", 1000, async () => {
        const answer = await b.acquire();
        if (answer.allowed) next = answer;
        return answer.allowed;
      });
      expectEqual(await a.report(hung, "failure"), undefined, "the transition of a late report by the hung probe");
      if (c.time.driven) expectEqual(await b.report(next as CircuitPermit, "success"), { from: "half-open", to: "closed" }, "the transition of the next probe's success");
    },
  },
  {
    rule: "half-open/success-closes-at-the-threshold",
    async run(c) {
      const [a, b] = await readyToProbe(c, { successThreshold: 2 });
      expectEqual(await a.report(await firstProbe(c, a), "success"), undefined, "the transition of the first success of two");
      const second = await b.permit("a second probe after the first succeeded");
      expectEqual(second.state, "half-open", "the state in the second permit");
      expectEqual(await b.report(second, "success"), { from: "half-open", to: "closed" }, "the transition of the second success");
      expectEqual((await a.permit("a call after closing")).state, "closed", "the state in a permit after closing");
    },
  },
  {
    rule: "half-open/failure-opens",
    async run(c) {
      const [a, b] = await readyToProbe(c, { halfOpenMax: 2, resetTimeoutMs: c.time.driven ? 30_000 : 500 });
      const probe = await firstProbe(c, a);
      expectEqual(await a.report(probe, "failure"), { from: "half-open", to: "open" }, "the transition of a failed probe");
      const refusal = await b.acquire();
      expectEqual([refusal.allowed, refusal.state], [false, "open"], "acquire afterwards");
      if (c.time.driven && !refusal.allowed) expectEqual(refusal.retryAfterMs, 30_000, "retryAfterMs of that refusal");
    },
  },
  {
    rule: "half-open/unused-gives-the-place-back",
    async run(c) {
      const [a, b] = await readyToProbe(c);
      expectEqual(await a.report(await firstProbe(c, a), "unused"), undefined, "the transition of an unused probe");
      expectEqual((await b.permit("a probe after one was returned unused")).state, "half-open", "the state in the next permit");
    },
  },
  {
    rule: "half-open/report-counts-once",
    async run(c) {
      const [a, b] = await readyToProbe(c, { successThreshold: 3, halfOpenMax: 2 });
      const probe = await firstProbe(c, a);
      const moves = [await a.report(probe, "success"), await b.report(probe, "success"), await a.report(probe, "success"), await a.report(probe, "failure")];
      expectEqual(moves, [undefined, undefined, undefined, undefined], "the transitions of one probe reported four times, where three successes close");
      expectEqual((await b.permit("a probe afterwards")).state, "half-open", "the state afterwards");
    },
  },
  {
    rule: "half-open/closing-clears",
    async run(c) {
      const [a] = await readyToProbe(c);
      await a.report(await firstProbe(c, a), "success");
      expectEqual((await a.calls("failure", 4)).filter((move) => move !== undefined), [], "transitions of four failures of five after closing");
      expectEqual(await a.calls("failure", 1), [OPENED], "the transition of the fifth");
    },
  },
  {
    rule: "stale/closed-permit-in-half-open",
    async run(c) {
      const [a, b] = await circuits(c, { successThreshold: 2 });
      const late = [await a.permit("a call"), await a.permit("a call")];
      await a.calls("failure", 5);
      await c.time.pass(policyOf(c).resetTimeoutMs);
      await firstProbe(c, b);
      expectEqual([await a.report(late[0] as CircuitPermit, "failure"), await a.report(late[1] as CircuitPermit, "success")], [undefined, undefined], "the transitions of reports from before the circuit opened");
      expectEqual((await b.acquire()).state, "half-open", "the state afterwards");
    },
  },
  {
    rule: "stale/old-failures-after-closing",
    async run(c) {
      const [a, b] = await circuits(c, { failureThreshold: 3 });
      const late = await Promise.all(Array.from({ length: 10 }, () => a.permit("a call")));
      await a.calls("failure", 3);
      await c.time.pass(policyOf(c).resetTimeoutMs);
      await b.report(await firstProbe(c, b), "success");
      for (const permit of late) expectEqual(await a.report(permit, "failure"), undefined, "the transition of a failure from before the circuit opened");
      expectEqual((await b.permit("a call after closing")).state, "closed", "the state afterwards");
    },
  },
  {
    rule: "stale/probe-of-an-earlier-half-open",
    async run(c) {
      const [a, b] = await readyToProbe(c, { halfOpenMax: 2 });
      const [slow, failing] = [await firstProbe(c, a), await b.permit("a second probe")];
      await b.report(failing, "failure");
      expectEqual(await a.report(slow, "success"), undefined, "the transition of a success from before the circuit opened again");
      await c.time.pass(policyOf(c).resetTimeoutMs);
      await firstProbe(c, a);
      expectEqual(await a.report(slow, "success"), undefined, "the transition of that success in the next half-open phase");
      expectEqual((await a.acquire()).state, "half-open", "the state afterwards");
    },
  },
  {
    rule: "stale/report-after-reset",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      const circuit = circuitOf(store, key, policyOf(c, { failureThreshold: 2 }));
      const late = [await circuit.permit("a call"), await circuit.permit("a call"), await circuit.permit("a call")];
      await circuit.calls("failure", 2);
      await store.reset(key);
      for (const permit of late) await circuit.report(permit, "failure");
      expectEqual((await circuit.acquire()).allowed, true, "acquire after reports from before the reset");
    },
  },
  {
    rule: "epochs/grow",
    async run(c) {
      const [a] = await readyToProbe(c);
      const probe = await firstProbe(c, a);
      await a.report(probe, "success");
      const closed = await a.permit("a call after closing");
      expect(closed.epoch > probe.epoch, `the epoch after closing: expected more than ${probe.epoch}, got ${closed.epoch}`);
      if (!c.time.driven) return;
      await c.time.pass(40 * 86_400_000);
      const later = await a.permit("a call 40 days later");
      expect(later.epoch >= closed.epoch, `the epoch 40 days later: expected at least ${closed.epoch}, got ${later.epoch}`);
    },
  },
  {
    rule: "pair/keys",
    async run(c) {
      const store = await c.store();
      const stem = c.key();
      const policy = policyOf(c, { failureThreshold: 1, resetTimeoutMs: 60_000 });
      for (const tail of ["", "\u0000", ":", "%", " ", "ü", "u\u0308", "A", "a"]) {
        expectEqual(await circuitOf(store, stem + tail, policy).calls("failure", 1), [OPENED], `the transition of the first failure of the key ${show(tail)}`);
      }
    },
  },
  {
    rule: "pair/domain",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      const good = policyOf(c);
      const bad = { failureThreshold: [0, -1, Number.NaN, "5"], windowMs: [0, Number.NaN], resetTimeoutMs: [-1, Number.NaN], halfOpenMax: [0, Number.NaN], successThreshold: [0, 1.5], probeTimeoutMs: [0, Number.NaN], failureRate: [0, 1.5, Number.NaN] };
      for (const [name, values] of Object.entries(bad)) {
        for (const value of values) await expectRangeError(() => circuitOf(store, key, { ...good, [name]: value }).acquire(), `acquire with ${name} ${show(value)}`);
      }
    },
  },
  {
    rule: "pair/unknown-outcome",
    async run(c) {
      const [circuit] = await circuits(c, { failureThreshold: 1 });
      const permit = await circuit.permit("a call");
      for (const bad of ["fail", "", undefined, null, "constructor"] as unknown as CircuitOutcome[]) await expectRangeError(() => circuit.report(permit, bad), `report of the outcome ${show(bad)}`);
      expectEqual(await circuit.report(permit, "failure"), OPENED, "the transition of a failure reported after them");
    },
  },
];
