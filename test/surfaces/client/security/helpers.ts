/** What the suites on security share. */

import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { isStitchError, type StitchError } from "../../../../src/client.ts";

export async function caught(call: PromiseLike<unknown>): Promise<StitchError> {
  try {
    await call;
  } catch (error) {
    if (isStitchError(error)) return error;
    throw error;
  }
  throw new Error("the call succeeded");
}

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** A server that remembers what it was asked. */
export async function upstream(answer: (request: Asked, response: ServerResponse) => void): Promise<{ readonly origin: string; readonly asked: Asked[]; stop(): void }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const one = { method: request.method as string, url: request.url as string, headers: request.headers, body };
      asked.push(one);
      answer(one, response);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, stop() {
    server.closeAllConnections();
    server.close();
  } };
}
