/** Objects with a hand on them, and what a Worker does with them: each path is one experiment, run inside workerd. */

import {
  CacheApiCacheStore, CircuitBreakerDO, DurableObjectCircuitBreakerStore, DurableObjectRateLimitStore, KVRateLimitStore, RateLimiterDO, StateDO, cloudflareAdapter, cloudflareKvStore,
  durableObjectDriver, durableObjectRateLimiter, durableObjectStore, rateLimitBinding,
} from "sluice/cloudflare";
import { type LimitPolicy, circuitPolicy, createStores } from "sluice/state";

type Env = Record<string, any>;

/** What `ask` gives once it `holds`; the suite's own limit ends it. */
const eventually = async <T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> => {
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
const until = (holds: () => Promise<boolean>): Promise<boolean> => eventually(holds, (held) => held);

/** Resets, writes that fail, alarms out of turn. */
function withHands(Base: typeof RateLimiterDO): any {
  return class extends (Base as any) {
    resetNext = false;
    held: Promise<void> | undefined;
    release: () => void = () => undefined;
    waiting = 0;

    async run(batch: unknown): Promise<unknown> {
      if (this.held !== undefined) {
        this.waiting++;
        await this.held;
      }
      const replies = await super.run(batch);
      if (this.resetNext) this.ctx.abort(new Error("reset in the middle of a call"));
      return replies;
    }

    /** The platform keeps the name `alarm` for itself. */
    ring(): unknown {
      return this.alarm();
    }

    reset(): void {
      this.ctx.abort(new Error("reset by hand"));
    }

    resetDuringNext(): void {
      this.resetNext = true;
    }

    /** Calls wait from now on, until {@link letGo}. */
    hold(): void {
      this.held = new Promise((resolve) => (this.release = resolve));
    }

    letGo(): void {
      this.held = undefined;
      this.release();
    }

    callsWaiting(): number {
      return this.waiting;
    }

    /** What is stored, as a text that differs whenever that does. */
    async stored(): Promise<string> {
      const shown = (value: unknown): string => JSON.stringify(value, (_, part: unknown) => (part instanceof Uint8Array || part instanceof ArrayBuffer ? [...new Uint8Array(part as ArrayBuffer)] : part));
      try {
        return shown(this.ctx.storage.sql.exec("SELECT * FROM sluice_records").toArray());
      } catch {
        return shown([...(await this.ctx.storage.list())]);
      }
    }

    failWrites(): void {
      const { sql } = this.ctx.storage;
      const refuse = (query: string): void => {
        if (query.startsWith("INSERT")) throw new Error("disk I/O error");
      };
      Object.defineProperty(sql, "exec", { configurable: true, value: (query: string, ...rest: unknown[]) => (refuse(query), Object.getPrototypeOf(sql).exec.call(sql, query, ...rest)) });
    }

    mendWrites(): void {
      delete this.ctx.storage.sql.exec;
    }

    async tables(): Promise<number> {
      try {
        return this.ctx.storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'sluice_records'").toArray().length;
      } catch {
        return (await this.ctx.storage.list()).size;
      }
    }
  };
}

const Limiter: any = withHands(RateLimiterDO);
/** The same, bound with key-value storage. */
const PlainLimiter: any = withHands(RateLimiterDO);
export { CircuitBreakerDO, Limiter, PlainLimiter, StateDO };

const policies: Record<string, LimitPolicy> = {
  "fixed-window": { algorithm: "fixed-window", max: 100, windowMs: 60_000 },
  "sliding-window": { algorithm: "sliding-window", max: 100, windowMs: 60_000 },
  "token-bucket": { algorithm: "token-bucket", capacity: 100, max: 1, windowMs: 60_000 },
};

const stub = (env: Env, binding: string, name: string): any => env[binding].get(env[binding].idFromName(name));
const failure = async (call: () => unknown): Promise<unknown> => {
  try {
    return { value: await call() };
  } catch (error) {
    const { name, code, outcome, message } = error as { name: string; code?: string; outcome?: string; message: string };
    return { name, code, outcome, message };
  }
};
const isolate: { readonly slow: Map<string, number>; limits?: DurableObjectRateLimitStore; store?: ReturnType<typeof durableObjectStore> } = { slow: new Map() };

const experiments: Record<string, (env: Env, query: URLSearchParams, request: Request) => unknown> = {
  /** One call of many: made by many requests, in many isolates. */
  async count(env, query) {
    isolate.limits ??= new DurableObjectRateLimitStore(env["LIMITER"], { timeoutMs: 10_000 });
    return { ...(await isolate.limits.increment(query.get("key") as string, 600)), requests: isolate.limits.stats.requests };
  },
  async check(env, query) {
    isolate.limits ??= new DurableObjectRateLimitStore(env["LIMITER"], { timeoutMs: 10_000 });
    return isolate.limits.check(query.get("key") as string, { algorithm: "sliding-window", max: 100, windowMs: 600_000 }, 1);
  },
  async incr(env, query) {
    isolate.store ??= durableObjectStore(env["STATE"], { shards: 4, timeoutMs: 10_000 });
    return { count: await isolate.store.incr(query.get("key") as string, 600_000) };
  },

  /** Admissions over resets: one every so many calls. */
  async resets(env, query) {
    const binding = query.get("binding") as string;
    const policy = policies[query.get("policy") as string] as LimitPolicy;
    const key = `resets ${binding} ${query.get("policy")}`;
    const store = new DurableObjectRateLimitStore(env[binding]);
    let admitted = 0;
    for (let n = 1; n <= 260; n++) {
      if ((await store.check(key, policy, 1)).allowed) admitted++;
      if (n % 37 === 0) await failure(() => stub(env, binding, key).reset());
    }
    return { admitted };
  },
  async "counts over resets"(env, query) {
    const binding = query.get("binding") as string;
    const store = new DurableObjectRateLimitStore(env[binding]);
    const key = `counts ${binding} ${query.get("quiet")}`;
    for (let n = 0; n < 200; n++) await store.increment(key, 600);
    if (query.get("quiet") === "yes") {
      const ahead = await stub(env, binding, key).stored();
      await until(async () => (await stub(env, binding, key).stored()) !== ahead);
    }
    await failure(() => stub(env, binding, key).reset());
    return { count: (await store.increment(key, 600)).count };
  },
  async "reset mid-call"(env) {
    const store = new DurableObjectRateLimitStore(env["LIMITER"]);
    await store.increment("mid", 600);
    await stub(env, "LIMITER", "mid").resetDuringNext();
    const during = await failure(() => store.increment("mid", 600));
    return { during, after: (await store.increment("mid", 600)).count };
  },
  async "a write fails"(env) {
    const store = new DurableObjectRateLimitStore(env["LIMITER"]);
    const policy = policies["fixed-window"] as LimitPolicy;
    // Sparse calls, so that nothing is written ahead and each needs its write.
    const first = await store.check("disk", policy, 3);
    await stub(env, "LIMITER", "disk").failWrites();
    const during = await failure(() => store.check("disk", { ...policy, max: 99 } as LimitPolicy, 5));
    await stub(env, "LIMITER", "disk").mendWrites();
    return { first: first.remaining, during, after: (await store.check("disk", policy, 1)).remaining };
  },
  async alarms(env) {
    const store = new DurableObjectRateLimitStore(env["LIMITER"]);
    const counts = [(await store.increment("alarm", 2)).count];
    const object = stub(env, "LIMITER", "alarm");
    // Out of turn, twice, while the window lasts.
    await object.ring();
    await object.ring();
    counts.push((await store.increment("alarm", 2)).count);
    const before = await object.tables();
    await until(async () => (await object.tables()) === 0);
    const after = await object.tables();
    await object.ring();
    counts.push((await store.increment("alarm", 2)).count);
    return { counts, before, after };
  },
  async "plain fetch"(env) {
    const ask = async (query: string): Promise<unknown> => {
      const response = await stub(env, "LIMITER", "fetch").fetch(`https://limiter/${query}`);
      return { status: response.status, body: await response.json() };
    };
    const bad = [];
    for (const query of ["?window=0", "?window=-1", "?window=abc", "?window=", "?window=1e3", "?window=Infinity", "?window=99999999999", ""]) bad.push(await ask(query));
    return { good: [await ask("?window=60"), await ask("?window=60")], bad };
  },
  /** Another request waits for the answer that a request which is gone has asked for. */
  async slow(env, query) {
    isolate.limits ??= new DurableObjectRateLimitStore(env["LIMITER"], { timeoutMs: 10_000 });
    const key = query.get("key") as string;
    isolate.slow.set(key, (isolate.slow.get(key) ?? 0) + 1);
    return isolate.limits.increment(key, 600);
  },
  async hold(env, query) {
    await stub(env, "LIMITER", query.get("key") as string).hold();
    return {};
  },
  async "let go"(env, query) {
    await stub(env, "LIMITER", query.get("key") as string).letGo();
    return {};
  },
  /** Waits until so many requests have asked, and one call is at the object. */
  async "all wait"(env, query) {
    const key = query.get("key") as string;
    await until(async () => isolate.slow.get(key) === Number(query.get("requests")) && (await stub(env, "LIMITER", key).callsWaiting()) > 0);
    return {};
  },

  async "stale KV"(env) {
    const real = env["KV"];
    let stale: unknown = "off";
    const kv = { get: (key: string) => (stale === "off" ? real.get(key) : Promise.resolve(stale)), put: real.put.bind(real), delete: real.delete.bind(real) };
    let now = Date.now();
    const clock = { now: () => now, monotonic: () => now, setTimeout: (f: () => void, ms: number) => setTimeout(f, ms), clearTimeout: (h: number) => clearTimeout(h) } as never;
    let stored: Promise<unknown> = Promise.resolve();
    const store = new KVRateLimitStore(kv, { clock, waitUntil: (promise) => void (stored = promise) });
    const counts: number[] = [];
    const resets = new Set<number>();
    for (let n = 0; n < 6; n++) {
      const { count, resetAt } = await store.increment("k", 60);
      counts.push(count);
      resets.add(resetAt);
      await stored;
      // An older value of this very window, and then none at all.
      stale = n < 3 ? JSON.stringify({ count: 1, resetAt }) : null;
      now += 1500;
    }
    return { counts, resets: resets.size };
  },
  async "KV over isolates"(env) {
    const other = { get: env["KV"].get.bind(env["KV"]), put: env["KV"].put.bind(env["KV"]), delete: env["KV"].delete.bind(env["KV"]) };
    let stored: Promise<unknown> = Promise.resolve();
    const [a, b] = [new KVRateLimitStore(env["KV"], { prefix: "iso:", waitUntil: (promise) => void (stored = promise) }), new KVRateLimitStore(other, { prefix: "iso:" })];
    const first = await a.increment("k", 5);
    await stored;
    const second = await b.increment("k", 5);
    return { counts: [first.count, second.count], sameWindow: first.resetAt === second.resetAt, approximate: a.capabilities.approximate };
  },
  async "KV values"(env) {
    const store = cloudflareKvStore(env["KV"], { keyPrefix: "values:" });
    await store.set("bytes", { bytes: Uint8Array.of(1, 2), list: [null, "x"] }, 1e15);
    await store.set("short", "here", 50);
    const atOnce = await store.get("short");
    await until(async () => (await store.get("short")) === undefined);
    for (const key of [".", "..", "~."]) await store.set(key, key);
    return {
      bytes: await store.get("bytes"), atOnce, physical: (await env["KV"].get("values:short")) !== null,
      dots: [await store.get("."), await store.get(".."), await store.get("~.")], incr: await failure(() => store.incr("n")), bad: await failure(() => store.set("x", { f: () => 1 })),
    };
  },
  async "evicted cache"() {
    const cache = (caches as any).default;
    const store = new CacheApiCacheStore(cache);
    const response = new Response("body", { status: 404, headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["vary", "accept"], ["cache-control", "no-cache, max-age=5"]] });
    await store.put("https://example.test/a?b=c", response, 60);
    const hit = (await store.get("https://example.test/a?b=c")) as Response;
    const seen = { status: hit.status, cookies: hit.headers.getSetCookie(), vary: hit.headers.get("vary"), control: hit.headers.get("cache-control"), body: await hit.text() };
    await cache.delete(`https://sluice.internal/${encodeURIComponent("https://example.test/a?b=c")}`);
    return { seen, evicted: (await store.get("https://example.test/a?b=c")) === undefined, again: await store.delete("https://example.test/a?b=c") };
  },
  async binding(env) {
    const exact = new DurableObjectRateLimitStore(env["LIMITER"]);
    const store = rateLimitBinding(env["FAST"], exact, { limit: 3, periodSeconds: 60 });
    const policy: LimitPolicy = { algorithm: "fixed-window", max: 2, windowMs: 60_000 };
    const allowed: boolean[] = [];
    const before = exact.stats.requests;
    for (let n = 0; n < 6; n++) allowed.push((await store.check?.("caller", policy, 1))?.allowed === true);
    return { allowed, requests: exact.stats.requests - before, bad: await failure(() => rateLimitBinding(env["FAST"], exact, { limit: 3, periodSeconds: 30 })) };
  },
  async missing(env) {
    return Promise.all([
      () => new DurableObjectRateLimitStore(env["NOPE"]), () => new DurableObjectCircuitBreakerStore(env["NOPE"]), () => durableObjectStore(env["KV"]), () => new KVRateLimitStore(env["NOPE"]),
      () => cloudflareKvStore(env["NOPE"]), () => new CacheApiCacheStore(undefined as never), () => cloudflareAdapter({ rateLimitDo: env["NOPE"] }), () => cloudflareAdapter({ breakerDo: env["NOPE"] }),
      () => cloudflareAdapter({ stateDo: env["NOPE"] }), () => cloudflareAdapter({ rateLimitKv: env["NOPE"] }), () => durableObjectDriver(env["STATE"], { shards: 0 }),
      () => cloudflareAdapter({ env }).dispatchBinding?.("NOPE", new Request("https://x/")),
    ].map(failure));
  },
  async adapter(env) {
    const both = cloudflareAdapter({ rateLimitDo: env["LIMITER"], rateLimitKv: env["KV"] });
    const kv = cloudflareAdapter({ rateLimitDo: undefined, rateLimitKv: env["KV"] });
    const state = cloudflareAdapter({ stateDo: env["STATE"], shards: 2 });
    const answer = await cloudflareAdapter({ env }).dispatchBinding?.("SELF", new Request("https://self/?run=hello"));
    const limiter = state.rateLimiter?.({ capacity: 2, tokensPerSecond: 0.001 });
    return {
      both: both.rateLimitStore?.constructor.name, kv: kv.rateLimitStore?.constructor.name, none: Object.keys(cloudflareAdapter()).sort(),
      same: both.rateLimitStore === cloudflareAdapter({ rateLimitDo: env["LIMITER"] }).rateLimitStore, dispatched: await answer?.json(),
      consumed: [await limiter?.consume("k", 1), await limiter?.consume("k", 2)], counted: (await state.rateLimitStore?.increment("k", 60))?.count,
      approximate: kv.rateLimitStore?.capabilities?.approximate !== undefined,
    };
  },
  hello: () => ({ hello: "from the service" }),
  async circuits(env) {
    const [a, b] = [new DurableObjectCircuitBreakerStore(env["BREAKER"]), new DurableObjectCircuitBreakerStore(env["BREAKER"])];
    const policy = circuitPolicy({ failureThreshold: 3, resetTimeoutMs: 200, halfOpenMax: 2 });
    for (let n = 0; n < 3; n++) {
      const store = n % 2 === 0 ? a : b;
      const permit = await store.acquire("upstream", policy);
      if (permit.allowed) await store.report("upstream", policy, permit, "failure");
    }
    const open = await b.acquire("upstream", policy);
    const first = await eventually(() => a.acquire("upstream", policy), ({ allowed }) => allowed);
    const others = await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? a : b).acquire("upstream", policy)));
    return { open: open.allowed, probes: [first, ...others].filter(({ allowed }) => allowed).length };
  },
  async leased(env) {
    const limiter = durableObjectRateLimiter(env["STATE"], { capacity: 1000, tokensPerSecond: 1000, lease: true, shards: 1 });
    let allowed = 0;
    await Promise.all(Array.from({ length: 50 }, async () => {
      for (let n = 0; n < 20; n++) if ((await limiter.consume("hot", 1)).allowed) allowed++;
    }));
    limiter.dispose();
    return { allowed };
  },
  async unknown(env) {
    const { rateLimitStore } = createStores(durableObjectDriver(env["LIMITER"]));
    const { defineAlgorithm } = await import("sluice/state");
    const mine = defineAlgorithm<number, number, number>({ name: "mine", version: 1, maxStateBytes: 8, step: (state, by) => ({ state: (state ?? 0) + by, reply: (state ?? 0) + by, expiresAt: undefined }), encode: (n) => Uint8Array.of(n), decode: (bytes) => bytes[0] as number });
    const [[reply]] = (await durableObjectDriver(env["STATE"]).run([{ algorithm: mine as never, key: "k", commands: [1] }])) as [[Error & { code?: string }]];
    return { known: (await rateLimitStore.increment("k", 60)).count, code: reply.code, message: reply.message, wrong: await failure(() => durableObjectStore(env["BREAKER"]).get("k")) };
  },
};

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const query = new URL(request.url).searchParams;
    const run = experiments[query.get("run") as string];
    if (run === undefined) return new Response("no such experiment", { status: 404 });
    return Response.json((await run(env, query, request)) ?? null);
  },
};
