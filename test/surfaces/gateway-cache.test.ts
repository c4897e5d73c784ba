/** The cache over real sockets: a Node origin, a url upstream, the Node server, and clients that misbehave. */

import { type IncomingMessage, type ServerResponse, createServer, get as httpGet } from "node:http";
import type { AddressInfo } from "node:net";
import type { Context } from "hono";
import { afterEach, describe, expect, it } from "vitest";
import { cache } from "../../src/gateway/policies/traffic/cache.ts";
import { createGateway } from "../../src/gateway/create-gateway.ts";
import type { UrlUpstream } from "../../src/gateway/types.ts";
import { serve } from "../../src/runtimes/node/serve.ts";

type Handler = (request: IncomingMessage, response: ServerResponse, call: number) => void;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function origin(handler: Handler) {
  const calls: IncomingMessage[] = [];
  const server = createServer((request, response) => handler(request, response, calls.push(request)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  }));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls };
}

async function setup(handler: Handler, options: Parameters<typeof cache>[0] = {}, upstream: Partial<UrlUpstream> = {}) {
  const back = await origin(handler);
  const gateway = createGateway({
    routes: [{ path: "/*", pipeline: { policies: [cache(options)], upstream: { type: "url", target: back.url, ...upstream } } }],
  });
  const server = await serve(gateway, { port: 0 });
  cleanups.push(() => server.close({ graceMs: 100 }));
  const get = async (path: string, headers: Record<string, string> = {}, method = "GET") => {
    const response = await fetch(server.url + path, { method, headers });
    return { status: response.status, cache: response.headers.get("x-cache"), headers: response.headers, text: await response.text() };
  };
  return { ...back, server, gateway, get };
}

/** A client that reads when it is told to. */
function slowClient(url: string) {
  const events: string[] = [];
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    httpGet(url, { agent: false }, resolve).on("error", reject);
  });
  return { events, response };
}

const until = async (condition: () => boolean) => {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(condition()).toBe(true);
};

const stored = { "cache-control": "max-age=60", "content-type": "text/plain" };

describe("over sockets", () => {
  it("a hit is the first answer with its age, whole, in part, or as 304", async () => {
    const t = await setup((_request, response, call) => {
      response.writeHead(200, { ...stored, etag: '"v"', "x-call": String(call) });
      response.end(`body ${call}`);
    });
    expect(await t.get("/a")).toMatchObject({ cache: "MISS", text: "body 1" });
    const hit = await t.get("/a");
    expect(hit).toMatchObject({ status: 200, cache: "HIT", text: "body 1" });
    expect(hit.headers.get("cache-status")).toMatch(/^edge-gateway; hit; ttl=\d+$/);
    expect([hit.headers.get("age"), hit.headers.get("content-length"), hit.headers.get("via")]).toEqual(["0", "6", expect.stringContaining("sluice")]);
    expect(await t.get("/a", { range: "bytes=0-3" })).toMatchObject({ status: 206, text: "body", cache: "HIT" });
    expect(await t.get("/a", { range: "bytes=9-" })).toMatchObject({ status: 416, text: "" });
    // `fetch` adds `no-cache` to conditions unless there is a Cache-Control.
    expect(await t.get("/a", { "if-none-match": 'W/"v"', "cache-control": "max-age=60" })).toMatchObject({ status: 304, text: "", cache: "HIT" });
    expect(await t.get("/a", {}, "HEAD")).toMatchObject({ status: 200, text: "", cache: "HIT" });
    expect(t.calls.length).toBe(1);
  });

  it("bytes come back as they were: binary, empty, text of every kind, long", async () => {
    const bodies = [Buffer.from([0, 255, 254, 128, 10, 13]), Buffer.alloc(0), Buffer.from("\ufeffgrüße €"), Buffer.from("ascii"), Buffer.alloc(300_000, 7), Buffer.from("x".repeat(4097))];
    const t = await setup((request, response) => {
      response.writeHead(200, { "cache-control": "max-age=60", ...(request.url?.includes("typed") ? { "content-type": "application/x" } : undefined) });
      response.end(bodies[Number(request.url?.match(/\d/)?.[0])]);
    });
    for (const kind of ["typed", "plain"]) {
      for (let i = 0; i < bodies.length; i++) {
        for (const wanted of ["MISS", "HIT", "HIT"]) {
          const response = await fetch(`${t.server.url}/${kind}/${i}`);
          expect(Buffer.from(await response.arrayBuffer()).equals(bodies[i] as Buffer)).toBe(true);
          expect(response.headers.get("x-cache")).toBe(wanted);
        }
        expect((await t.get(`/${kind}/${i}`)).headers.get("content-type")).toBe((await t.get(`/${kind}/${i}`)).headers.get("content-type"));
      }
    }
  });

  it("two users never see each other's answers", async () => {
    const t = await setup((request, response) => {
      response.writeHead(200, stored);
      response.end(`for ${request.headers.authorization ?? request.headers.cookie ?? "nobody"}`);
    });
    const users = Array.from({ length: 300 }, (_, i) => ["alice", "bob", undefined][i % 3]);
    for (const field of ["authorization", "cookie"]) {
      const texts = await Promise.all(users.map(async (user) => (await t.get("/me", user === undefined ? {} : { [field]: user })).text));
      expect(texts).toEqual(users.map((user) => `for ${user ?? "nobody"}`));
    }
  });

  it("300 concurrent misses are one call", async () => {
    const t = await setup((_request, response, call) => {
      setTimeout(() => {
        response.writeHead(200, stored);
        response.end(`body ${call}`);
      }, 50);
    });
    const answers = await Promise.all(Array.from({ length: 300 }, () => t.get("/a")));
    expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(["body 1"]));
    expect(t.calls.length).toBe(1);
  });

  it("the first client is fed while the entry fills; the second gets it once it is whole", async () => {
    let finish!: () => void;
    const t = await setup((_request, response) => {
      response.writeHead(200, stored);
      response.write("first ");
      finish = () => response.end("second");
    });
    const response = await slowClient(`${t.server.url}/a`).response;
    const chunk = await new Promise<Buffer>((resolve) => response.once("data", resolve));
    expect(chunk.toString()).toBe("first ");
    const other = t.get("/a");
    finish();
    expect(await other).toMatchObject({ text: "first second" });
    expect(t.calls.length).toBe(1);
    response.resume();
  });

  it("a client that does not read holds nobody up", async () => {
    const size = 900_000;
    const t = await setup((_request, response) => {
      response.writeHead(200, { ...stored, "content-length": String(size) });
      response.end(Buffer.alloc(size, 97));
    });
    const response = await slowClient(`${t.server.url}/a`).response;
    response.pause();
    const other = await t.get("/a");
    expect([other.text.length, other.cache]).toEqual([size, "HIT"]);
    expect(t.calls.length).toBe(1);
    response.destroy();
  });

  it("a client that leaves while others wait costs them nothing but a second call", async () => {
    const t = await setup((_request, response, call) => {
      if (call === 1) return;
      response.writeHead(200, stored);
      response.end("second");
    });
    const leaving = new AbortController();
    const first = fetch(`${t.server.url}/a`, { signal: leaving.signal }).catch(() => undefined);
    await until(() => t.calls.length === 1);
    const others = [t.get("/a"), t.get("/a"), t.get("/a")];
    await new Promise((resolve) => setTimeout(resolve, 50));
    leaving.abort();
    expect((await Promise.all(others)).map(({ text }) => text)).toEqual(["second", "second", "second"]);
    expect(t.calls.length).toBe(2);
    await first;
  });

  it("a body that breaks off is not stored, and the next caller gets a whole one", async () => {
    const t = await setup((_request, response, call) => {
      response.writeHead(200, { ...stored, ...(call === 1 ? { "content-length": "100" } : undefined) });
      if (call > 1) {
        response.end("whole");
        return;
      }
      response.write("half");
      setTimeout(() => response.destroy(), 30);
    });
    await expect(t.get("/a")).rejects.toThrow();
    expect(await t.get("/a")).toMatchObject({ cache: "MISS", text: "whole" });
    expect(await t.get("/a")).toMatchObject({ cache: "HIT", text: "whole" });
  });

  it("events pass one by one and are never stored", async () => {
    const t = await setup((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "max-age=60" });
      response.write("data: 1\n\n");
    });
    for (let call = 1; call <= 2; call++) {
      const response = await slowClient(`${t.server.url}/events`).response;
      expect(response.headers["x-cache"]).toBe("BYPASS");
      expect((await new Promise<Buffer>((resolve) => response.once("data", resolve))).toString()).toBe("data: 1\n\n");
      response.destroy();
      expect(t.calls.length).toBe(call);
    }
  });

  it("a stale answer comes at once and is refreshed behind it", async () => {
    const t = await setup((_request, response, call) => {
      const delay = call === 1 ? 0 : 200;
      setTimeout(() => {
        response.writeHead(200, { "cache-control": "max-age=1, stale-while-revalidate=60" });
        response.end(`body ${call}`);
      }, delay);
    });
    await t.get("/a");
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const start = performance.now();
    expect(await t.get("/a")).toMatchObject({ cache: "STALE", text: "body 1" });
    expect(performance.now() - start).toBeLessThan(150);
    await until(() => t.calls.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await t.get("/a")).text).toBe("body 2");
  });

  it("an origin that is gone is stood in for", async () => {
    let down = false;
    const t = await setup(
      (request, response) => {
        if (down) {
          request.socket.destroy();
          return;
        }
        response.writeHead(200, { "cache-control": "max-age=1" });
        response.end("old");
      },
      { staleIfErrorMs: 60_000 },
    );
    await t.get("/a");
    down = true;
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(await t.get("/a")).toMatchObject({ status: 200, cache: "STALE", text: "old" });
    expect((await t.get("/b")).status).toBe(502);
  });

  it("answers of a target that was chosen for one caller are not given to those who go elsewhere", async () => {
    const [one, two] = [await origin((_request, response) => response.end("one")), await origin((_request, response) => response.end("two"))];
    const t = await setup(() => {}, {}, {
      target: async (c) => (c.req.header("x-tenant") === "one" ? one.url : two.url),
      allowOrigins: [one.url, two.url],
    });
    for (const wanted of ["MISS", "HIT"]) {
      expect(await t.get("/a", { "x-tenant": "one" })).toMatchObject({ text: "one", cache: wanted });
      expect(await t.get("/a", { "x-tenant": "two" })).toMatchObject({ text: "two", cache: wanted });
    }
    expect([one.calls.length, two.calls.length]).toEqual([1, 1]);
  });

  it("nor are they stored when a policy behind the cache sent the request elsewhere", async () => {
    const [one, two] = [await origin((_request, response) => response.end("one")), await origin((_request, response) => response.end("two"))];
    const reroute = { name: "reroute", priority: 50, handler: (c: Context, next: () => Promise<void>) => {
      c.set("elsewhere" as never, (c.req.query("go") ?? "") as never);
      return next();
    } };
    const gateway = createGateway({
      routes: [{ path: "/*", pipeline: {
        policies: [cache({ cacheKeyFn: () => "one key for all" }), reroute],
        upstream: { type: "url", target: (c) => (c.get("elsewhere" as never) === "two" ? two.url : one.url), allowOrigins: [one.url, two.url] },
      } }],
    });
    const get = async (path: string) => {
      const response = await gateway.fetch(new Request(`http://host${path}`));
      return [await response.text(), response.headers.get("x-cache")];
    };
    cleanups.push(() => gateway.close());
    expect(await get("/?go=two")).toEqual(["two", "BYPASS"]);
    expect(await get("/")).toEqual(["one", "MISS"]);
    expect(await get("/?go=two")).toEqual(["one", "HIT"]);
  });
});
