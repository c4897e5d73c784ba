/** The service behind the gateway under test, and what it has seen. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { WebSocketServer } from "ws";

export interface Upstream {
  readonly origin: string;
  /** Paths whose exchange the gateway ended before it was complete. */
  readonly left: string[];
  /** Targets of requests of the routes for spellings of paths, less `/up`, as they came. */
  readonly paths: string[];
  /** Bytes of the endless download that were handed to the socket. */
  readonly sent: () => number;
  /** Bytes of the stalled upload that came in, once it is read. */
  readonly received: () => number;
  /** Bytes of the other upload. */
  readonly uploaded: () => number;
  /** Lets the stalled upload be read. */
  readonly drain: () => void;
  /** How clients' sockets at `/up/socket` ended, as `code reason`. */
  readonly closes: string[];
  /** Whether `/up/flaky` fails. */
  failing: boolean;
  close(): Promise<void>;
}

const CHUNK = Buffer.alloc(65_536, 7);

export async function startUpstream(): Promise<Upstream> {
  const left: string[] = [];
  const paths: string[] = [];
  let [sent, received, uploaded, count] = [0, 0, 0, 0];
  let drain = (): void => {};
  const jobs: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
    "/up/echo"(request, response) {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => {
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(chunks).toString("latin1") }));
      });
    },
    "/up/mirror"(request, response) {
      response.writeHead(201, { "content-type": "application/octet-stream" });
      request.pipe(response);
    },
    "/up/hop": (_, response) => void response.writeHead(200, { connection: "x-inner, keep-alive", "x-inner": "1", "x-outer": "1", "keep-alive": "timeout=9", "proxy-authenticate": "Basic" }).end("h"),
    "/up/cookies": (_, response) => void response.writeHead(200, { "set-cookie": ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"] }).end("c"),
    "/up/text"(request, response) {
      const zipped = /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""));
      response.writeHead(200, { "content-type": "text/plain", ...(zipped ? { "content-encoding": "gzip" } : {}) });
      response.end(zipped ? gzipSync("a text that was zipped") : "a text that was zipped");
    },
    "/up/events"(_, response) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: 1\n\n");
      setTimeout(() => response.end("data: 2\n\n"), 300);
    },
    "/up/endless"(_, response) {
      sent = 0;
      response.writeHead(200, { "content-type": "application/octet-stream" });
      const more = (): void => {
        for (;;) {
          if (response.destroyed) return;
          sent += CHUNK.length;
          if (!response.write(CHUNK)) return void response.once("drain", more);
        }
      };
      more();
    },
    "/up/stalled"(request, response) {
      received = 0;
      request.pause();
      drain = () => void request.on("data", (chunk: Buffer) => (received += chunk.length)).resume();
      request.on("end", () => response.end(String(received)));
    },
    "/up/upload"(request, response) {
      uploaded = 0;
      request.on("data", (chunk: Buffer) => (uploaded += chunk.length)).on("end", () => response.end(String(uploaded)));
    },
    "/up/half"(_, response) {
      response.writeHead(200, { "content-type": "text/plain" });
      response.write("first part");
      setTimeout(() => response.socket?.resetAndDestroy(), 30);
    },
    "/up/drip"(_, response) {
      response.writeHead(200, { "content-type": "text/plain" });
      response.write("x");
    },
    "/up/hang": () => {},
    "/up/redirect": (_, response) => void response.writeHead(302, { location: "https://elsewhere.test/x" }).end(),
    "/up/count": (_, response) => void response.writeHead(200, { "content-type": "text/plain", "cache-control": "max-age=60" }).end(String(++count)),
  };
  const upstream = { failing: false };
  const server = createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0] as string;
    request.on("error", () => {});
    response.on("error", () => {});
    response.on("close", () => void (response.writableFinished || left.push(path)));
    if (path === "/up/flaky") return void response.writeHead(upstream.failing ? 500 : 200).end("flaky");
    if (request.headers["x-form"] !== undefined) {
      paths.push((request.url ?? "").slice("/up".length));
      return void response.end("p");
    }
    const job = jobs[path];
    if (job === undefined) return void response.writeHead(404).end("no such path");
    job(request, response);
  });
  server.keepAliveTimeout = 60_000;
  const closes: string[] = [];
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => (offered.has("chat") ? "chat" : false) });
  server.on("upgrade", (request, socket, head) => {
    if (!request.url?.startsWith("/up/socket")) {
      socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
      return;
    }
    sockets.handleUpgrade(request, socket, head, (client) => {
      client.send(`hello ${request.url} ${String(request.headers["x-see"])}`);
      client.on("message", (data: Buffer, binary) => {
        if (String(data) === "bye") client.close(4001, "see you");
        else client.send(data, { binary });
      });
      client.on("close", (code, reason) => closes.push(`${code} ${String(reason)}`));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(upstream, {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    left,
    paths,
    closes,
    sent: () => sent,
    received: () => received,
    uploaded: () => uploaded,
    drain: () => drain(),
    async close() {
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
