/** Figures of the Redis suite that are no rates of one process: bytes, leases of a fleet, bodies of 10 MB, messages, HTTP requests. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { Redis as UpstashRedis } from "@upstash/redis";
import { Redis } from "ioredis";

const { redisAdapter, redisPubSub } = await import("../dist/redis.js");

const here = (file) => fileURLToPath(new URL(file, import.meta.url));
/** `count` calls, 64 of them in flight. */
const flight = (count, call) => {
  let left = count;
  return Promise.all(Array.from({ length: 64 }, async () => {
    while (left-- > 0) await call(left);
  }));
};

/** Bytes that the server got and sent, per decision. */
export async function bytesPerDecision(port, policy) {
  const client = new Redis(port, "127.0.0.1");
  const { rateLimitStore } = redisAdapter({ client, prefix: "bytes:" });
  const net = async () => [...(await client.info("stats")).matchAll(/total_net_(?:input|output)_bytes:(\d+)/g)].map(([, bytes]) => Number(bytes));
  const figures = [];
  for (const keys of [1, 10_000]) {
    await rateLimitStore.check("warm", policy, 1);
    const before = await net();
    await flight(12_800, (turn) => rateLimitStore.check(`user-${turn % keys}`, policy, 1));
    const after = await net();
    figures.push({ name: `bytes per decision, 64 callers, ${keys} keys: sent, received`, text: after.map((bytes, i) => ((bytes - before[i]) / 12_800).toFixed(1)).join(", ") });
  }
  client.disconnect();
  return figures;
}

/** Four processes share a limit of 10,000 per second with leases; what each of its windows admitted. */
export async function leasedFleet(port) {
  const [fixed, rolling] = [await leasedBy(port, "fixed-window"), await leasedBy(port, "sliding-window", { buckets: 16 })];
  const windows = windowsOf(fixed.admitted).slice(1, -1);
  const [least, most] = [Math.min(...windows), Math.max(...windows)];
  const { perSecond, within } = rollingFigures(rolling.admitted);
  const name = (kind, what) => `leased, 4 processes, 10,000/s, ${kind} window: ${what}`;
  return [
    { name: name("fixed", `least and most of ${windows.length} windows`), text: `${least}, ${most}`, required: "9,990 to 10,000", ok: least >= 9990 && most <= MAX, far: least < 5000 || most > MAX },
    { name: name("rolling", "per second, and most in any window"), text: `${perSecond.toFixed(0)}, ${within}`, required: "8,600; at most 10,000", ok: perSecond >= 8600 && within <= MAX, far: perSecond < 4300 || within > MAX },
    ...[["fixed", fixed], ["rolling", rolling]].flatMap(([kind, { trips, medianUs }]) => [
      { name: name(kind, "round trips per decision"), text: trips.toFixed(4), required: "at most 0.02", ok: trips <= 0.02, far: trips > 0.04 },
      { name: name(kind, "median decision"), text: `${medianUs.toFixed(1)} us`, required: "at most 5 us", ok: medianUs <= 5, far: medianUs > 10 },
    ]),
  ];
}

const MAX = 10_000;

async function leasedBy(port, algorithm, more = {}) {
  const [windowMs, forMs] = [1000, 6000];
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-lease-"));
  const rates = [8000, 6000, 3000, 200];
  const fleet = rates.map((_, i) => fork(here("../test/drivers/redis-lease-process.js"), [String(port), join(folder, String(i))]));
  await Promise.all(fleet.map((child) => once(child, "message")));
  const ends = fleet.map((child) => once(child, "message"));
  fleet.forEach((child, i) => child.send({ key: algorithm, policy: { algorithm, max: MAX, windowMs, ...more }, perSecond: rates[i], forMs }));
  const reports = (await Promise.all(ends)).map(([report]) => report);
  for (const child of fleet) child.kill();
  const admitted = rates.flatMap((_, i) => {
    const bytes = readFileSync(join(folder, String(i)));
    const instants = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    return Array.from({ length: instants.length / 3 }, (_, at) => [instants[3 * at], instants[3 * at + 1], instants[3 * at + 2]]);
  });
  rmSync(folder, { recursive: true, force: true });
  const trips = reports.reduce((sum, { stats }) => sum + stats.roundTrips, 0) / reports.reduce((sum, { asked }) => sum + asked, 0);
  // Of the fourth, which asks for 200 a second, each lease is one unit.
  return { admitted, trips, medianUs: Math.max(...reports.slice(0, 3).map((report) => report.medianUs)) };
}

/** Admissions of each window, by the end of it that each was told: they lie a window apart. */
function windowsOf(admitted) {
  const ends = admitted.map(([, , end]) => end).sort((a, b) => a - b);
  const windows = [];
  ends.forEach((end, i) => (i > 0 && end < ends[i - 1] + 300 ? windows[windows.length - 1]++ : windows.push(1)));
  return windows;
}

/** With 16 sub-windows, each unit counting to the end of its lease, a limit of 10,000 can give 8,818 per second. The rate after the first second and a half, and the most that was certainly admitted in any interval of a window. */
function rollingFigures(admitted) {
  const before = admitted.map(([at]) => at).sort((a, b) => a - b);
  const after = admitted.map(([, at]) => at).sort((a, b) => a - b);
  let [within, ended] = [0, 0];
  before.forEach((from, i) => {
    // Two processes read one clock up to a millisecond apart.
    while (ended < after.length && after[ended] < from + 999) ended++;
    within = Math.max(within, ended - i);
  });
  const [from, to] = [before[0] + 1500, after.at(-1)];
  return { perSecond: before.filter((at) => at >= from).length / ((to - from) / 1000), within };
}

/** Bodies of 10 MB: how long one takes, and what that does to the event loop of this process. */
export async function largeBodies(port, record) {
  const client = new Redis(port, "127.0.0.1");
  const { cacheStore } = redisAdapter({ client });
  const body = record(10 * 2 ** 20);
  const figures = [];
  const measure = async (name, count, call) => {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    await call();
    delay.enable();
    const began = performance.now();
    for (let i = 0; i < count; i++) await call();
    const eachMs = (performance.now() - began) / count;
    delay.disable();
    const p99 = delay.percentile(99) / 1e6;
    figures.push({ name: `cache ${name} 10 MB: event loop delay p99`, text: `${p99.toFixed(1)} ms (${eachMs.toFixed(0)} ms each)`, required: "at most 20 ms", ok: p99 <= 20, far: p99 > 40 });
  };
  await measure("write", 20, () => cacheStore.write("large", body));
  await measure("read", 20, async () => {
    if ((await cacheStore.read("large"))?.body.length !== body.body.length) throw new Error("the body was not kept");
  });
  client.disconnect();
  return figures;
}

/** Messages of 100 bytes from this process to another one. */
export async function fanOut(port, count = 20_000) {
  const client = new Redis(port, "127.0.0.1");
  const figures = [];
  for (const channels of [1, 100]) {
    const child = fork(here("redis-listener.js"), [port, count, channels].map(String));
    await once(child, "message");
    const pubsub = redisPubSub(client);
    const text = "x".repeat(80);
    const told = once(child, "message");
    const began = performance.timeOrigin + performance.now();
    await flight(count, (turn) => pubsub.publish(`fan-out-${turn % channels}`, { at: performance.timeOrigin + performance.now(), text }));
    const [{ meanMs, endedAt }] = await told;
    child.kill();
    await pubsub.close();
    figures.push({ name: `pub/sub to another process, 64 publishers, ${channels} channel${channels === 1 ? "" : "s"}`, text: `${Math.round(count / ((endedAt - began) / 1000)).toLocaleString("en-US")}/s, ${meanMs.toFixed(2)} ms on the way` });
  }
  client.disconnect();
  return figures;
}

/** What Redis over HTTP is asked for 1,000 decisions, 64 of them in flight. */
export async function httpRequests(port, policy) {
  const redis = new Redis(port, "127.0.0.1");
  let requests = 0;
  const encode = (value) => (Buffer.isBuffer(value) ? value.toString("base64") : Array.isArray(value) ? value.map(encode) : value);
  const answer = ([name, ...words]) => redis.callBuffer(String(name), ...words.map(String)).then((result) => ({ result: encode(result) }), ({ message }) => ({ error: message }));
  const server = createServer(async (request, response) => {
    requests++;
    let text = "";
    for await (const chunk of request) text += chunk;
    const body = JSON.parse(text);
    const reply = await (request.url === "/pipeline" ? Promise.all(body.map(answer)) : answer(body));
    response.writeHead(reply.error === undefined ? 200 : 400, { "content-type": "application/json" }).end(JSON.stringify(reply));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = new UpstashRedis({ url: `http://127.0.0.1:${server.address().port}`, token: "bench", enableTelemetry: false });
  const { rateLimitStore } = redisAdapter({ client, prefix: "http:" });
  const figures = [];
  for (const keys of [1, 1000]) {
    await rateLimitStore.check("warm", policy, 1);
    requests = 0;
    await flight(6400, (turn) => rateLimitStore.check(`user-${turn % keys}`, policy, 1));
    figures.push({ name: `Upstash: HTTP requests per 1,000 decisions, 64 callers, ${keys} key${keys === 1 ? "" : "s"}`, text: (requests / 6.4).toFixed(1) });
  }
  server.closeAllConnections();
  server.close();
  redis.disconnect();
  return figures;
}
