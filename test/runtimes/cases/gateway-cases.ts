/**
 * What a gateway does over HTTP, whatever runtime it runs in. No test framework: a case throws when it finds otherwise. The gateway
 * runs inside the runtime, these ask from outside, so that what arrives is bytes and not what a runtime makes of them.
 */

import assert from "node:assert/strict";
import { until } from "../../servers/process.ts";
import { fuzz } from "../../surfaces/fuzz/raw-fuzzer.ts";
import type { RuntimeName } from "../inside/runtime-name.ts";
import { GET, json, open, openSocket, raw, refusal } from "./client.ts";
import { PATH_FORMS, lenientPath } from "./path-forms.ts";
import type { Upstream } from "./upstream.ts";

export interface Site {
  readonly runtime: RuntimeName;
  /** Where the gateway listens. */
  readonly url: string;
  readonly port: number;
  readonly upstream: Upstream;
}

export interface Case {
  readonly name: string;
  readonly run: (site: Site) => Promise<void>;
  /** Runtimes on which it cannot hold, and why. */
  readonly not?: Partial<Record<RuntimeName, string>>;
}

const SEEN = "what a local workerd does with bytes on the wire is Miniflare's Node server, not the platform's edge";

const code = async (response: Response): Promise<[number, unknown]> => [response.status, ((await response.json()) as { code?: string }).code];
const steady = async (read: () => number): Promise<number> => {
  for (let before = -1; ; ) {
    if (before === read() && before > 0) return before;
    before = read();
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
};

export const gatewayCases: readonly Case[] = [
  {
    name: "the gateway runs in the runtime this says",
    async run({ url, runtime }) {
      assert.equal(((await (await fetch(`${url}/runtime`)).json()) as { name: string }).name, runtime);
    },
  },
  {
    name: "routes by path and method, with parameters and problem documents",
    async run({ url }) {
      assert.deepEqual(await (await fetch(`${url}/items/a%20b`)).json(), { id: "a b" });
      assert.deepEqual(await code(await fetch(`${url}/nothing/here`)), [404, "not_found"]);
      const denied = await fetch(`${url}/items/1`, { method: "DELETE" });
      assert.deepEqual([denied.status, denied.headers.get("allow")], [405, "GET, POST, HEAD, OPTIONS"]);
      assert.equal(denied.headers.get("content-type"), "application/problem+json");
      const head = await fetch(`${url}/items/1`, { method: "HEAD" });
      assert.deepEqual([head.status, await head.text()], [200, ""]);
      assert.match((await fetch(`${url}/items/1`)).headers.get("x-request-id") as string, /^[0-9a-f-]{36}$/);
    },
  },
  {
    name: "the canonical path is one on every runtime",
    async run({ port }) {
      for (const [target, path] of [["/a/../see/%41%7e", "/see/A~"], ["/see/x/%2e%2e/y", "/see/y"], ["/see/%2e/y", "/see/y"], ["/see/a%2fb", "/see/a%2Fb"], ["/see/a%2Fb", "/see/a%2Fb"]]) {
        assert.equal(json<{ path: string }>(await raw(port, GET(target as string))).path, path, target);
      }
      assert.equal((await raw(port, GET("//see/x"))).status, 404);
      assert.equal(json<{ query: string }>(await raw(port, GET("/see/q?a=%20&b=1+2&a=2"))).query, "?a=%20&b=1+2&a=2");
    },
  },
  {
    name: "a path without a canonical form is a 400 problem",
    async run({ port }) {
      for (const target of ["/see/%", "/see/a%zz", "/%0", "/see/x%00y"]) {
        const answer = await raw(port, GET(target));
        assert.deepEqual([answer.status, json<{ code: string }>(answer).code], [400, "bad_request"], target);
      }
    },
  },
  {
    name: "no spelling of a path leads past a guard, and what the upstream gets matches the same route",
    async run({ port, upstream }) {
      const ask = async (path: string): Promise<string> => {
        const before = upstream.paths.length;
        const answer = await raw(port, GET(path), undefined, 20_000);
        const came = upstream.paths.slice(before);
        // Bun takes a control character for the end of the target, and what follows for a version: its own 505.
        assert.ok(answer.status !== 0 && (answer.status < 500 || answer.status === 505) && came.length <= 1, `${JSON.stringify(path)}: status ${answer.status}, ${JSON.stringify(came)}`);
        assert.equal(came.length === 1, answer.status === 200, `${JSON.stringify(path)}: status ${answer.status}, ${JSON.stringify(came)}`);
        return came[0] ?? String(answer.status);
      };
      assert.equal(await ask("/paths/admin/x"), "401");
      assert.equal(await ask("/paths/open/x"), "/paths/open/x");
      let passed = 0;
      for (const form of PATH_FORMS) {
        const got = await ask(`/paths/open/${form}`);
        if (!got.startsWith("/")) continue;
        passed++;
        assert.match(got, /^\/paths\/open(?:$|[/?])/, form);
        assert.match(lenientPath(got.split("?")[0] as string), /^\/paths\/open(?:$|\/)/, form);
        assert.equal(await ask(got), got, form);
      }
      assert.ok(passed > 20 && passed < PATH_FORMS.length, `${passed} of ${PATH_FORMS.length} came through`);
    },
  },
  {
    name: "a url upstream gets method, query, fields and body as they came",
    async run({ url }) {
      const body = "x".repeat(300_000);
      const response = await fetch(`${url}/api/echo?q=1&q=%2F`, { method: "PUT", body, headers: { "content-type": "text/plain", "x-own": "1", authorization: "Bearer t", cookie: "a=1; b=2" } });
      const seen = (await response.json()) as { method: string; url: string; headers: Record<string, string>; body: string };
      assert.deepEqual([seen.method, seen.url, seen.body.length, seen.body === body], ["PUT", "/up/echo?q=1&q=%2F", body.length, true]);
      assert.deepEqual([seen.headers["content-type"], seen.headers["x-own"], seen.headers["authorization"], seen.headers["cookie"]], ["text/plain", "1", "Bearer t", "a=1; b=2"]);
      assert.equal(response.headers.get("via"), "1.1 sluice");
    },
  },
  {
    name: "hop-by-hop fields end here, in both directions",
    async run({ port }) {
      const fields = "Connection: x-drop, authorization\r\nX-Drop: 1\r\nAuthorization: keep\r\nTE: trailers\r\nKeep-Alive: timeout=1\r\nProxy-Authorization: Basic x\r\n";
      const { headers } = json<{ headers: Record<string, string> }>(await raw(port, GET("/api/echo", fields)));
      assert.equal(headers["authorization"], "keep");
      for (const name of ["x-drop", "te", "keep-alive", "proxy-authorization"]) assert.equal(headers[name], undefined, name);
      const answer = (await raw(port, GET("/api/hop"))).text.toLowerCase();
      assert.match(answer, /x-outer: 1/);
      assert.doesNotMatch(answer, /x-inner: 1|proxy-authenticate|timeout=9/);
    },
    not: { workerd: "the fields of a connection end at the server in front of the worker, which adds its own" },
  },
  {
    name: "a peer nobody trusts cannot speak for others",
    async run({ port, upstream }) {
      const lies = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nVia: 1.0 before\r\n";
      const { headers } = json<{ headers: Record<string, string> }>(await raw(port, GET("/api/echo", lies)));
      assert.equal(headers["x-forwarded-for"], "127.0.0.1");
      assert.equal(headers["x-forwarded-proto"], "http");
      assert.equal(headers["x-forwarded-host"], "gateway");
      assert.deepEqual([headers["forwarded"], headers["x-real-ip"]], [undefined, undefined]);
      assert.equal(headers["via"], "1.0 before, 1.1 sluice");
      assert.equal(headers["host"], upstream.origin.slice(7));
      assert.deepEqual(json(await raw(port, GET("/ip", lies))), { ip: "127.0.0.1" });
    },
    not: { workerd: "the address comes from cf-connecting-ip, which Cloudflare's edge sets and a local workerd does not" },
  },
  {
    name: "several cookies stay several",
    async run({ url }) {
      const expected = ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"];
      assert.deepEqual((await fetch(`${url}/cookies`)).headers.getSetCookie(), expected);
      assert.deepEqual((await fetch(`${url}/api/cookies`)).headers.getSetCookie(), expected);
    },
  },
  {
    name: "a redirect is an answer, and statuses without a body have none",
    async run({ url }) {
      const moved = await fetch(`${url}/api/redirect`, { redirect: "manual" });
      assert.deepEqual([moved.status, moved.headers.get("location")], [302, "https://elsewhere.test/x"]);
      for (const status of [204, 304]) {
        const response = await fetch(`${url}/empty/${status}`);
        assert.deepEqual([response.status, await response.text()], [status, ""]);
      }
    },
  },
  {
    name: "the client can decode what it gets, and gets no coding it did not ask for",
    async run({ port, url }) {
      assert.equal(await (await fetch(`${url}/api/text`)).text(), "a text that was zipped");
      const plain = await raw(port, GET("/api/text"));
      assert.match(plain.text, /a text that was zipped/);
      assert.doesNotMatch(plain.text, /content-encoding/i);
    },
  },
  {
    name: "a body streams in both directions at once",
    async run({ url }) {
      let more = (_chunk: string | null): void => {};
      const body = new ReadableStream<Uint8Array>({ start(controller) { more = (chunk) => (chunk === null ? controller.close() : controller.enqueue(new TextEncoder().encode(chunk))); } });
      more("first");
      const response = await fetch(`${url}/api/mirror`, { method: "POST", body, duplex: "half" } as RequestInit);
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      const read = async (): Promise<string> => new TextDecoder().decode((await reader.read()).value);
      assert.equal(response.status, 201);
      assert.equal(await read(), "first");
      more("second");
      assert.equal(await read(), "second");
      more(null);
      assert.equal((await reader.read()).done, true);
    },
    not: { workerd: "a local workerd sits behind Miniflare's proxy, which reads a request before it answers" },
  },
  {
    name: "events come one by one, silence included",
    async run({ url }) {
      const began = performance.now();
      const reader = ((await fetch(`${url}/impatient/events`)).body as ReadableStream<Uint8Array>).getReader();
      assert.match(new TextDecoder().decode((await reader.read()).value), /data: 1/);
      const first = performance.now() - began;
      let rest = "";
      for (let next = await reader.read(); !next.done; next = await reader.read()) rest += new TextDecoder().decode(next.value);
      assert.match(rest, /data: 2/);
      assert.ok(performance.now() - began - first > 150, "both events came together");
    },
  },
  {
    name: "a download nobody reads stops the upstream",
    async run({ port, upstream }) {
      const socket = await open(port, GET("/api/endless"), /\r\n\r\n/);
      socket.pause();
      const sent = await steady(upstream.sent);
      assert.ok(sent < 48 * 2 ** 20, `${sent} bytes are on the way`);
      const before = upstream.left.length;
      socket.destroy();
      await until("the upstream is left", () => upstream.left.slice(before).includes("/up/endless"));
    },
  },
  {
    name: "an upload nobody reads stops the client",
    async run({ port, upstream }) {
      const size = 96 * 2 ** 20;
      const socket = await open(port, `POST /api/stalled HTTP/1.1\r\nHost: g\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n`, undefined);
      let answer = "";
      socket.on("data", (chunk) => (answer += chunk.toString("latin1")));
      const chunk = Buffer.alloc(65_536, 1);
      let written = 0;
      const pump = (): void => {
        while (written < size) {
          written += chunk.length;
          if (!socket.write(chunk)) return void socket.once("drain", pump);
        }
      };
      pump();
      const taken = await steady(() => written);
      assert.ok(taken < size / 2, `${taken} bytes were taken`);
      upstream.drain();
      await until("the answer", () => /\r\n\r\n/.test(answer) && answer.includes(String(size)), 30_000);
      assert.equal(upstream.received(), size);
      socket.destroy();
    },
    not: { workerd: "a local workerd sits behind Miniflare's proxy, which takes a request whatever the worker does" },
  },
  {
    name: "an upload may be larger than any runtime's default allows",
    async run({ port, upstream, runtime }) {
      const socket = await open(port, `POST /api/upload HTTP/1.1\r\nHost: g\r\nContent-Length: ${10 * 2 ** 30}\r\n\r\n${"x".repeat(100_000)}`, undefined);
      let answer = "";
      socket.on("data", (chunk) => (answer += chunk.toString("latin1")));
      await until("the upstream gets it", () => upstream.uploaded() >= 100_000);
      assert.equal(answer, "");
      socket.destroy();
      if (runtime !== "workerd") await until("the upload ends with its client", () => upstream.left.includes("/up/upload"));
    },
  },
  {
    name: "a client that leaves ends the call, before and after its headers",
    async run({ port, upstream }) {
      for (const [path, until_] of [["/api/hang", undefined], ["/api/drip", /x/]] as const) {
        const socket = await open(port, GET(path), until_);
        await new Promise((resolve) => setTimeout(resolve, 100));
        socket.destroy();
        await until(`${path} is left`, () => upstream.left.includes(path.replace("/api", "/up")));
      }
    },
    not: { workerd: "Miniflare's proxy does not tell the worker that its client has left" },
  },
  {
    name: "work that outlives its answer is not ended by it",
    async run({ url }) {
      assert.equal((await fetch(`${url}/background`)).status, 202);
      await until("the background work ends", async () => (await (await fetch(`${url}/background/result`)).text()) !== "running");
      assert.equal(await (await fetch(`${url}/background/result`)).text(), "200, not aborted");
    },
  },
  {
    name: "a body that breaks off is seen as broken",
    async run({ port, url }) {
      const answer = await raw(port, GET("/api/half"));
      assert.match(answer.text, /first part/);
      assert.doesNotMatch(answer.text, /\r\n0\r\n/);
      assert.doesNotMatch(answer.text, /Error|at /);
      await assert.rejects((await fetch(`${url}/api/half`)).text());
    },
    not: { workerd: "Miniflare's proxy ends what the worker broke off" },
  },
  {
    name: "upstreams that fail are problems that name nobody",
    async run({ url }) {
      const gone = await fetch(`${url}/nowhere`);
      const text = await gone.text();
      assert.deepEqual([gone.status, (JSON.parse(text) as { code: string }).code], [502, "upstream_error"]);
      assert.doesNotMatch(text, /127\.0\.0\.1|ECONNREFUSED|:9\b/);
      assert.deepEqual(await code(await fetch(`${url}/impatient/hang`)), [504, "upstream_timeout"]);
      await assert.rejects((await fetch(`${url}/impatient/drip`)).text());
      const thrown = await (await fetch(`${url}/throws`)).text();
      assert.match(thrown, /internal_error/);
      assert.doesNotMatch(thrown, /secret|srv/);
    },
    not: { workerd: "see the case of its own: a deadline within a body cannot be told from its end through Miniflare's proxy" },
  },
  {
    name: "a limit is exact, one by one and all at once",
    async run({ url }) {
      const ask = async (key: string): Promise<number> => {
        const response = await fetch(`${url}/limited`, { headers: { "x-key": key } });
        await response.text();
        return response.status;
      };
      const statuses = [];
      for (let i = 0; i < 5; i++) statuses.push(await ask("one"));
      assert.deepEqual(statuses, [200, 200, 200, 429, 429]);
      const all = await Promise.all(Array.from({ length: 60 }, () => ask("two")));
      assert.equal(all.filter((status) => status === 200).length, 3);
      const refused = await fetch(`${url}/limited`, { headers: { "x-key": "one" } });
      assert.ok(Number(refused.headers.get("retry-after")) > 0);
      assert.deepEqual(await code(refused), [429, "rate_limited"]);
    },
  },
  {
    name: "a circuit opens, spares its upstream, and closes again",
    async run({ url, upstream }) {
      upstream.failing = true;
      const statuses = [];
      for (let i = 0; i < 4; i++) statuses.push((await fetch(`${url}/breaker/flaky`)).status);
      assert.deepEqual(statuses, [500, 500, 503, 503]);
      upstream.failing = false;
      await until("the circuit closes", async () => (await fetch(`${url}/breaker/flaky`)).status === 200);
      assert.equal((await fetch(`${url}/breaker/flaky`)).status, 200);
    },
  },
  {
    name: "the cache answers a second time",
    async run({ url }) {
      const first = await (await fetch(`${url}/cached/count?a`)).text();
      assert.equal(await (await fetch(`${url}/cached/count?a`)).text(), first);
      assert.notEqual(await (await fetch(`${url}/cached/count?b`)).text(), first);
    },
  },
  {
    name: "two requests on one connection, sent at once",
    async run({ port }) {
      const { text } = await raw(port, `GET /see/1 HTTP/1.1\r\nHost: g\r\n\r\n${GET("/see/2")}`, /"path":"\/see\/2"/);
      assert.match(text, /"path":"\/see\/1"[\s\S]*"path":"\/see\/2"/);
    },
  },
  {
    name: "ambiguous framing and broken fields are refused before anything is routed",
    async run({ port, url }) {
      const calls = async (): Promise<string> => (await fetch(`${url}/calls`)).text();
      const before = await calls();
      for (const request of [
        "POST /see/x HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /see/x HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        "POST /see/x HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /see/x HTTP/1.1\r\nHost: g\r\nContent-Length: +4\r\n\r\nabcd",
        "POST /see/x HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "GET /see/x HTTP/1.1\r\nHost: g\r\nX: a\r\n b\r\n\r\n",
        "GET /see/x HTTP/1.1\r\nHost: g\r\nX : a\r\n\r\n",
        "GET /see/x HTTP/1.1\r\nHost: g\r\nX: a\0b\r\n\r\n",
        "GET /see/x HTTP/1.1\r\nHost: g\r\nX: a\rb\r\n\r\n",
        "GET /see/x HTTP/1.1\r\nHost: one\r\nHost: two\r\n\r\n",
        "GET /see/x HTTP/1.1\r\nHost: a b/c@d\r\n\r\n",
        "GET /see/x HTTP/1.1\r\nHost: victim/see?y\r\n\r\n",
        "\u0016\u0003\u0001\u0002\u0000",
        "POST /see/x HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      ]) {
        const answer = await raw(port, request, /\r\n\r\n/, 3000);
        assert.ok(answer.status === 0 || (answer.status >= 400 && answer.status < 600), `${JSON.stringify(request)}: ${answer.text.slice(0, 100)}`);
      }
      assert.equal(await calls(), before);
    },
    not: { workerd: SEEN },
  },
  {
    name: "too many and too long fields are refused, and the server goes on",
    async run({ port, url }) {
      for (const fields of [Array.from({ length: 10_000 }, (_, i) => `x${i}: y\r\n`).join(""), `a: ${"b".repeat(1_000_000)}\r\n`]) {
        const { status } = await raw(port, GET("/see/x", fields));
        assert.ok(status === 431 || status === 400 || status === 0, `answered ${status}`);
      }
      assert.equal((await fetch(`${url}/see/x`)).status, 200);
    },
    not: { workerd: SEEN },
  },
  {
    name: "field and URL name one host, also beside an absolute target",
    async run({ port }) {
      const seen = json<{ host: string; urlHost: string; path: string }>(await raw(port, GET("http://victim/see/x")));
      assert.equal(seen.host, seen.urlHost);
      assert.equal(seen.path, "/see/x");
      const old = json<{ path: string; urlHost: string }>(await raw(port, "GET /see/old HTTP/1.0\r\n\r\n"));
      assert.equal(old.path, "/see/old");
      assert.ok(old.urlHost.length > 0);
    },
    not: { workerd: SEEN },
  },
  {
    name: "a tunnel is refused",
    async run({ port }) {
      const { status } = await raw(port, "CONNECT victim:443 HTTP/1.1\r\nHost: victim:443\r\nConnection: close\r\n\r\n", /\r\n\r\n/, 2000);
      assert.ok(status === 0 || status >= 400, `answered ${status}`);
    },
    not: { workerd: SEEN },
  },
  {
    name: "a WebSocket passes text, bytes, the subprotocol, and a close with its code, both ways",
    async run({ url, upstream }) {
      const address = `${url.replace("http", "ws")}/ws/socket?q=1`;
      const first = await openSocket(address, ["other", "chat"], { "x-see": "seen", origin: "https://own.example" });
      assert.equal(first.protocol, "chat");
      assert.equal(await first.next(), "hello /up/socket?q=1 seen");
      first.send("héllo");
      assert.equal(await first.next(), "héllo");
      first.send(Buffer.from([0, 255, 128]));
      assert.equal(await first.next(), "bytes:00ff80");
      for (let i = 0; i < 200; i++) first.send(`${i}`);
      for (let i = 0; i < 200; i++) assert.equal(await first.next(), `${i}`);
      const long = "x".repeat(300_000);
      first.send(long);
      assert.equal(await first.next(), long);
      first.send("bye");
      assert.equal(await first.closed, "4001 see you");
      const second = await openSocket(address, [], {});
      assert.equal(second.protocol, "");
      const before = upstream.closes.length;
      second.close(4002, "enough");
      assert.equal(await second.closed, "4002 enough");
      await until("the upstream hears of it", () => upstream.closes.length > before);
      assert.equal(upstream.closes.at(-1), "4002 enough");
    },
  },
  {
    name: "a WebSocket handshake passes the same policies, and is refused by problem documents",
    async run({ url }) {
      const address = url.replace("http", "ws");
      assert.equal(await refusal(openSocket(`${address}/ws/socket`, [], { origin: "https://evil.example" })), 403);
      const refused = await refusal(openSocket(`${address}/ws/no-socket`, [], { origin: "https://own.example" }));
      assert.ok(refused === 403 || refused === 502, `status ${refused}`);
      assert.equal(await refusal(openSocket(`${address}/nothing`, [], {})), 404);
    },
  },
  {
    name: "a WebSocket holds its place of a bulkhead until it has closed",
    async run({ url }) {
      const first = await openSocket(`${url.replace("http", "ws")}/slot/socket`, [], {});
      assert.match(await first.next(), /^hello/);
      assert.deepEqual(await code(await fetch(`${url}/slot/echo`)), [503, "bulkhead_full"]);
      first.send("still");
      assert.equal(await first.next(), "still");
      first.send("bye");
      await first.closed;
      await until("the place is free", async () => (await fetch(`${url}/slot/echo`)).status === 200);
    },
  },
  {
    name: "nothing a client can write into a socket gets a 5xx, a hang or a crash",
    async run({ url, port }) {
      const seed = 20_261_128;
      const findings = await fuzz({ port, count: 400, seed, patienceMs: 20_000, targets: ["/api/echo", "/api/upload", "/cached/text", "/see/x?y=1", "/limited", "/ws/socket"] });
      assert.deepEqual(findings, [], `seed ${seed}`);
      assert.equal((await fetch(`${url}/runtime`)).status, 200);
    },
    not: { workerd: SEEN },
  },
];
