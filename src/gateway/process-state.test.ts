import { describe, expect, test } from "vitest";
import type { GatewayAdapter } from "../state/contracts/adapter.ts";
import { failingStore } from "../testing/failing-store.ts";
import { InMemoryRateLimitStore } from "../drivers/memory/in-memory-rate-limit-store.ts";
import { createGateway } from "./create-gateway.ts";
import { circuitBreaker } from "./policies/resilience/circuit-breaker.ts";
import { rateLimit } from "./policies/traffic/rate-limit.ts";
import { createProcessState } from "./process-state.ts";
import type { Policy, RouteConfig } from "./types.ts";

const route = (policies: Policy[], handler = (): Response => new Response("ok")): RouteConfig => ({ path: "/", pipeline: { policies, upstream: { type: "handler", handler } } });

/** An adapter as a platform has it on which every request makes a new one. */
function isolate(more: Partial<GatewayAdapter> = {}): () => GatewayAdapter {
  const maps = new Map<string, Map<string, unknown>>();
  return () => ({
    ...more,
    privateState: (name) => {
      const found = maps.get(name) ?? new Map<string, unknown>();
      maps.set(name, found);
      return found;
    },
  });
}

describe("a gateway made for every request", () => {
  test("limits and circuits in private stores work, and names do not mix", async () => {
    const adapter = isolate();
    const ask = async (name: string, handler?: () => Response): Promise<number> => (await createGateway({ name, adapter: adapter(), routes: [route([rateLimit({ max: 2 }), circuitBreaker({ failureThreshold: 1 })], handler)] }).app.request("/")).status;
    expect([await ask("a"), await ask("a"), await ask("a"), await ask("b", () => new Response(null, { status: 503 })), await ask("b")]).toEqual([200, 200, 429, 503, 503]);
  });

  test("a store that fails is left alone, and its stand-in goes on counting", async () => {
    let calls = 0;
    const adapter = isolate();
    const ask = async (): Promise<number> => {
      const rateLimitStore = failingStore(new InMemoryRateLimitStore(), () => (calls++, { kind: "fail" }));
      return (await createGateway({ name: "g", stores: { guard: { threshold: 2 } }, adapter: { ...adapter(), rateLimitStore }, routes: [route([rateLimit({ max: 3 })])] }).app.request("/")).status;
    };
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) statuses.push(await ask());
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    expect(calls).toBe(2);
  });
});

test("addresses of one /64 are one caller to a limit; IPv4 addresses are not grouped", async () => {
  const { app } = createGateway({ routes: [route([rateLimit({ max: 1 })])] });
  const from = async (remoteAddress: string): Promise<number> => (await app.request("/", {}, { incoming: { socket: { remoteAddress } } })).status;
  expect([await from("2001:db8:1:2::1"), await from("2001:db8:1:2:ffff::9"), await from("2001:db8:1:3::1"), await from("192.0.2.1"), await from("192.0.2.2"), await from("::ffff:192.0.2.1")]).toEqual([200, 429, 200, 200, 200, 429]);
});

test("an update keeps the state of places that stay and drops that of the others", () => {
  const state = createProcessState();
  let made = 0;
  const of = (place: string): number => state.keep(place, "n", () => ++made);
  expect([of("a"), of("b"), of("a")]).toEqual([1, 2, 1]);
  state.sweep((place) => place === "a");
  expect([of("a"), of("b")]).toEqual([1, 3]);
});
