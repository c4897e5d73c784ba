/** Rules on the required verbs of a circuit breaker store: `getState`, the two records, `transition`, `reset`. */

import type { CircuitBreakerStore, CircuitState } from "../../state/contracts/circuits.ts";
import { expect, expectEqual, expectRangeError, show, type Rule } from "../report.ts";
import { destroyRules } from "./destroy.ts";
import { circuitOf, policyOf, type CircuitContext } from "./circuit-context.ts";

export const circuitViewRules: readonly Rule<CircuitContext>[] = [
  {
    rule: "views/new-is-closed",
    async run(c) {
      const { state, failureCount, successCount, lastFailureTime } = await (await c.store()).getState(c.key());
      expectEqual({ state, failureCount, successCount, lastFailureTime }, { state: "closed", failureCount: 0, successCount: 0, lastFailureTime: 0 }, "getState of a new key");
    },
  },
  {
    rule: "views/failures-count",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      expectEqual([(await a.recordFailure(key)).failureCount, (await b.recordFailure(key)).failureCount], [1, 2], "failureCount of two failures");
      const { failureCount, lastFailureTime, state } = await b.getState(key);
      expectEqual([failureCount, state], [2, "closed"], "failureCount and state afterwards");
      const off = Math.abs(lastFailureTime - c.time.now());
      expect(off <= (c.time.driven ? 1 : 300_000), `lastFailureTime: expected about ${c.time.now()}, got ${lastFailureTime}`);
    },
  },
  {
    rule: "views/successes-count",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      await a.recordSuccess(key);
      expectEqual((await b.recordSuccess(key)).successCount, 2, "successCount of two successes");
      const { successCount, failureCount } = await a.getState(key);
      expectEqual([successCount, failureCount], [2, 0], "successCount and failureCount afterwards");
    },
  },
  {
    rule: "views/concurrent",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      await Promise.all(Array.from({ length: 64 }, async (_, i) => (i % 2 === 0 ? a : b).recordFailure(key)));
      expectEqual((await a.getState(key)).failureCount, 64, "failureCount after 64 concurrent failures");
    },
  },
  {
    rule: "views/transition",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      for (const to of ["open", "half-open", "closed", "half-open", "open", "closed"] as const) {
        expectEqual((await a.transition(key, to)).state, to, `the state that a transition to ${to} gives`);
        expectEqual((await b.getState(key)).state, to, `the state after a transition to ${to}`);
      }
    },
  },
  {
    rule: "views/transition-is-dated",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      await store.transition(key, "open");
      await c.time.pass(c.time.driven ? 5000 : 5);
      const now = c.time.now();
      const { lastStateChange } = await store.transition(key, "half-open");
      expect(Math.abs(lastStateChange - now) <= (c.time.driven ? 1 : 300_000), `lastStateChange: expected about ${now}, got ${lastStateChange}`);
      await c.time.pass(c.time.driven ? 5000 : 5);
      expectEqual((await store.recordFailure(key)).lastStateChange, lastStateChange, "lastStateChange after a failure");
    },
  },
  {
    rule: "views/closing-clears",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      for (let i = 0; i < 3; i++) await store.recordFailure(key);
      await store.transition(key, "open");
      await store.transition(key, "half-open");
      await store.transition(key, "closed");
      const { failureCount, successCount } = await store.getState(key);
      expectEqual([failureCount, successCount], [0, 0], "failureCount and successCount of a circuit that closed");
    },
  },
  {
    rule: "views/reset",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      await a.recordFailure(key);
      await a.transition(key, "open");
      await b.reset(key);
      const { state, failureCount } = await a.getState(key);
      expectEqual([state, failureCount], ["closed", 0], "state and failureCount after reset");
      await a.reset(c.key());
    },
  },
  {
    rule: "views/snapshots-stand-still",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      const before = await store.recordFailure(key);
      await store.recordFailure(key);
      await store.transition(key, "open");
      expectEqual([before.failureCount, before.state], [1, "closed"], "an older snapshot, later");
    },
  },
  {
    rule: "views/keys",
    async run(c) {
      const store = await c.store();
      const stem = c.key();
      for (const tail of ["", "\u0000", ":", "%", " ", "*", "ü", "u\u0308", "😀", "{x}", "A", "a", "x".repeat(600), `${"x".repeat(600)}y`]) {
        expectEqual((await store.recordFailure(stem + tail)).failureCount, 1, `failureCount after the first failure of the key ${show(tail)}`);
      }
      for (const key of ["__proto__", "constructor"]) {
        c.after(() => store.reset(key));
        await store.reset(key);
        expectEqual((await store.recordFailure(key)).failureCount, 1, `failureCount after the first failure of the key ${key}`);
      }
    },
  },
  {
    rule: "views/domain",
    async run(c) {
      const store = await c.store();
      const key = c.key();
      for (const bad of ["ajar", "", undefined, null, "__proto__"]) await expectRangeError(async () => store.transition(key, bad as CircuitState), `transition to ${show(bad)}`);
      expectEqual((await store.getState(key)).state, "closed", "the state after invalid transitions");
    },
  },
  {
    rule: "views/agree-with-acquire",
    async run(c) {
      const [a, b] = await c.clients();
      const key = c.key();
      const circuit = circuitOf(b, key, policyOf(c, { resetTimeoutMs: 60_000, failureThreshold: 3 }));
      await a.transition(key, "open");
      expectEqual((await circuit.acquire()).allowed, false, "acquire after transition to open");
      await a.transition(key, "closed");
      expectEqual((await circuit.acquire()).allowed, true, "acquire after transition to closed");
      await circuit.calls("failure", 3);
      expectEqual((await a.getState(key)).state, "open", "getState after failures that were reported");
      await a.reset(key);
      expectEqual((await circuit.acquire()).allowed, true, "acquire after reset");
    },
  },
  ...destroyRules<CircuitBreakerStore>(
    (store, key) => store.recordFailure(key),
    async (store, key) => expectEqual((await store.getState(key)).failureCount, 1, "failureCount seen by the other client after one was destroyed"),
  ),
];
