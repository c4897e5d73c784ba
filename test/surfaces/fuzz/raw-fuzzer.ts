/**
 * Sends malformed and odd requests to a server over raw sockets: whatever runtime serves, it must answer below 500 or close,
 * and soon. Bounded in count; the seed makes a run repeatable.
 */

import { connect } from "node:net";

export interface FuzzOptions {
  readonly port: number;
  readonly count: number;
  readonly seed: number;
  /** Longest wait for an answer or the end of the connection. */
  readonly patienceMs: number;
  /** Targets to aim at beside the odd ones, such as a route to an upstream. */
  readonly targets?: readonly string[];
  /** Findings after which the run ends: a server that hangs is known after a few. @default 32 */
  readonly limit?: number;
  /** Called with each answer. */
  readonly onAnswer?: (status: number, ours: boolean) => void;
}

export interface FuzzFinding {
  readonly request: string;
  readonly what: string;
  /** Whether the gateway gave the answer: each of its answers has a request id. The server in front of it answers without. */
  readonly ours: boolean;
}

/** 501 is the honest answer to a method or coding nobody knows, and 505 to a version. */
const HONEST: ReadonlySet<number> = new Set([501, 505]);

/** Everything that was wrong; empty is good. */
export async function fuzz({ port, count, seed, patienceMs, targets = [], limit = 32, onAnswer }: FuzzOptions): Promise<FuzzFinding[]> {
  const random = mulberry(seed);
  const findings: FuzzFinding[] = [];
  for (let i = 0; i < count && findings.length < limit; i += 16) {
    const batch = Array.from({ length: Math.min(16, count - i) }, () => requestOf(random, targets));
    await Promise.all(batch.map(async (request) => {
      const answer = await exchange(port, request, patienceMs);
      if (answer === "silence") return void findings.push({ request, what: "no answer, and the connection stays open", ours: false });
      for (const [head, text] of answer.matchAll(/HTTP\/1\.[01] (\d{3}) [^]*?(?:\r\n\r\n|$)/g)) {
        const [status, ours] = [Number(text), /^x-request-id: /im.test(head)];
        onAnswer?.(status, ours);
        if (status >= 500 && !HONEST.has(status)) findings.push({ request, what: `status ${status}`, ours });
      }
    }));
  }
  return findings;
}

function exchange(port: number, request: string, patienceMs: number): Promise<string> {
  return new Promise((resolve) => {
    let got = "";
    // Servers take the end of what a client sends for the client's leaving, so it comes when they answer, or when they wait for more.
    let waits: ReturnType<typeof setTimeout> | undefined;
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(Buffer.from(request, "latin1"));
      waits = setTimeout(() => socket.end(), 150);
    });
    const late = setTimeout(() => {
      socket.destroy();
      resolve("silence");
    }, patienceMs);
    const done = (): void => {
      clearTimeout(late);
      clearTimeout(waits);
      resolve(got);
    };
    socket.on("data", (chunk) => {
      got += chunk.toString("latin1");
      socket.end();
    });
    socket.on("error", done);
    socket.on("close", done);
  });
}

type Random = () => number;

const METHODS = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "TRACE", "CONNECT", "PURGE", "get", "G\0T", "", "GET\t", "QUERY"];
const TARGETS = ["/", "/a", "*", "//", "/%", "/%00", "/%2e%2e/%2e%2e", "/..%2f..", "/a/..;/b", "http://evil.example/a", "http://", "//evil.example", "/\\evil", "/a b", "/\u00ff", "/%c0%ae%c0%ae/", `/${"x".repeat(9000)}`, "?q", "#f", "/a?b#c", "https://[::1/", "/:id", "/___gateway/config"];
const VERSIONS = ["HTTP/1.1", "HTTP/1.0", "HTTP/9.9", "HTTP/1.1 ", "", "HTTQ/1.1", "HTTP/2.0"];
const NAMES = ["host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te", "trailer", "cookie", "authorization", "x-forwarded-for", "forwarded", "range", "if-none-match", "accept-encoding", "traceparent", "max-forwards", "sec-websocket-key", "x-sluice-debug", "__proto__", "bad name", "x\0y", "", "cache-control", "origin"];
const VALUES = ["x", "", "localhost", "a, b", "0", "-1", "99999999999999999999", "5, 5", "chunked", "gzip, chunked", "close", "keep-alive, host", "websocket", "h2c", "100-continue", "trailers", "\0", "a\r b", "\u00ff\u00fe", "bytes=0-,5-", '"', "*", "for=[", "00-0-0-0", "y".repeat(5000), "127.0.0.1:x", "[::1", "no-cache, max-age=x"];
const BODIES = ["", "", "abc", "5\r\nabcde\r\n0\r\n\r\n", "zz\r\n", "0\r\n\r\n", "{\"a\":", "\0\0\0", "GET /b HTTP/1.1\r\nhost: x\r\n\r\n"];
const ENDS = ["\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n ", " \r\n"];

function requestOf(random: Random, targets: readonly string[]): string {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  if (random() < 0.05) return Array.from({ length: Math.floor(random() * 200) }, () => String.fromCharCode(Math.floor(random() * 256))).join("");
  let text = `${pick(METHODS)} ${targets.length > 0 && random() < 0.4 ? pick(targets) : pick(TARGETS)} ${random() < 0.8 ? "HTTP/1.1" : pick(VERSIONS)}${pick(ENDS)}`;
  if (random() < 0.8) text += "host: localhost\r\n";
  for (let i = Math.floor(random() * 6); i > 0; i--) text += `${pick(NAMES)}${random() < 0.9 ? ": " : pick([" : ", ":", " "])}${pick(VALUES)}${pick(ENDS)}`;
  text += `\r\n${pick(BODIES)}`;
  return random() < 0.1 ? text.slice(0, Math.floor(random() * text.length)) : text;
}

/** A small generator with a seed (mulberry32). */
function mulberry(seed: number): Random {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
