/** Origin and base path of an upstream cannot be left: rewrites, encodings and dynamic targets, against a canary. */

import { createServer, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createGateway, getGatewayContext, type UrlUpstream } from "../../src/gateway.ts";
import { serve } from "../../src/node.ts";

let upstream: Server;
let canary: Server;
let target: string;
let canaryHost: string;
const seen: { url: string; headers: NodeJS.Dict<string | string[]> }[] = [];
let canaryHits = 0;
/** Where paths of the upstream lead. */
const redirects = new Map<string, string>();

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
};

beforeAll(async () => {
  upstream = createServer((request, response) => {
    seen.push({ url: request.url ?? "", headers: request.headers });
    const location = redirects.get(request.url ?? "");
    if (location !== undefined) response.writeHead(302, { location });
    response.end("ok");
  });
  canary = createServer((_request, response) => {
    canaryHits++;
    response.end("canary");
  });
  canary.on("connection", () => canaryHits++);
  target = `http://127.0.0.1:${await listen(upstream)}`;
  canaryHost = `127.0.0.1:${await listen(canary)}`;
});
afterAll(() => {
  for (const server of [upstream, canary]) {
    server.closeAllConnections();
    server.close();
  }
});
beforeEach(() => {
  seen.length = 0;
  canaryHits = 0;
});

const gatewayTo = (config: Partial<UrlUpstream>): ReturnType<typeof createGateway> =>
  createGateway({ routes: [{ path: "/*", pipeline: { upstream: { type: "url", target: `${target}/base`, ...config } } }] });

describe("a rewrite", () => {
  test.each([
    ["http://{canary}/x"], ["//{canary}/x"], ["/\\{canary}/x"], ["\\\\{canary}\\x"], ["@{canary}/x"], [":80@{canary}/"], [".{canary}"], ["x"], [""], ["/../x"], ["/a/../../x"], ["/%2e%2e/x"],
    ["/a/%2E%2e/.%2e/x"], ["/x?y=1"], ["/x#y"], ["/%00"], ["/%zz"], ["https:/{canary}"],
  ])("to %s opens no connection", async (result) => {
    const gateway = gatewayTo({ rewritePath: () => result.replace("{canary}", canaryHost) });
    const response = await gateway.app.request("/p");
    const text = await response.text();
    expect([response.status, (JSON.parse(text) as { code: string }).code, seen.length, canaryHits]).toEqual([502, "upstream_error", 0, 0]);
    expect(text).not.toContain("127.0.0.1");
    await gateway.close();
  });

  test("that is a path keeps the query, below the base path", async () => {
    const gateway = gatewayTo({ rewritePath: (path) => path.replace("/api", ""), target: `${target}/base/?k=1` });
    await gateway.app.request("/api/a%2Fb/../c?q=%20&q=2");
    expect(seen[0]?.url).toBe("/base/c?k=1&q=%20&q=2");
    await gateway.close();
  });

  test("no request and no rewrite reaches the canary or leaves the base path", async () => {
    const piece = fc.oneof(fc.constantFrom("/", "..", ".", "%2e", "%2E%2E", "\\", "%5c", "%2f", "//", "@", ":", "?", "#", "a", "http:", " ", "\t", "%00", "%", "\u2215", ";"), fc.string({ maxLength: 3 }));
    const text = fc.array(piece, { maxLength: 8 }).map((parts) => parts.join("")).chain((left) => fc.constantFrom(left, `/${left}`, `//${canaryHost}${left}`, `/${left}@${canaryHost}`));
    let rewrite = (path: string): string => path;
    const gateway = gatewayTo({ rewritePath: (path) => rewrite(path) });
    await fc.assert(
      fc.asyncProperty(text, text, fc.boolean(), async (path, result, rewriting) => {
        seen.length = 0;
        rewrite = rewriting ? () => result : (same) => same;
        let request: Request;
        try {
          request = new Request(`http://gateway/${path}`);
        } catch {
          return;
        }
        const response = await gateway.fetch(request);
        await response.text();
        expect(canaryHits).toBe(0);
        expect([200, 400, 502]).toContain(response.status);
        for (const one of seen) {
          expect(one.url.startsWith("/base/") || one.url.startsWith("/base?") || one.url === "/base").toBe(true);
          expect(new URL(one.url, "http://h").pathname.startsWith("/base")).toBe(true);
        }
      }),
      { numRuns: 400 },
    );
    await gateway.close();
  });
});

test.each([
  ["{target}/base/login?a=1#b", "http://gateway.example/login?a=1#b"], ["{target}/base", "http://gateway.example/"], ["{target}/other", "http://gateway.example/other"], ["/base/login?a=1", "/login?a=1"], ["/base", "/"],
  ["{target}/base//evil.example/x", "http://gateway.example/evil.example/x"], ["/base//evil.example/x", "/evil.example/x"], ["/base/\\evil.example", "/evil.example"],
  ["/other", "/other"], ["login", "login"], ["//elsewhere.example/base/x", "//elsewhere.example/base/x"], ["https://elsewhere.example/base/x", "https://elsewhere.example/base/x"],
])("rewriteLocation makes %s %s", async (location, expected) => {
  redirects.set("/base/from", location.replace("{target}", target));
  const gateway = gatewayTo({ rewriteLocation: true });
  const response = await gateway.fetch(new Request("http://gateway.example/from"));
  expect([response.status, response.headers.get("location")]).toEqual([302, expected]);
  await gateway.close();
});

describe("a target function", () => {
  const choose = (value: () => unknown): ReturnType<typeof createGateway> =>
    createGateway({ routes: [{ path: "/*", pipeline: { upstream: { type: "url", target: value as () => string, allowOrigins: [target] } } }] });

  test("may choose among its origins, sync or async", async () => {
    for (const value of [() => `${target}/t`, async () => new URL(`${target}/t/`)]) {
      const gateway = choose(value);
      expect((await gateway.app.request("/x")).status).toBe(200);
      await gateway.close();
    }
    expect(seen.map((one) => one.url)).toEqual(["/t/x", "/t/x"]);
  });

  test.each([[() => `http://${canaryHost}`], [() => `${target}@${canaryHost}`], [() => `http://user:pw@${target.slice(7)}`], [() => "file:///etc/passwd"], [() => "not a url"], [() => undefined], [() => `http://127.1:${target.split(":")[2]}x`]])(
    "may not leave them: %s",
    async (value) => {
      const gateway = choose(value);
      expect((await gateway.app.request("/x")).status).toBe(502);
      expect([seen.length, canaryHits]).toEqual([0, 0]);
      await gateway.close();
    },
  );

  test("needs allowOrigins", () => {
    expect(() => createGateway({ routes: [{ path: "/", pipeline: { upstream: { type: "url", target: () => target } } }] })).toThrow(/allowOrigins/);
  });
});

test.each([["nonsense"], ["/relative"], ["ftp://h/"], ["http://user:secret@h/"], [""], [7], ["http://"]])("target %j is refused at construction", (bad) => {
  const make = (): unknown => createGateway({ routes: [{ path: "/a", pipeline: { upstream: { type: "url", target: bad as string } } }] });
  expect(make).toThrow(/"target".*"\/a"/);
  expect(make).not.toThrow(/secret/);
});

describe("forwarding fields", () => {
  const spoof = { "x-forwarded-for": "6.6.6.6", "x-forwarded-proto": "https", "x-forwarded-host": "evil", forwarded: "for=6.6.6.6" };
  const env = { incoming: { socket: { remoteAddress: "10.0.0.1" } } };
  const send = async (config: Partial<UrlUpstream>, trustProxy: false | string[], headers: Record<string, string>): Promise<NodeJS.Dict<string | string[]>> => {
    const gateway = createGateway({ trustProxy, routes: [{ path: "/*", pipeline: { upstream: { type: "url", target, ...config } } }] });
    const response = await gateway.app.request("http://gw.example/x", { headers: { host: "gw.example", ...headers } }, env as never);
    await response.text();
    await gateway.close();
    return seen.at(-1)!.headers;
  };

  test("of an untrusted peer are replaced", async () => {
    expect(await send({ forwarded: "both" }, false, spoof)).toMatchObject({ "x-forwarded-for": "10.0.0.1", "x-forwarded-proto": "http", "x-forwarded-host": "gw.example", forwarded: "for=10.0.0.1;host=gw.example;proto=http" });
  });
  test("of a trusted peer are continued", async () => {
    expect(await send({ forwarded: "both" }, ["10.0.0.0/8"], spoof)).toMatchObject({ "x-forwarded-for": "6.6.6.6, 10.0.0.1", "x-forwarded-proto": "https", "x-forwarded-host": "evil", forwarded: "for=6.6.6.6, for=10.0.0.1;host=gw.example;proto=http" });
  });
  test("can be off, and lies still end here", async () => {
    const headers = await send({ forwarded: false, via: false }, false, spoof);
    for (const name of [...Object.keys(spoof), "via"]) expect(headers).not.toHaveProperty(name);
  });
  test("preserveHost and fixed fields", async () => {
    expect(await send({ preserveHost: true, headers: { "X-Fixed": "1", authorization: "Bearer ours" } }, false, { authorization: "Bearer theirs" })).toMatchObject({ host: "gw.example", "x-fixed": "1", authorization: "Bearer ours" });
  });
  test("a request that has been here too often is a loop", async () => {
    const gateway = gatewayTo({});
    const via = (times: number): RequestInit => ({ headers: { via: Array.from({ length: times }, () => "1.1 sluice").join(", ") } });
    expect((await gateway.app.request("/", via(11))).status).toBe(508);
    expect((await gateway.app.request("/", via(9))).status).toBe(200);
    await gateway.close();
  });
  test("a valid trace passes, a malformed one does not, and ids a policy has used are sent", async () => {
    const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    expect(await send({}, false, { traceparent: trace, tracestate: "a=1" })).toMatchObject({ traceparent: trace, tracestate: "a=1" });
    expect(await send({}, false, { traceparent: "00-zz", tracestate: "a=1" })).not.toHaveProperty("tracestate");
    const gateway = createGateway({ policies: [{ name: "read", handler: (c, next) => { void getGatewayContext(c)!.traceId; return next(); } }], routes: [{ path: "/*", pipeline: { upstream: { type: "url", target } } }] });
    await (await gateway.app.request("/", { headers: { traceparent: trace } })).text();
    expect(seen.at(-1)!.headers["traceparent"]).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/);
    await gateway.close();
  });
});

describe("a path in which a lenient upstream would find a parent directory", () => {
  test.each(["/a/..%2fb", "/a%2f..%2Fb", "/a/..%5Cb", "/a%5c../b", "/a/..;/b", "/a/..;x=1/b", "/%2e%2e%2fb", "/a/%2e%2e;/b", "/%c0%ae%c0%ae/b", "/a%c0%afb", "/a%E0%80%AFb", "/a/..%3b/b", "/a/..%3Bx=1/b", "/%f0%80%80%ae%f0%80%80%ae/b", "/a%F0%80%80%AFb", "/a/..%e0%81%9cb"])("%s is refused", async (path) => {
    const gateway = gatewayTo({});
    expect(await (await gateway.app.request(path)).json()).toMatchObject({ status: 400, code: "bad_request" });
    expect(seen).toEqual([]);
    await gateway.close();
  });
  test.each(["/a%2Fb", "/@scope%2fname", "/a..b%2fc", "/..a%2fb", "/a;v=1/b", "/%C3%A9", "/a%5Cb", "/...%2f"])("%s passes, its escapes in upper case", async (path) => {
    const gateway = gatewayTo({});
    expect((await gateway.app.request(path)).status).toBe(200);
    expect(seen[0]?.url).toBe(`/base${path.replace(/%../g, (escape) => escape.toUpperCase())}`);
    await gateway.close();
  });
});

test("fields that rewrite host, path or address come from trusted peers alone", async () => {
  const lies = { "x-original-url": "/admin", "x-rewrite-url": "/admin", "x-original-host": "evil", "x-client-ip": "9.9.9.9", "true-client-ip": "9.9.9.9", "x-forwarded-scheme": "https", "x-forwarded-path": "/admin" };
  for (const trustProxy of [false as const, (): boolean => true]) {
    const gateway = createGateway({ trustProxy, routes: [{ path: "/*", pipeline: { upstream: { type: "url", target } } }] });
    await gateway.fetch(new Request("http://gw/x", { headers: lies }), { incoming: { socket: { remoteAddress: "10.0.0.1" } } } as never);
    for (const name of Object.keys(lies)) expect([name, name in seen.at(-1)!.headers]).toEqual([name, trustProxy !== false]);
    await gateway.close();
  }
});

describe("raw request targets through the server", () => {
  test.each(["/a/%2e%2e/%2e%2e/x", "/..%2f..%2fx", "//127.0.0.1/x", "/\\..\\x", "http://other.example/x", "/a/..;/x", "/%c0%ae%c0%ae/x", "/x%0d%0aSet-Cookie:a"])("%s stays below the base path", async (path) => {
    const gateway = gatewayTo({});
    const server = await serve(gateway, { port: 0, overrideGlobals: false });
    await new Promise<void>((resolve) => {
      const socket = connect(server.port, "127.0.0.1", () => socket.write(`GET ${path} HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n`));
      socket.on("data", () => {});
      socket.on("close", () => resolve());
    });
    expect(canaryHits).toBe(0);
    for (const one of seen) expect(one.url).toMatch(/^\/base\//);
    await server.close({ graceMs: 0 });
  });
});
