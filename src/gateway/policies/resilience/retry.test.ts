import { describe, expect, it } from "vitest";
import { manualClock } from "../../../testing/manual-clock.ts";
import { definePolicy } from "../../define-policy.ts";
import { GatewayError } from "../../errors.ts";
import { createPolicyTestHarness } from "../../sdk/harness.ts";
import { replaceRequestBody } from "../../request-edit.ts";
import type { UpstreamConfig } from "../../types.ts";
import { retry, type RetryConfig } from "./retry.ts";
import { proxy } from "../transform/proxy.ts";
import { timeout } from "./timeout.ts";

type Handler = Extract<UpstreamConfig, { type: "handler" }>["handler"];

function setup(config: RetryConfig, answers: (() => Response)[] | Handler, extra: Parameters<typeof createPolicyTestHarness>[0] = []) {
  const clock = manualClock(1_700_000_000_000);
  const seen: { at: number; body: string; count: string | null }[] = [];
  const upstream: Handler = async (c) => {
    seen.push({ at: clock.monotonic(), body: await c.req.raw.text(), count: c.req.raw.headers.get("x-retry-count") });
    return typeof answers === "function" ? answers(c) : (answers[Math.min(seen.length, answers.length) - 1] as () => Response)();
  };
  const policies = [retry({ jitter: "none", ...config }), ...(Array.isArray(extra) ? extra : [extra])];
  const { request } = createPolicyTestHarness(policies, { clock, upstream });
  const send = async (init: RequestInit = {}): Promise<Response> => {
    let done = false;
    const answer = request(new Request("http://x/", { ...init, duplex: "half" } as RequestInit)).finally(() => (done = true));
    for (let i = 0; i < 50 && !done; i++) await clock.advanceAsync(clock.nextTimerMs ?? 0);
    return await answer;
  };
  return { clock, seen, send, request };
}

const ok = (): Response => new Response("ok");
const down = (status = 503, headers?: Record<string, string>) => (): Response => new Response("down", { status, headers });

describe("retry", () => {
  it("tries again with growing waits and gives the last answer alone", async () => {
    const { send, seen } = setup({}, [down(502, { "x-first": "1" }), down(503), ok]);
    const response = await send();
    expect([response.status, await response.text(), response.headers.get("x-retry-count"), response.headers.get("x-first")]).toEqual([200, "ok", "2", null]);
    expect(seen.map((one) => one.at)).toEqual([0, 200, 600]);
    expect(seen.map((one) => one.count)).toEqual(["0", "1", "2"]);
  });

  it("gives up after maxRetries, and says nothing of retries where there were none", async () => {
    const failing = setup({ maxRetries: 2, maxDelayMs: 300 }, [down()]);
    expect((await failing.send()).status).toBe(503);
    expect(failing.seen.map((one) => one.at)).toEqual([0, 200, 500]);
    expect((await setup({}, [ok]).send()).headers.has("x-retry-count")).toBe(false);
    expect(setup({ maxRetries: 0 }, [down()]).seen).toHaveLength(0);
  });

  it.each([["POST", 1], ["PATCH", 1], ["PUT", 4], ["DELETE", 4], ["GET", 4]])("%s is sent %d times", async (method, times) => {
    const { send, seen } = setup({}, [down()]);
    await send({ method });
    expect(seen).toHaveLength(times);
  });

  it.each([[500, 1], [404, 1], [200, 1], [502, 4], [504, 4]])("%d is sent %d times", async (status, times) => {
    const { send, seen } = setup({}, [down(status)]);
    await send();
    expect(seen).toHaveLength(times);
  });

  it("tries again what could not be reached, and not a handler's own fault", async () => {
    const refused = setup({ retryOn: [] }, () => {
      throw Object.assign(new Error("connect"), { code: "ECONNREFUSED" });
    });
    await refused.send();
    expect(refused.seen).toHaveLength(4);
    const fault = setup({}, () => {
      throw new Error("bug");
    });
    expect((await fault.send()).status).toBe(500);
    expect(fault.seen).toHaveLength(1);
  });

  it("does not repeat what a policy inside refused", async () => {
    for (const admitted of [0, 1]) {
      let asked = 0;
      const refuse = definePolicy({
        name: "refuse",
        priority: 95,
        handler: (_c, next) => {
          if (asked++ < admitted) return next();
          throw new GatewayError(503, "overloaded", "no");
        },
      });
      const { send, seen } = setup({}, [down()], refuse());
      expect((await send()).status).toBe(503);
      expect([asked, seen.length]).toEqual([admitted + 1, admitted]);
    }
  });

  it("honours Retry-After where it fits and gives up where it does not", async () => {
    const fits = setup({}, [down(503, { "retry-after": "2" }), ok]);
    expect((await fits.send()).status).toBe(200);
    expect(fits.seen.map((one) => one.at)).toEqual([0, 2000]);
    const date = setup({}, [() => down(503, { "retry-after": new Date(1_700_000_003_000).toUTCString() })(), ok]);
    expect((await date.send()).status).toBe(200);
    expect(date.seen.map((one) => one.at)).toEqual([0, 3000]);
    const never = setup({}, [down(503, { "retry-after": "86400" }), ok]);
    expect((await never.send()).status).toBe(503);
    expect(never.seen).toHaveLength(1);
  });

  it("sends a kept body again, whole", async () => {
    const { send, seen } = setup({ maxReplayBytes: 10 }, [down(), ok]);
    expect((await send({ method: "PUT", body: "0123456789" })).status).toBe(200);
    expect(seen.map((one) => one.body)).toEqual(["0123456789", "0123456789"]);
  });

  it("sends again what a policy outside has read through Hono, as it came", async () => {
    for (const edit of [false, true]) {
      const clock = manualClock();
      const seen: unknown[] = [];
      const reader = definePolicy({ name: "reader", priority: 1, handler: async (c, next) => (await c.req.json(), next()) });
      // Each attempt begins with the body as it came.
      const editor = definePolicy({ name: "editor", priority: 99, handler: async (c, next) => (edit && replaceRequestBody(c, JSON.stringify({ n: ((await c.req.json()) as { n: number }).n + 1 })), next()) });
      const { request } = createPolicyTestHarness([reader(), retry({ jitter: "none" }), editor()], { clock, upstream: async (c) => (seen.push(await c.req.json(), await c.req.text()), seen.length < 4 ? down()() : ok()) });
      let done = false;
      const answer = request("/", { method: "PUT", body: `{"n":1}`, headers: { "content-type": "application/json" } }).finally(() => (done = true));
      for (let i = 0; i < 20 && !done; i++) await clock.advanceAsync(clock.nextTimerMs ?? 0);
      const n = edit ? 2 : 1;
      expect([(await answer).status, seen]).toEqual([200, [{ n }, `{"n":${n}}`, { n }, `{"n":${n}}`]]);
    }
  });

  it("does not send again what was read and is above maxReplayBytes", async () => {
    const reader = definePolicy({ name: "reader", priority: 1, handler: async (c, next) => (await c.req.text(), next()) });
    let calls = 0;
    const { request } = createPolicyTestHarness([reader(), retry({ jitter: "none", maxReplayBytes: 3 })], { upstream: async (c) => new Response(await c.req.text(), { status: ++calls && 503 }) });
    const response = await request("/", { method: "PUT", body: "1234" });
    expect([response.status, await response.text(), calls]).toEqual([503, "1234", 1]);
  });

  it.each([true, false])("sends a body above maxReplayBytes once, whole (length declared: %s)", async (declared) => {
    const { send, seen } = setup({ maxReplayBytes: 10 }, [down()]);
    const stream = (): ReadableStream<Uint8Array> => new Blob(["0123", "4567", "89ab"]).stream() as ReadableStream<Uint8Array>;
    expect((await send({ method: "PUT", body: stream(), ...(declared ? { headers: { "content-length": "12" } } : {}) })).status).toBe(503);
    expect(seen.map((one) => one.body)).toEqual(["0123456789ab"]);
  });

  it("frees the bodies of earlier answers", async () => {
    let cancelled = 0;
    const { send } = setup({}, [() => new Response(new ReadableStream({ cancel: () => void cancelled++ }), { status: 503 }), ok]);
    await send();
    expect(cancelled).toBe(1);
  });

  it("stops when the client leaves", async () => {
    const { request, clock, seen } = setup({}, [down()]);
    const client = new AbortController();
    const answer = request(new Request("http://x/", { signal: client.signal }));
    await clock.advanceAsync(100);
    client.abort();
    await answer;
    await clock.advanceAsync(60_000);
    expect(seen).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it("stops at a deadline outside of it", async () => {
    const { request, clock, seen } = setup({}, [down()], timeout({ timeoutMs: 500 }));
    const answer = request("/");
    await clock.advanceAsync(500);
    expect((await answer).status).toBe(504);
    await clock.advanceAsync(60_000);
    expect(seen.map((one) => one.at)).toEqual([0, 200]);
  });

  it("leaves retrying to a gateway further out", async () => {
    const { send, seen } = setup({}, [down()]);
    await send({ headers: { "x-retry-count": "0" } });
    expect(seen).toHaveLength(1);
  });

  it("sends at most a fifth more of many failing requests", async () => {
    const { send, seen } = setup({ baseDelayMs: 0 }, [down()]);
    for (let i = 0; i < 200; i++) await send();
    expect(seen.length).toBeGreaterThan(200);
    expect(seen.length).toBeLessThanOrEqual(240);
  });

  it.each([
    [{ maxRetries: -1 }, /maxRetries.*-1/],
    [{ maxRetries: 1.5 }, /maxRetries.*1\.5/],
    [{ maxDelayMs: -1 }, /maxDelayMs.*-1/],
    [{ backoff: "cubic" }, /backoff.*cubic/],
    [{ jitter: "some" }, /jitter.*some/],
    [{ budget: -1 }, /budget.*-1/],
    [{ retryOn: [1000] }, /retryOn\[0\].*1000/],
    [{ retryMethods: "GET" }, /retryMethods.*GET/],
    [{ retryCountHeader: "a b" }, /retryCountHeader.*a b/],
  ])("refuses %j", (config, message) => {
    expect(() => retry(config as RetryConfig)).toThrow(expect.objectContaining({ code: "config_error", message: expect.stringMatching(message) }) as Error);
  });
});

describe("budget", () => {
  /** Retries that `requests` requests to a dead upstream were given, one try and at most one retry each. */
  async function retriesOf(config: RetryConfig, requests: number): Promise<number> {
    const { send, seen } = setup({ maxRetries: 1, backoff: "constant", baseDelayMs: 0, ...config }, [down()]);
    for (let i = 0; i < requests; i++) await send();
    return seen.length - requests;
  }

  it("is a share of the requests, and ten where that is less", async () => {
    expect(await retriesOf({}, 30)).toBe(10);
    expect(await retriesOf({}, 100)).toBe(20);
    expect(await retriesOf({ budget: 0.5 }, 60)).toBe(30);
    expect(await retriesOf({ budget: 0 }, 5)).toBe(0);
  });
});

describe("a deadline for each attempt", () => {
  const hangsOnce = (): { upstream: Handler; calls: () => number } => {
    let calls = 0;
    return { upstream: () => (++calls === 1 ? new Promise<Response>(() => {}) : ok()), calls: () => calls };
  };

  it.each([
    ["timeout", () => timeout({ timeoutMs: 40, priority: 91 })],
    ["proxy", () => proxy({ timeout: 40 })],
    ["proxy in timeout", () => [timeout({ timeoutMs: 40, priority: 91 }), proxy({ timeout: 30_000 })]],
    ["timeout in proxy", () => [timeout({ timeoutMs: 30_000, priority: 96 }), proxy({ timeout: 40 })]],
  ] as const)("%s inside it: what took too long is asked again", async (_name, policies) => {
    const { upstream, calls } = hangsOnce();
    const clock = manualClock();
    const inner = policies();
    const signals: boolean[] = [];
    const watch = definePolicy({ name: "watch", priority: 99, handler: (_c, next, { gateway }) => (signals.push(gateway.signal.aborted), next()) });
    const { request } = createPolicyTestHarness([retry({ jitter: "none" }), ...(Array.isArray(inner) ? inner : [inner]), watch()], { clock, upstream });
    let done = false;
    const answer = request("/").finally(() => (done = true));
    for (let i = 0; i < 20 && !done; i++) await clock.advanceAsync(clock.nextTimerMs ?? 0);
    const response = await answer;
    expect([response.status, await response.text(), calls(), signals]).toEqual([200, "ok", 2, [false, false]]);
  });

  it("an attempt that was given up calls nobody and takes nothing from the next", async () => {
    const clock = manualClock();
    let turns = 0;
    const asksTwice = definePolicy({ name: "asks-twice", priority: 99, handler: async (_c, next) => {
      const first = ++turns === 1;
      await next();
      if (first) await next();
    } });
    const answers: ((response: Response) => void)[] = [];
    const { request } = createPolicyTestHarness([retry({ jitter: "none" }), timeout({ timeoutMs: 40, priority: 91 }), asksTwice()], { clock, upstream: () => new Promise<Response>((resolve) => void answers.push(resolve)) });
    const answer = request("/");
    await clock.advanceAsync(40);
    await clock.advanceAsync(200);
    expect([turns, answers.length]).toEqual([2, 2]);
    answers[0]?.(down()());
    await clock.advanceAsync(0);
    answers[1]?.(ok());
    const response = await answer;
    expect([response.status, await response.text(), answers.length]).toEqual([200, "ok", 2]);
  });

  it("a deadline outside ends all of it, also where the upstream does not listen", async () => {
    const clock = manualClock();
    let calls = 0;
    let answerLate: (response: Response) => void = () => {};
    const { request } = createPolicyTestHarness([timeout({ timeoutMs: 40 }), retry({ jitter: "none" })], { clock, upstream: () => (calls++, new Promise<Response>((resolve) => (answerLate = resolve))) });
    const answer = request("/");
    await clock.advanceAsync(40);
    answerLate(down()());
    for (let i = 0; i < 5; i++) await clock.advanceAsync(1000);
    const response = await answer;
    expect([response.status, ((await response.json()) as { code: string }).code, calls]).toEqual([504, "gateway_timeout", 1]);
  });
});
