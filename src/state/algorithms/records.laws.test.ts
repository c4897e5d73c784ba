import { describe, expect, test } from "vitest";
import { encodeValue } from "../../core/codec.ts";
import { verifyAlgorithm } from "../../testing/verify-algorithm.ts";
import { circuit, type CircuitCommand } from "./circuit.ts";
import { circuitPolicy } from "./circuit-policy.ts";
import { fillLock, type FillLockCommand } from "./fill-lock.ts";
import { leaseSet } from "./lease-set.ts";
import { value, type ValueCommand } from "./value.ts";

describe("the laws of every algorithm", () => {
  test("circuit", async () => {
    const policy = circuitPolicy({ failureThreshold: 2, windowMs: 1000, resetTimeoutMs: 50, halfOpenMax: 2, probeTimeoutMs: 80 });
    const report = await verifyAlgorithm(circuit, {
      seed: 1,
      commands: ({ pick, replies }): CircuitCommand => {
        const permit = replies[pick(0, Math.max(0, replies.length - 1))];
        const kind = pick(0, 9);
        if (kind < 4) return { type: "acquire", policy };
        if (kind < 8) return { type: "report", epoch: permit?.epoch ?? 0, token: permit?.token ?? 0, ok: pick(0, 1), fail: pick(0, 1), slow: 0, policy };
        return kind === 8 ? { type: "view" } : { type: "count", ok: 1, fail: 1, policy };
      },
      isRefusal: (reply) => !reply.allowed && reply.retryAfterMs > 0 && reply.token === 0 && reply.to === undefined && reply.failureCount === 0,
      isPeek: (command) => command.type === "view",
    });
    expect(report.violations).toEqual([]);
    expect(report.passed).toContain("in place");
  });

  test("lease set", async () => {
    const report = await verifyAlgorithm(leaseSet, {
      seed: 1,
      commands: ["a", "b", "c", "d"].flatMap((token) => [{ token, limit: 2, ttlMs: 500 }, { renew: token, ttlMs: 300 }, { release: token }]),
    });
    expect(report.violations).toEqual([]);
  });

  test("value", async () => {
    const [a, b] = [encodeValue("a"), encodeValue("b")];
    const values: ValueCommand[] = [
      { type: "get" }, { type: "set", text: a, ttlMs: 300 }, { type: "set", text: b }, { type: "delete" },
      { type: "compareAndSet", expected: a, text: b, ttlMs: 100 }, { type: "compareAndSet", expected: undefined, text: a, ttlMs: 100 },
    ];
    const counters: ValueCommand[] = [{ type: "get" }, { type: "add", by: 1, ttlMs: 200 }, { type: "add", by: 2 }, { type: "delete" }];
    // Where they meet the reply is an error.
    for (const commands of [values, counters, [...values, ...counters]]) {
      const report = await verifyAlgorithm(value, {
        seed: 1,
        commands,
        isRefusal: (reply) => !(reply instanceof Error) && !reply.ok,
        isPeek: (command) => command.type === "get",
        comparable: (reply) => (reply instanceof Error ? reply : { ...reply, rev: 0 }),
      });
      expect(report.violations).toEqual([]);
    }
  });

  test("fill lock", async () => {
    const report = await verifyAlgorithm(fillLock, {
      seed: 1,
      commands: ({ pick, replies }): FillLockCommand => {
        const token = replies[pick(0, Math.max(0, replies.length - 1))]?.token ?? 0;
        return ([{ type: "open", lockMs: 200 }, { type: "open", lockMs: 200 }, { type: "renew", token, lockMs: 200 }, { type: "close", token }, { type: "void" }] as const)[pick(0, 4)]!;
      },
      isRefusal: (reply) => !reply.ok,
    });
    expect(report.violations).toEqual([]);
  });
});
