/**
 * The circuit's script on the real server against `step`: after every batch of a random history the record in Redis is the state
 * that `step` gives, with probes, stale and repeated reports, backoff, forced phases, changed policies and clocks that go back.
 */
import fc from "fast-check";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { nativeCircuit } from "../../src/drivers/redis/native/circuit.ts";
import type { Script } from "../../src/drivers/redis/client.ts";
import { type CircuitCommand, type CircuitReply, circuit } from "../../src/state/algorithms/circuit.ts";
import { circuitPolicy } from "../../src/state/algorithms/circuit-policy.ts";
import type { CircuitPolicy } from "../../src/state/contracts/circuits.ts";
import type { Row } from "../../src/state/define-algorithm.ts";
import { timed } from "./timed-script.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";

let server: RedisServer;
let client: Redis;
beforeAll(async () => {
  server = await startRedis();
  client = new Redis(server.port, "127.0.0.1");
});
afterAll(async () => {
  client.disconnect();
  await server.stop();
});

const policy: fc.Arbitrary<CircuitPolicy> = fc.record({
  failureThreshold: fc.constantFrom(1, 2, 3, 1000),
  windowMs: fc.constantFrom(1, 7, 100, 1000, 10_000),
  failureRate: fc.constantFrom(undefined, 0.29, 0.5, 1),
  minimumThroughput: fc.constantFrom(1, 3),
  slowCallRate: fc.constantFrom(undefined, 0.5),
  resetTimeoutMs: fc.constantFrom(1, 50, 1000),
  maxResetTimeoutMs: fc.constantFrom(undefined, 10, 7000),
  halfOpenMax: fc.constantFrom(1, 2, 16),
  successThreshold: fc.constantFrom(1, 2, 3),
  probeTimeoutMs: fc.constantFrom(1, 40, 2000),
}).map((options) => circuitPolicy({ ...options, slowCallMs: options.slowCallRate === undefined ? undefined : 10 }));

const move = fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 60 }) }, { weight: 2, arbitrary: fc.constantFrom(0.25, 99, 1001, 12_000, 86_500_000) }, { weight: 1, arbitrary: fc.constantFrom(-0.5, -1, -20, -1000, -86_400_000) });

interface Draw {
  readonly kind: "acquire" | "acquire 3" | "report" | "stale report" | "count" | "force" | "view";
  readonly pick: number;
  readonly outcome: "ok" | "fail" | "slow" | "unused";
  readonly instance: number | undefined;
  readonly seq: number;
  readonly random: number;
}
const draw: fc.Arbitrary<Draw> = fc.record({
  kind: fc.constantFrom<Draw["kind"][]>("acquire", "acquire", "acquire 3", "report", "report", "report", "stale report", "count", "force", "view"),
  pick: fc.nat(20),
  outcome: fc.constantFrom<Draw["outcome"][]>("ok", "fail", "fail", "slow", "unused"),
  instance: fc.constantFrom(undefined, undefined, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
  seq: fc.nat(5),
  random: fc.constantFrom(0, 0.123456789, 1e-9, 0.999),
});
const FORCED = ["closed", "open", "half-open", "isolated", "disabled"] as const;

it("arrives at the state of step on 4,000 random histories", async () => {
  const script = timed(nativeCircuit.script as Script);
  await client.script("LOAD", script.source);
  let history = 0;
  const phases = new Set<string>();
  await fc.assert(
    fc.asyncProperty(policy, policy, fc.array(fc.record({ move, other: fc.constantFrom(false, false, false, true), draws: fc.array(draw, { minLength: 1, maxLength: 5 }) }), { minLength: 1, maxLength: 15 }), async (first, second, batches) => {
      const key = `circuit:${history++}`;
      let now = 1_700_000_000_000;
      let state: Row | undefined;
      const permits: CircuitReply[] = [];
      const expected: (string | null)[] = [];
      const pipeline = client.pipeline();
      for (const batch of batches) {
        now += batch.move;
        const policy = batch.other ? second : first;
        const groups: { times: number; args: string }[] = [];
        for (const { kind, pick, outcome, instance, seq, random } of batch.draws) {
          const permit = permits[permits.length - 1 - (pick % Math.max(1, permits.length))];
          const report = (epoch: number, token: number): CircuitCommand => ({ type: "report", epoch, token, ok: outcome === "ok" ? 1 : 0, fail: outcome === "fail" ? 1 : 0, slow: outcome === "slow" ? 1 : 0, random, policy, ...(instance === undefined ? {} : { instance, seq }) });
          const command: CircuitCommand =
            kind === "acquire" || kind === "acquire 3" ? { type: "acquire", policy }
            : kind === "report" ? report(permit?.epoch ?? 0, permit?.token ?? 0)
            : kind === "stale report" ? report([0, 1024, 7][pick % 3] as number, [0, 0, 5][pick % 3] as number)
            : kind === "count" ? { type: "count", ok: pick, fail: pick % 3, policy }
            : kind === "force" ? { type: "force", to: FORCED[pick % 5] as (typeof FORCED)[number], policy }
            : { type: "view" };
          const times = kind === "acquire 3" ? 3 : 1;
          for (let i = 0; i < times; i++) {
            const step = circuit.step(state, command, now);
            state = step.state;
            phases.add(`${step.reply.from} ${step.reply.to}`);
            if (command.type === "acquire" && step.reply.allowed) permits.push(step.reply);
          }
          groups.push({ times, args: nativeCircuit.toArgs(command)?.args as string });
        }
        pipeline.evalsha(script.sha, 1, key, `${groups.length} ${groups.map(({ times, args }) => `${times} ${args}`).join(" ")}`, String(now)).get(key);
        expected.push(state === undefined ? null : nativeCircuit.head + nativeCircuit.print(state));
      }
      const results = (await pipeline.exec()) as [Error | null, unknown][];
      for (const [error] of results) if (error !== null) throw error;
      expect(results.filter((_, i) => i % 2 === 1).map(([, value]) => value)).toEqual(expected);
      if (state !== undefined) expect(nativeCircuit.parse(nativeCircuit.print(state))).toEqual(state);
      await client.del(key);
    }),
    { numRuns: 4000 },
  );
  // The histories went everywhere: every transition that calls can make was seen.
  for (const transition of ["closed open", "open half-open", "half-open open", "half-open closed"]) expect(phases).toContain(transition);
});
