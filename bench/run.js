/**
 * `npm run bench -- <suite> [--quick] [--json FILE] [--only TEXT | --extra]`; `--extra` prints what is no cell, and nothing else.
 *
 * Each cell runs in a process of its own, several rounds, in shuffled order; what is compared are medians of one run.
 * CPU time per operation is the steadier figure on a shared machine, so it stands beside every rate. The first cell of
 * a suite is measured twice under two names: the difference between the two (A/A) is what the machine alone does.
 */
import { fork } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: flags, positionals } = parseArgs({ allowPositionals: true, options: { quick: { type: "boolean", default: false }, json: { type: "string" }, only: { type: "string" }, extra: { type: "boolean", default: false } } });
const suites = readdirSync(new URL("suites/", import.meta.url)).map((file) => file.replace(/\.js$/, ""));
const [wanted] = positionals;
if (!suites.includes(wanted)) {
  console.error(`usage: npm run bench -- <suite> [--quick] [--json FILE] [--only TEXT | --extra]\nsuites: ${suites.join(", ")}`);
  process.exit(2);
}
if (!existsSync(new URL("../dist/state.js", import.meta.url))) {
  console.error("dist/ is missing: run `npm run build` first");
  process.exit(2);
}

const { default: suite } = await import(`./suites/${wanted}.js`);
const rounds = flags.quick ? 3 : 7;
const budgetMs = suite.budgetMs ?? (flags.quick ? 300 : 1000);
if (flags.extra) {
  const figures = (await suite.extra?.({ quick: flags.quick })) ?? [];
  table(["figure", "measured", "required", ""], figures.map((r) => [r.name, r.text, r.required ?? "", verdict(r)]));
  process.exit(figures.some((r) => (flags.quick ? r.far : r.ok === false)) ? 1 : 0);
}
const cells = suite.cells.filter((cell) => flags.only === undefined || cell.name.includes(flags.only));
const names = [...cells.map((cell) => cell.name), `${cells[0].name} (again)`];
const samples = new Map(names.map((name) => [name, []]));

console.log(`# ${suite.name}: ${suite.description}`);
console.log(`node ${process.version}, ${cpus().length} x ${cpus()[0]?.model.trim()}, load ${loadavg()[0].toFixed(2)}, ${rounds} rounds of ${budgetMs} ms\n`);

for (let round = 0; round < rounds; round++) {
  for (const name of shuffled(names)) {
    const sample = await measure(name.replace(/ \(again\)$/, ""));
    samples.get(name).push(sample);
    process.stderr.write(".");
  }
}
process.stderr.write("\n");

const results = names.map((name) => {
  const all = samples.get(name);
  const [rate, cpuUs] = [median(all.map((s) => s.rate)), median(all.map((s) => s.cpuUs))];
  return { name, rate, bestRate: Math.max(...all.map((s) => s.rate)), cpuUs, serverUs: median(all.map((s) => s.serverUs ?? Number.NaN)), p50Us: median(all.map((s) => s.p50Us ?? Number.NaN)), p99Us: median(all.map((s) => s.p99Us ?? Number.NaN)) };
});
table(["cell", "op/s median", "op/s best", "CPU us/op", "server us/op", "p50 us", "p99 us"], results.map((r) => [r.name, count(r.rate), count(r.bestRate), digits(r.cpuUs), digits(r.serverUs), digits(r.p50Us), digits(r.p99Us)]));

const by = new Map(results.map((r) => [r.name, r]));
const [first, again] = [by.get(names[0]), by.get(names.at(-1))];
console.log(`\nA/A spread of "${names[0]}": rate ${digits(again.rate / first.rate)}, CPU ${digits(again.cpuUs / first.cpuUs)}\n`);

const ratios = (suite.ratios ?? []).filter((r) => by.has(r.of) && (r.to === undefined || by.has(r.to))).map(judge);
if (ratios.length > 0) table(["figure", "measured", "required", ""], ratios.map((r) => [r.name, r.text, r.required, r.ok ? "ok" : r.far ? "FAR OFF" : "below"]));
const extra = suite.extra === undefined || flags.only !== undefined ? [] : await suite.extra({ quick: flags.quick });
if (extra.length > 0) {
  console.log("");
  table(["figure", "measured", "required", ""], extra.map((r) => [r.name, r.text, r.required ?? "", verdict(r)]));
}
if (flags.json !== undefined) writeFileSync(flags.json, JSON.stringify({ suite: suite.name, node: process.version, load: loadavg(), results, ratios, extra }, null, 2));

// A shared machine swings: a quick run fails only when a figure is missed by half, a full one when it is missed.
const bad = [...ratios, ...extra].filter((r) => (flags.quick ? r.far : r.ok === false));
process.exit(bad.length > 0 ? 1 : 0);

/** A figure: `of` over `to` by rate, CPU or p99, or their difference in CPU microseconds, or `of` alone. */
function judge({ name, of, to, metric = "rate", atLeast, atMost, atMostMoreUs }) {
  // "per-cpu" and "per-server-cpu": operations per CPU second, which is the rate without what else the machine does.
  const value = (cell) => {
    const { cpuUs, serverUs, p99Us, rate } = by.get(cell);
    return metric === "per-cpu" ? 1e6 / cpuUs : metric === "per-server-cpu" ? 1e6 / serverUs : metric === "cpu" ? cpuUs : metric === "p99" ? p99Us : rate;
  };
  if (atMostMoreUs !== undefined) {
    const more = value(of) - value(to);
    return { name, value: more, text: `${more >= 0 ? "+" : ""}${digits(more)} us`, required: `at most +${atMostMoreUs} us`, ok: more <= atMostMoreUs, far: more > 2 * atMostMoreUs };
  }
  const measured = to === undefined ? value(of) : value(of) / value(to);
  const unit = to === undefined && metric === "cpu" ? " us" : to === undefined ? "" : " x";
  const ok = atLeast !== undefined ? measured >= atLeast : measured <= atMost;
  const far = atLeast !== undefined ? measured < atLeast / 2 : measured > atMost * 2;
  return { name, value: measured, text: `${digits(measured)}${unit}`, required: atLeast !== undefined ? `at least ${atLeast}${unit}` : `at most ${atMost}${unit}`, ok, far };
}

function measure(cell) {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL("cell.js", import.meta.url)), [wanted, cell, String(budgetMs)], { execArgv: ["--expose-gc"], stdio: ["ignore", "inherit", "inherit", "ipc"] });
    let sample;
    child.once("message", (message) => (sample = message));
    // A cell that does not get on is named and ends the run, instead of keeping it forever.
    const late = setTimeout(() => child.kill("SIGKILL"), suite.cellLimitMs ?? 300_000);
    child.once("exit", () => clearTimeout(late));
    child.once("exit", (code) => (sample !== undefined ? resolve(sample) : reject(new Error(`cell "${cell}" ended with code ${code} and no figure`))));
  });
}

function shuffled(list) {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
}

function median(list) {
  const sorted = list.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

function verdict({ ok, far }) {
  return ok === undefined ? "" : ok ? "ok" : far ? "FAR OFF" : "below";
}

function table(head, rows) {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const line = (row) => `| ${row.map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i]))).join(" | ")} |`;
  console.log([line(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...rows.map(line)].join("\n"));
}

function count(value) {
  return Math.round(value).toLocaleString("en-US");
}

function digits(value) {
  if (Number.isNaN(value)) return "";
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toPrecision(3);
}
