/** Nothing a client can write into a socket gets a 5xx from the gateway, a hang, or a crash. */

import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createGateway } from "../../src/gateway/create-gateway.ts";
import { circuitBreaker } from "../../src/gateway/policies/resilience/circuit-breaker.ts";
import { cache } from "../../src/gateway/policies/traffic/cache.ts";
import { cors } from "../../src/gateway/policies/traffic/cors.ts";
import { rateLimit } from "../../src/gateway/policies/traffic/rate-limit.ts";
import { serve, type NodeServer } from "../../src/runtimes/node/serve.ts";
import { fuzz } from "./fuzz/raw-fuzzer.ts";

let server: NodeServer;
const upstream = createServer((request, response) => {
  request.resume();
  request.on("error", () => {});
  request.on("end", () => response.end("up"));
});

beforeAll(async () => {
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const target = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  const gateway = createGateway({
    policies: [cors(), rateLimit({ max: 1_000_000 })], debugHeaders: true, metrics: true, admin: true,
    routes: [
      { path: "/a/*", pipeline: { policies: [circuitBreaker(), cache()], upstream: { type: "url", target } } },
      { path: "/", pipeline: { upstream: { type: "url", target } } },
      { path: "/:id", pipeline: { upstream: { type: "handler", handler: async (c) => c.text(await c.req.text()) } } },
    ],
  });
  // A request that never ends is cut soon enough for the test to see it.
  server = await serve(gateway, { port: 0, requestTimeoutMs: 3000, headersTimeoutMs: 3000 });
});
afterAll(async () => {
  await server.close({ graceMs: 0 });
  upstream.closeAllConnections();
  upstream.close();
});

test("1500 malformed requests over raw sockets", async () => {
  const seed = 20_261_127;
  const findings = await fuzz({ port: server.port, count: 1500, seed, patienceMs: 45_000 });
  expect(findings, `seed ${seed}`).toEqual([]);
  expect((await fetch(`${server.url}/a/fine`)).status).toBe(200);
});

test.each([["a bad Host", "GET / HTTP/1.1\r\nhost: a b\r\n\r\n"], ["two hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"], ["a target without a path", "OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n"]])("%s is answered with a problem document", async (_name, text) => {
  const answer = await new Promise<string>((resolve) => {
    let got = "";
    const socket = connect(server.port, "127.0.0.1", () => socket.end(text));
    socket.on("data", (chunk) => (got += String(chunk)));
    socket.on("close", () => resolve(got));
  });
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer.toLowerCase()).toContain("content-type: application/problem+json");
  expect(answer).toContain('"code":"bad_request"');
});
