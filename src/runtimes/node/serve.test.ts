import { createServer, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import type { Context } from "hono";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createGateway } from "../../gateway/create-gateway.ts";
import { definePolicy } from "../../gateway/define-policy.ts";
import { circuitBreaker } from "../../gateway/policies/resilience/circuit-breaker.ts";
import { retry } from "../../gateway/policies/resilience/retry.ts";
import { timeout } from "../../gateway/policies/resilience/timeout.ts";
import { cors } from "../../gateway/policies/traffic/cors.ts";
import type { GatewayConfig, GatewayInstance, UpstreamConfig } from "../../gateway/types.ts";
import { serve, type NodeServer } from "./serve.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function upstreamServer(handler: Parameters<typeof createServer>[1]): Promise<{ url: string; server: Server }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

async function served(upstream: UpstreamConfig, more: Partial<GatewayConfig> = {}): Promise<NodeServer & { gateway: GatewayInstance }> {
  const gateway = createGateway({ routes: [{ path: "/*", methods: ["GET", "POST", "PUT", "DELETE"], pipeline: { upstream } }], ...more });
  const server = await serve(gateway, { port: 0, overrideGlobals });
  cleanups.push(() => server.close({ graceMs: 0 }));
  return { ...server, gateway };
}

/** Sends bytes and resolves with everything that came back until the connection closed (or `until` matched). */
function raw(server: NodeServer, bytes: string, until?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, "127.0.0.1", () => socket.write(bytes));
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (until?.test(text) === true) socket.destroy();
    });
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
  });
}

const GET = (path: string, fields = ""): string => `GET ${path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n${fields}\r\n`;

let overrideGlobals = false;

// The light classes stay once they are installed, so they come second.
describe.each([false, true])("with overrideGlobals: %s", (override) => {
  beforeAll(() => void (overrideGlobals = override));
  afterAll(() => expect(Object.getPrototypeOf(Response) !== Function.prototype).toBe(override));

describe("serve", () => {
    test("answers, knows the socket's address, and closes", async () => {
      const server = await served({ type: "handler", handler: (c) => c.json({ ip: (c.env as { incoming: { socket: { remoteAddress: string } } }).incoming.socket.remoteAddress }) });
      const response = await fetch(`${server.url}/x`);
      expect(await response.json()).toEqual({ ip: "127.0.0.1" });
      expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
      await server.close({ graceMs: 100 });
      await expect(fetch(server.url)).rejects.toThrow();
    });

    test("a port in use is the system's error", async () => {
      const first = await served({ type: "handler", handler: (c) => c.text("x") });
      await expect(serve(first.gateway, { port: first.port, overrideGlobals })).rejects.toMatchObject({ code: "EADDRINUSE" });
    });

    test.each([[{ port: -1 }, /port.*-1/], [{ port: 70_000 }, /port/], [{ hostname: "" }, /hostname/]])("refuses %j", async (options, message) => {
      const gateway = createGateway({ routes: [{ path: "/", pipeline: { upstream: { type: "handler", handler: () => new Response() } } }] });
      await expect(serve(gateway, options)).rejects.toThrow(message);
    });

    test("fields set after the body was looked at are sent", async () => {
      const late = definePolicy({
        name: "late",
        async handler(c, next) {
          await next();
          const { headers } = c.res;
          headers.set("x-before", "1");
          const length = (await c.res.clone().text()).length;
          headers.set("x-length", String(length));
          headers.delete("etag");
        },
      });
      const handler = (): Response => new Response("four", { headers: { etag: '"a"' } });
      const server = await served({ type: "handler", handler }, { policies: [late(), cors()] });
      const response = await fetch(server.url, { headers: { origin: "https://a.example" } });
      expect([response.headers.get("x-before"), response.headers.get("x-length"), response.headers.get("etag"), response.headers.get("access-control-allow-origin"), await response.text()]).toEqual(["1", "4", null, "*", "four"]);
    });

    test("bytes of no known type are not called text", async () => {
      const handler = (c: Context): Response => (c.req.path === "/text" ? new Response("x", { headers: { etag: '"a"' } }) : new Response(new Uint8Array([1, 2]), { headers: { etag: '"a"' } }));
      const server = await served({ type: "handler", handler });
      const bytes = await fetch(`${server.url}/bytes`);
      expect([bytes.headers.get("content-type"), (await bytes.arrayBuffer()).byteLength]).toEqual([null, 2]);
      const text = await fetch(`${server.url}/text`);
      expect([text.headers.get("content-type"), await text.text()]).toEqual(["text/plain;charset=UTF-8", "x"]);
    });

    test("a clone has fields of its own", async () => {
      const seen: unknown[] = [];
      const cloning = definePolicy({
        name: "cloning",
        async handler(c, next) {
          await next();
          c.res.headers.set("x-own", "kept");
          const copy = c.res.clone();
          c.res.headers.set("x-own", "sent");
          seen.push(copy.headers.get("x-own"), await copy.text());
        },
      });
      const server = await served({ type: "handler", handler: () => new Response("x") }, { policies: [cloning()] });
      const response = await fetch(server.url);
      expect([...seen, response.headers.get("x-own")]).toEqual(["kept", "x", "sent"]);
    });

    test("fields that a handler uses again never pick up another caller's", async () => {
      const shared = new Headers({ "x-shared": "1" });
      const pairs: [string, string][] = [["x-shared", "1"]];
      let calls = 0;
      const marks = definePolicy({
        name: "marks",
        async handler(c, next) {
          await next();
          c.res.headers.append("set-cookie", `session=${c.req.header("x-user")}`);
        },
      });
      const server = await served({ type: "handler", handler: () => new Response("x", { headers: calls++ % 2 === 0 ? shared : pairs }) }, { policies: [marks()] });
      for (const user of ["ada", "bob", "cleo", "dan"]) {
        const response = await fetch(server.url, { headers: { "x-user": user } });
        expect([response.headers.getSetCookie(), response.headers.get("x-shared")]).toEqual([[`session=${user}`], "1"]);
      }
      expect([[...shared], pairs.length]).toEqual([[["x-shared", "1"]], 1]);
    });

    test("malformed percent-encoding is a 400 problem", async () => {
      const server = await served({ type: "handler", handler: (c) => c.text("never") });
      for (const path of ["/%", "/a%zz", "/%0", "/x%00y"]) {
        const answer = await raw(server, GET(path));
        expect(answer, path).toMatch(/^HTTP\/1.1 400 /);
        expect(answer, path).toContain('"code":"bad_request"');
      }
    });

    test("10,000 header fields are refused, and the process goes on", async () => {
      const server = await served({ type: "handler", handler: (c) => c.text("fine") });
      const many = await raw(server, GET("/", Array.from({ length: 10_000 }, (_, i) => `x${i}: y\r\n`).join("")));
      expect(many).toMatch(/^HTTP\/1.1 431 /);
      expect(await raw(server, GET("/", "a: b\r\n".repeat(2200)))).toMatch(/^HTTP\/1.1 431 /);
      expect(await (await fetch(server.url)).text()).toBe("fine");
    });

    test("as many header fields as allowed pass, one more does not", async () => {
      const server = await served({ type: "handler", handler: (c) => c.text("fine") });
      const fields = (count: number): string => "a:b\r\n".repeat(count - 2);
      expect(await raw(server, GET("/", fields(2000)))).toMatch(/^HTTP\/1.1 200 /);
      expect(await raw(server, GET("/", fields(2001)))).toMatch(/^HTTP\/1.1 431 /);
    });

    test("one host: a second field is refused, and an absolute target overrules the field", async () => {
      const server = await served({ type: "handler", handler: (c) => c.json([new URL(c.req.url).host, c.req.header("host")]) });
      expect(await raw(server, GET("/", "Host: other\r\n"))).toMatch(/^HTTP\/1.1 400 /);
      expect(await raw(server, GET("http://victim/x"))).toContain('["victim","victim"]');
      expect(await raw(server, GET("/x"))).toContain('["gateway","gateway"]');
    });

    test("smuggling: ambiguous framing is refused before anything is routed", async () => {
      let calls = 0;
      const server = await served({ type: "handler", handler: (c) => { calls++; return c.text("x"); } });
      for (const request of [
        "POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        "GET / HTTP/1.1\r\nHost: g\r\nX: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: g\r\nX : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: g\r\nX: a\0b\r\n\r\n",
      ]) expect(await raw(server, request), JSON.stringify(request)).toMatch(/^HTTP\/1.1 400 /);
      expect(calls).toBe(0);
    });

    test("a handler that throws or returns nothing is a problem that tells nothing", async () => {
      const server = await served({ type: "handler", handler: (c) => { if (c.req.path === "/throw") throw new Error("secret at /srv/app.js"); return undefined as never; } });
      const thrown = await fetch(`${server.url}/throw`);
      expect([thrown.status, await thrown.json()]).toEqual([500, expect.objectContaining({ code: "internal_error", detail: "An unexpected error occurred" })]);
      expect(await (await fetch(`${server.url}/nothing`)).json()).toMatchObject({ code: "handler_no_response", status: 500 });
    });
  });

  describe("what a client does opens no circuit of its upstream", () => {
    const breaker = circuitBreaker({ failureThreshold: 2 });
    const upload = "PUT /a HTTP/1.1\r\nHost: g\r\nContent-Length: 10\r\n\r\nabc";
    test.each([
      ["a WebSocket handshake", GET("/a", "Upgrade: websocket\r\n"), [], {}, /^HTTP\/1.1 501/],
      ["a loop it claims", GET("/a", `Via: ${"1.1 sluice, ".repeat(12)}x\r\n`), [], {}, /^HTTP\/1.1 508/],
      ["a path no rewrite takes", GET("/bad"), [], { rewritePath: (path: string) => (path === "/bad" ? "//elsewhere" : path) }, /^HTTP\/1.1 502/],
      ["a hidden parent directory", GET("/a/..%2fb"), [], {}, /^HTTP\/1.1 400/],
      ["an upload that stalls", upload, [], { idleBodyTimeoutMs: 60 }, /^HTTP\/1.1 504/],
      ["an upload that outlasts the deadline", upload, [timeout({ timeoutMs: 60 })], {}, /^HTTP\/1.1 504/],
    ])("%s", async (_name, bytes, more, options, answer) => {
      const { url } = await upstreamServer((request, response) => void request.resume().on("error", () => {}).on("end", () => response.end("ok")));
      const server = await served({ type: "url", target: url, ...options }, { policies: [breaker, ...more] });
      for (let i = 0; i < 3; i++) expect(await raw(server, bytes, /\r\n\r\n/)).toMatch(answer);
      expect(await raw(server, GET("/fine"))).toMatch(/^HTTP\/1.1 200 /);
    });

    test("and one that leaves while a retry keeps its body is no fault", async () => {
      const { url } = await upstreamServer((_request, response) => void response.end("ok"));
      const server = await served({ type: "url", target: url }, { policies: [retry()] });
      const faults: string[] = [];
      server.gateway.events.on((event) => void (event.type === "error" && faults.push(event.code)));
      await new Promise<void>((resolve) => {
        const socket = connect(server.port, "127.0.0.1", () => socket.write(upload, () => setTimeout(() => socket.destroy(), 30)));
        socket.on("close", () => setTimeout(resolve, 30));
      });
      await server.gateway.close({ graceMs: 500 });
      expect(faults).toEqual([]);
    });
  });

  describe("a url upstream on Node", () => {
    test("proxies a body in both directions", async () => {
      const { url } = await upstreamServer((request, response) => {
        response.writeHead(201, { "content-type": "application/octet-stream", "x-method": request.method, "x-path": request.url });
        request.pipe(response);
      });
      const server = await served({ type: "url", target: `${url}/base` });
      const body = "x".repeat(300_000);
      const response = await fetch(`${server.url}/a%2Fb?q=1&q=2`, { method: "POST", body });
      expect([response.status, response.headers.get("x-method"), response.headers.get("x-path")]).toEqual([201, "POST", "/base/a%2Fb?q=1&q=2"]);
      expect(response.headers.get("via")).toBe("1.1 sluice");
      expect(await response.text()).toBe(body);
    });

    test("an upstream that resets mid-body breaks the client's response", async () => {
      const { url } = await upstreamServer((_request, response) => {
        response.writeHead(200, { "content-type": "text/plain" });
        response.write("first part");
        setTimeout(() => response.socket?.resetAndDestroy(), 20);
      });
      const server = await served({ type: "url", target: url });
      const response = await fetch(server.url);
      expect(response.status).toBe(200);
      await expect(response.text()).rejects.toThrow();
      const bytes = await raw(server, GET("/"));
      expect(bytes).toContain("first part");
      expect(bytes).not.toMatch(/\r\n0\r\n/);
      expect(bytes).not.toContain("Error");
    });

    test("an upstream that is not there is a 502 that names nobody", async () => {
      const server = await served({ type: "url", target: "http://127.0.0.1:1" });
      const response = await fetch(server.url);
      const text = await response.text();
      expect([response.status, JSON.parse(text)]).toEqual([502, expect.objectContaining({ code: "upstream_error" })]);
      expect(text).not.toMatch(/127\.0\.0\.1|ECONNREFUSED|:1\b/);
      expect(await (await fetch(server.url, { method: "POST", body: "x".repeat(100_000) })).json()).toMatchObject({ code: "upstream_error" });
    });

    test("no header within the deadline is a 504", async () => {
      const { url } = await upstreamServer(() => {});
      const server = await served({ type: "url", target: url, headersTimeoutMs: 50 });
      expect(await (await fetch(server.url)).json()).toMatchObject({ status: 504, code: "upstream_timeout" });
    });

    test("silence within the body breaks it off", async () => {
      const { url } = await upstreamServer((_request, response) => void response.write("x"));
      const server = await served({ type: "url", target: url, idleBodyTimeoutMs: 50 });
      await expect((await fetch(server.url)).text()).rejects.toThrow();
    });

    test("a client that leaves ends the upstream call", async () => {
      let closed: () => void = () => {};
      const gone = new Promise<void>((resolve) => (closed = resolve));
      const { url } = await upstreamServer((request, response) => {
        response.write("x");
        request.once("close", closed);
        response.once("close", closed);
      });
      const server = await served({ type: "url", target: url });
      const controller = new AbortController();
      const response = await fetch(server.url, { signal: controller.signal });
      controller.abort();
      await gone;
      await expect(response.text()).rejects.toThrow();
    });

    test("a client that stalls its body gets an answer", async () => {
      const { url } = await upstreamServer((request, response) => void request.resume().on("end", () => response.end("done")));
      const server = await served({ type: "url", target: url, idleBodyTimeoutMs: 50 });
      const answer = await raw(server, "POST / HTTP/1.1\r\nHost: g\r\nConnection: close\r\nContent-Length: 10\r\n\r\nab", /upstream_timeout/);
      expect(answer).toMatch(/^HTTP\/1.1 504 /);
    });

    test("a long body streams under backpressure", async () => {
      const size = 64 * 1024 * 1024;
      let sent = 0;
      const { url } = await upstreamServer((_request, response) => {
        response.writeHead(200, { "content-length": size });
        const chunk = Buffer.alloc(65_536, 1);
        const more = (): void => {
          while (sent < size) {
            sent += chunk.length;
            if (!response.write(chunk)) return void response.once("drain", more);
          }
          response.end();
        };
        more();
      });
      const server = await served({ type: "url", target: url });
      const response = await fetch(server.url);
      // Nobody reads: what is sent fills the buffers on the way, and no more.
      let before = -1;
      while (before !== sent) {
        before = sent;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(sent).toBeLessThan(size / 2);
      let bytes = 0;
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) bytes += chunk.byteLength;
      expect(bytes).toBe(size);
    });

    test("close() finishes what is in flight", async () => {
      let arrived: () => void = () => {};
      const there = new Promise<void>((resolve) => (arrived = resolve));
      const { url } = await upstreamServer((_request, response) => {
        arrived();
        setTimeout(() => response.end("late"), 50);
      });
      const server = await served({ type: "url", target: url });
      const pending = fetch(server.url);
      await there;
      await server.close();
      expect(await (await pending).text()).toBe("late");
    });

    test("hop-by-hop fields go, and a peer nobody trusts cannot speak for others", async () => {
      const seen: Record<string, unknown>[] = [];
      const { url } = await upstreamServer((request, response) => {
        seen.push(request.headers);
        response.setHeader("connection", "x-secret, keep-alive");
        response.setHeader("x-secret", "1");
        response.end("ok");
      });
      const server = await served({ type: "url", target: url });
      const answer = await raw(server, GET("/", "Connection: x-drop, authorization, x-forwarded-for\r\nX-Drop: 1\r\nAuthorization: keep\r\nTE: trailers\r\nX-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nExpect: 100-continue\r\nKeep-Alive: timeout=1\r\n"));
      expect(answer.toLowerCase()).not.toContain("x-secret");
      expect(seen[0]).toMatchObject({ authorization: "keep", "x-forwarded-for": "127.0.0.1", "x-forwarded-host": "gateway", "x-forwarded-proto": "http", via: "1.1 sluice", host: url.slice(7) });
      for (const name of ["x-drop", "te", "x-real-ip", "forwarded", "expect", "keep-alive"]) expect(seen[0]).not.toHaveProperty(name);
    });
  });
});
