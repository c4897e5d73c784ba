/** Clients in several OS processes on one store: limits, tokens and cache fills are the fleet's, not each process's. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { POSTGRES_SCHEMA_SQL } from "../../src/postgres.ts";
import { startPostgres } from "../servers/postgres.ts";
import { startRedis } from "../servers/redis.ts";

const PROCESSES = 6;

interface Upstream {
  readonly url: string;
  readonly at: number[];
  readonly counts: Record<string, number>;
  peak: number;
  /** The only access token that is taken. */
  token: string;
  close(): void;
}

async function startUpstream(): Promise<Upstream> {
  const counts: Record<string, number> = { token: 0, slow: 0 };
  const at: number[] = [];
  let lanes = 0;
  const state = { token: "token-1", peak: 0 };
  const server: Server = createServer((request, response) => {
    request.resume();
    const json = (value: unknown, status = 200): void => void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    switch (new URL(request.url as string, "http://x").pathname) {
      case "/paced":
        at.push(performance.now());
        return json(1);
      case "/token":
        counts["token"] = (counts["token"] as number) + 1;
        return void setTimeout(() => json({ access_token: state.token, token_type: "Bearer", expires_in: 3600 }), 50);
      case "/guarded":
        return json(1, request.headers.authorization === `Bearer ${state.token}` ? 200 : 401);
      case "/slow":
        counts["slow"] = (counts["slow"] as number) + 1;
        return void setTimeout(() => json({ n: counts["slow"] }), 200);
      case "/lane":
        state.peak = Math.max(state.peak, ++lanes);
        return void setTimeout(() => {
          lanes--;
          json(1);
        }, 30);
      default:
        return json(0, 404);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(state, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, at, counts, close() {
    server.closeAllConnections();
    server.close();
  } }) as Upstream;
}

/** The next message of a process; rejects when it ends instead. */
function message(child: ChildProcess): Promise<{ readonly error?: string; readonly value?: unknown }> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a process of the fleet ended with code ${code}`));
    child.once("exit", ended);
    child.once("message", (answer) => {
      child.off("exit", ended);
      resolve(answer as { readonly error?: string; readonly value?: unknown });
    });
  });
}

const backends: [string, () => Promise<{ address: string; stop(): Promise<void> }>][] = [
  ["redis", async () => {
    const server = await startRedis();
    return { address: server.url, stop: () => server.stop() };
  }],
  ["postgres", async () => {
    const server = await startPostgres();
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    await client.query(POSTGRES_SCHEMA_SQL);
    await client.end();
    return { address: server.url, stop: () => server.stop() };
  }],
];

describe.each(backends)("a fleet on %s", (backend, start) => {
  let server: { address: string; stop(): Promise<void> };
  let upstream: Upstream;
  const fleet: ChildProcess[] = [];
  let calls = 0;

  beforeAll(async () => {
    server = await start();
    upstream = await startUpstream();
    for (let i = 0; i < PROCESSES; i++) fleet.push(fork(fileURLToPath(new URL("client-process.js", import.meta.url)), [backend, server.address, upstream.url], { execArgv: [] }));
    await Promise.all(fleet.map(message));
  });
  afterAll(async () => {
    for (const child of fleet) child.kill("SIGKILL");
    upstream?.close();
    await server?.stop();
  });

  async function everywhere<T>(task: string, args: object): Promise<T[]> {
    const id = ++calls;
    const answers = fleet.map(message);
    for (const child of fleet) child.send({ id, task, args });
    return (await Promise.all(answers)).map((answer) => {
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer.value as T;
    });
  }

  it("paces calls as one: evenly, and never above the rate", async () => {
    const perSecond = 50;
    const forMs = 4000;
    // Connections and compilers are warm when it counts.
    await everywhere("paced", { rate: `${perSecond}/s`, forMs: 500 });
    upstream.at.length = 0;
    await everywhere("paced", { rate: `${perSecond}/s`, forMs });
    const at = [...upstream.at].sort((a, b) => a - b);
    const seconds = ((at.at(-1) as number) - (at[0] as number)) / 1000;
    let most = 0;
    for (let i = 0, j = 0; j < at.length; j++) {
      while ((at[j] as number) - (at[i] as number) >= 1000) i++;
      most = Math.max(most, j - i + 1);
    }
    const gaps = at.slice(1).map((each, i) => Math.abs(each - (at[i] as number) - 1000 / perSecond)).sort((a, b) => a - b);
    console.log(`${backend}: ${at.length} calls in ${seconds.toFixed(2)} s, at most ${most} in any second, spacing error p99 ${(gaps[Math.floor(gaps.length * 0.99)] as number).toFixed(1)} ms`);
    // What arrives is late by the network and the scheduler of this machine; grants are exact.
    expect(most).toBeLessThanOrEqual(perSecond * 1.2);
    expect(at.length / seconds).toBeLessThanOrEqual(perSecond * 1.03);
    expect(at.length / seconds).toBeGreaterThan(perSecond * 0.85);
  });

  it("a cold start needs one token, and a refused token one more", async () => {
    expect((await everywhere<string[]>("token", { calls: 5 })).flat()).toEqual(Array.from({ length: 5 * PROCESSES }, () => "ok"));
    expect(upstream.counts["token"]).toBe(1);
    upstream.token = "token-2";
    expect((await everywhere<string[]>("token", { calls: 5 })).flat()).toEqual(Array.from({ length: 5 * PROCESSES }, () => "ok"));
    expect(upstream.counts["token"]).toBe(2);
  });

  it("one process fills the cache", async () => {
    expect(new Set((await everywhere<number[]>("cached", { calls: 20 })).flat())).toEqual(new Set([1]));
    expect(upstream.counts["slow"]).toBe(1);
  });

  it("places on the wire are counted over all processes", async () => {
    expect((await everywhere<number>("lanes", { calls: 10, limit: 3 })).reduce((sum, each) => sum + each, 0)).toBe(10 * PROCESSES);
    expect(upstream.peak).toBe(3);
  });
});
