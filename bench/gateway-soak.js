/**
 * `node bench/gateway-soak.js [--seconds 600] [--in-flight 64] [--json FILE]`: a gateway at full load with limit, breaker and
 * cache on Redis; the upstream is killed and comes back several times, Redis once. Prints what was answered with 5xx and
 * why, the heap after forced collections with its slope, and what the process holds before and after. Exits with 1 when
 * a 5xx has no fault to explain it, a handle stays, or the heap of a run of two minutes and more rises.
 */
import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Pool } from "undici";
import { startRedis } from "./redis-server.js";

const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const wait = (ms) => new Promise((resolve) => void setTimeout(resolve, ms));
const STDIO = ["ignore", "inherit", "inherit", "ipc"];

/** How long after its return an upstream still explains a 5xx: the circuit's pause, doubled while probes fail. */
const EXPLAINED_MS = 3000;
/** KB per minute beyond twice its standard error. */
const MAX_SLOPE = 64;

export async function soak({ seconds = 600, inFlight = 64, log = () => {} } = {}) {
  const redis = { current: await startRedis() };
  const upstream = await startUpstream(0);
  const server = fork(file("gateway-soak-server.js"), [String(redis.current.port), `http://127.0.0.1:${upstream.port}`], { stdio: STDIO, execArgv: ["--expose-gc"] });
  try {
    const { port } = await answer(server);
    const sample = async (message = "sample") => {
      const reply = answer(server);
      server.send(message);
      return (await reply).sample;
    };
    const load = createLoad(`http://127.0.0.1:${port}`, inFlight);
    await load.run(Math.min(5000, seconds * 100));
    const first = await settled(sample, undefined);
    const began = performance.now();
    const samples = [];
    const every = Math.max(500, (seconds * 1000) / 120);
    let over = false;
    const watching = (async () => {
      while (!over) {
        await wait(every);
        const { heapUsed } = await sample();
        samples.push({ minutes: (performance.now() - began) / 60_000, kb: heapUsed / 1024 });
      }
    })();
    const faults = conduct(seconds * 1000, upstream, redis, log);
    await load.run(() => performance.now() - began < seconds * 1000);
    const windows = await faults;
    over = true;
    await watching;
    await load.close();
    const last = await settled(sample, first.handles);
    const closed = await sample("close");
    return reportOf({ seconds, inFlight, outcomes: load.outcomes, windows, samples, first, last, closed, began });
  } finally {
    server.kill();
    upstream.stop();
    await redis.current.stop();
  }
}

/** An upstream whose port outlives it. */
async function startUpstream(at) {
  let child;
  const start = async (port) => {
    child = fork(file("http-upstream.js"), [String(port)], { stdio: STDIO });
    return await answer(child);
  };
  const port = await start(at);
  return {
    port,
    kill: () => new Promise((resolve) => (child.once("exit", resolve), child.kill("SIGKILL"))),
    start: () => start(port),
    stop: () => child.kill("SIGKILL"),
  };
}

/** Three restarts of the upstream and one of Redis, spread over the run. */
async function conduct(totalMs, upstream, redis, log) {
  const began = performance.now();
  const until = (share) => wait(Math.max(0, began + totalMs * share - performance.now()));
  const awayMs = Math.min(3000, totalMs * 0.05);
  const windows = { upstream: [], redis: [] };
  for (const [share, what] of [[0.2, "upstream"], [0.4, "upstream"], [0.55, "redis"], [0.75, "upstream"]]) {
    await until(share);
    log(`${what} goes`);
    const from = performance.now();
    if (what === "upstream") await upstream.kill();
    else await redis.current.stop();
    await wait(awayMs);
    if (what === "upstream") await upstream.start();
    else redis.current = await startRedis(redis.current.port);
    windows[what].push({ from, to: performance.now() });
    log(`${what} is back`);
  }
  return windows;
}

/** Pages that are cached, answers that are not, uploads, callers over their limit, and callers who leave. */
function createLoad(origin, inFlight) {
  const pool = new Pool(origin, { connections: inFlight, pipelining: 1 });
  const body = "x".repeat(1024);
  const outcomes = { requests: 0, aborted: 0, statuses: {}, failures: [] };
  let n = 0;
  const once = async () => {
    const i = n++;
    const controller = i % 200 === 199 ? new AbortController() : undefined;
    const post = i % 20 === 7;
    const path = i % 3 === 0 ? `/live/${i % 100}?no-store` : `/page/${(i * 7919) % 5000}`;
    if (controller !== undefined) setTimeout(() => controller.abort(), 1);
    const at = performance.now();
    let status = 0;
    try {
      const response = await pool.request({ path, method: post ? "POST" : "GET", body: post ? body : null, headers: { "x-key": i % 10 === 0 ? "greedy" : `key-${i % 50}` }, signal: controller?.signal });
      status = response.statusCode;
      const text = await response.body.text();
      if (status >= 500) outcomes.failures.push({ at, end: performance.now(), cause: `${status} ${JSON.parse(text).code}` });
    } catch (error) {
      if (controller !== undefined) outcomes.aborted++;
      else outcomes.failures.push({ at, end: performance.now(), cause: status === 0 ? `no answer (${error.code ?? error.name})` : "a broken body" });
    }
    outcomes.requests++;
    if (status !== 0) outcomes.statuses[status] = (outcomes.statuses[status] ?? 0) + 1;
  };
  return {
    outcomes,
    /** So many requests, or as long as a function says. */
    async run(more) {
      let left = typeof more === "number" ? more : Infinity;
      const goOn = typeof more === "number" ? () => left-- > 0 : more;
      await Promise.all(Array.from({ length: inFlight }, async () => {
        while (goOn()) await once();
      }));
      if (typeof more === "number") Object.assign(outcomes, { requests: 0, aborted: 0, statuses: {}, failures: [] });
    },
    close: () => pool.destroy(),
  };
}

/** A sample at rest: when nothing is open any more that was not before, or nothing changes for a while. */
async function settled(sample, before) {
  let last = await sample();
  for (let tries = 0; tries < 40; tries++) {
    await wait(500);
    const next = await sample();
    const steady = JSON.stringify(next.handles) === JSON.stringify(last.handles);
    last = next;
    if (before === undefined ? steady && tries > 10 : steady && leaked(before, next.handles).length === 0) break;
  }
  return last;
}

/** Kinds of which there are more than before. Connections are counted at rest; timers fire when they fire. */
function leaked(before, after) {
  return Object.entries(after).filter(([kind, count]) => kind !== "Timeout" && kind !== "Immediate" && count > (before[kind] ?? 0)).map(([kind, count]) => `${kind} ${before[kind] ?? 0} -> ${count}`);
}

function reportOf({ seconds, inFlight, outcomes, windows, samples, first, last, closed, began }) {
  const explained = {};
  const unexplained = {};
  const when = [];
  for (const { at, end, cause } of outcomes.failures) {
    const known = windows.upstream.some(({ from, to }) => end >= from && at <= to + EXPLAINED_MS);
    const counts = known ? explained : unexplained;
    counts[cause] = (counts[cause] ?? 0) + 1;
    if (!known && when.length < 100) when.push(`${((at - began) / 1000).toFixed(1)} s ${cause}`);
  }
  const slope = fit(samples.filter(({ minutes }) => minutes * 60 > seconds * 0.2));
  const rises = seconds >= 120 && slope.perMinute - 2 * slope.error > MAX_SLOPE;
  const stays = [...leaked(first.handles, last.handles), ...leaked({}, closed.handles).filter((text) => !/^(FSReq|Process)/.test(text))];
  return { seconds, inFlight, requests: outcomes.requests, perSecond: Math.round(outcomes.requests / seconds), aborted: outcomes.aborted, statuses: outcomes.statuses, explained, unexplained, when, samples, slope, first, last, closed, leaked: stays, ok: Object.keys(unexplained).length === 0 && stays.length === 0 && !rises };
}

/** Least squares: KB per minute, and its standard error. */
function fit(points) {
  const n = points.length;
  if (n < 3) return { perMinute: 0, error: Infinity };
  const mean = (pick) => points.reduce((sum, point) => sum + pick(point), 0) / n;
  const x = mean((point) => point.minutes);
  const y = mean((point) => point.kb);
  const xx = points.reduce((sum, point) => sum + (point.minutes - x) ** 2, 0);
  const perMinute = points.reduce((sum, point) => sum + (point.minutes - x) * (point.kb - y), 0) / xx;
  const rest = points.reduce((sum, point) => sum + (point.kb - y - perMinute * (point.minutes - x)) ** 2, 0);
  return { perMinute, error: Math.sqrt(rest / (n - 2) / xx) };
}

function answer(child) {
  return new Promise((resolve, reject) => {
    const ended = (code) => reject(new Error(`the process ended with ${code}`));
    child.once("exit", ended);
    child.once("message", (message) => {
      child.removeListener("exit", ended);
      resolve(message);
    });
  });
}

function print(report) {
  const counts = (map) => Object.entries(map).map(([name, count]) => `${name}: ${count.toLocaleString("en")}`).join(", ") || "none";
  const mb = (bytes) => `${(bytes / 1024 / 1024).toFixed(1)} MB`;
  const rows = [
    ["requests", `${report.requests.toLocaleString("en")}, ${report.perSecond.toLocaleString("en")}/s, ${report.aborted.toLocaleString("en")} of them left by the caller`],
    ["CPU of the gateway's process, collections included", `${Math.round((report.last.cpuUs - report.first.cpuUs) / report.requests)} us per request`],
    ["by status", counts(report.statuses)],
    ["failures that a restart of the upstream explains", counts(report.explained)],
    ["failures without a fault", counts(report.unexplained)],
    ["heap at rest without compiled code, before and after", `${mb(report.first.heapUsed)}, ${mb(report.last.heapUsed)}`],
    ["heap under load, after collections", `${report.slope.perMinute.toFixed(1)} KB/min, standard error ${report.slope.error.toFixed(1)}`],
    ["memory of the process, before and after", `${mb(report.first.rss)}, ${mb(report.last.rss)}`],
    ["handles at rest, before", counts(report.first.handles)],
    ["handles at rest, after", counts(report.last.handles)],
    ["handles after close()", counts(report.closed.handles)],
    ["events", counts(report.closed.events)],
  ];
  for (const [name, text] of rows) console.log(`| ${name} | ${text} |`);
  if (report.when.length > 0) console.log(`\nwithout a fault: ${report.when.slice(0, 10).join(", ")}`);
  if (report.leaked.length > 0) console.log(`\nleaked: ${report.leaked.join(", ")}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { seconds: { type: "string", default: "600" }, "in-flight": { type: "string", default: "64" }, json: { type: "string" } } });
  const report = await soak({ seconds: Number(values.seconds), inFlight: Number(values["in-flight"]), log: (text) => console.error(`${new Date().toISOString()} ${text}`) });
  console.log(`# gateway-soak: ${report.seconds} s, ${report.inFlight} in flight, node ${process.version}, load ${loadavg()[0].toFixed(2)}\n\n| | |\n|---|---|`);
  print(report);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  process.exitCode = report.ok ? 0 : 1;
}
