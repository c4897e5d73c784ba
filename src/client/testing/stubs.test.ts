import { expect, test } from "vitest";
import { z } from "zod";
import { sseBody, truncatedBody } from "../../testing/bodies.ts";
import { manualClock } from "../../testing/manual-clock.ts";
import { mockAdapter } from "../../testing/mock-adapter.ts";
import { all } from "../compose.ts";
import { StitchError, isStitchError } from "../errors.ts";
import { isStitch, stitch, type Stitch } from "../stitch.ts";
import { collectEvents } from "./collect-events.ts";
import { failStitch, stubStitch } from "./stubs.ts";

test("a stub is a stitch: any value, inputs remembered, options as on a real one", async () => {
  const made = new Date(5);
  const user = stubStitch<{ id: number; made: Date }, { params: { id: number } }>(({ params }) => ({ id: params.id, made }));
  const asStitch: Stitch<{ id: number; made: Date }, { params: { id: number } }> = user;
  expect(isStitch(asStitch)).toBe(true);
  expect(await user({ params: { id: 7 } })).toEqual({ id: 7, made });
  expect((await user.with({ params: { id: 8 } })()).made).toBe(made);
  expect(user.calls).toEqual([{ params: { id: 7 } }, { params: { id: 8 } }]);
  expect(await user.inspect({ params: { id: 1 } })).toMatchObject({ ok: true, data: { id: 1 }, attempts: 1 });
  user.reset();
  expect(user.calls).toEqual([]);
  expect(await all({ a: stubStitch(1)(), b: stubStitch("x")() })).toEqual({ a: 1, b: "x" });
  expect(await stubStitch({ n: "1" }, { config: { output: z.object({ n: z.coerce.number() }) } }).safe()).toEqual({ ok: true, data: { n: 1 } });
  let tries = 0;
  const flaky = stubStitch(() => {
    if (++tries < 3) throw new StitchError("NETWORK", "on purpose", { retryable: true });
    return "done";
  }, { config: { retry: { attempts: 3, baseDelayMs: 0, budget: false } } });
  expect([await flaky(), tries]).toEqual(["done", 3]);
});

test("failStitch: by code, or the very error", async () => {
  const refused = failStitch("RATE_LIMITED", { status: 429, retryAfterMs: 5000 });
  const { error } = (await refused.safe()) as { error: StitchError };
  expect(error).toMatchObject({ code: "RATE_LIMITED", status: 429, retryAfterMs: 5000, sent: true, stitch: "stub" });
  expect((await refused.safe() as { error: StitchError }).error).not.toBe(error);
  const own = new StitchError("TIMEOUT", "mine", { phase: "idle" });
  expect(await failStitch(own).safe()).toEqual({ ok: false, error: own });
  expect(await failStitch("THROTTLED").safe()).toMatchObject({ error: { sent: false } });
  await expect(failStitch("NETWORK")()).rejects.toSatisfy(isStitchError);
});

test("events of a call, and a sink that keeps them", async () => {
  const adapter = mockAdapter([{ respond: { body: { secret: 1 } } }]);
  const sink = collectEvents();
  const call = stitch({ url: "https://api.test/", adapter, trace: sink });
  expect((await collectEvents(call())).map((event) => event.type)).toEqual(["start", "progress", "progress", "result", "done"]);
  expect(sink.events.at(-1)).toMatchObject({ type: "done", ok: true });
  expect(JSON.stringify(sink)).not.toContain('"secret":1');
  expect((await collectEvents(failStitch("NETWORK").stream())).map((event) => event.type)).toContain("error");
});

test("bodies: events, and one that ends too soon", async () => {
  const events = stitch({ url: "https://api.test/", kind: "sse", adapter: mockAdapter([{ respond: sseBody([{ id: "1", data: { n: 1 } }, "two\nlines", { event: "x", data: 3, comment: "c" }]) }]) });
  expect(await events()).toEqual([{ n: 1 }, "two\nlines", 3]);
  const cut = stitch({ url: "https://api.test/", kind: "stream", stream: { decode: "bytes", resume: false }, adapter: mockAdapter([{ respond: truncatedBody("whole text", 5) }]) });
  expect(await cut.safe()).toMatchObject({ ok: false, error: { code: "BODY_TRUNCATED" } });
});

test("a clock from a number, run to the end", async () => {
  const clock = manualClock(0);
  expect(clock.now()).toBe(0);
  const seen: number[] = [];
  clock.setTimeout(() => {
    seen.push(clock.now());
    void Promise.resolve().then(() => clock.setTimeout(() => seen.push(clock.now()), 50));
  }, 100);
  expect(clock.pending()).toBe(1);
  await clock.runAll();
  expect([seen, clock.pending()]).toEqual([[100, 150], 0]);
  const again = (): unknown => clock.setTimeout(again, 1000);
  again();
  await clock.runAll(5000);
  expect(clock.now()).toBe(5150);
});
