/** The contract of an adapter, as a suite that any way out can be put through. */

import type { Adapter, AdapterBody, AdapterRequest, AdapterResponse } from "../core/adapter.ts";
import { OptionError } from "../core/errors.ts";
import { expect, expectEqual, failureOf, runContract, show, skipRule, type ContractOptions, type ContractReport, type Rule, type RuleBase } from "./report.ts";

export interface AdapterContractOptions extends ContractOptions {
  /** Where `adapterContractHandler` is served. */
  readonly baseUrl: string;
}

interface AdapterContext extends RuleBase {
  readonly adapter: Adapter;
  ask(path: string, request?: Partial<Pick<AdapterRequest, "method" | "headers" | "body" | "stream" | "maxResponseBytes" | "url">>): Asked;
}

interface Asked {
  readonly response: Promise<AdapterResponse>;
  readonly sendings: () => number;
  abort(reason: unknown): void;
}

const rules: readonly Rule<AdapterContext>[] = [
  { rule: "answer/any-status-resolves", async run({ ask }) {
    for (const status of [200, 201, 304, 404, 429, 500, 503]) expectEqual((await ask(`/status/${status}`).response).status, status, `GET /status/${status}`);
  } },
  { rule: "answer/field-names-in-lower-case", async run({ ask }) {
    const fields = fieldsOf(await ask("/status/200").response);
    expect(fields.some(([name]) => name === "x-contract"), () => `expected x-contract among ${show(fields.map(([name]) => name))}`);
  } },
  { rule: "answer/set-cookie-kept-apart", async run({ ask }) {
    const cookies = fieldsOf(await ask("/cookies").response).filter(([name]) => name === "set-cookie").map(([, value]) => value);
    expectEqual(cookies, ["a=1; Expires=Thu, 01 Jan 2032 00:00:00 GMT", "b=2"], "the two set-cookie fields");
  } },
  { rule: "answer/no-body-for-204", async run({ ask }) {
    expectEqual((await bytesOf((await ask("/empty").response).body)).byteLength, 0, "bytes of a 204");
  } },
  { rule: "answer/bytes-are-exact", async run({ ask }) {
    for (const length of [0, 1, 70_000]) {
      const bytes = await bytesOf((await ask(`/bytes/${length}`).response).body);
      expect(bytes.byteLength === length && bytes.every((byte, i) => byte === i % 256), `a body of ${length} bytes came as ${bytes.byteLength} bytes or with other values`);
    }
  } },
  { rule: "request/goes-out-as-it-is", async run({ ask }) {
    const { response } = ask("/echo?a=1&a=%202", { method: "POST", headers: { "content-type": "text/plain", "x-own": "yes" }, body: "höllo" });
    const echoed = JSON.parse(new TextDecoder().decode(await bytesOf((await response).body))) as { method: string; search: string; headers: Record<string, string>; body: string };
    expectEqual([echoed.method, echoed.search, echoed.headers["x-own"], echoed.body], ["POST", "?a=1&a=%202", "yes", "höllo"], "method, query, header and body");
  } },
  { rule: "request/bodies-of-bytes-and-streams", async run({ ask, adapter }) {
    const text = "x".repeat(10_000);
    const stream = (): ReadableStream<Uint8Array> => new Blob([text]).stream();
    for (const body of [new TextEncoder().encode(text), ...(adapter.capabilities?.stream === false ? [] : [stream()])] as AdapterBody[]) {
      const answer = await ask("/echo", { method: "POST", body }).response;
      expectEqual((JSON.parse(new TextDecoder().decode(await bytesOf(answer.body))) as { body: string }).body.length, text.length, "length of the body that arrived");
    }
  } },
  { rule: "redirect/is-an-answer", async run({ ask, adapter }) {
    if (adapter.capabilities?.redirects === true) return skipRule("the platform follows redirects itself");
    const answer = await ask("/redirect").response;
    expectEqual([answer.status, fieldsOf(answer).find(([name]) => name === "location")?.[1]], [302, "/status/200"], "status and location");
  } },
  { rule: "stream/arrives-as-it-is-sent", async run({ ask, adapter }) {
    if (adapter.capabilities?.stream === false) return skipRule("the adapter does not stream");
    const asked = ask("/drip", { stream: true });
    const { body } = await asked.response;
    expect(body instanceof ReadableStream, () => `expected a stream, got ${show(body)}`);
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    expectEqual(new TextDecoder().decode((await reader.read()).value), "first", "what came before the body was complete");
    await reader.cancel();
  } },
  { rule: "failure/broken-body-is-no-success", async run({ ask }) {
    const error = await failureOf(async () => bytesOf((await ask("/broken", { stream: true }).response).body), "a body that broke off");
    expect(error instanceof Error, () => `expected an Error, got ${show(error)}`);
  } },
  { rule: "failure/no-connection-rejects", async run({ ask }) {
    const error = await failureOf(() => ask("", { url: "http://127.0.0.1:1/" }).response, "a port where nobody listens");
    expect(error instanceof Error, () => `expected an Error, got ${show(error)}`);
  } },
  { rule: "failure/what-was-answered-had-left", async run({ ask, adapter }) {
    if (adapter.capabilities?.sending !== true) return skipRule("the adapter does not say when a request leaves");
    const asked = ask("/status/200");
    await asked.response;
    expect(asked.sendings() > 0, "it did not call onSending, and the request was answered: a failure would count as never sent");
  } },
  { rule: "abort/ends-what-waits", async run({ ask, time }) {
    const asked = ask("/hang");
    const reason = new Error("the contract aborts");
    const failed = failureOf(() => asked.response, "an aborted exchange");
    await time.pass(20);
    asked.abort(reason);
    await failed;
  } },
];

/** The names of the rules, as `skip` and the report use them. */
export const adapterContractRules: readonly string[] = /* @__PURE__ */ rules.map(({ rule }) => rule);

/**
 * Puts an adapter through every rule of its contract, against a server at `baseUrl` that serves `adapterContractHandler`.
 * Never rejects and needs no test framework.
 *
 * ```ts
 * const server = await serve({ fetch: adapterContractHandler }, { port: 0 });
 * assertConformance(await verifyAdapterContract(fetchAdapter(), { baseUrl: server.url }));
 * ```
 */
export function verifyAdapterContract(adapter: Adapter, options: AdapterContractOptions): Promise<ContractReport> {
  return runContract("adapter", rules, options, (base) => {
    if (typeof adapter !== "function") throw new OptionError("adapter", adapter, "a function");
    const root = String(options.baseUrl).replace(/\/$/, "");
    return {
      ...base, adapter,
      ask(path, given = {}) {
        const controller = new AbortController();
        const listeners = new Set<(reason: unknown) => void>();
        let sendings = 0;
        base.after(() => controller.abort(new Error("the rule is over")));
        const request: AdapterRequest = {
          url: root + path, method: "GET", headers: {}, body: null, stream: false, maxResponseBytes: undefined, connectTimeoutMs: undefined, idleTimeoutMs: undefined, publicOnly: false, mayFollow: false,
          ...given, signal: controller.signal,
          onCancel(listener) {
            listeners.add(listener);
            return () => listeners.delete(listener);
          },
          onSending: () => void sendings++,
          onHeaders: () => undefined,
        };
        const abort = (reason: unknown): void => {
          for (const listener of listeners) listener(reason);
          controller.abort(reason);
        };
        const response = Promise.resolve().then(() => adapter(request));
        response.catch(() => undefined);
        return { response, sendings: () => sendings, abort };
      },
    };
  });
}

function fieldsOf({ headers }: AdapterResponse): (readonly [name: string, value: string])[] {
  if (headers === undefined) return [];
  if (headers instanceof Headers) return [...[...headers].filter(([name]) => name !== "set-cookie"), ...headers.getSetCookie().map((value) => ["set-cookie", value] as const)];
  if (Array.isArray(headers)) return (headers as readonly string[]).flatMap((name, i) => (i % 2 === 0 ? [[name, (headers as readonly string[])[i + 1] as string] as const] : []));
  return Object.entries(headers as Readonly<Record<string, string | readonly string[] | undefined>>).flatMap(([name, value]) => (value === undefined ? [] : typeof value === "string" ? [[name, value] as const] : value.map((each) => [name, each] as const)));
}

async function bytesOf(body: AdapterResponse["body"]): Promise<Uint8Array> {
  if (body === undefined || body === null) return new Uint8Array(0);
  if (typeof body === "string") return new TextEncoder().encode(body);
  return body instanceof Uint8Array ? body : new Uint8Array(await new Response(body).arrayBuffer());
}
