/** The resilience and traffic policies together, in front of a real HTTP server. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { memoryAdapter } from "../../src/drivers/memory/adapter.ts";
import { createGateway } from "../../src/gateway/create-gateway.ts";
import { requestLog, type RequestLogEntry } from "../../src/gateway/policies/observability/request-log.ts";
import { circuitBreaker } from "../../src/gateway/policies/resilience/circuit-breaker.ts";
import { retry } from "../../src/gateway/policies/resilience/retry.ts";
import { timeout } from "../../src/gateway/policies/resilience/timeout.ts";
import { cors } from "../../src/gateway/policies/traffic/cors.ts";
import { rateLimit } from "../../src/gateway/policies/traffic/rate-limit.ts";
import type { GatewayInstance, Policy, StoreOptions } from "../../src/gateway/types.ts";
import type { RateLimitStore } from "../../src/state/contracts/limits.ts";
import type { CircuitBreakerSnapshot, CircuitBreakerStore, CircuitState } from "../../src/state/contracts/circuits.ts";
import type { GatewayAdapter } from "../../src/state/contracts/adapter.ts";

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

type Answer = (request: IncomingMessage, response: ServerResponse, nth: number) => void;

async function upstream(answer: Answer): Promise<{ url: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server: Server = createServer((request, response) => answer(request, response, requests.push(request)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  opened.push(() => new Promise((resolve) => (server.closeAllConnections(), server.close(resolve))));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

function gatewayTo(target: string, policies: readonly Policy[], adapter: GatewayAdapter = memoryAdapter(), stores?: StoreOptions): GatewayInstance {
  const gateway = createGateway({ adapter, ...(stores === undefined ? undefined : { stores }), routes: [{ path: "/*", pipeline: { policies, upstream: { type: "url", target } } }] });
  opened.push(() => gateway.close({ graceMs: 0 }));
  return gateway;
}

const ask = async (gateway: GatewayInstance, path = "/", init?: RequestInit): Promise<Response> => await gateway.fetch(new Request(`http://gateway.test${path}`, init));

describe("policies in front of an upstream", () => {
  it("work together: a flaky upstream is retried, a dead one is left alone, every answer is marked and logged", async () => {
    let dead = false;
    const { url, requests } = await upstream((_request, response, nth) => {
      response.statusCode = dead || nth % 2 === 1 ? 503 : 200;
      response.end(`answer ${nth}`);
    });
    const entries: RequestLogEntry[] = [];
    const gateway = gatewayTo(url, [
      requestLog({ sink: (entry) => void entries.push(entry) }),
      cors({ origins: ["https://app.example"] }),
      rateLimit({ max: 6, windowSeconds: 60 }),
      circuitBreaker({ failureThreshold: 2, resetTimeoutMs: 60_000 }),
      timeout({ timeoutMs: 5000 }),
      retry({ maxRetries: 1, baseDelayMs: 1 }),
    ]);
    const origin = { headers: { origin: "https://app.example" } };
    const flaky = await ask(gateway, "/?q=hidden", origin);
    expect([flaky.status, await flaky.text(), flaky.headers.get("x-retry-count")]).toEqual([200, "answer 2", "1"]);
    dead = true;
    const seen: Response[] = [];
    for (let i = 0; i < 6; i++) seen.push(await ask(gateway, "/", origin));
    await Promise.all(seen.map((response) => response.text()));
    expect(seen.map((response) => response.status)).toEqual([503, 503, 503, 503, 503, 429]);
    expect(requests).toHaveLength(6);
    expect(seen[2]?.headers.get("retry-after")).toBe("60");
    for (const response of seen) {
      expect(response.headers.get("access-control-allow-origin")).toBe("https://app.example");
      expect(response.headers.get("vary")).toContain("Origin");
    }
    expect(seen.map((response) => response.headers.get("x-ratelimit-remaining"))).toEqual(["4", "3", "2", "1", "0", "0"]);
    expect(entries.map((entry) => entry.statusCode)).toEqual([200, 503, 503, 503, 503, 503, 429]);
    expect(entries[0]).toMatchObject({ upstream: `url ${url}`, path: "/", bytes: 8 });
    expect(JSON.stringify(entries)).not.toContain("hidden");
  });

  it("retries a connection that was reset, and sends a POST once", async () => {
    const { url, requests } = await upstream((request, response, nth) => {
      if (nth === 1 || request.method === "POST") request.socket.destroy();
      else response.end("ok");
    });
    const gateway = gatewayTo(url, [retry({ baseDelayMs: 1 })]);
    expect((await ask(gateway)).status).toBe(200);
    expect(requests.map((request) => request.headers["x-retry-count"])).toEqual(["0", "1"]);
    const failed = await ask(gateway, "/", { method: "POST", body: "once" });
    expect([failed.status, requests.length]).toEqual([502, 3]);
    expect(await failed.text()).not.toContain("127.0.0.1");
  });

  it("sends a small body again after a reset, whole", async () => {
    const bodies: string[] = [];
    const { url } = await upstream((request, response, nth) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        bodies.push(body);
        if (nth === 1) request.socket.destroy();
        else response.end("ok");
      });
    });
    const gateway = gatewayTo(url, [retry({ baseDelayMs: 1 })]);
    expect((await ask(gateway, "/", { method: "PUT", body: "payload" })).status).toBe(200);
    expect(bodies).toEqual(["payload", "payload"]);
  });

  it("hangs up on an upstream that is too slow, and cuts a body that outlives the deadline", async () => {
    const closed: Promise<void>[] = [];
    const { url } = await upstream((request, response) => {
      closed.push(new Promise((resolve) => response.once("close", resolve)));
      if (request.url === "/body") {
        response.writeHead(200, { "content-length": "100" });
        response.write("begin");
      }
    });
    const gateway = gatewayTo(url, [timeout({ timeoutMs: 100 })]);
    const late = await ask(gateway, "/headers");
    expect([late.status, ((await late.json()) as { code: string }).code]).toEqual([504, "gateway_timeout"]);
    const cut = await ask(gateway, "/body");
    expect(cut.status).toBe(200);
    await expect(cut.text()).rejects.toThrow();
    await Promise.all(closed);
  });

  it("opens the circuit on an upstream that cannot be reached, whatever failureOn says", async () => {
    const gateway = gatewayTo("http://127.0.0.1:1", [circuitBreaker({ failureThreshold: 2, failureOn: [] })]);
    const codes: unknown[] = [];
    for (let i = 0; i < 3; i++) codes.push(((await (await ask(gateway)).json()) as { code: string }).code);
    expect(codes).toEqual(["upstream_error", "upstream_error", "circuit_open"]);
  });
});

describe("stores that a user brings", () => {
  /** As a user writes one who knows only the interface's required methods. */
  class MyRateLimitStore implements RateLimitStore {
    readonly calls: [string, number][] = [];
    readonly #counts = new Map<string, { count: number; resetAt: number }>();
    async increment(key: string, windowSeconds: number): Promise<{ count: number; resetAt: number }> {
      this.calls.push([key, windowSeconds]);
      let entry = this.#counts.get(key);
      if (entry === undefined || entry.resetAt <= Date.now()) this.#counts.set(key, (entry = { count: 0, resetAt: Date.now() + windowSeconds * 1000 }));
      entry.count++;
      return { ...entry };
    }
  }

  class MyCircuitBreakerStore implements CircuitBreakerStore {
    readonly calls: string[] = [];
    readonly #states = new Map<string, CircuitBreakerSnapshot>();
    async getState(key: string): Promise<CircuitBreakerSnapshot> {
      return this.#states.get(key) ?? { state: "closed", failureCount: 0, successCount: 0, lastFailureTime: 0, lastStateChange: 0 };
    }
    async recordSuccess(key: string): Promise<CircuitBreakerSnapshot> {
      this.calls.push("success");
      return await this.#put(key, {});
    }
    async recordFailure(key: string): Promise<CircuitBreakerSnapshot> {
      this.calls.push("failure");
      return await this.#put(key, { lastFailureTime: Date.now() });
    }
    async transition(key: string, state: CircuitState): Promise<CircuitBreakerSnapshot> {
      this.calls.push(state);
      return await this.#put(key, { state, lastStateChange: Date.now() });
    }
    async reset(key: string): Promise<void> {
      this.#states.delete(key);
    }
    async #put(key: string, change: Partial<CircuitBreakerSnapshot>): Promise<CircuitBreakerSnapshot> {
      const next = { ...(await this.getState(key)), ...change };
      this.#states.set(key, next);
      return next;
    }
  }

  it("are really asked, and decide", async () => {
    const { url } = await upstream((_request, response) => {
      response.statusCode = 500;
      response.end();
    });
    const rateLimitStore = new MyRateLimitStore();
    const circuitBreakerStore = new MyCircuitBreakerStore();
    const gateway = gatewayTo(url, [rateLimit({ max: 4, windowSeconds: 30 }), circuitBreaker({ failureThreshold: 2 })], { rateLimitStore, circuitBreakerStore });
    const statuses: number[] = [];
    for (let i = 0; i < 6; i++) statuses.push((await ask(gateway)).status);
    expect(statuses).toEqual([500, 500, 503, 503, 429, 429]);
    expect(rateLimitStore.calls.map(([, seconds]) => seconds)).toEqual([30, 30, 30, 30, 30, 30]);
    expect(new Set(rateLimitStore.calls.map(([key]) => key)).size).toBe(1);
    expect(circuitBreakerStore.calls).toEqual(["failure", "failure", "open"]);
  });

  it("hold up no request when they hang, and cost nothing once they are suspended", async () => {
    const { url } = await upstream((_request, response) => response.end("ok"));
    let asked = 0;
    const hung: RateLimitStore = { increment: () => (asked++, new Promise(() => {})), check: () => (asked++, new Promise(() => {})) };
    const gateway = gatewayTo(url, [rateLimit({ max: 100 })], { rateLimitStore: hung }, { timeoutMs: 20, guard: { threshold: 3, cooldownMs: 60_000, maxCooldownMs: 60_000 } });
    const statuses = new Set<number>();
    for (let i = 0; i < 20; i++) statuses.add((await ask(gateway)).status);
    expect([...statuses]).toEqual([200]);
    expect(asked).toBe(3);
  });

  it("admit exactly max of a thousand at once", async () => {
    const { url, requests } = await upstream((_request, response) => response.end("ok"));
    for (const adapter of [memoryAdapter(), { rateLimitStore: new MyRateLimitStore() }]) {
      requests.length = 0;
      const gateway = gatewayTo(url, [rateLimit({ max: 40 })], adapter);
      const answers = await Promise.all(Array.from({ length: 1000 }, () => ask(gateway)));
      await Promise.all(answers.map((response) => response.text()));
      expect(answers.filter((response) => response.status === 200)).toHaveLength(40);
      expect(requests).toHaveLength(40);
    }
  });
});
