/** The ways out of the client on Node, held to the adapter's contract on a real server. */

import * as undici from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fetchAdapter } from "../../src/client.ts";
import type { Adapter } from "../../src/client.ts";
import { serve, undiciAdapter, type NodeServer } from "../../src/node.ts";
import { adapterContractHandler, adapterContractRules, assertConformance, describeReport, verifyAdapterContract } from "../../src/testing.ts";
import { defaultAdapter } from "../../src/client/adapters.ts";

let server: NodeServer;
beforeAll(async () => {
  server = await serve({ fetch: adapterContractHandler }, { port: 0, hostname: "127.0.0.1" });
});
afterAll(() => server.close());

describe("adapters on Node", () => {
  it.each<[string, () => Adapter]>([["the default", () => defaultAdapter()], ["fetchAdapter", () => fetchAdapter()], ["undiciAdapter", () => undiciAdapter(undici)]])("%s", async (_, make) => {
    const adapter = make();
    const report = await verifyAdapterContract(adapter, { baseUrl: server.url });
    await adapter.close?.();
    console.log(describeReport(report));
    assertConformance(report);
    expect(report.skipped).toEqual([]);
  });
});

describe("every rule can fail", () => {
  const real = fetchAdapter();
  const over = (change: (response: Awaited<ReturnType<Adapter>>) => Awaited<ReturnType<Adapter>>): Adapter => async (request) => change(await real(request));
  const flat = (headers: unknown): [string, string][] => (Array.isArray(headers) ? (headers as string[]).flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1] as string] as [string, string]] : [])) : Object.entries(headers as Record<string, string>));
  const hang: Adapter = () => new Promise(() => undefined);
  const broken: Record<string, Adapter> = {
    "answer/any-status-resolves": async (request) => {
      const response = await real(request);
      if (response.status >= 400) throw new Error("a status is no failure of an adapter");
      return response;
    },
    "answer/field-names-in-lower-case": over((response) => ({ ...response, headers: flat(response.headers).flatMap(([name, value]) => [name.toUpperCase(), value]) })),
    "answer/set-cookie-kept-apart": over((response) => ({ ...response, headers: Object.fromEntries(flat(response.headers)) })),
    "answer/no-body-for-204": over((response) => ({ ...response, body: new Uint8Array(1) })),
    "answer/bytes-are-exact": over((response) => ({ ...response, body: response.body instanceof Uint8Array ? response.body.subarray(1) : "x" })),
    "request/goes-out-as-it-is": (request) => real(Object.create(request, { url: { value: request.url.split("?")[0] } }) as typeof request),
    "request/bodies-of-bytes-and-streams": (request) => real(Object.create(request, { body: { value: null } }) as typeof request),
    "redirect/is-an-answer": async (request) => {
      const response = await fetch(request.url);
      return { status: response.status, headers: response.headers, body: response.body };
    },
    "stream/arrives-as-it-is-sent": over(({ status, headers }) => ({ status, headers, body: new Uint8Array(0) })),
    "failure/broken-body-is-no-success": async () => ({ status: 200, headers: {}, body: new Uint8Array(20) }),
    "failure/no-connection-rejects": async () => ({ status: 200, headers: {}, body: null }),
    "failure/what-was-answered-had-left": Object.assign(async () => ({ status: 200 }), { capabilities: { sending: true } }),
    "abort/ends-what-waits": hang,
  };

  it("has a broken adapter per rule", () => expect(Object.keys(broken)).toEqual([...adapterContractRules]));
  it.each(Object.entries(broken))("%s", async (rule, adapter) => {
    const report = await verifyAdapterContract(adapter, { baseUrl: server.url, only: [rule], timeoutMs: 3000 });
    expect(report.violations.map((each) => each.rule)).toEqual([rule]);
  });
});
