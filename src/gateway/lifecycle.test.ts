import { rateLimits } from "./local-kinds.ts";
import { describe, expect, test } from "vitest";
import { createGateway } from "./create-gateway.ts";
import { definePolicy } from "./define-policy.ts";
import { getGatewayContext } from "./context.ts";
import { health } from "./operation/health.ts";
import type { RouteConfig } from "./types.ts";

const text = (path: string, body: string, policies: RouteConfig["pipeline"]["policies"] = []): RouteConfig => ({ path, pipeline: { policies, upstream: { type: "handler", handler: (c) => c.text(body) } } });

function gate(): { open: () => void; wait: Promise<void> } {
  let open: () => void = () => {};
  const wait = new Promise<void>((resolve) => (open = resolve));
  return { open: () => open(), wait };
}

describe("update", () => {
  test("swaps whole configurations; a bad one changes nothing", async () => {
    const gateway = createGateway({ routes: [text("/a", "1"), text("/b", "1")] });
    const { app } = gateway;
    await expect(gateway.update({ routes: [] })).rejects.toMatchObject({ code: "config_error" });
    expect(await (await app.request("/a")).text()).toBe("1");
    expect(await gateway.update({ routes: [text("/a", "2"), text("/c", "2")] })).toEqual({ added: ["/c"], removed: ["/b"], changed: ["/a"] });
    expect(gateway.app).toBe(app);
    expect([await (await app.request("/a")).text(), (await app.request("/b")).status, await (await app.request("/c")).text()]).toEqual(["2", 404, "2"]);
  });

  test("a request in flight ends on the configuration it began on; then its policies are disposed", async () => {
    const disposed: string[] = [];
    const { open, wait } = gate();
    const owner = definePolicy<{ as: string }, string>({ name: "owner", setup: (config) => config.as, handler: async (c, next, { state }) => { await wait; await next(); c.res.headers.set("x-on", state); }, dispose: (state) => void disposed.push(state) });
    const gateway = createGateway({ routes: [text("/a", "1", [owner({ as: "old" })])] });
    const pending = gateway.app.request("/a");
    await gateway.update({ routes: [text("/a", "2", [owner({ as: "new" })])] });
    expect(disposed).toEqual([]);
    open();
    const response = await pending;
    expect([await response.text(), response.headers.get("x-on"), disposed]).toEqual(["1", "old", ["old"]]);
  });

  test("policies are disposed once the last body of their configuration has ended, or broken", async () => {
    for (const end of ["close", "error", "cancel"] as const) {
      let disposed = false;
      const owner = definePolicy({ name: "owner", setup: () => ({}), handler: (_c, next) => next(), dispose: () => void (disposed = true) });
      let body: ReadableStreamDefaultController<Uint8Array> | undefined;
      const stream: RouteConfig = { path: "/s", pipeline: { policies: [owner()], upstream: { type: "handler", handler: () => new Response(new ReadableStream({ start: (controller) => { body = controller; controller.enqueue(new Uint8Array([49])); } })) } } };
      const gateway = createGateway({ routes: [stream] });
      const response = await gateway.app.request("/s");
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      await reader.read();
      await gateway.update({ routes: [text("/a", "1")] });
      expect(disposed).toBe(false);
      if (end === "cancel") await reader.cancel();
      else if (end === "close") body?.close();
      else body?.error(new Error("broken"));
      await reader.read().catch(() => {});
      expect(disposed).toBe(true);
      await gateway.close();
    }
  });

  test("tells which routes changed, wherever a health check stands among them", async () => {
    const [a, b, check] = [text("/a", "1"), text("/b", "1"), health()];
    const gateway = createGateway({ routes: [a, b, check] });
    expect(await gateway.update({ routes: [a, text("/b", "2"), check] })).toEqual({ added: [], removed: [], changed: ["/b"] });
    expect(await gateway.update({ routes: [check, a, text("/b", "3")] })).toEqual({ added: [], removed: [], changed: ["/b"] });
    await gateway.close();
  });

  test("an exporter that is replaced is shut down once its last request is answered, one that stays is not", async () => {
    const { open, wait } = gate();
    const log: string[] = [];
    const exporter = (name: string) => ({ export: () => Promise.resolve(), shutdown: async () => void log.push(name) });
    const [a, b] = [exporter("a"), exporter("b")];
    const slow: RouteConfig = { path: "/slow", pipeline: { upstream: { type: "handler", handler: async (c) => { await wait; return c.text("x"); } } } };
    const gateway = createGateway({ tracing: { exporter: a }, routes: [slow] });
    const pending = gateway.app.request("/slow");
    await gateway.update({ tracing: { exporter: b }, routes: [slow] });
    expect(log).toEqual([]);
    open();
    await (await pending).text();
    await Promise.resolve();
    expect(log).toEqual(["a"]);
    await gateway.update({ tracing: { exporter: b }, routes: [text("/c", "x")] });
    await Promise.resolve();
    expect(log).toEqual(["a"]);
    await gateway.close();
    expect(log).toEqual(["a", "b"]);
  });

  test("private stores survive it", async () => {
    const count = definePolicy({ name: "count", handler: async (c, next, { site }) => { const { count: n } = await site.local.of(rateLimits).increment(site.scopeKey, 60); await next(); c.res.headers.set("x-n", String(n)); } });
    const gateway = createGateway({ routes: [text("/a", "1", [count()])] });
    await gateway.app.request("/a");
    await gateway.update({ routes: [text("/a", "2", [count()])] });
    expect((await gateway.app.request("/a")).headers.get("x-n")).toBe("2");
    await gateway.close();
  });
});

describe("close", () => {
  test("refuses what is new, finishes what is in flight and in the background", async () => {
    const { open, wait } = gate();
    let background = "pending";
    const gateway = createGateway({ routes: [{ path: "/", pipeline: { upstream: { type: "handler", handler: async (c) => { getGatewayContext(c)!.waitUntil(wait.then(() => void (background = "done"))); await wait; return c.text("late"); } } } }] });
    const pending = gateway.app.request("/");
    const closed = gateway.close();
    const refused = await gateway.app.request("/");
    expect([refused.status, refused.headers.get("connection"), ((await refused.json()) as { code: string }).code]).toEqual([503, "close", "gateway_closing"]);
    open();
    expect(await (await pending).text()).toBe("late");
    await closed;
    expect(background).toBe("done");
    expect(gateway.close()).toBe(gateway.close());
    await expect(gateway.update({ routes: [text("/", "x")] })).rejects.toMatchObject({ code: "gateway_closing" });
  });

  test("aborts what outlives the grace period", async () => {
    let aborted: unknown;
    const gateway = createGateway({ routes: [{ path: "/", pipeline: { upstream: { type: "handler", handler: (c) => new Promise((_resolve, reject) => { const { signal } = getGatewayContext(c)!; signal.addEventListener("abort", () => { aborted = signal.reason; reject(signal.reason); }); }) } } }] });
    const pending = gateway.app.request("/");
    await gateway.close({ graceMs: 5 });
    expect(aborted).toMatchObject({ code: "gateway_closing" });
    expect((await pending).status).toBe(503);
  });
});
