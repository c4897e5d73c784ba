import { describe, expect, test } from "vitest";
import { memoryStore } from "../drivers/memory/memory-store.ts";
import type { StitchStore } from "../state/contracts/key-value.ts";
import { failingStore } from "../testing/failing-store.ts";
import { manualClock, type ManualClock } from "../testing/manual-clock.ts";
import { mockAdapter, type MockRoute } from "../testing/mock-adapter.ts";
import { seededRandom } from "../testing/seeded-random.ts";
import type { StitchConfig } from "./config.ts";
import { isStitchError, type StitchError } from "./errors.ts";
import { seam } from "./seam.ts";
import { stitch } from "./stitch.ts";

const caught = async (call: PromiseLike<unknown>): Promise<StitchError> => {
  try {
    await call;
  } catch (error) {
    if (isStitchError(error)) return error;
    throw error;
  }
  throw new Error("resolved");
};

function make(config: Partial<StitchConfig>, respond: MockRoute["respond"] = { body: 1 }) {
  const clock = manualClock();
  const adapter = mockAdapter([{ respond }], { clock });
  return { clock, adapter, call: stitch({ url: "https://api.test/", adapter, clock, random: seededRandom(1), ...config } as StitchConfig) };
}

/** A shared store, as far as the client can tell. */
function fleetStore(clock: ManualClock): StitchStore {
  const store = memoryStore({ clock });
  return new Proxy(store, { get: (target, key) => {
    if (key === "capabilities") return { ...target.capabilities, shared: true };
    const value = Reflect.get(target, key, target) as unknown;
    return typeof value === "function" ? value.bind(target) : value;
  } });
}

describe("retry", () => {
  test("waits twice as long each time, up to the maximum, and keeps what the last try said", async () => {
    const { clock, adapter, call } = make({ retry: { attempts: 4, jitter: "none", baseDelayMs: 100, maxDelayMs: 250, budget: false } }, { status: 503 });
    const done = caught(call());
    for (const [ms, calls] of [[0, 1], [99, 1], [1, 2], [200, 3], [249, 3], [1, 4]] as const) {
      await clock.advanceAsync(ms);
      expect(adapter.callCount).toBe(calls);
    }
    expect(await done).toMatchObject({ code: "HTTP_STATUS", status: 503, attempts: 4, retryable: true });
    expect(clock.pendingTimers).toBe(0);
  });

  test("which methods: safe ones, keyed ones, and what was never sent", async () => {
    const retry = { attempts: 2, jitter: "none" as const, baseDelayMs: 0, budget: false as const };
    const cases: [Partial<StitchConfig>, MockRoute["respond"], number][] = [
      [{ method: "GET" }, { status: 503 }, 2], [{ method: "POST" }, { status: 503 }, 1], [{ method: "POST", idempotency: true }, { status: 503 }, 2],
      [{ method: "POST" }, { error: "ECONNREFUSED" }, 2], [{ method: "POST" }, { error: "ECONNRESET" }, 1], [{ method: "GET" }, { status: 404 }, 1],
      [{ method: "POST" }, { status: 429, headers: { "retry-after": "0" } }, 2], [{ method: "GET", output: () => false }, { body: 1 }, 1],
    ];
    for (const [config, respond, calls] of cases) {
      const { clock, adapter, call } = make({ retry, ...config }, respond);
      const done = caught(call());
      await clock.advanceAsync(10);
      await done;
      expect([config.method, adapter.callCount]).toEqual([config.method, calls]);
    }
  });

  test("one key for all tries, quoted on the error", async () => {
    const { clock, adapter, call } = make({ method: "POST", idempotency: true, retry: { attempts: 3, baseDelayMs: 0, budget: false } }, { status: 500 });
    const done = caught(call());
    await clock.advanceAsync(10);
    const { idempotencyKey } = await done;
    expect(adapter.calls.map((each) => each.headers["idempotency-key"])).toEqual([idempotencyKey, idempotencyKey, idempotencyKey]);
    const second = caught(call({ idempotencyKey: "mine" }));
    await clock.advanceAsync(10);
    expect((await second).idempotencyKey).toBe("mine");
  });

  test("Retry-After is waited for, and one that is too long ends the tries", async () => {
    const { clock, adapter, call } = make({ retry: { attempts: 2, budget: false } }, [{ status: 429, headers: { "retry-after": "2" } }, { body: 1 }]);
    const done = call().then((value) => value);
    await clock.advanceAsync(1999);
    expect(adapter.callCount).toBe(1);
    await clock.advanceAsync(202);
    expect(await done).toBe(1);
    const long = make({ retry: { attempts: 2 } }, { status: 503, headers: { "retry-after": "3600" } });
    expect(await caught(long.call())).toMatchObject({ code: "HTTP_STATUS", retryAfterMs: 3_600_000, attempts: 1 });
  });

  test("the budget ends the tries and the error says so", async () => {
    const { clock, call } = make({ retry: { attempts: 3, baseDelayMs: 0, budget: { ratio: 0, minPerSecond: 0 } } }, { status: 500 });
    const done = caught(call());
    await clock.advanceAsync(10);
    expect(await done).toMatchObject({ attempts: 1, budgetExhausted: true });
  });

  test("a stream is sent once", async () => {
    const { clock, adapter, call } = make({ method: "PUT", retry: { attempts: 3, baseDelayMs: 0 } }, { status: 500 });
    const done = caught(call({ body: new Blob(["x"]).stream() }));
    await clock.advanceAsync(10);
    expect(await done).toMatchObject({ code: "HTTP_STATUS", cause: { code: "BODY_NOT_REPLAYABLE" } });
    expect(adapter.callCount).toBe(1);
    const again = caught(call({ body: () => new Blob(["x"]).stream() }));
    await clock.advanceAsync(100);
    await again;
    expect(adapter.callCount).toBe(4);
  });
});

describe.each(["in process", "through a store"])("throttle %s", (where) => {
  const setup = (throttle: StitchConfig["throttle"], respond?: MockRoute["respond"], extra: Partial<StitchConfig> = {}) => {
    const clock = manualClock();
    const adapter = mockAdapter([{ respond: respond ?? { body: 1 } }], { clock });
    const store = where === "in process" ? undefined : fleetStore(clock);
    return { clock, adapter, call: stitch({ name: "t", url: "https://api.test/", adapter, clock, store, throttle, random: seededRandom(1), ...extra } as StitchConfig) };
  };

  test("calls are evenly spaced and first come first served", async () => {
    const { clock, adapter, call } = setup("10/s");
    const done = [1, 2, 3, 4].map((n) => call({ query: { n } }).then((value) => value));
    await clock.advanceAsync(0);
    expect(adapter.callCount).toBe(1);
    for (const calls of [2, 3, 4]) {
      await clock.advanceAsync(99);
      expect(adapter.callCount).toBe(calls - 1);
      await clock.advanceAsync(1);
      expect(adapter.callCount).toBe(calls);
    }
    expect(adapter.calls.map((each) => new URL(each.url).searchParams.get("n"))).toEqual(["1", "2", "3", "4"]);
    await Promise.all(done);
    expect(clock.pendingTimers).toBe(0);
  });

  test("who leaves hands on the turn", async () => {
    const { clock, adapter, call } = setup("1/s");
    const controller = new AbortController();
    const first = call().then((value) => value);
    const second = caught(call({ signal: controller.signal }));
    const third = call().then((value) => value);
    await clock.advanceAsync(500);
    controller.abort();
    expect(await second).toMatchObject({ code: "ABORTED", sent: false });
    await clock.advanceAsync(500);
    expect(adapter.callCount).toBe(2);
    await Promise.all([first, third]);
  });

  test("reject, and a wait that is too long", async () => {
    const { clock, call } = setup({ rate: "1/s", mode: "reject" });
    const first = call().then((value) => value);
    await clock.advanceAsync(0);
    await first;
    const refused = caught(call());
    await clock.advanceAsync(0);
    expect(await refused).toMatchObject({ code: "THROTTLED", sent: false, retryAfterMs: 1000, attempts: 1 });
    const bounded = setup({ rate: "1/s", maxWaitMs: 1500 });
    const calls = [1, 2, 3].map(() => bounded.call().safe());
    await bounded.clock.advanceAsync(1000);
    expect((await calls[2])?.ok).toBe(false);
    expect((await Promise.all(calls)).map((each) => each.ok)).toEqual([true, true, false]);
  });

  test("places on the wire", async () => {
    const { clock, adapter, call } = setup({ concurrency: 2 }, { delayMs: 100, body: 1 });
    const done = [1, 2, 3, 4, 5].map(() => call().then((value) => value));
    await clock.advanceAsync(0);
    expect(adapter.inFlight).toBe(2);
    await clock.advanceAsync(120);
    expect(adapter.inFlight).toBe(2);
    expect(adapter.callCount).toBe(4);
    await clock.advanceAsync(600);
    await Promise.all(done);
    expect(adapter.inFlight).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  test.each([["a rate", { rate: "100/s" }], ["places on the wire alone", { concurrency: 2 }]] as const)("what the server says pauses the fleet, with %s", async (_, throttle) => {
    const clock = manualClock();
    const store = fleetStore(clock);
    const adapter = mockAdapter([{ respond: [{ status: 429, headers: { "retry-after": "5" } }, { body: 1 }] }], { clock });
    const member = () => seam({ name: "partner", baseUrl: "https://api.test", adapter, store, clock, random: seededRandom(1), throttle }).stitch("/");
    const [told, other] = [member(), member()];
    expect(await caught(told())).toMatchObject({ code: "RATE_LIMITED", retryAfterMs: 5000 });
    const waiting = Promise.all([told(), other(), other()]);
    await clock.advanceAsync(4999);
    expect(adapter.callCount).toBe(1);
    await clock.advanceAsync(700);
    expect(await waiting).toEqual([1, 1, 1]);
    expect(adapter.callCount).toBe(4);
  });

  test("what the server says pauses everybody", async () => {
    const { clock, adapter, call } = setup("100/s", [{ status: 429, headers: { "retry-after": "5" } }, { body: 1 }]);
    expect((await Promise.all([caught(call()), clock.advanceAsync(0)]))[0]).toMatchObject({ code: "RATE_LIMITED", retryAfterMs: 5000 });
    const next = call().then((value) => value);
    await clock.advanceAsync(4900);
    expect(adapter.callCount).toBe(1);
    await clock.advanceAsync(700);
    expect(await next).toBe(1);
  });
});

describe.each(["in process", "through a store"])("circuit %s", (where) => {
  test("opens on failures, refuses without asking, lets one probe, closes", async () => {
    const clock = manualClock();
    let bad = true;
    const adapter = mockAdapter([{ respond: () => ({ status: bad ? 500 : 200, body: 1 }) }], { clock });
    const store = where === "in process" ? undefined : fleetStore(clock);
    const call = stitch({ name: "c", url: "https://api.test/", adapter, clock, store, circuit: { failureThreshold: 3, cooldownMs: 1000 } });
    for (let i = 0; i < 3; i++) expect((await caught(call())).code).toBe("HTTP_STATUS");
    expect(await caught(call())).toMatchObject({ code: "CIRCUIT_OPEN", retryAfterMs: 1000, sent: false });
    expect(adapter.callCount).toBe(3);
    await clock.advanceAsync(1000);
    expect((await caught(call())).code).toBe("HTTP_STATUS");
    expect((await caught(call())).code).toBe("CIRCUIT_OPEN");
    bad = false;
    await clock.advanceAsync(1000);
    expect(await call()).toBe(1);
    expect(await call()).toBe(1);
  });

  test("4xx and aborts do not count", async () => {
    const { clock, call } = make({ circuit: { failureThreshold: 1 } }, [{ status: 404 }, { status: 429 }, { delayMs: 50, body: 1 }, { body: 1 }]);
    await caught(call());
    await caught(call());
    const controller = new AbortController();
    const left = caught(call({ signal: controller.signal }));
    await clock.advanceAsync(1);
    controller.abort();
    await left;
    expect(await call()).toBe(1);
  });
});

describe("a seam", () => {
  test("its limits and a member's both hold, and a login inside concurrency 1 completes", async () => {
    const clock = manualClock();
    const adapter = mockAdapter([{ respond: { body: { token: "tokentoken" } } }], { clock });
    const api = seam({ name: "s", baseUrl: "https://api.test", adapter, clock, throttle: { concurrency: 1 } });
    const login = api.stitch("POST /login");
    const data = api.stitch({ path: "/data", auth: { name: "mine", apply: async (request) => {
      request.headers["authorization"] = `Bearer ${((await login({})) as { token: string }).token}`;
    } } });
    expect(await data()).toEqual({ token: "tokentoken" });
    expect(adapter.lastRequest?.headers["authorization"]).toBe("Bearer tokentoken");
    await api.close();
    expect(await caught(data())).toMatchObject({ code: "CLOSED", sent: false });
  });

  test("a shared throttle needs a name, a store that cannot count is refused", () => {
    const clock = manualClock();
    expect(() => seam({ store: fleetStore(clock), throttle: "1/s" })).toThrow(/name must be set/);
    const kv = { get: async () => undefined, set: async () => undefined } as unknown as StitchStore;
    for (const config of [{ throttle: "1/s" }, { circuit: {} }, { cache: { coalesce: "cluster" } }]) {
      let error: unknown;
      try {
        seam({ name: "n", baseUrl: "https://a.test", store: kv, ...config } as never).stitch("/x");
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toMatchObject({ code: "STORE_CAPABILITY" });
    }
  });

  test("a store that fails: local, open, closed", async () => {
    for (const [mode, ok] of [["local", true], ["open", true], ["closed", false]] as const) {
      const clock = manualClock();
      const store = failingStore(fleetStore(clock), () => ({ kind: "fail" }));
      const api = seam({ name: "s", baseUrl: "https://api.test", adapter: mockAdapter([{ respond: { body: 1 } }]), clock, store, throttle: "10/s", failMode: { throttle: mode } });
      const result = api.stitch("/x")().safe();
      await clock.advanceAsync(0);
      expect([mode, (await result).ok]).toEqual([mode, ok]);
      if (!ok) expect(await result).toMatchObject({ error: { code: "STORE_UNAVAILABLE", sent: false } });
    }
  });
});

describe("hedging", () => {
  test("another request leaves when the first is silent, the first answer wins, the loser is aborted", async () => {
    const { clock, adapter, call } = make({ hedge: { delayMs: 50 } }, [{ delayMs: 1000, body: "slow" }, { delayMs: 10, body: "fast" }]);
    const done = call().then((value) => value);
    await clock.advanceAsync(49);
    expect(adapter.callCount).toBe(1);
    await clock.advanceAsync(20);
    expect(await done).toBe("fast");
    expect(adapter.inFlight).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe("seams of one process on one memory store", () => {
  test("share a pace, a circuit and a cache under one name, and nothing without a name", async () => {
    const clock = manualClock();
    const adapter = mockAdapter([{ match: "/broken", respond: { status: 503 } }, { match: "/kept", respond: { body: 1, headers: { "cache-control": "max-age=60" } } }, { respond: { body: 1 } }], { clock });
    const store = memoryStore({ clock });
    const base = { baseUrl: "https://api.test", store, adapter, clock, random: seededRandom(1) };
    const paced = ["partner", "partner"].map((name) => seam({ ...base, name, throttle: { rate: "100/s" } }).stitch("/orders"));
    const calls = [0, 1, 0, 1].map((i) => paced[i]!());
    void Promise.all(calls.map((call) => call.then(() => undefined)));
    for (const [ms, sent] of [[0, 1], [9, 1], [1, 2], [20, 4]] as const) {
      await clock.advanceAsync(ms);
      expect([ms, adapter.callCount]).toEqual([ms, sent]);
    }

    const broken = [0, 1].map(() => seam({ ...base, name: "partner" }).stitch({ path: "/broken", circuit: { failureThreshold: 1 } }));
    for (const call of broken) {
      const failed = caught(call!());
      await clock.advanceAsync(1);
      await failed;
    }
    expect(adapter.callCount).toBe(5);

    const kept = [0, 1].map(() => seam({ ...base, name: "partner" }).stitch({ path: "/kept", cache: {} }));
    for (const call of kept) {
      const done = call!().then(() => undefined);
      await clock.advanceAsync(1);
      await done;
      await clock.advanceAsync(300);
    }
    expect(adapter.callCount).toBe(6);

    const alone = [0, 1].map(() => seam({ ...base, throttle: { rate: "1/s" } }).stitch("/alone"));
    for (const call of alone) void call!().then(() => undefined);
    await clock.advanceAsync(0);
    expect(adapter.callCount).toBe(8);
  });
});
