/**
 * One request of a client is one request to the upstream, whatever its framing: a real nginx and Node's own server, over one kept
 * connection, count what reaches them.
 */

import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createGateway, type GatewayInstance } from "../../src/gateway.ts";
import { serve, type NodeServer } from "../../src/node.ts";
import { startNginx, type Nginx } from "../servers/nginx.ts";
import { fuzz } from "./fuzz/raw-fuzzer.ts";

const INNER = "GET /smuggled HTTP/1.1\r\nHost: g\r\n\r\n";
const chunked = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;
const post = (fields: string, body: string, version = "1.1"): string => `POST /v HTTP/${version}\r\nHost: g\r\n${fields}\r\n\r\n${body}`;
const get = (fields: string, rest = ""): string => `GET /v HTTP/1.1\r\nHost: g\r\n${fields}\r\n\r\n${rest}`;

/** Ways of saying `chunked` that some servers take for it and others do not. */
const CODINGS = [
  "xchunked", " chunked", "chunked ", "\tchunked", "chunked\x0b", "\x0bchunked", "\x0cchunked", "chunked\x00", "\"chunked\"", "'chunked'", "chunked;q=1", "chunked, identity", "identity, chunked", "identity",
  "chunked, chunked", "gzip, chunked", "chunked, gzip", ",chunked", "chunked,", "Chunked", "CHUNKED", "chun\tked", "chunke\u212a", "chunk", "chunkedchunked", "cow", "", "x\r\n chunked", "chunked\r\n , identity",
];
const LENGTHS = ["+35", "-35", "0x23", "35 ", "35, 35", "35,36", "35;a", "35.0", "3_5", "3 5", "", " ", "\x0b35", "35\x0c", "035", "1e1", "99999999999999999999", "18446744073709551651", "\u0663\u0665", "35\r\n , 0", "NaN"];
const SIZES = ["0x5", "+5", "-5", "5 ", " 5", "\t5", "5\t", "5\x0b", "5 ;a", "5;", "5;a=\"\r\n\"", "5;a\n", "5\n", "5\r", "5\r\r", "5;\r", "FFFFFFFFFFFFFFFF5", "10000000000000005", "5g", "", "5;a=\x00", "_5", "5,5", "g"];

const vectors: readonly (readonly [name: string, bytes: string])[] = [
  ...CODINGS.map((coding) => [`length and coding ${JSON.stringify(coding)}`, post(`Content-Length: 4\r\nTransfer-Encoding: ${coding}`, chunked(INNER))] as const),
  ...CODINGS.map((coding) => [`coding ${JSON.stringify(coding)}, then length`, post(`Transfer-Encoding: ${coding}\r\nContent-Length: ${INNER.length + 5}`, `0\r\n\r\n${INNER}`)] as const),
  ...CODINGS.map((coding) => [`coding ${JSON.stringify(coding)} alone`, post(`Transfer-Encoding: ${coding}`, chunked(INNER))] as const),
  ...CODINGS.map((coding) => [`chunked beside ${JSON.stringify(coding)}`, post(`Transfer-Encoding: chunked\r\nTransfer-Encoding: ${coding}`, chunked(INNER))] as const),
  ...LENGTHS.map((length) => [`length ${JSON.stringify(length)}`, post(`Content-Length: ${length}`, INNER)] as const),
  ...LENGTHS.map((length) => [`length ${JSON.stringify(length)} beside another`, post(`Content-Length: ${INNER.length}\r\nContent-Length: ${length}`, INNER)] as const),
  ...SIZES.map((size) => [`chunk size ${JSON.stringify(size)}`, post("Transfer-Encoding: chunked", `${size}\r\nabcde\r\n0\r\n\r\n`)] as const),
  ...["Content-Length", "Transfer-Encoding"].flatMap((name) => ["\0", " ", "\t", "\x0b", "\r", ":"].map((odd) => [`name ${JSON.stringify(name + odd)}`, post(`${name}${odd}: ${name === "Content-Length" ? INNER.length : "chunked"}`, name === "Content-Length" ? INNER : chunked(INNER))] as const)),
  ["a space before a name", post(` Content-Length: ${INNER.length}`, INNER)],
  ["a space before the first name", `POST /v HTTP/1.1\r\n Content-Length: ${INNER.length}\r\nHost: g\r\n\r\n${INNER}`],
  ["an underscore", post(`Content_Length: ${INNER.length}`, "")],
  ["Connection names the length", post(`Connection: content-length\r\nContent-Length: ${INNER.length}`, INNER)],
  ["Connection names the coding", post("Connection: transfer-encoding\r\nTransfer-Encoding: chunked", chunked(INNER))],
  ["Connection names the host", get("Connection: host")],
  ["a length on GET", get(`Content-Length: ${INNER.length}`, INNER)],
  ["a chunked GET", get("Transfer-Encoding: chunked", chunked(INNER))],
  ["a length on HEAD", `HEAD /v HTTP/1.1\r\nHost: g\r\nContent-Length: ${INNER.length}\r\n\r\n${INNER}`],
  ["a length on DELETE", `DELETE /v HTTP/1.1\r\nHost: g\r\nContent-Length: ${INNER.length}\r\n\r\n${INNER}`],
  ["a body on OPTIONS", `OPTIONS /v HTTP/1.1\r\nHost: g\r\nContent-Length: ${INNER.length}\r\n\r\n${INNER}`],
  ["chunked over HTTP/1.0", post("Transfer-Encoding: chunked\r\nConnection: keep-alive", chunked(INNER), "1.0")],
  ["a length over HTTP/1.0", post(`Content-Length: ${INNER.length}`, INNER, "1.0")],
  ["Expect and a body", post(`Expect: 100-continue\r\nContent-Length: ${INNER.length}`, INNER)],
  ["Expect and chunks", post("Expect: 100-continue\r\nTransfer-Encoding: chunked", chunked(INNER))],
  ["an unknown Expect", post(`Expect: 101-switch\r\nContent-Length: ${INNER.length}`, INNER)],
  ["an upgrade to h2c", get("Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__")],
  ["an upgrade with a body", post(`Connection: upgrade\r\nUpgrade: x\r\nContent-Length: ${INNER.length}`, INNER)],
  ["a trailer that is a length", post("Transfer-Encoding: chunked\r\nTrailer: content-length", `5\r\nabcde\r\n0\r\nContent-Length: 5\r\n\r\n`)],
  ["a trailer that is a coding", post("Transfer-Encoding: chunked", `5\r\nabcde\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n`)],
  ["a trailer that is a request", post("Transfer-Encoding: chunked", `5\r\nabcde\r\n0\r\nX: ${INNER.slice(0, -4).replaceAll("\r\n", "\r")}\r\n\r\n`)],
  ["a chunk that is longer than its size", post("Transfer-Encoding: chunked", `5\r\nabcdefgh\r\n0\r\n\r\n`)],
  ["a chunk that is shorter than its size", post("Transfer-Encoding: chunked", `50\r\nabcde\r\n0\r\n\r\n`)],
  ["chunks with bare line feeds", post("Transfer-Encoding: chunked", `5\nabcde\n0\n\n`)],
  ["a chunk that ends in two bytes of its own", post("Transfer-Encoding: chunked", `5\r\nabcdeXX0\r\n\r\n`)],
  ["lines with bare line feeds", `POST /v HTTP/1.1\nHost: g\nContent-Length: 4\n\nabcd`],
  ["a bare carriage return in a value", post(`X: a\rContent-Length: ${INNER.length}`, "")],
  ["a bare line feed in a value", post(`X: a\nContent-Length: 4`, "abcd")],
  ["a NUL in a value", post("X: a\0b\r\nContent-Length: 4", "abcd")],
  ["a folded length", post(`Content-Length:\r\n ${INNER.length}`, INNER)],
  ["two hosts", get("Host: other")],
  ["no host", "GET /v HTTP/1.1\r\n\r\n"],
  ["a request line with a tab", "GET\t/v\tHTTP/1.1\r\nHost: g\r\n\r\n"],
  ["a request line with two versions", "GET /v HTTP/1.1 HTTP/1.1\r\nHost: g\r\n\r\n"],
  ["a request line with a request", "GET /v?\r\nHost: g\r\n\r\n"],
  ["a version that is none", "GET /v HTTP/1.1\x0b\r\nHost: g\r\n\r\n"],
  ["an escaped request in the path", "GET /v%0d%0a%0d%0aGET%20/smuggled%20HTTP/1.1 HTTP/1.1\r\nHost: g\r\n\r\n"],
  ["an escaped request in the query", "GET /v?a=%0d%0a%0d%0aGET%20/smuggled HTTP/1.1\r\nHost: g\r\n\r\n"],
  ["an empty line before the request", `\r\n\r\n${get("X: 1")}`],
  ["Keep-Alive, TE, Trailer and Proxy-Connection", get("Keep-Alive: timeout=5\r\nTE: trailers, deflate\r\nTrailer: x\r\nProxy-Connection: keep-alive")],
];

const seen: string[] = [];
const node = createServer((request, response) => {
  seen.push(`${request.method} ${request.url}`);
  request.on("error", () => {});
  request.resume().on("end", () => response.writeHead(200, { "x-up": "node" }).end("up"));
});
let nginx: Nginx;
let calls = 0;
const open: { gateway: GatewayInstance; server: NodeServer }[] = [];

beforeAll(async () => {
  nginx = await startNginx();
  await new Promise<void>((resolve) => node.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  for (const { server } of open) await server.close({ graceMs: 0 });
  node.closeAllConnections();
  node.close();
  await nginx.stop();
});

/** Sends bytes, and gives what came back when nothing more comes. A server takes the end of a connection for the end of its client, so it stays open until then. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(Buffer.from(bytes, "latin1")));
    let quiet = setTimeout(() => socket.destroy(), 400);
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      clearTimeout(quiet);
      quiet = setTimeout(() => socket.destroy(), 30);
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(quiet);
      resolve(text);
    });
  });
}

describe.each(["node", "nginx"] as const)("in front of %s", (behind) => {
  let server: NodeServer;
  const requests = (): string[] => (behind === "node" ? [...seen] : nginx.requests());
  /** The access log is written when a request has ended: the last answer has been read by then. */
  const since = async (before: number, wanted: number): Promise<string[]> => {
    for (let i = 0; i < 100 && requests().length - before < wanted; i++) await new Promise((resolve) => setTimeout(resolve, 5));
    return requests().slice(before);
  };

  beforeAll(async () => {
    const target = behind === "node" ? `http://127.0.0.1:${(node.address() as AddressInfo).port}` : nginx.origin;
    const count = { name: "count", priority: 1000, handler: (_: unknown, next: () => Promise<void>) => (calls++, next()) };
    const gateway = createGateway({ policies: [count], routes: [{ path: "/*", pipeline: { upstream: { type: "url", target } } }] });
    server = await serve(gateway, { port: 0, overrideGlobals: false, headersTimeoutMs: 3000, requestTimeoutMs: 3000 });
    open.push({ gateway, server });
  });

  test("every vector is refused whole, or is one request", async () => {
    const wrong: unknown[] = [];
    let passed = 0;
    for (const [name, bytes] of vectors) {
      const before = requests().length;
      const callsBefore = calls;
      const text = await exchange(server.port, bytes);
      const statuses = [...text.matchAll(/HTTP\/1\.1 ([2-5]\d\d)/g)].map(([, status]) => Number(status));
      const answers = text.match(/^x-up: /gim)?.length ?? 0;
      const came = await since(before, answers);
      passed += came.length;
      // A body that turns out to be broken is given up on both sides: the upstream saw its beginning, and nobody got an answer of it.
      const begun = came.length === 1 && answers === 0 && statuses.every((status) => status === 400);
      const fine = (came.length === answers || begun) && came.length <= 1 && calls - callsBefore >= came.length && calls - callsBefore <= 1 && statuses.length <= 1 && statuses.every((status) => status < 500 || status === 501) && !came.some((line) => line.includes(" /smuggled"));
      if (!fine) wrong.push({ name, statuses, answers, came, called: calls - callsBefore });
    }
    expect(wrong).toEqual([]);
    // Both kinds are there: a gateway that refused everything would prove nothing.
    expect(passed).toBeGreaterThan(10);
    expect(passed).toBeLessThan(vectors.length / 2);
  });

  test("somebody else's request gets its own answer after every vector, and is one request", async () => {
    const before = requests().length;
    let answers = 0;
    for (const [, bytes] of vectors) {
      const text = await exchange(server.port, bytes);
      answers += text.match(/^x-up: /gim)?.length ?? 0;
      // On the connection to the upstream that the vector has used.
      const other = await fetch(`${server.url}/other`);
      expect([other.status, other.headers.get("x-up"), await other.text()]).toEqual([200, behind, "up"]);
    }
    const came = await since(before, vectors.length + answers);
    expect(came.filter((line) => line.startsWith("GET /other")).length).toBe(vectors.length);
    expect(came.filter((line) => line.includes(" /smuggled"))).toEqual([]);
    // A body that breaks off has begun a request and got no answer.
    expect(came.length - vectors.length - answers).toBeLessThan(10);
  });

  test("600 fuzzed requests: nothing reaches the upstream that the gateway has not sent", async () => {
    const seed = 20_261_129;
    const [before, callsBefore] = [requests().length, calls];
    expect(await fuzz({ port: server.port, count: 600, seed, patienceMs: 45_000, targets: ["/v", "/v?q", "/v/x"] }), `seed ${seed}`).toEqual([]);
    expect((await fetch(`${server.url}/fine`)).status).toBe(200);
    const came = requests().slice(before);
    expect(came.length).toBeGreaterThan(10);
    expect(came.length).toBeLessThanOrEqual(calls - callsBefore);
  });
});
