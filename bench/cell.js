/** One cell in a process of its own: warm up, then run batches for the time given, and report once. */
import { readFileSync } from "node:fs";

const [suiteName, cellName, budgetMs] = process.argv.slice(2);
const { default: suite } = await import(`./suites/${suiteName}.js`);
const cell = suite.cells.find((candidate) => candidate.name === cellName);
// `subjectPid`: what is measured is that process, and this one is only its load.
const { run, runTimed, teardown, latencies, subjectPid, serverPid = subjectPid } = await cell.setup();

// The batch grows until one takes about 20 ms: clock reads then cost nothing beside the work.
let batch = cell.batch ?? 64;
// A server has to be compiled by the engine first: HTTP cells ask for a number of operations, too.
let warm = 0;
for (const began = performance.now(); performance.now() - began < (suite.warmupMs ?? 400) || warm < (cell.warmup ?? suite.warmup ?? 0); warm += batch) {
  const start = performance.now();
  await run(batch);
  if (cell.batch === undefined && performance.now() - start < 20) batch = Math.ceil(batch * 1.5);
}
latencies?.().splice(0);
// A forced collection also throws compiled code away, which a server would pay for in the time measured.
if (suite.warmup === undefined && suite.warmupMs === undefined) globalThis.gc?.();

const serverCpu = serverPid === undefined ? () => undefined : cpuOf(serverPid);
const [wall, cpu] = [performance.now(), process.cpuUsage()];
let done = 0;
do {
  await run(batch);
  done += batch;
} while (performance.now() - wall < Number(budgetMs));
const elapsedMs = performance.now() - wall;
const { user, system } = process.cpuUsage(cpu);
const serverMs = serverCpu();
// Reading the clock twice per call is a part of a fast call's cost: latencies have a time of their own.
if (runTimed !== undefined) {
  latencies().splice(0);
  for (const began = performance.now(); performance.now() - began < Number(budgetMs) / 2; ) await runTimed(batch);
}

const sorted = (latencies?.() ?? []).sort((a, b) => a - b);
const quantile = (q) => (sorted.length === 0 ? undefined : sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] * 1000);
const serverUs = serverMs === undefined ? undefined : (serverMs * 1000) / done;
process.send({ rate: (done / elapsedMs) * 1000, cpuUs: subjectPid === undefined ? (user + system) / done : serverUs, serverUs, p50Us: quantile(0.5), p99Us: quantile(0.99) });
await teardown?.();
process.exit(0);

/** CPU time of another process from now on, in ms, as Linux counts it (hundredths of a second). */
function cpuOf(pid) {
  const read = () => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  };
  try {
    const began = read();
    return () => read() - began;
  } catch {
    return () => undefined;
  }
}
