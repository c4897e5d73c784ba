/** Redis over HTTP in the wire format of Upstash, in front of a real Redis. */

import { type IncomingMessage, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Redis } from "ioredis";

export interface UpstashServer {
  readonly url: string;
  readonly token: string;
  /** HTTP requests so far. */
  readonly requests: number;
  stop(): Promise<void>;
}

export async function startUpstash(redisPort: number): Promise<UpstashServer> {
  const token = "test-token";
  const redis = new Redis(redisPort, "127.0.0.1");
  let requests = 0;

  const server = createServer(async (request, response) => {
    requests++;
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    if (request.headers.authorization !== `Bearer ${token}`) return answer(401, { error: "WRONGPASS invalid or missing auth token" });
    const base64 = request.headers["upstash-encoding"] === "base64";
    const run = async (command: unknown[]): Promise<{ result?: unknown; error?: string }> => {
      try {
        const [name, ...rest] = command.map((word) => (typeof word === "string" ? word : JSON.stringify(word)));
        return { result: encode(await redis.callBuffer(name as string, ...rest), base64) };
      } catch (error) {
        return { error: (error as Error).message };
      }
    };
    const body = JSON.parse(await text(request)) as unknown[];
    if (request.url === "/pipeline") return answer(200, await Promise.all((body as unknown[][]).map(run)));
    const reply = await run(body);
    return answer(reply.error === undefined ? 200 : 400, reply);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token,
    get requests() {
      return requests;
    },
    async stop() {
      redis.disconnect();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** Texts are base64 when the client asks for it, all but a plain OK. */
function encode(reply: unknown, base64: boolean): unknown {
  if (Array.isArray(reply)) return reply.map((item) => encode(item, base64));
  if (!Buffer.isBuffer(reply)) return reply;
  const plain = reply.toString();
  return base64 && plain !== "OK" ? reply.toString("base64") : plain;
}
