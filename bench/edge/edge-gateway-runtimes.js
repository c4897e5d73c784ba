/** The gateway on Node, Bun and Deno against bare Hono, and against a `fetch` forward, on the same runtime: CPU of the server process per request. */
import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { packProject } from "../../scripts/packed-project.js";
import { load, upstream } from "../http.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = (name) => join(root, "node_modules/.bin", name);
const commands = {
  node: [process.execPath],
  bun: [bin("bun")],
  deno: [bin("deno"), "run", "--quiet", "--node-modules-dir=manual", "--unstable-no-legacy-abort", "-A"],
};

/** Clock ticks of a process, all its threads: user and system (proc(5), fields 14 and 15), in 10 ms. */
function ticks(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

async function start(project, runtime, kind, target) {
  const [command, ...args] = commands[runtime];
  const child = spawn(command, [...args, "server.js", runtime, kind, target], { cwd: project, stdio: ["ignore", "pipe", "inherit"] });
  const port = await new Promise((resolve, reject) => {
    child.stdout.on("data", (chunk) => {
      const found = /port (\d+)/.exec(chunk);
      if (found !== null) resolve(Number(found[1]));
    });
    child.once("exit", (code) => reject(new Error(`${runtime} ended with ${code}`)));
  });
  const loader = await load(`http://127.0.0.1:${port}/bench`);
  return { pid: serverPid(child.pid), run: loader.run, stop: () => (loader.stop(), child.kill("SIGKILL")) };
}

/** Deno and Bun come as a script that starts the binary: then the server is its child. */
function serverPid(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean);
  return children.length === 1 ? Number(children[0]) : pid;
}

async function perRequest(server, count) {
  const [wall, cpu] = [performance.now(), ticks(server.pid)];
  await server.run(count);
  return { cpuUs: ((ticks(server.pid) - cpu) * 10_000) / count, rate: (count / (performance.now() - wall)) * 1000 };
}

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

/** Medians of CPU time and rate of the servers of one runtime. */
async function measured(project, runtime, kinds, target, quick) {
  const [rounds, count, warm] = quick ? [3, 12_000, 15_000] : [7, 30_000, 60_000];
  const servers = {};
  for (const kind of kinds) servers[kind] = await start(project, runtime, kind, target);
  try {
    const samples = Object.fromEntries(kinds.map((kind) => [kind, []]));
    for (const kind of kinds) await servers[kind].run(warm);
    // In turns, so that what the machine does meanwhile meets all of them.
    for (let round = 0; round < rounds; round++) for (const kind of kinds) samples[kind].push(await perRequest(servers[kind], count));
    const of = (pick) => Object.fromEntries(kinds.map((kind) => [kind, median(samples[kind].map(pick))]));
    return { cpu: of(({ cpuUs }) => cpuUs), rate: of((sample) => Math.round(sample.rate)) };
  } finally {
    for (const kind of kinds) servers[kind]?.stop();
  }
}

async function gatewayRows({ quick }) {
  const project = mkdtempSync(join(tmpdir(), "sluice-bench-edge-"));
  packProject(root, project);
  copyFileSync(new URL("inside/server.js", import.meta.url), join(project, "server.js"));
  const behind = await upstream();
  const rows = [];
  try {
    for (const runtime of Object.keys(commands)) {
      // On Node the suite "gateway" has the proxies.
      const { cpu, rate } = await measured(project, runtime, ["bare", "none", "policies", ...(runtime === "node" ? [] : ["forward", "proxy"])], behind.origin, quick);
      const ratio = cpu.bare / cpu.none;
      rows.push({ name: `gateway over bare Hono on ${runtime}, requests per CPU second`, text: `${ratio.toFixed(2)} (${cpu.none.toFixed(1)} us, bare ${cpu.bare.toFixed(1)} us)`, required: "at least 0.7", ok: ratio >= 0.7, far: ratio < 0.35 });
      rows.push({ name: `the same with cors, rateLimit, circuitBreaker on ${runtime}`, text: `${(cpu.bare / cpu.policies).toFixed(2)} (${cpu.policies.toFixed(1)} us)` });
      rows.push({ name: `requests/s on ${runtime}: bare, gateway, with policies`, text: `${rate.bare}, ${rate.none}, ${rate.policies}` });
      if (cpu.proxy === undefined) continue;
      const more = cpu.proxy / cpu.forward;
      rows.push({ name: `proxy with limit, breaker and timeout over a bare fetch forward on ${runtime}, CPU`, text: `${more.toFixed(2)} (${cpu.proxy.toFixed(1)} us, forward ${cpu.forward.toFixed(1)} us)`, required: "at most 1.5", ok: more <= 1.5, far: more > 3 });
    }
  } finally {
    behind.stop();
    rmSync(project, { recursive: true, force: true });
  }
  return rows;
}

export default { description: "the gateway on Node, Bun and Deno", extra: gatewayRows };
