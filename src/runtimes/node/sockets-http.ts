/** Plain HTTP beside sockets: requests and answers of the `fetch` option. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";

export function toRequest(request: IncomingMessage, url: string): Request {
  const headers = new Headers();
  for (let i = 0; i < request.rawHeaders.length; i += 2) headers.append(request.rawHeaders[i] as string, request.rawHeaders[i + 1] as string);
  const { method = "GET" } = request;
  const hasBody = method !== "GET" && method !== "HEAD";
  return new Request(url, { method, headers, ...(hasBody ? { body: Readable.toWeb(request) as ReadableStream, duplex: "half" } : {}) } as RequestInit);
}

export async function writeResponse(answer: Response, response: ServerResponse): Promise<void> {
  const headers: [string, string][] = [...answer.headers].filter(([name]) => name !== "set-cookie");
  for (const cookie of answer.headers.getSetCookie()) headers.push(["set-cookie", cookie]);
  response.writeHead(answer.status, headers.flat());
  if (answer.body === null) return void response.end();
  for await (const chunk of Readable.fromWeb(answer.body as never)) {
    if (!response.write(chunk)) await new Promise((resolve) => response.once("drain", resolve).once("close", resolve));
    if (response.destroyed) return;
  }
  response.end();
}
