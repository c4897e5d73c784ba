import { describe, expect, test } from "vitest";
import { mockAdapter, type MockResponse, type MockRoute } from "../testing/mock-adapter.ts";
import { manualClock } from "../testing/manual-clock.ts";
import { all, any, race } from "./compose.ts";
import type { StitchConfig } from "./config.ts";
import { drift } from "./drift.ts";
import { isStitchError, type StitchError } from "./errors.ts";
import type { StitchEvent } from "./events.ts";
import { linked } from "./linked.ts";
import { nextLink } from "./link-header.ts";
import { cursor, linkHeader, offset, page } from "./paginate.ts";
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

describe("pages", () => {
  const list = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
  const server = (handle: (query: URLSearchParams) => MockResponse) => mockAdapter([{ respond: (request) => handle(new URL(request.url).searchParams) }]);
  test("link header, cursor, offset, page", async () => {
    const linkAdapter = server((query) => ({ body: [Number(query.get("p") ?? 1)], headers: Number(query.get("p") ?? 1) < 3 ? { link: `<?p=${Number(query.get("p") ?? 1) + 1}>; rel="next"` } : {} }));
    expect(await stitch({ url: "https://api.test/l", adapter: linkAdapter, paginate: linkHeader() })()).toEqual([1, 2, 3]);
    const cursorAdapter = server((query) => ({ body: { items: [query.get("cursor")], next: query.get("cursor") === null ? "a" : query.get("cursor") === "a" ? "b" : "" } }));
    expect(await stitch({ url: "https://api.test/", adapter: cursorAdapter, paginate: cursor({ path: "next" }), pick: "items" })()).toEqual([null, "a", "b"]);
    const offsetAdapter = server((query) => ({ body: list(25).slice(Number(query.get("offset")), Number(query.get("offset")) + Number(query.get("limit"))) }));
    expect(await stitch({ url: "https://api.test/", adapter: offsetAdapter, paginate: offset({ limit: 10 }) })()).toEqual(list(25));
    expect(offsetAdapter.callCount).toBe(3);
    const pageAdapter = server((query) => ({ body: Number(query.get("page")) > 2 ? [] : [query.get("page")] }));
    expect(await stitch({ url: "https://api.test/", adapter: pageAdapter, paginate: page() })()).toEqual(["1", "2"]);
  });

  test("lazy, resumed, capped, and never in a circle", async () => {
    const adapter = server((query) => ({ body: [Number(query.get("page"))] }));
    const call = stitch({ url: "https://api.test/", adapter, paginate: page({ maxPages: 4 }) });
    let resume: unknown;
    for await (const one of call.pages()) {
      resume = one.resume;
      if (one.index === 1) break;
    }
    expect(adapter.callCount).toBe(2);
    const rest: unknown[] = [];
    for await (const one of call.pages({ resume: JSON.parse(JSON.stringify(resume)) as unknown })) rest.push(...one.items);
    expect(rest).toEqual([3, 4, 5, 6]);
    expect(await call.inspect()).toMatchObject({ data: [1, 2, 3, 4], truncated: true });
    const loop = server(() => ({ body: { next: "same", items: [1] } }));
    expect(await caught(stitch({ url: "https://api.test/", adapter: loop, paginate: cursor({ path: "next" }), pick: "items" })())).toMatchObject({ code: "PAGINATION_LOOP" });
    const away = server(() => ({ body: [1], headers: { link: '<https://evil.test/x>; rel="next"' } }));
    expect(await caught(stitch({ url: "https://api.test/", adapter: away, paginate: linkHeader() })())).toMatchObject({ code: "REDIRECT_REFUSED" });
  });

  test("link fields of any kind are read, and hostile ones give nothing", () => {
    expect(nextLink('<a>; rel="prev", <b,c>; title="x, <y>"; rel="next last"')).toBe("b,c");
    expect(nextLink("<a>; rel=next")).toBe("a");
    expect(nextLink("<a>; rel=nextish")).toBeUndefined();
    for (const hostile of ["<".repeat(60_000), "<a>;".repeat(15_000), `<a>; x="${"\\".repeat(60_000)}`]) expect(nextLink(hostile)).toBeUndefined();
  });
});

describe("GraphQL", () => {
  const document = "query Me($id: ID!) { me(id: $id) { name } }";
  const call = (respond: MockRoute["respond"], config: Partial<StitchConfig> = {}) => {
    const adapter = mockAdapter([{ respond }]);
    return { adapter, call: stitch({ kind: "graphql", url: "https://api.test/graphql", document, adapter, ...config } as StitchConfig) };
  };
  test("a JSON POST whose data is the result; errors fail unless partial is fine", async () => {
    const good = call({ body: { data: { me: { name: "A" } } } });
    expect(await good.call({ variables: { id: 1 } })).toEqual({ me: { name: "A" } });
    expect(JSON.parse(good.adapter.lastRequest?.body as string)).toEqual({ query: document, operationName: "Me", variables: { id: 1 } });
    const bad: MockResponse = { body: { data: { a: 1 }, errors: [{ message: "no" }] } };
    expect(await caught(call(bad).call())).toMatchObject({ code: "GRAPHQL_ERRORS", errors: [{ message: "no" }], data: { a: 1 } });
    expect(await call(bad, { partial: true }).call()).toEqual({ a: 1 });
  });

  test("queries are tried again, mutations only with a key", async () => {
    const retry = { attempts: 2, baseDelayMs: 0, budget: false as const };
    for (const [text, more, count] of [[document, {}, 2], ["mutation { a }", {}, 1], ["mutation { a }", { idempotency: true }, 2]] as const) {
      const { adapter, call: run } = call({ status: 503 }, { document: text, retry, ...more });
      await run().safe();
      expect(adapter.callCount).toBe(count);
    }
  });

  test("persisted: the hash first, the document when it is not known", async () => {
    const { adapter, call: run } = call((request) => ("query" in (JSON.parse(request.body as string) as object) ? { body: { data: 1 } } : { body: { errors: [{ message: "PersistedQueryNotFound" }] } }), { persisted: true });
    expect(await run()).toBe(1);
    expect(adapter.callCount).toBe(2);
  });
});

describe("streams", () => {
  const sse = (chunks: (string | Error)[], headers: Record<string, string> = {}): MockResponse => ({ stream: chunks, headers: { "content-type": "text/event-stream", ...headers } });
  test("events across chunks, parsed, once and in order over a broken connection", async () => {
    const clock = manualClock();
    const adapter = mockAdapter([{ respond: [sse(["\ufeffid: 1\ndata: {\"a\"", ":1}\r\n\r\nretry: 50\nid: 2\ndata: x\ndata: y\n\nid: 3\ndata: lost", new Error("reset")]), sse(["id: 3\ndata: 3\n\n", "data: unfinished"])] }], { clock });
    const call = stitch({ kind: "sse", url: "https://api.test/", adapter, clock });
    const done = call().then((value) => value);
    await clock.advanceAsync(49);
    expect(adapter.callCount).toBe(1);
    await clock.advanceAsync(1);
    expect(await done).toEqual([{ a: 1 }, "x\ny", 3]);
    expect(adapter.calls[1]?.headers["last-event-id"]).toBe("2");
    expect(clock.pendingTimers).toBe(0);
    const plain = mockAdapter([{ respond: { body: "no", headers: { "content-type": "text/html" } } }]);
    expect(await caught(stitch({ kind: "sse", url: "https://api.test/", adapter: plain })())).toMatchObject({ code: "PROTOCOL_ERROR" });
  });

  test("lines of JSON, also where characters are cut; a bad one is named", async () => {
    const bytes = new TextEncoder().encode('{"a":"é"}\n\n{"b":2}\n{"c":3}');
    const adapter = mockAdapter([{ respond: { stream: [bytes.slice(0, 7), bytes.slice(7)] } }]);
    expect(await stitch({ kind: "stream", url: "https://api.test/", adapter })()).toEqual([{ a: "é" }, { b: 2 }, { c: 3 }]);
    const bad = mockAdapter([{ respond: { stream: ["{}\n{bad\n"] } }]);
    expect(await caught(stitch({ kind: "stream", url: "https://api.test/", adapter: bad })())).toMatchObject({ code: "PARSE_FAILED", message: expect.stringContaining("line 2") as string });
    const short = mockAdapter([{ respond: { stream: ["{}\n"], headers: { "content-length": "10" } } }]);
    expect(await caught(stitch({ kind: "stream", url: "https://api.test/", adapter: short })())).toMatchObject({ code: "BODY_TRUNCATED", sent: true });
  });

  test("nothing is read before it is wanted, and leaving ends it", async () => {
    let made = 0;
    const adapter = mockAdapter([{ respond: { stream: { async *[Symbol.asyncIterator]() { for (;;) yield `${++made}\n`; } } } }]);
    const got: unknown[] = [];
    for await (const event of stitch({ kind: "stream", url: "https://api.test/", adapter }).stream()) {
      if (event.type === "delta") got.push(event.data);
      if (got.length === 3) break;
    }
    expect(got).toEqual([1, 2, 3]);
    expect(made).toBeLessThanOrEqual(5);
  });

  test("bytes go on where they broke", async () => {
    const adapter = mockAdapter([{ respond: (request) => (request.headers["range"] === undefined ? { stream: ["abc", new Error("reset")], headers: { etag: '"v"' } } : { status: 206, stream: ["def"], headers: { "content-range": "bytes 3-5/6" } }) }]);
    const chunks = (await stitch({ kind: "stream", stream: { decode: "bytes" }, url: "https://api.test/", adapter })()) as Uint8Array[];
    expect(chunks.map((chunk) => new TextDecoder().decode(chunk)).join("")).toBe("abcdef");
    expect(adapter.calls[1]?.headers).toMatchObject({ range: "bytes=3-", "if-range": '"v"' });
  });
});

test("drift: what came against what was declared, by path and never by value", async () => {
  const schema = { "~standard": { version: 1 as const, vendor: "t", validate: (value: unknown) => {
    const { id, tags } = value as { id: string; tags: { n: unknown }[] };
    return { value: { id: Number(id), tags: tags.map((tag) => ({ n: tag.n })), kind: "default" } };
  } } };
  const adapter = mockAdapter([{ respond: { body: { id: "7", tags: [{ n: 1 }, { n: 2, canary: "secret" }], extra: { deep: 1 }, ignored: 1 } } }]);
  const { findings } = await stitch({ url: "https://api.test/", adapter, output: drift(schema, { ignore: ["ignored"] }) }).inspect();
  expect(findings).toEqual(expect.arrayContaining([
    { kind: "coerced", severity: "warn", path: "id" }, { kind: "undeclared", severity: "info", path: "extra" },
    { kind: "undeclared", severity: "info", path: "tags[].canary", sample: "tags[1].canary" }, { kind: "defaulted", severity: "verbose", path: "kind" },
  ]));
  expect(findings).toHaveLength(4);
  expect(JSON.stringify(findings)).not.toContain("secret");
});

describe("several calls as one", () => {
  const make = (respond: MockRoute["respond"]) => {
    const clock = manualClock();
    const adapter = mockAdapter([{ respond }], { clock });
    return { clock, adapter, call: stitch({ url: "https://api.test/{n}", adapter, clock }) };
  };
  const byPath: MockRoute["respond"] = (request) => {
    const n = Number(new URL(request.url).pathname.slice(1));
    return n < 0 ? { delayMs: -n, status: 500 } : { delayMs: n, body: n, headers: { "content-type": "application/json" } };
  };
  test("all, any, race: losers are aborted", async () => {
    const { clock, adapter, call } = make(byPath);
    const of = (n: number) => call({ params: { n } });
    const both = all({ a: of(10), b: call.with({ params: { n: 20 } }) as never });
    await clock.advanceAsync(20);
    expect(await both).toEqual({ a: 10, b: 20 });
    const failing = caught(all([of(-10), of(1000)]));
    await clock.advanceAsync(10);
    expect(await failing).toMatchObject({ code: "HTTP_STATUS" });
    expect(adapter.inFlight).toBe(0);
    const settledAll = all([of(-5), of(5)], { settle: true });
    await clock.advanceAsync(5);
    expect((await settledAll).map((each) => each.ok)).toEqual([false, true]);
    const first = any([of(-5), of(50), of(1000)]);
    await clock.advanceAsync(50);
    expect(await first).toBe(50);
    const none = caught(any([of(-5), of(-6)]));
    await clock.advanceAsync(6);
    expect((await none).errors).toHaveLength(2);
    const fastest = race([of(30), of(1000)]);
    await clock.advanceAsync(30);
    expect(await fastest).toBe(30);
    await clock.advanceAsync(1);
    expect(adapter.inFlight).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  test("linked steps share a trace, and what is still open ends with the work", async () => {
    const events: StitchEvent[] = [];
    const adapter = mockAdapter([{ match: "/hang", respond: { delayMs: 100_000 } }, { respond: { body: 1 } }]);
    const api = seam({ baseUrl: "https://api.test", adapter, trace: { handle: (event) => void events.push(event) } });
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let left: Promise<unknown> | undefined;
    await linked(async (run) => {
      await run(api.stitch("/a"));
      await run(api.stitch("/b"));
      left = caught(run(api.stitch("/hang")));
      await new Promise((resolve) => setImmediate(resolve));
    }, { traceparent, tracestate: "v=1" });
    expect(await left).toMatchObject({ code: "ABORTED" });
    expect(new Set(events.map((event) => event.traceId))).toEqual(new Set(["0af7651916cd43dd8448eb211c80319c"]));
    expect(new Set(events.map((event) => event.parentSpanId)).size).toBe(1);
    expect(adapter.calls[0]?.headers).toMatchObject({ traceparent: expect.stringMatching(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/) as string, tracestate: "v=1" });
  });
});
