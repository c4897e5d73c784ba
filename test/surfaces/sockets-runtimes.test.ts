import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { decode, encode } from "@msgpack/msgpack";
import { afterAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { jsonCodec, msgpackCodec } from "../../src/sockets.ts";
import { type SocketsConformanceReport, runSocketsConformance } from "../../src/testing.ts";
import { fuzzSocket } from "./fuzz/socket-frames.ts";

const script = fileURLToPath(new URL("sockets-serve-process.js", import.meta.url));
const bin = (name: string): string => fileURLToPath(new URL(`../../node_modules/.bin/${name}`, import.meta.url));
const commands = {
  node: [process.execPath, [script]],
  bun: [bin("bun"), [script]],
  deno: [bin("deno"), ["run", "--allow-all", "--no-lock", "--quiet", script]],
} as const;
const reports = new Map<string, SocketsConformanceReport>();
const children: ChildProcess[] = [];

async function start(runtime: keyof typeof commands): Promise<{ url: string; end: () => Promise<number | null> }> {
  const [command, args] = commands[runtime];
  const child = spawn(command, args as readonly string[] as string[], { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout! }).once("line", resolve);
    child.once("exit", (code) => reject(new Error(`${runtime} ended with ${code}`)));
  });
  const { url } = JSON.parse(line) as { url: string };
  return { url, end: () => (child.stdin!.end(), ended) };
}

afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
});

describe("sockets conform inside each runtime", () => {
  it.each(["node", "bun", "deno"] as const)("%s, in JSON and in MessagePack", async (runtime) => {
    const { url, end } = await start(runtime);
    for (const codec of [undefined, msgpackCodec({ decode, encode })]) {
      const report = await runSocketsConformance({ url, runtime, connect: (to, protocols) => new WebSocket(to, [...(protocols ?? [])]) as never, ...(codec === undefined ? {} : { codec }) });
      reports.set(`${runtime} ${codec?.name ?? "json"}`, report);
      expect([codec?.name, report.violations]).toEqual([codec?.name, []]);
    }
    expect(await end()).toBe(0);
  });

  it.each(["node", "bun", "deno"] as const)("%s takes a list of protocols without blanks, as this client sends it", async (runtime) => {
    const { url, end } = await start(runtime);
    const socket = new WebSocket(`${url}?name=ada`, ["x.other", "sluice.v1+json"]);
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    expect(socket.protocol).toBe("sluice.v1+json");
    socket.close();
    expect(await end()).toBe(0);
  });

  it.each(["node", "bun", "deno"] as const)("%s answers whatever it is sent", async (runtime) => {
    const { url, end } = await start(runtime);
    for (const codec of [jsonCodec, msgpackCodec({ decode, encode: (value) => encode(value, { maxDepth: 1000 }) })]) {
      const found = await fuzzSocket({ url, codec, frames: 300, seed: Number(process.env["SLUICE_SEED"] ?? 7) });
      expect(found.failures, `seed ${found.seed}`).toEqual([]);
      expect(found.answered).toBeGreaterThan(200);
    }
    expect(await end()).toBe(0);
  });

  it("and what clients saw is the same everywhere", () => {
    for (const codec of ["json", "msgpack"]) {
      const node = reports.get(`node ${codec}`)!.transcript;
      for (const runtime of ["bun", "deno"]) expect(reports.get(`${runtime} ${codec}`)!.transcript).toEqual(node);
    }
  });
});
