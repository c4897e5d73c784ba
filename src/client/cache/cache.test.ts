import { describe, expect, test } from "vitest";
import { memoryStore } from "../../drivers/memory/memory-store.ts";
import type { StitchStore } from "../../state/contracts/key-value.ts";
import { manualClock, type ManualClock } from "../../testing/manual-clock.ts";
import { mockAdapter, type MockRoute } from "../../testing/mock-adapter.ts";
import { bearer } from "../auth/simple.ts";
import type { StitchConfig } from "../config.ts";
import { seam } from "../seam.ts";
import { stitch } from "../stitch.ts";

function shared(store: StitchStore): StitchStore {
  return new Proxy(store, { get: (target, key) => {
    if (key === "capabilities") return { ...target.capabilities, shared: true };
    const value = Reflect.get(target, key, target) as unknown;
    return typeof value === "function" ? value.bind(target) : value;
  } });
}

const settle = (clock: ManualClock): Promise<void> => clock.advanceAsync(0);

describe.each(["in process", "through a store"])("cache %s", (where) => {
  const setup = (config: Partial<StitchConfig>, respond: MockRoute["respond"]) => {
    const clock = manualClock();
    const adapter = mockAdapter([{ respond }], { clock });
    const store = where === "in process" ? undefined : shared(memoryStore({ clock }));
    const make = () => stitch({ name: "n", url: "https://api.test/", adapter, clock, store, cache: 1000, ...config } as StitchConfig);
    return { clock, adapter, make, call: make() };
  };
  const numbered: MockRoute["respond"] = (_, nth) => ({ body: { n: nth }, headers: { "cache-control": "max-age=10" } });

  test("answers from what is stored as long as it is fresh, each a copy", async () => {
    const { clock, adapter, call } = setup({}, numbered);
    const first = (await call()) as { n: number };
    await settle(clock);
    first.n = 99;
    expect(await call()).toEqual({ n: 1 });
    expect(await call.inspect(undefined, { cache: true })).toMatchObject({ source: "cache", data: { n: 1 } });
    expect(await call.inspect()).toMatchObject({ source: "live" });
    expect(adapter.callCount).toBe(2);
    clock.advance(1000);
    expect(await call()).toEqual({ n: 3 });
  });

  test("the response's own word, unless told otherwise; what must not be stored is not", async () => {
    const by = setup({ cache: {} }, numbered);
    await by.call();
    await settle(by.clock);
    by.clock.advance(9999);
    expect(await by.call()).toEqual({ n: 1 });
    by.clock.advance(1);
    expect(await by.call()).toEqual({ n: 2 });
    for (const headers of [{ "cache-control": "no-store" }, { vary: "*" }, { "set-cookie": "a=b" }] as Record<string, string>[]) {
      const { clock, adapter, call } = setup({}, { body: 1, headers });
      await call();
      await settle(clock);
      await call();
      expect(adapter.callCount).toBe(2);
    }
    const invalid = setup({ output: () => false }, numbered);
    await invalid.call.safe();
    await settle(invalid.clock);
    await invalid.call.safe();
    expect(invalid.adapter.callCount).toBe(2);
  });

  test("Vary keeps variants apart", async () => {
    const { clock, adapter, call } = setup({}, (request) => ({ body: request.headers["accept-language"], headers: { vary: "Accept-Language" } }));
    for (const lang of ["de", "en", "de", "en"]) {
      expect(await call({ headers: { "accept-language": lang } })).toBe(lang);
      await settle(clock);
    }
    expect(adapter.callCount).toBe(2);
  });

  test("revalidates with the validator; a 304 refreshes", async () => {
    const { clock, adapter, call } = setup({ cache: {} }, (request, nth) => (request.headers["if-none-match"] === '"v1"' ? { status: 304, headers: { "cache-control": "max-age=5" } } : { body: nth, headers: { etag: '"v1"', "cache-control": "max-age=1", "content-type": "application/json" } }));
    expect(await call.inspect(undefined, { cache: true })).toMatchObject({ data: 1, source: "live" });
    await settle(clock);
    clock.advance(1000);
    expect(await call.inspect(undefined, { cache: true })).toMatchObject({ data: 1, source: "revalidated" });
    await settle(clock);
    clock.advance(4999);
    expect(await call()).toBe(1);
    expect(adapter.callCount).toBe(2);
  });

  test("stale while it is refreshed, stale on errors", async () => {
    const { clock, adapter, call } = setup({ cache: { ttlMs: 1000, staleWhileRevalidateMs: 1000, staleIfErrorMs: 5000 } }, (_, nth) => (nth > 2 ? { status: 500 } : { body: nth, headers: { "content-type": "application/json" } }));
    expect(await call()).toBe(1);
    await settle(clock);
    clock.advance(1500);
    expect(await call()).toBe(1);
    await clock.advanceAsync(1);
    expect(await call()).toBe(2);
    clock.advance(3000);
    expect(await call.inspect(undefined, { cache: true })).toMatchObject({ data: 2, source: "stale" });
    clock.advance(5000);
    expect((await call.safe()).ok).toBe(false);
    expect(adapter.callCount).toBe(4);
  });

  test("invalidate: one input, all", async () => {
    const { clock, call } = setup({}, numbered);
    await call({ query: { a: 1 } });
    await call({ query: { a: 2 } });
    await settle(clock);
    await call.invalidate({ query: { a: 1 } });
    expect(await call({ query: { a: 1 } })).toEqual({ n: 3 });
    expect(await call({ query: { a: 2 } })).toEqual({ n: 2 });
    await settle(clock);
    await call.invalidate();
    expect(await call({ query: { a: 2 } })).toEqual({ n: 4 });
  });

  test("calls that overlap share one request; a failure is not shared; who leaves leaves alone", async () => {
    const { clock, adapter, call } = setup({}, (_, nth) => ({ delayMs: 100, ...(nth === 1 ? { body: { n: 1 } } : nth === 2 ? { status: 500 } : { body: { n: nth } }) }));
    const many = Promise.all([1, 2, 3, 4].map(() => call()));
    await clock.advanceAsync(100);
    expect(await many).toEqual([1, 2, 3, 4].map(() => ({ n: 1 })));
    expect(adapter.callCount).toBe(1);
    clock.advance(5000);
    const controller = new AbortController();
    const next = [call().safe(), call({ signal: controller.signal }).safe(), call().safe(), call().safe()];
    await clock.advanceAsync(50);
    controller.abort();
    await clock.advanceAsync(300);
    const settled = await Promise.all(next);
    expect(settled.map((each) => each.ok)).toEqual([false, false, true, true]);
    expect(adapter.callCount).toBe(3);
    expect(clock.pendingTimers).toBe(0);
  });

  test("the leader's abort hands the work on", async () => {
    const { clock, adapter, call } = setup({}, { delayMs: 100, body: 1 });
    const controller = new AbortController();
    const leader = call({ signal: controller.signal }).safe();
    const follower = call().then((value) => value);
    await clock.advanceAsync(50);
    controller.abort();
    await clock.advanceAsync(100);
    expect((await leader).ok).toBe(false);
    expect(await follower).toBe(1);
    expect(adapter.callCount).toBe(2);
  });
});

describe("who may have what is stored", () => {
  const answers: MockRoute["respond"] = (request, nth) => ({ body: { who: request.headers["authorization"], nth } });
  test("credentials without a principal are neither cached nor shared", async () => {
    const adapter = mockAdapter([{ respond: answers }]);
    const call = stitch({ url: "https://api.test/", adapter, cache: 1000, auth: bearer("t1") });
    await Promise.all([call(), call()]);
    await call();
    expect(adapter.callCount).toBe(3);
    const own = stitch({ url: "https://api.test/", adapter, cache: 1000 });
    await own({ headers: { authorization: "Bearer a" } });
    await own({ headers: { authorization: "Bearer a" } });
    expect(adapter.callCount).toBe(5);
  });

  test("principals have their own; an app's tenancy is explicit and keyed by the credential", async () => {
    const adapter = mockAdapter([{ respond: answers }]);
    const api = seam({ baseUrl: "https://api.test", adapter, cache: 1000, auth: bearer(({ principal }) => `token-${principal}`) });
    const [anna, bert] = [api.as("anna").stitch("/x"), api.as("bert").stitch("/x")];
    for (const call of [anna, bert, anna, bert]) await call();
    expect(adapter.callCount).toBe(2);
    expect(await anna()).toMatchObject({ who: "Bearer token-anna" });
    await api.as("anna").invalidate();
    await anna();
    await bert();
    expect(adapter.callCount).toBe(3);
    let token = "one";
    const app = stitch({ url: "https://api.test/", adapter, cache: { ttlMs: 1000, tenancy: "app" }, auth: bearer(() => token) });
    await app();
    await app();
    expect(adapter.callCount).toBe(4);
    token = "two";
    await app();
    expect(adapter.callCount).toBe(5);
  });

  test("an unsafe call makes what is stored of its URL untrue", async () => {
    const clock = manualClock();
    const adapter = mockAdapter([{ respond: (_, nth) => ({ body: { nth } }) }], { clock });
    const api = seam({ baseUrl: "https://api.test", adapter, clock });
    const get = api.stitch({ path: "/x", cache: 1000 });
    const put = api.stitch({ method: "PUT", path: "/x" });
    await get();
    await settle(clock);
    expect(await get()).toEqual({ nth: 1 });
    await put({ body: {} });
    await settle(clock);
    expect(await get()).toEqual({ nth: 3 });
  });
});

test("cluster: who looked before the entry was stored, and got the lock after, finds it", async () => {
  const store = memoryStore();
  let hold: Promise<void> | undefined;
  // What a process sees whose reads come back late, as they were.
  const late = new Proxy(store, { get(target, key) {
    const value = Reflect.get(target, key, target) as unknown;
    if (key === "capabilities") return { ...target.capabilities, shared: true };
    if (typeof value !== "function") return value;
    if (key !== "get") return value.bind(target) as unknown;
    return async (name: string) => {
      const seen = await target.get(name);
      await hold;
      return seen;
    };
  } });
  const adapter = mockAdapter([{ respond: (_, nth) => ({ body: { nth } }) }]);
  const member = (own: StitchStore) => seam({ baseUrl: "https://api.test", adapter, store: own });
  const [first, second] = [member(store), member(late)];
  const cache = { ttlMs: 60_000, coalesce: "cluster" } as const;
  let go = (): void => undefined;
  hold = new Promise<void>((resolve) => (go = resolve));
  const waiting = second.stitch({ name: "x", path: "/x", cache })().then((value) => value);
  await new Promise((resolve) => setImmediate(resolve));
  expect(await first.stitch({ name: "x", path: "/x", cache })()).toEqual({ nth: 1 });
  await first.flush();
  hold = undefined;
  go();
  expect(await waiting).toEqual({ nth: 1 });
  expect(adapter.callCount).toBe(1);
});
