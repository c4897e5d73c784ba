/** Floods over real sockets: bodies far beyond a limit cost the process nothing, and callers who wait together get their own answers. */

import { spawn } from "node:child_process";
import { createServer, get, type ServerResponse } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, test } from "vitest";
import { cache, createGateway } from "../../src/gateway.ts";
import { serve } from "../../src/node.ts";

const owned: (() => unknown)[] = [];
afterEach(async () => {
  for (const free of owned.splice(0).reverse()) await free();
});

test("a chunked body of up to a gigabyte, limit 1 MiB: a 413, and neither the upstream nor the memory sees it", async () => {
  const child = spawn(process.execPath, [new URL("gateway-floods-process.js", import.meta.url).pathname], { stdio: ["pipe", "pipe", "inherit"] });
  owned.push(() => child.stdin.end());
  const port = await new Promise<number>((resolve) => createInterface({ input: child.stdout }).once("line", (line) => resolve((JSON.parse(line) as { port: number }).port)));
  const figures = async (): Promise<{ peak: number; received: number }> => (await fetch(`http://127.0.0.1:${port}/figures`)).json() as Promise<{ peak: number; received: number }>;
  /** Writes chunks until it has written `bytes` or is hung up on. */
  const flood = (bytes: number): Promise<{ status: number; written: number }> => new Promise((resolve) => {
    const chunk = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(65_536, 97), Buffer.from("\r\n")]);
    let [text, written] = ["", 0];
    const socket = connect(port, "127.0.0.1", () => {
      socket.write("POST /upload HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n");
      const pump = (): void => {
        while (written < bytes && !socket.destroyed) {
          written += 65_536;
          if (!socket.write(chunk)) return void socket.once("drain", pump);
        }
        socket.end("0\r\n\r\n");
      };
      pump();
    });
    socket.on("data", (part) => (text += part.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), written }));
  });
  // Warm: the code is compiled and the pools are grown.
  for (let i = 0; i < 20; i++) await flood(2 ** 21);
  await figures();
  for (let i = 0; i < 20; i++) await flood(2 ** 21);
  const before = await figures();
  const answers = await Promise.all(Array.from({ length: 4 }, () => flood(2 ** 30)));
  const after = await figures();
  // Who is still writing when the connection closes may lose the answer to the reset.
  for (const { status } of answers) expect([413, 0]).toContain(status);
  expect(after.received).toBeLessThanOrEqual(4 * 1_048_576);
  expect(after.peak - before.peak).toBeLessThan(20 * 2 ** 20);
});

describe("1000 concurrent requests of two users over one cache", () => {
  test.each([
    ["private", { "cache-control": "private, max-age=60" }],
    ["Vary: *", { "cache-control": "max-age=60", vary: "*" }],
    ["Set-Cookie", { "cache-control": "max-age=60", "set-cookie": "session=1" }],
    ["storable", { "cache-control": "max-age=60" }],
    ["public", { "cache-control": "public, max-age=60", vary: "authorization" }],
  ] as const)("that turn out %s: everybody gets an answer of their own, also when the first one leaves", async (_, headers) => {
    const waiting: [string, ServerResponse][] = [];
    let open = false;
    const answer = ([user, response]: [string, ServerResponse]): void => void response.writeHead(200, headers).end(`for ${user}`);
    const upstream = createServer((request, response) => {
      const call: [string, ServerResponse] = [String(request.headers.authorization ?? request.headers["x-user"]), response];
      if (open) answer(call);
      else waiting.push(call);
    });
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    owned.push(() => { upstream.closeAllConnections(); upstream.close(); });
    const gateway = createGateway({ routes: [{ path: "/*", pipeline: { policies: [cache()], upstream: { type: "url", target: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}` } } }] });
    const server = await serve(gateway, { port: 0, overrideGlobals: false });
    owned.push(() => server.close({ graceMs: 0 }));
    const until = async (condition: () => boolean): Promise<void> => expect.poll(condition, { timeout: 20_000, interval: 5 }).toBe(true);
    const leader = get(`${server.url}/me`, { agent: false, headers: { authorization: "alice" } });
    leader.on("error", () => {});
    await until(() => waiting.length === 1);
    const users = Array.from({ length: 1000 }, (__, i) => (i % 2 === 0 ? "alice" : "bob"));
    const answers = users.map(async (user) => (await fetch(`${server.url}/me`, { headers: { authorization: user } })).text());
    await until(() => waiting.length >= 2);
    leader.destroy();
    open = true;
    for (const call of waiting.splice(0)) answer(call);
    expect(await Promise.all(answers)).toEqual(users.map((user) => `for ${user}`));
  });
});
