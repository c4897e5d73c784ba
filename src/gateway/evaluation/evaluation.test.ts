import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, test, vi } from "vitest";
import { definePolicy } from "../define-policy.ts";
import { GatewayError } from "../errors.ts";
import { createPolicyTestHarness } from "../sdk/harness.ts";
import { memoryAdapter } from "../../drivers/memory/adapter.ts";
import { evaluatePolicies } from "./evaluate-policies.ts";
import { CONTINUE, type PolicyEvalContext, type PolicyInput, type PolicyResult } from "./protocol.ts";

const ctx = (): PolicyEvalContext => ({ debug: () => {}, trace: () => {}, requestId: "r", traceId: "t" });
const input = (more: Partial<PolicyInput> = {}): PolicyInput => ({ phase: "request-headers", method: "GET", path: "/a?b=1", headers: new Headers(), attributes: new Map(), protocol: "grpc", ...more });

/** Refuses by a field, answers by another, else marks both directions. */
const gate = definePolicy<{ mark?: string }>({
  name: "gate",
  priority: 10,
  guard: true,
  evaluate: {
    onRequest: ({ headers, path }, { config }): PolicyResult => {
      if (headers.get("x-deny") !== null) return { action: "reject", status: 403, code: "forbidden", message: "no", headers: { "x-why": path } };
      if (headers.get("x-answer") !== null) return { action: "immediate-response", status: 202, headers: { "x-a": "1" }, body: "done" };
      if (headers.get("x-throw") !== null) throw new Error("secret");
      return { action: "continue", mutations: [{ type: "header", op: "set", name: "x-mark", value: config.mark ?? "m" }, { type: "header", op: "remove", name: "x-gone" }, { type: "attribute", key: "seen", value: 1 }] };
    },
    onResponse: ({ status }) => ({ action: "continue", mutations: [{ type: "header", op: "append", name: "x-status", value: String(status) }, { type: "status", code: 201 }] }),
  },
});

describe("one decision, two surfaces", () => {
  const upstream = vi.fn((c: { req: { header(): Record<string, string> }; json(v: unknown): Response; get(key: never): unknown }) => c.json({ ...c.req.header(), seen: c.get("seen" as never) }));
  const { request } = createPolicyTestHarness(gate(), { upstream: upstream as never });

  test("continue: fields, attributes and status change, and nothing else", async () => {
    const response = await request("/a", { headers: { "x-gone": "1" } });
    expect([response.status, response.headers.get("x-status")]).toEqual([201, "200"]);
    expect(await response.json()).toMatchObject({ "x-mark": "m", seen: 1 });
    expect(upstream.mock.calls[0]![0].req.header()).not.toHaveProperty("x-gone");
    const given = input({ headers: new Headers({ "x-gone": "1" }) });
    expect(await evaluatePolicies([gate({ mark: "k" })], given, ctx())).toEqual({
      action: "continue",
      mutations: [{ type: "header", op: "set", name: "x-mark", value: "k" }, { type: "header", op: "remove", name: "x-gone" }, { type: "attribute", key: "seen", value: 1 }],
    });
    expect([given.headers.get("x-gone"), given.attributes.size]).toEqual(["1", 0]);
  });

  test.each<[string, number, string]>([["x-deny", 403, "forbidden"], ["x-throw", 500, "policy_error"]])("%s: the same status and code", async (field, status, code) => {
    const response = await request("/a?b=1", { headers: { [field]: "1" } });
    expect([response.status, (await response.json() as { code: string }).code]).toEqual([status, code]);
    const verdict = await evaluatePolicies([gate()], input({ headers: new Headers({ [field]: "1" }) }), ctx());
    expect(verdict).toMatchObject({ action: "reject", status, code, policy: "gate" });
    expect(JSON.stringify(verdict)).not.toContain("secret");
    if (status === 403) expect(response.headers.get("x-why")).toBe("/a?b=1");
  });

  test("immediate response", async () => {
    const response = await request("/a", { headers: { "x-answer": "1" } });
    expect([response.status, response.headers.get("x-a"), await response.text()]).toEqual([202, "1", "done"]);
    expect(await evaluatePolicies([gate()], input({ headers: new Headers({ "x-answer": "1" }) }), ctx())).toMatchObject({ action: "immediate-response", status: 202, body: "done" });
  });

  test("skip is asked on both", async () => {
    const skipping = gate({ skip: (c) => c.req.path === "/a" && c.req.query("b") === "1" });
    const denied = { "x-deny": "1" };
    expect((await createPolicyTestHarness(skipping).request("/a?b=1", { headers: denied })).status).toBe(200);
    expect(await evaluatePolicies([skipping], input({ headers: new Headers(denied) }), ctx())).toEqual(CONTINUE);
    expect(await evaluatePolicies([skipping], input({ path: "/b", headers: new Headers(denied) }), ctx())).toMatchObject({ action: "reject" });
  });
});

test("bodies are read for policies that name a body phase alone", async () => {
  const upper = definePolicy({
    name: "upper",
    phases: ["request-body", "response-body"],
    evaluate: {
      onRequest: ({ body }) => ({ action: "continue", mutations: [{ type: "body", op: "replace", content: new TextDecoder().decode(body as ArrayBuffer).toUpperCase() }] }),
      onResponse: ({ body }) => ({ action: "continue", mutations: [{ type: "body", op: "replace", content: `<${new TextDecoder().decode(body as ArrayBuffer)}>` }] }),
    },
  });
  const { request } = createPolicyTestHarness(upper(), { upstream: async (c) => c.text(await c.req.text()) });
  const response = await request("/", { method: "POST", body: "abc" });
  expect(await response.text()).toBe("<ABC>");
  expect(await evaluatePolicies([upper()], input(), ctx())).toEqual(CONTINUE);
});

describe("bodies of a decision", () => {
  const sizes = definePolicy({
    name: "sizes",
    phases: ["request-body", "response-body"],
    evaluate: {
      onRequest: ({ body }) => ({ action: "continue", mutations: [{ type: "header", op: "set", name: "x-in", value: String((body as ArrayBuffer).byteLength) }] }),
      onResponse: ({ body }) => ({ action: "continue", mutations: [{ type: "header", op: "set", name: "x-out", value: new TextDecoder().decode(body as ArrayBuffer) }] }),
    },
  });
  const big = (): ReadableStream<Uint8Array> => new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1_048_576)) });

  test("are bounded in both directions", async () => {
    const { request } = createPolicyTestHarness(sizes(), { upstream: async (c) => (c.req.method === "GET" ? new Response(big()) : c.text(`${(await c.req.text()).length} ${c.req.header("x-in")}`)) });
    const long = await request("/", { method: "POST", body: big(), duplex: "half" } as RequestInit);
    expect([long.status, await long.json()]).toMatchObject([413, { code: "body_too_large" }]);
    const answer = await request("/");
    expect([answer.status, await answer.json()]).toMatchObject([502, { code: "invalid_upstream_response" }]);
    expect(await (await request("/", { method: "POST", body: "abc" })).text()).toBe("3 3");
  });

  test("of answers are plain, and pass as they came", async () => {
    const coded = createPolicyTestHarness(sizes(), { upstream: () => new Response(gzipSync("hi"), { headers: { "content-encoding": "gzip" } }) });
    const response = await coded.request("/");
    expect([response.headers.get("x-out"), response.headers.get("content-encoding"), gunzipSync(await response.arrayBuffer()).toString()]).toEqual(["hi", "gzip", "hi"]);
    const { request } = createPolicyTestHarness(sizes(), { upstream: (c) => c.text(c.req.header("accept-encoding") ?? "") });
    expect(await (await request("/", { headers: { "accept-encoding": "gzip" } })).text()).toBe("identity");
  });
});

describe("evaluatePolicies", () => {
  const tag = (name: string, priority: number, phases?: never) => definePolicy({
    name, priority, ...(phases === undefined ? undefined : { phases }),
    evaluate: {
      onRequest: ({ headers }) => ({ action: "continue", mutations: [{ type: "header", op: "set", name: "x-way", value: `${headers.get("x-way") ?? ""}${name}` }] }),
      onResponse: ({ headers }) => ({ action: "continue", mutations: [{ type: "header", op: "set", name: "x-way", value: `${headers.get("x-way") ?? ""}${name}` }] }),
    },
  })();

  test("requests in order of priority, responses the other way, each seeing what the last one did", async () => {
    const policies = [tag("b", 20), tag("a", 10), { name: "plain", handler: () => {} }];
    const last = async (phase: PolicyInput["phase"]) => ((await evaluatePolicies(policies, input({ phase }), ctx())).mutations!.at(-1) as { value: string }).value;
    expect([await last("request-headers"), await last("response-headers")]).toEqual(["ab", "ba"]);
    expect(await evaluatePolicies(policies, input({ phase: "request-trailers" }), ctx())).toEqual(CONTINUE);
  });

  test("state lives per adapter", async () => {
    const counter = definePolicy<object, { n: number }>({
      name: "counter", setup: () => ({ n: 0 }),
      evaluate: { onRequest: (_input, { state }) => ({ action: "continue", mutations: [{ type: "attribute", key: "n", value: ++state.n }] }) },
    })();
    const [first, second] = [memoryAdapter(), memoryAdapter()];
    const count = async (adapter: ReturnType<typeof memoryAdapter>) => ((await evaluatePolicies([counter], input(), { ...ctx(), adapter })).mutations![0] as { value: number }).value;
    expect([await count(first), await count(first), await count(second)]).toEqual([1, 2, 1]);
  });

  test("a GatewayError is a rejection with its fields", async () => {
    const policy = definePolicy({ name: "p", evaluate: { onRequest: () => { throw new GatewayError(429, "rate_limited", "slow", { "retry-after": "3" }, { members: { a: 1 } }); } } })();
    expect(await evaluatePolicies([policy], input(), ctx())).toEqual({ action: "reject", status: 429, code: "rate_limited", message: "slow", headers: { "retry-after": "3" }, members: { a: 1 }, policy: "p" });
  });
});

test("a definition needs a handler or a decision", () => {
  expect(() => definePolicy({ name: "x" })).toThrow(/handler.*"x"/);
});
