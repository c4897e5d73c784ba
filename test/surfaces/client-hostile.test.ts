/** The client against a server that misbehaves at every phase: a typed error, an honest `sent`, and nothing left behind. */

import { once } from "node:events";
import { type Server, type Socket, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seam, stitch } from "../../src/client.ts";
import type { StitchError } from "../../src/client.ts";
import { memoryStore } from "../../src/memory.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
let server: Server;
let url: string;
const sockets = new Set<Socket>();

/** What the server does, by path. */
const tricks: Record<string, (socket: Socket) => void> = {
  "/slow-headers": () => undefined,
  "/slow-body": (socket) => void socket.write(`${OK}content-length: 100\r\n\r\n{`),
  "/short": (socket) => void socket.end(`${OK}content-length: 100\r\n\r\n{"a":1}`),
  "/chunks": (socket) => void socket.end(`${OK}transfer-encoding: chunked\r\n\r\n5\r\n{"a":`),
  "/bad-chunks": (socket) => void socket.end(`${OK}transfer-encoding: chunked\r\n\r\nzz\r\n`),
  "/no-http": (socket) => void socket.end("hello\r\n\r\n"),
  "/huge-headers": (socket) => void socket.end(`${OK}x-big: ${"a".repeat(200_000)}\r\ncontent-length: 2\r\n\r\n{}`),
  "/reset": (socket) => void socket.resetAndDestroy(),
  "/reset-headers": (socket) => void socket.write("HTTP/1.1 200 OK\r\ncontent-ty", () => socket.resetAndDestroy()),
  "/reset-after": (socket) => void socket.write(`${OK}content-length: 7\r\n\r\n{"a":1}`, () => socket.resetAndDestroy()),
  "/cross": (socket) => void socket.end("HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"),
  "/reset-mid": (socket) => void socket.write(`${OK}content-length: 100\r\n\r\n{`, () => socket.resetAndDestroy()),
  "/loop": (socket) => void socket.end("HTTP/1.1 302 Found\r\nlocation: /loop\r\ncontent-length: 0\r\n\r\n"),
  "/interim": (socket) => void socket.end(`${"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(200)}${OK}content-length: 7\r\n\r\n{"a":1}`),
  "/utf8": (socket) => {
    socket.write(`${OK}content-length: 9\r\n\r\n{"a":"`);
    socket.end(Buffer.from([0xff, 0x22, 0x7d]));
  },
  "/bomb": (socket) => void socket.end(coded("gzip", gzipSync(Buffer.alloc(50_000_000)))),
  "/bomb-br": (socket) => void socket.end(coded("br", brotliCompressSync(Buffer.alloc(50_000_000), { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }))),
  "/bomb-twice": (socket) => void socket.end(coded("gzip, gzip", gzipSync(gzipSync(Buffer.alloc(50_000_000))))),
  "/three-codings": (socket) => void socket.end(coded("gzip, gzip, gzip", gzipSync(gzipSync(gzipSync("{}"))))),
  "/good-gzip": (socket) => void socket.end(coded("gzip", gzipSync('{"a":1}'))),
  "/endless-error": (socket) => {
    socket.write("HTTP/1.1 500 Oops\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n");
    const more = (): void => void (socket.destroyed || socket.write(`1000\r\n${"x".repeat(4096)}\r\n`, () => setImmediate(more)));
    more();
  },
};

function coded(coding: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${OK}content-encoding: ${coding}\r\ncontent-length: ${body.length}\r\n\r\n`), body]);
}

beforeAll(async () => {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    socket.once("data", (data) => tricks[/^\S+ (\S+)/.exec(data.toString())?.[1] ?? ""]?.(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

const fail = async (path: string, config: object = {}): Promise<StitchError> => {
  const result = await stitch({ url: `${url}${path}`, ...config })().safe();
  if (result.ok) throw new Error(`${path} succeeded`);
  return result.error;
};

describe("a hostile server", () => {
  const cases: [string, object, object][] = [
    ["/slow-headers", { timeout: { attemptMs: 200 } }, { code: "TIMEOUT", phase: "attempt", sent: "unknown" }],
    ["/slow-body", { timeout: { idleMs: 200 } }, { code: "TIMEOUT", phase: "idle", sent: true }],
    ["/short", {}, { code: "BODY_TRUNCATED", sent: true }],
    ["/chunks", {}, { code: "BODY_TRUNCATED", sent: true }],
    ["/bad-chunks", {}, { code: "PROTOCOL_ERROR", sent: true }],
    ["/no-http", {}, { code: "PROTOCOL_ERROR" }],
    ["/huge-headers", {}, { code: "PROTOCOL_ERROR" }],
    ["/reset", {}, { code: "NETWORK", sent: "unknown" }],
    ["/reset-headers", {}, { code: "NETWORK", sent: "unknown" }],
    ["/cross", { redirect: { crossOrigin: "refuse" } }, { code: "REDIRECT_REFUSED", sent: true }],
    ["/reset-mid", {}, { code: "BODY_TRUNCATED", sent: true }],
    ["/loop", {}, { code: "TOO_MANY_REDIRECTS", sent: true }],
    ["/bomb", {}, { code: "RESPONSE_TOO_LARGE", sent: true }],
    ["/bomb-br", {}, { code: "RESPONSE_TOO_LARGE", sent: true }],
    ["/bomb-twice", {}, { code: "RESPONSE_TOO_LARGE", sent: true }],
    ["/three-codings", {}, { code: "PROTOCOL_ERROR" }],
    ["/endless-error", {}, { code: "HTTP_STATUS", status: 500, sent: true }],
  ];
  it.each(cases)("%s", async (path, config, facts) => {
    const before = process.memoryUsage().rss;
    expect(await fail(path, config)).toMatchObject(facts);
    expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
  });

  it("after each of them the only place on the wire, the circuit and the timers are as before", async () => {
    const api = seam({ baseUrl: url, throttle: { concurrency: 1, maxWaitMs: 20_000 }, store: memoryStore(), name: "hostile" });
    for (const [path, config] of cases) {
      expect((await api.stitch({ path, ...config })().safe()).ok, path).toBe(false);
      expect(await api.stitch("/good-gzip")(), `the call after ${path}`).toEqual({ a: 1 });
    }
    expect(await api.stitch("/reset-after")()).toEqual({ a: 1 });
    for await (const event of api.stitch({ path: "/slow-body", kind: "stream", stream: { decode: "bytes" } }).stream()) if (event.type === "delta") break;
    expect(await api.stitch("/good-gzip")()).toEqual({ a: 1 });
    await api.close();
  });

  it("harmless oddities are answers", async () => {
    expect(await stitch(`${url}/interim`)()).toEqual({ a: 1 });
    expect(await stitch(`${url}/good-gzip`)()).toEqual({ a: 1 });
    expect(await stitch(`${url}/utf8`)()).toEqual({ a: "\ufffd" });
  });

  it("nobody listens: nothing was sent", async () => {
    const closed = createServer();
    closed.listen(0, "127.0.0.1");
    await once(closed, "listening");
    const { port } = closed.address() as AddressInfo;
    closed.close();
    expect((await stitch(`http://127.0.0.1:${port}/`)().safe())).toMatchObject({ ok: false, error: { code: "NETWORK", sent: false } });
  });

  it("denyPrivate refuses addresses and names that lead to this machine", async () => {
    const api = seam({ denyPrivate: true });
    for (const target of [`${url}/good-gzip`, url.replace("127.0.0.1", "localhost"), url.replace("127.0.0.1", "2130706433"), url.replace("127.0.0.1", "0x7f.1"), url.replace("127.0.0.1", "[::ffff:127.0.0.1]")]) {
      expect(await api.stitch({ name: "n", url: () => target })().safe()).toMatchObject({ ok: false, error: { code: "REDIRECT_REFUSED", sent: false } });
    }
    await api.close();
  });

  it("no socket is left to a server that was given up on", async () => {
    await fail("/slow-headers", { timeout: { attemptMs: 50 } });
    await fail("/slow-body", { timeout: { idleMs: 50 } });
    await expect.poll(() => sockets.size, { timeout: 5000 }).toBe(0);
  });

  describe("an upload that is reset", () => {
    const SIZE = 2 * 1024 * 1024;
    let uploads: Server;
    let to: string;
    const open = new Set<Socket>();

    /** What happens once so many bytes of the body have come; the head is there at 0. */
    const phases: Record<string, { readonly at: number; readonly end: (socket: Socket) => void }> = {
      "/on-headers": { at: 0, end: (socket) => socket.resetAndDestroy() },
      "/half-way": { at: SIZE / 2, end: (socket) => socket.resetAndDestroy() },
      "/when-all-is-there": { at: SIZE, end: (socket) => socket.resetAndDestroy() },
      "/closed-half-way": { at: SIZE / 2, end: (socket) => socket.destroy() },
      "/in-the-answer": { at: SIZE, end: (socket) => void socket.write(`${OK}content-length: 100\r\n\r\n{`, () => socket.resetAndDestroy()) },
      "/taken": { at: SIZE, end: (socket) => void socket.write(`${OK}connection: close\r\ncontent-length: 7\r\n\r\n{"a":1}`) },
    };

    beforeAll(async () => {
      uploads = createServer((socket) => {
        open.add(socket);
        socket.on("error", () => undefined).on("close", () => open.delete(socket));
        let phase: (typeof phases)[string] | undefined;
        let head = "";
        let body = 0;
        socket.on("data", (data) => {
          if (phase === undefined) {
            head += data.toString("latin1");
            const end = head.indexOf("\r\n\r\n");
            if (end === -1) return;
            phase = phases[/^\S+ (\S+)/.exec(head)?.[1] ?? ""];
            body = head.length - end - 4;
            head = "";
          } else body += data.length;
          // Bodies of unknown length come in chunks: their framing is a little more than the body.
          if (phase === undefined || body < phase.at) return;
          const { end } = phase;
          phase = { at: Infinity, end };
          end(socket);
        });
      });
      uploads.listen(0, "127.0.0.1");
      await once(uploads, "listening");
      to = `http://127.0.0.1:${(uploads.address() as AddressInfo).port}`;
    });
    afterAll(() => {
      for (const socket of open) socket.destroy();
      uploads.close();
    });

    const outcomes: [string, object | undefined][] = [
      ["/on-headers", { code: "NETWORK", sent: "unknown", attempts: 1 }],
      ["/half-way", { code: "NETWORK", sent: "unknown", attempts: 1 }],
      ["/closed-half-way", { code: "NETWORK", sent: "unknown", attempts: 1 }],
      ["/when-all-is-there", { code: "NETWORK", sent: "unknown", attempts: 1 }],
      ["/in-the-answer", { code: "BODY_TRUNCATED", sent: true, attempts: 1 }],
      ["/taken", undefined],
    ];

    it.each(outcomes)("%s: bytes, a stream, a stream made anew; the source is closed, the place on the wire free, no socket left", async (path, facts) => {
      let begun = 0;
      let ended = 0;
      async function* source(): AsyncGenerator<Uint8Array> {
        begun++;
        try {
          for (let sent = 0; sent < SIZE; sent += 65_536) yield new Uint8Array(65_536);
        } finally {
          ended++;
        }
      }
      const api = seam({ baseUrl: to, name: "uploads", throttle: { concurrency: 1, maxWaitMs: 20_000 }, store: memoryStore(), circuit: {}, retry: 3 });
      for (const body of [new Uint8Array(SIZE), source(), source]) {
        const progress: number[] = [];
        // A POST without a key may have been done: it is not sent twice, whatever `retry` says.
        const result = await api.stitch({ method: "POST", path })({ body, onProgress: ({ direction, loadedBytes }) => void (direction === "upload" && progress.push(loadedBytes)) }).safe();
        if (facts === undefined) expect(result).toEqual({ ok: true, data: { a: 1 } });
        else expect(result).toMatchObject({ ok: false, error: facts });
        expect(progress).toEqual([...progress].sort((a, b) => a - b));
        expect(progress.at(-1) ?? 0).toBeLessThanOrEqual(SIZE);
        expect(await api.stitch({ method: "POST", path: "/taken" })({ body: new Uint8Array(SIZE) }), "the place is free").toEqual({ a: 1 });
      }
      await api.close();
      await expect.poll(() => [begun, ended, [...open].filter((socket) => !socket.writable).length], { timeout: 5000 }).toEqual([2, 2, 0]);
    });
  });
});
