import { describe, expect, it } from "vitest";
import { memoryDriver } from "../../../drivers/memory/memory-driver.ts";
import type { CircuitBreakerStore, CircuitState } from "../../../state/contracts/circuits.ts";
import type { GatewayAdapter } from "../../../state/contracts/adapter.ts";
import { circuitBreakerStoreOn } from "../../../state/stores/circuit-breaker-store.ts";
import { failingStore, type Fault } from "../../../testing/failing-store.ts";
import { manualClock, type ManualClock } from "../../../testing/manual-clock.ts";
import { getGatewayContext } from "../../context.ts";
import { createGateway } from "../../create-gateway.ts";
import { definePolicy } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import type { GatewayEvent, Policy, PolicyContext } from "../../types.ts";
import { timeout } from "./timeout.ts";
import { circuitBreaker, type CircuitBreakerConfig } from "./circuit-breaker.ts";
import { retry } from "./retry.ts";

const FAST = { failureThreshold: 2, windowMs: 10_000, resetTimeoutMs: 5000 } as const;

function memoryCircuits(clock: ManualClock): CircuitBreakerStore {
  return circuitBreakerStoreOn(memoryDriver({ clock }));
}

interface Setup {
  readonly clock?: ManualClock;
  readonly adapter?: GatewayAdapter;
  readonly inner?: readonly Policy[];
}

function setup(config: CircuitBreakerConfig = FAST, { clock = manualClock(), adapter = { circuitBreakerStore: memoryCircuits(clock) }, inner = [] }: Setup = {}) {
  const upstream = { status: 200, calls: 0, throws: undefined as unknown };
  const changes: string[] = [];
  const events: GatewayEvent[] = [];
  const harness = createPolicyTestHarness([circuitBreaker({ onStateChange: (_key, from, to) => void changes.push(`${from} > ${to}`), ...config }), ...inner], {
    clock,
    adapter,
    upstream: () => {
      upstream.calls++;
      if (upstream.throws !== undefined) throw upstream.throws;
      return new Response("body", { status: upstream.status });
    },
  });
  harness.gateway.events.on((event) => events.push(event));
  const send = async (status?: number): Promise<number> => {
    if (status !== undefined) upstream.status = status;
    return (await harness.request("/x")).status;
  };
  return { ...harness, clock, upstream, changes, events, send };
}

describe("circuitBreaker", () => {
  it("opens on failures, refuses with 503 and retry-after, probes and closes", async () => {
    const { send, upstream, changes, clock, request, events } = setup();
    expect([await send(500), await send(500)]).toEqual([500, 500]);
    clock.advance(100);
    const refused = await request("/x");
    expect([refused.status, refused.headers.get("retry-after"), upstream.calls]).toEqual([503, "5", 2]);
    expect(await refused.json()).toMatchObject({ code: "circuit_open", status: 503 });
    clock.advance(4899);
    expect((await request("/x")).headers.get("retry-after")).toBe("1");
    clock.advance(1);
    expect(await send(200)).toBe(200);
    expect(changes).toEqual(["closed > open", "open > half-open", "half-open > closed"]);
    expect(events.filter((event) => event.type === "circuit")).toHaveLength(3);
    expect(await send(200)).toBe(200);
  });

  it("opens again when a probe fails, and lets one probe through at a time", async () => {
    const { request, send, clock, upstream, changes } = setup();
    await send(500);
    await send(500);
    clock.advance(5000);
    expect(await Promise.all([send(), send(), send()])).toEqual([500, 503, 503]);
    expect(upstream.calls).toBe(3);
    expect(changes).toEqual(["closed > open", "open > half-open", "half-open > open"]);
    expect((await request("/x")).headers.get("retry-after")).toBe("5");
  });

  it("forgets failures that are older than the window", async () => {
    const { send, clock } = setup();
    await send(500);
    clock.advance(11_001);
    await send(500);
    expect(await send(200)).toBe(200);
  });

  it("opens by rate once there is enough traffic", async () => {
    const { send } = setup({ failureThreshold: 1000, failureRate: 0.5, minimumThroughput: 4 });
    expect([await send(500), await send(500), await send(200), await send(200), await send(200)]).toEqual([500, 500, 200, 200, 503]);
  });

  it.each([[500, true], [502, true], [504, true], [501, false], [404, false], [429, false], [200, false]])("%d counts: %s", async (status, counts) => {
    const { send } = setup();
    await send(status);
    await send(status);
    expect(await send(200)).toBe(counts ? 503 : 200);
  });

  it("counts the statuses of failureOn, and thrown errors whatever it says", async () => {
    const own = setup({ ...FAST, failureOn: [404] });
    expect([await own.send(404), await own.send(404), await own.send(200)]).toEqual([404, 404, 503]);
    const thrown = setup({ ...FAST, failureOn: [] });
    thrown.upstream.throws = new Error("down");
    expect([await thrown.send(), await thrown.send(), await thrown.send()]).toEqual([500, 500, 503]);
  });

  it("does not count an answer that says the request was wrong, thrown or not", async () => {
    const { send, upstream } = setup();
    upstream.throws = new GatewayError(404, "not_found", "no");
    expect([await send(), await send(), await send()]).toEqual([404, 404, 404]);
  });

  it("counts a timeout", async () => {
    const clock = manualClock();
    const { request } = createPolicyTestHarness([circuitBreaker({ ...FAST, failureOn: [] }), timeout({ timeoutMs: 10 })], {
      clock,
      adapter: { circuitBreakerStore: memoryCircuits(clock) },
      upstream: () => new Promise(() => {}),
    });
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) {
      const answer = request("/x");
      await clock.advanceAsync(10);
      statuses.push((await answer).status);
    }
    expect(statuses).toEqual([504, 504, 503]);
  });

  it("does not count a client that left", async () => {
    const clock = manualClock();
    let hang = true;
    const { request } = createPolicyTestHarness(circuitBreaker(FAST), {
      clock,
      adapter: { circuitBreakerStore: memoryCircuits(clock) },
      upstream: (c) => {
        if (!hang) return new Response("ok");
        const { signal } = getGatewayContext(c) as PolicyContext;
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
      },
    });
    for (let i = 0; i < 3; i++) {
      const client = new AbortController();
      const answer = request(new Request("http://x/x", { signal: client.signal }));
      await clock.advanceAsync(1);
      client.abort();
      await answer;
    }
    hang = false;
    expect((await request("/x")).status).toBe(200);
  });

  it("does not count what a policy inside refused, and judges the upstream's own answer", async () => {
    const { send, upstream } = setup(FAST, { inner: [refuse()] });
    for (let i = 0; i < 3; i++) expect(await send()).toBe(503);
    expect(upstream.calls).toBe(0);
    const changed = setup(FAST, { inner: [disguise()] });
    for (let i = 0; i < 3; i++) expect(await changed.send(500)).toBe(200);
    expect(changed.upstream.calls).toBe(2);
    const spoiled = setup(FAST, { inner: [disguise({ status: 502 })] });
    expect([await spoiled.send(200), await spoiled.send(200), await spoiled.send(200)]).toEqual([502, 502, 502]);
  });

  it("lets a policy inside answer while the circuit is open, and gives the probe's place back", async () => {
    let hit = false;
    const cached = definePolicy({ name: "cached", priority: 40, handler: (_c, next) => (hit ? new Response("kept") : next()) });
    const { send, clock, upstream, changes } = setup(FAST, { inner: [cached()] });
    await send(500);
    await send(500);
    hit = true;
    expect(await send()).toBe(200);
    clock.advance(5000);
    expect([await send(), await send()]).toEqual([200, 200]);
    expect(upstream.calls).toBe(2);
    expect(changes).toEqual(["closed > open", "open > half-open"]);
    hit = false;
    expect(await send(200)).toBe(200);
    expect(changes).toEqual(["closed > open", "open > half-open", "half-open > closed"]);
  });

  it("sees all attempts of a retry as one outcome", async () => {
    const clock = manualClock();
    const { request, upstream, send } = setup(FAST, { clock, inner: [retry({ maxRetries: 2, baseDelayMs: 0, jitter: "none" })] });
    upstream.status = 503;
    const answer = request("/x");
    await clock.advanceAsync(0);
    expect([(await answer).status, upstream.calls]).toEqual([503, 3]);
    expect(await send(200)).toBe(200);
  });

  it("keeps routes and policies apart unless a key joins them", async () => {
    const clock = manualClock();
    const build = (options: CircuitBreakerConfig) =>
      createGateway({
        clock,
        adapter: { circuitBreakerStore: memoryCircuits(clock) },
        policies: [circuitBreaker({ ...FAST, ...options })],
        routes: ["/a", "/b"].map((path) => ({
          path,
          pipeline: { upstream: { type: "handler" as const, handler: () => new Response(null, { status: path === "/a" ? 500 : 200 }) } },
        })),
      });
    const apart = build({});
    const joined = build({ key: "both" });
    for (const gateway of [apart, joined]) for (let i = 0; i < 2; i++) await gateway.app.request("/a");
    expect([(await apart.app.request("/a")).status, (await apart.app.request("/b")).status]).toEqual([503, 200]);
    expect((await joined.app.request("/b")).status).toBe(503);
  });

  it("passes a name of its own to onStateChange, and no key of a caller reaches another circuit", async () => {
    const names: unknown[] = [];
    const clock = manualClock();
    const { request } = createPolicyTestHarness(circuitBreaker({ ...FAST, failureThreshold: 1, key: (c) => c.req.header("x-key"), onStateChange: (key) => names.push(key) }), {
      clock,
      adapter: { circuitBreakerStore: memoryCircuits(clock) },
      upstream: () => new Response(null, { status: 500 }),
    });
    await request("/", { headers: { "x-key": "a:b" } });
    expect((await request("/", { headers: { "x-key": "a%3ab" } })).status).toBe(500);
    expect((await request("/", { headers: { "x-key": "a:b" } })).status).toBe(503);
    expect(names).toEqual(["a:b", "a%3ab"]);
  });

  it("ignores an observer that throws or rejects", async () => {
    for (const onStateChange of [() => { throw new Error("x"); }, () => Promise.reject(new Error("x"))]) {
      const { send } = setup({ ...FAST, onStateChange });
      expect([await send(500), await send(500), await send(500)]).toEqual([500, 500, 503]);
    }
  });

  it("answers with openStatusCode", async () => {
    const { send } = setup({ ...FAST, openStatusCode: 502 });
    expect([await send(500), await send(500), await send(500)]).toEqual([500, 500, 502]);
  });

  it("asks its own store before the adapter's", async () => {
    const clock = manualClock();
    const called: string[] = [];
    const adapters = failingStore(memoryCircuits(clock), ({ method }) => void called.push(`adapter ${method}`));
    const own = failingStore(memoryCircuits(clock), ({ method }) => void called.push(`own ${method}`));
    await setup({ ...FAST, store: own }, { clock, adapter: { circuitBreakerStore: adapters } }).send();
    expect(called).toEqual(["own acquire", "own report"]);
    called.length = 0;
    await setup(FAST, { clock, adapter: { circuitBreakerStore: adapters } }).send();
    expect(called).toEqual(["adapter acquire", "adapter report"]);
  });

  describe.each([
    ["fails", { kind: "fail", error: new Error("secret-host:6379") }],
    ["hangs", { kind: "hang" }],
    ["answers nonsense", { kind: "garbage", value: { allowed: "perhaps" } }],
  ] as [string, Fault][])("with a store that %s", (_, fault) => {
    const build = (failMode: CircuitBreakerConfig["failMode"]) => {
      const clock = manualClock();
      const outage = { on: true };
      const store = failingStore(memoryCircuits(clock), () => (outage.on ? fault : undefined), { clock });
      const made = setup({ ...FAST, failMode }, { clock, adapter: { circuitBreakerStore: store } });
      const ask = async (status: number): Promise<Response> => {
        made.upstream.status = status;
        const answer = made.request("/x");
        await clock.advanceAsync(300);
        return await answer;
      };
      return { ...made, ask, outage };
    };

    it("open: calls the upstream", async () => {
      const { ask } = build("open");
      for (let i = 0; i < 4; i++) expect((await ask(500)).status).toBe(500);
    });

    it("closed: 503 without the upstream, in time, telling nothing", async () => {
      const { ask, upstream } = build("closed");
      const response = await ask(200);
      expect([response.status, upstream.calls]).toEqual([503, 0]);
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
      const problem = await response.text();
      expect(JSON.parse(problem)).toMatchObject({ code: "store_unavailable" });
      expect(problem).not.toContain("secret");
    });

    it("local: this process goes on counting, and the store is back in charge when it returns", async () => {
      const { ask, outage, events } = build("local");
      expect([(await ask(500)).status, (await ask(500)).status, (await ask(500)).status]).toEqual([500, 500, 503]);
      expect(events.filter((event) => event.type === "store.error")).toMatchObject([{ store: "circuitBreakerStore", policy: "circuit-breaker", mode: "local" }]);
      expect(JSON.stringify(events)).not.toContain("secret");
      outage.on = false;
      expect((await ask(200)).status).toBe(200);
    });
  });

  it("keeps refusing what the store last refused", async () => {
    const clock = manualClock();
    let down = false;
    const store = failingStore(memoryCircuits(clock), () => (down ? { kind: "fail" } : undefined));
    const { send } = setup(FAST, { clock, adapter: { circuitBreakerStore: store } });
    await send(500);
    await send(500);
    expect(await send(500)).toBe(503);
    down = true;
    expect(await send(200)).toBe(503);
    clock.advance(5000);
    expect(await send(200)).toBe(200);
  });

  describe("on a store with the plain verbs only", () => {
    function plain(clock: ManualClock) {
      const inner = memoryCircuits(clock);
      const calls: string[] = [];
      const verb = <A extends unknown[], R>(name: string, run: (...args: A) => R) => (...args: A): R => (calls.push([name, ...args.slice(1)].join(" ")), run(...args));
      const store: CircuitBreakerStore = {
        getState: verb("getState", (key: string) => inner.getState(key)),
        recordSuccess: verb("recordSuccess", (key: string) => inner.recordSuccess(key)),
        recordFailure: verb("recordFailure", (key: string) => inner.recordFailure(key)),
        transition: verb("transition", (key: string, to: CircuitState) => inner.transition(key, to)),
        reset: verb("reset", (key: string) => inner.reset(key)),
      };
      return { store, calls };
    }

    it("opens, probes and closes by a local window, and says so once", async () => {
      const clock = manualClock();
      const { store, calls } = plain(clock);
      const { send, changes, events } = setup(FAST, { clock, adapter: { circuitBreakerStore: store } });
      await send(500);
      clock.advance(11_001);
      expect([await send(500), await send(200), await send(500), await send(200)]).toEqual([500, 200, 500, 503]);
      clock.advance(5000);
      expect(await Promise.all([send(200), send(200)])).toEqual([200, 503]);
      expect(await send(200)).toBe(200);
      expect(changes).toEqual(["closed > open", "open > half-open", "half-open > closed"]);
      expect(calls.filter((call) => call.startsWith("transition"))).toEqual(["transition open", "transition half-open", "transition closed"]);
      expect(events.filter((event) => event.type === "store.limited")).toHaveLength(1);
    });

    it("opens once however many failures come at the same time", async () => {
      const clock = manualClock();
      const { store, calls } = plain(clock);
      const slow = failingStore(store, [{ fault: { kind: "delay", ms: 1 } }], { clock });
      const { request, upstream, changes } = setup(FAST, { clock, adapter: { circuitBreakerStore: slow } });
      upstream.status = 500;
      const answers = Promise.all(Array.from({ length: 8 }, () => request("/x")));
      await clock.advanceAsync(10);
      await answers;
      await clock.advanceAsync(10);
      expect(changes).toEqual(["closed > open"]);
      expect(calls.filter((call) => call.startsWith("transition"))).toEqual(["transition open"]);
    });

    it("moves to half-open once however many probes it may send", async () => {
      const clock = manualClock();
      const { store, calls } = plain(clock);
      const slow = failingStore(store, [{ fault: { kind: "delay", ms: 1 } }], { clock });
      const { send, changes } = setup({ ...FAST, halfOpenMax: 2, successThreshold: 2 }, { clock, adapter: { circuitBreakerStore: slow } });
      const all = async (...statuses: number[]): Promise<number[]> => {
        const answers = Promise.all(statuses.map((status) => send(status)));
        await clock.advanceAsync(20);
        return await answers;
      };
      await all(500, 500);
      await clock.advanceAsync(5000);
      expect(await all(200, 200)).toEqual([200, 200]);
      expect(changes).toEqual(["closed > open", "open > half-open", "half-open > closed"]);
      expect(calls.filter((call) => call === "transition half-open")).toHaveLength(1);
    });

    it("follows another process that opened the circuit", async () => {
      const clock = manualClock();
      const { store } = plain(clock);
      const one = setup({ ...FAST, key: "k" }, { clock, adapter: { circuitBreakerStore: store } });
      const two = setup({ ...FAST, key: "k" }, { clock, adapter: { circuitBreakerStore: store } });
      await one.send(500);
      await one.send(500);
      expect(await two.send(200)).toBe(503);
      clock.advance(5000);
      expect(await two.send(200)).toBe(200);
      expect(await one.send(200)).toBe(200);
    });
  });

  it.each([
    [{ failureThreshold: 0 }, /failureThreshold.*0/],
    [{ windowMs: Number.NaN }, /windowMs.*NaN/],
    [{ failureRate: 2 }, /failureRate.*2/],
    [{ halfOpenMax: 0 }, /halfOpenMax.*0/],
    [{ failureOn: [1] }, /failureOn\[0\].*1/],
    [{ failMode: "maybe" }, /failMode.*maybe/],
    [{ openStatusCode: 200 }, /openStatusCode.*200/],
    [{ key: 5 }, /key.*5/],
    [{ onStateChange: 1 }, /onStateChange.*1/],
    [{ store: {} }, /store\.getState/],
  ])("refuses %j at construction", (config, message) => {
    expect(() => circuitBreaker(config as unknown as CircuitBreakerConfig)).toThrow(expect.objectContaining({ code: "config_error", message: expect.stringMatching(message) }) as Error);
  });

  it("refuses an adapter without the store where failMode is closed", () => {
    expect(() => setup({ failMode: "closed" }, { adapter: {} })).toThrow(expect.objectContaining({ code: "config_error", message: expect.stringMatching(/circuitBreakerStore/) }) as Error);
  });
});

const refuse = definePolicy({
  name: "refuse",
  handler: () => {
    throw new GatewayError(503, "overloaded", "no");
  },
});

/** Shows another status than the upstream's. */
const disguise = definePolicy<{ status?: number }>({
  name: "disguise",
  handler: async (_c, next, { config }) => {
    await next();
    return new Response(null, { status: config.status ?? 200 });
  },
});
