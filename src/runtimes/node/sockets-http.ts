/** Plain HTTP beside sockets: requests and answers of the `fetch` option. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { HeaderFields } from "../../sockets/adapter.ts";

/** The header fields of a request, read where they are: an upgrade looks at five of them. */
export class RawFields implements HeaderFields {
  readonly #raw: readonly string[];

  constructor(raw: readonly string[]) {
    this.#raw = raw;
  }

  get(name: string): string | null {
    let found: string | null = null;
    for (let i = 0; i + 1 < this.#raw.length; i += 2) {
      const own = this.#raw[i] as string;
      if (own.length !== name.length || own.toLowerCase() !== name) continue;
      found = found === null ? (this.#raw[i + 1] as string) : `${found}, ${this.#raw[i + 1]}`;
    }
    return found;
  }

  *[Symbol.iterator](): Generator<[string, string]> {
    for (let i = 0; i + 1 < this.#raw.length; i += 2) yield [(this.#raw[i] as string).toLowerCase(), this.#raw[i + 1] as string];
  }
}

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
  const body = Readable.fromWeb(answer.body as never);
  // A client that leaves is noticed at once, also where nothing would be written for a while.
  const left = (): unknown => body.destroy();
  if (response.destroyed) return void left();
  response.once("close", left);
  try {
    for await (const chunk of body) if (!response.write(chunk)) await room(response);
    response.end();
  } catch (error) {
    if (!response.destroyed) throw error;
  }
}

/** Resolves when the response takes more, or never will. */
function room(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve();
    const done = (): void => {
      response.removeListener("drain", done).removeListener("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}
