/** A client that sends the bytes it is told to. */

import { WebSocket } from "ws";
import { connect, type Socket } from "node:net";

export interface RawAnswer {
  /** Everything that came back, as Latin-1. */
  readonly text: string;
  readonly status: number;
  readonly reset: boolean;
}

/** Sends bytes and collects what comes back until the connection closes, the answer is whole, or `until` matches. */
export function raw(port: number, bytes: string, until?: RegExp, limitMs = 5000): Promise<RawAnswer> {
  return new Promise((resolve) => {
    let text = "";
    let reset = false;
    const socket = connect(port, "127.0.0.1", () => socket.write(Buffer.from(bytes, "latin1")));
    const limit = setTimeout(() => socket.destroy(), limitMs);
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      // Some servers keep a connection whatever the client says of it.
      if (until === undefined ? isWhole(text) : until.test(text)) socket.destroy();
    });
    socket.on("error", () => (reset = true));
    socket.on("close", () => {
      clearTimeout(limit);
      resolve({ text, status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0), reset });
    });
  });
}

/** Whether an answer is complete by its own account (RFC 9112 6.3). */
function isWhole(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end + 2))?.[1];
  return length === undefined ? text.endsWith("\r\n0\r\n\r\n") : text.length >= end + 4 + Number(length);
}

/** A GET whose connection closes after the answer. */
export const GET = (target: string, fields = ""): string => `GET ${target} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n${fields}\r\n`;

/** The JSON in the body of a raw answer. */
export function json<T>({ text }: RawAnswer): T {
  const body = text.slice(text.indexOf("\r\n\r\n") + 4);
  return JSON.parse(body.slice(body.indexOf("{"), body.lastIndexOf("}") + 1)) as T;
}

/** A connection that is open after `bytes` were sent and `until` came back. */
export function open(port: number, bytes: string, until: RegExp | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(bytes);
      if (until === undefined) resolve(socket);
    });
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (until?.test(text) === true) resolve(socket);
    });
  });
}

export interface TestSocket {
  readonly protocol: string;
  /** The next message; bytes as `bytes:` and hex. */
  next(): Promise<string>;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
  /** `code reason`. */
  readonly closed: Promise<string>;
}

/** Rejects with the status as its message when the handshake is answered with something else. */
export function openSocket(url: string, protocols: string[], headers: Record<string, string>): Promise<TestSocket> {
  const socket = new WebSocket(url, protocols, { headers });
  const got: string[] = [];
  const waiting: ((text: string) => void)[] = [];
  socket.on("message", (data: Buffer, binary) => {
    const text = binary ? `bytes:${data.toString("hex")}` : String(data);
    const taker = waiting.shift();
    if (taker === undefined) got.push(text);
    else taker(text);
  });
  const closed = new Promise<string>((resolve) => socket.on("close", (code, reason) => resolve(`${code} ${String(reason)}`)));
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("unexpected-response", (request, response) => {
      response.resume();
      request.destroy();
      reject(new Error(String(response.statusCode)));
    });
    socket.on("open", () => resolve({
      protocol: socket.protocol,
      next: () => {
        const ready = got.shift();
        return ready === undefined ? new Promise((take) => waiting.push(take)) : Promise.resolve(ready);
      },
      send: (data) => socket.send(data),
      close: (code, reason) => socket.close(code, reason),
      closed,
    }));
  });
}

/** The status that a handshake was answered with. */
export function refusal(opened: Promise<TestSocket>): Promise<number> {
  return opened.then(() => 101, (error: Error) => Number(error.message));
}
