/** The main job: what `npm start` runs, and whether what it prints is true. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { afterEach, expect, it } from "vitest";
import { startPostgres } from "../servers/postgres.ts";
import { until } from "../servers/process.ts";
import { startRedis } from "../servers/redis.ts";

const root = new URL("../../", import.meta.url).pathname;
let child: ChildProcess | undefined;
let stopBackend: (() => Promise<void>) | undefined;
afterEach(async () => {
  child?.kill("SIGKILL");
  await stopBackend?.();
});

const states: [string, () => Promise<{ env: Record<string, string>; stop(): Promise<void> }>, RegExp][] = [
  ["memory", async () => ({ env: {}, stop: async () => undefined }), /State: memory\./],
  ["Redis", async () => ((server) => ({ env: { REDIS_URL: server.url }, stop: () => server.stop() }))(await startRedis()), /State: Redis at 127\.0\.0\.1:\d+\./],
  ["Postgres", async () => ((server) => ({ env: { DATABASE_URL: server.url }, stop: () => server.stop() }))(await startPostgres()), /State: Postgres at 127\.0\.0\.1:\d+\./],
];

it.each(states)("on %s: starts, behaves as the printed curl lines say, logs each request in one line, and ends on a signal", async (_, backend, says) => {
  const { env, stop } = await backend();
  stopBackend = stop;
  child = spawn(process.execPath, ["examples/start/main.js"], { cwd: root, env: { ...process.env, ...env, PORT: "0" }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await until("the greeting", () => output.includes("Requests:"));

  expect(output).toMatch(says);
  const lines = output.split("\n").filter((line) => line.includes("curl "));
  expect(lines).toHaveLength(3);
  const [limited, cached, flaky] = lines.map((line) => execFileSync("bash", ["-c", line], { encoding: "utf8" }).trim().split("\n")) as [string[], string[], string[]];
  expect(limited).toEqual(["200", "200", "200", "200", "200", "429"]);
  expect(cached.map((line) => line.split(" in ")[0])).toEqual(["200", "200"]);
  const [first, second] = cached.map((line) => Number.parseFloat(line.split(" in ")[1] as string)) as [number, number];
  expect(first).toBeGreaterThan(0.5);
  expect(second).toBeLessThan(first / 2);
  expect(flaky).toEqual(["500", "500", "500", "503"]);

  await until("a line per request", () => output.split("Requests:\n")[1]?.trim().split("\n").length === 12);
  for (const line of (output.split("Requests:\n")[1] as string).trim().split("\n")) expect(line).toMatch(/^\d\d:\d\d:\d\d {2}GET +\/(limited|cached|flaky) +\d{3} +[\d.]+ ms$/);

  const ended = new Promise((resolve) => child?.once("exit", resolve));
  child.kill("SIGTERM");
  expect(await ended).toBe(0);
});
