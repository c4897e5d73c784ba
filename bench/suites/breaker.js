/** Circuit breakers around a call that does nothing: what the breaker itself costs, beside cockatiel's. */
import { circuitBreaker, ConsecutiveBreaker, handleAll, SamplingBreaker } from "cockatiel";

const ours = await import("../../dist/resilience/circuit-breaker.js");
const { CircuitOpenError } = await import("../../dist/resilience/circuit-open-error.js");
const { circuitPolicy } = await import("../../dist/state/algorithms/circuit-policy.js");
const { circuitBreakerStoreOn } = await import("../../dist/state/stores/circuit-breaker-store.js");
const { memoryDriver } = await import("../../dist/drivers/memory/memory-driver.js");

const NEVER = 2 ** 31 - 1;
const error = new Error("the upstream failed");
const noop = async () => 1;
const outcomes = ["success", "unused"];
const failing = async () => {
  throw error;
};

/** `n` calls one after the other, whose failures are the caller's to swallow. */
function calls(execute, fn) {
  return async (n) => {
    for (let i = 0; i < n; i++) {
      try {
        await execute(fn);
      } catch {
        // Counted by the breaker; nothing to do here.
      }
    }
  };
}

function opened(breaker) {
  breaker.isolate();
  return breaker;
}

const peerConsecutive = () => circuitBreaker(handleAll, { halfOpenAfter: 30_000, breaker: new ConsecutiveBreaker(Infinity) });
/** The peer's rolling window. It opens by a share only: one that 100 % failures never exceed keeps it closed. */
const peerSampling = () => circuitBreaker(handleAll, { halfOpenAfter: 30_000, breaker: new SamplingBreaker({ threshold: 0.999_999, duration: 10_000, minimumRps: 1e9 }) });

const cell = (name, group, make) => ({ name, group, setup: async () => ({ run: make() }) });
const sluice = (options) => {
  const breaker = ours.createCircuitBreaker({ failureThreshold: NEVER, ...options });
  return (fn) => breaker.execute(fn);
};
const peer = (policy) => (fn) => policy.execute(fn);

export default {
  name: "breaker",
  description: "circuit breakers around an async no-op",
  cells: [
    cell("sluice closed", "closed", () => calls(sluice(), noop)),
    cell("sluice closed, failure rate", "closed", () => calls(sluice({ failureRate: 1, minimumThroughput: NEVER }), noop)),
    cell("cockatiel closed, consecutive", "closed", () => calls(peer(peerConsecutive()), noop)),
    cell("cockatiel closed, sampling", "closed", () => calls(peer(peerSampling()), noop)),
    cell("bare call", "closed", () => calls((fn) => fn(), noop)),

    cell("sluice failing", "failing", () => calls(sluice(), failing)),
    cell("cockatiel failing, consecutive", "failing", () => calls(peer(peerConsecutive()), failing)),
    cell("cockatiel failing, sampling", "failing", () => calls(peer(peerSampling()), failing)),
    cell("bare rejection", "failing", () => calls((fn) => fn(), failing)),

    cell("sluice open", "open", () => {
      const breaker = opened(ours.createCircuitBreaker());
      return calls((fn) => breaker.execute(fn), noop);
    }),
    cell("bare refusal with a stack", "open", () => calls(async () => {
      throw new CircuitOpenError("default", "open", 1);
    }, noop)),
    cell("the same, building a stack", "open", () => {
      const breaker = opened(ours.createCircuitBreaker());
      return calls(async (fn) => {
        const permit = breaker.acquire();
        if (!permit.allowed) throw new CircuitOpenError("default", permit.state, permit.retryAfterMs);
        return fn();
      }, noop);
    }),
    cell("cockatiel open", "open", () => {
      const policy = peerConsecutive();
      policy.isolate();
      return calls(peer(policy), noop);
    }),

    cell("sluice permit pair", "permits", () => {
      const breaker = ours.createCircuitBreaker();
      // Every pair is asked for its answer, or the compiler drops the loop and the figure says nothing.
      let admitted = 0;
      const run = (n) => {
        for (let i = 0; i < n; i++) {
          const permit = breaker.acquire();
          if (permit.allowed && breaker.report(permit, outcomes[i & 1]) === undefined) admitted++;
        }
        return admitted < 0 ? Promise.resolve() : undefined;
      };
      return run;
    }),
    cell("sluice store on memory, permit pair", "permits", () => {
      const store = circuitBreakerStoreOn(memoryDriver());
      const policy = circuitPolicy();
      return (n) => {
        for (let i = 0; i < n; i++) store.report("upstream", policy, store.acquire("upstream", policy), "success");
      };
    }),
  ],
  ratios: [
    { name: "closed, against cockatiel (consecutive)", of: "sluice closed", to: "cockatiel closed, consecutive", atLeast: 1.2 },
    { name: "closed, against cockatiel (sampling)", of: "sluice closed", to: "cockatiel closed, sampling", atLeast: 1.2 },
    { name: "closed with a rate, against cockatiel (sampling)", of: "sluice closed, failure rate", to: "cockatiel closed, sampling", atLeast: 1.2 },
    { name: "failing, against cockatiel (consecutive)", of: "sluice failing", to: "cockatiel failing, consecutive", atLeast: 1.2 },
    { name: "failing, against cockatiel (sampling)", of: "sluice failing", to: "cockatiel failing, sampling", atLeast: 1.2 },
    { name: "failing, against a bare rejection", of: "sluice failing", to: "bare rejection", atLeast: 0.85 },
    { name: "open, rate, against a bare refusal with a stack", of: "sluice open", to: "bare refusal with a stack", atLeast: 4 },
    { name: "open, rate, against the same with a stack", of: "sluice open", to: "the same, building a stack", atLeast: 4 },
    { name: "open, CPU of the same with a stack", of: "the same, building a stack", to: "sluice open", metric: "cpu", atLeast: 4 },
    { name: "closed call, CPU", of: "sluice closed", metric: "cpu", atMost: 0.12 },
    { name: "permit pair, CPU", of: "sluice permit pair", metric: "cpu", atMost: 0.02 },
  ],
  /** Heap of breakers that were made and used a little, none failing. */
  async extra() {
    const count = 10_000;
    const list = Array.from({ length: count });
    globalThis.gc?.();
    const before = process.memoryUsage();
    for (let i = 0; i < count; i++) {
      list[i] = ours.createCircuitBreaker({ failureThreshold: 5 });
      list[i].report(list[i].acquire(), "success");
    }
    globalThis.gc?.();
    const after = process.memoryUsage();
    const bytes = (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / count;
    return [{ name: "idle breaker, bytes", text: `${bytes.toFixed(0)} B`, required: "at most 200 B", ok: bytes <= 200 && list.length === count, far: bytes > 400 }];
  },
};
