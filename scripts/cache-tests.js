/**
 * Runs the public suite http-tests/cache-tests against a gateway with `cache()` in front of the suite's own origin, and prints the
 * score. Nothing is fetched: the suite is yours to bring, since its size and licence keep it out of this repository.
 *
 *   git clone https://github.com/http-tests/cache-tests && (cd cache-tests && npm install)
 *   npm run --silent build
 *   node scripts/cache-tests.js ../cache-tests                      # in memory
 *   REDIS_URL=redis://localhost:6379 node scripts/cache-tests.js ../cache-tests
 *   DATABASE_URL=postgres://localhost/db node scripts/cache-tests.js ../cache-tests
 *   node scripts/cache-tests.js ../cache-tests --id vary-match      # one test, with its exchange
 *
 * A test counts as passed when the suite says so. `required` are those a cache must pass, `optimal` those in which it caches what it may.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, ...rest] = process.argv.slice(2);
const id = rest[0] === "--id" ? (rest[1] ?? "") : "";
if (folder === undefined || !existsSync(join(folder, "test-engine/cli.mjs"))) {
  console.error("usage: node scripts/cache-tests.js FOLDER [--id TEST]\nFOLDER is a clone of https://github.com/http-tests/cache-tests with its dependencies installed");
  process.exit(2);
}
const suite = resolve(folder);
const scratch = mkdtempSync(join(tmpdir(), "sluice-cache-tests-"));

/** Nothing but HTTP decides: the defaults are more careful, and keep `no-cache` answers and cookies out of the store. */
const BY_HTTP_ALONE = { bypassDirectives: [], storeSetCookie: true };

const port = await freePort();
const settings = { npm_package_config_protocol: "http", npm_package_config_port: String(port), npm_package_config_pidfile: join(scratch, "pid"), npm_package_config_id: id };
const origin = spawn(process.execPath, ["test-engine/server/server.mjs"], { cwd: suite, env: { ...process.env, ...settings }, stdio: "ignore" });
const { adapter, name, close } = await stateOf(process.env);
const { cache, createGateway } = await import("../dist/gateway.js");
const { serve } = await import("../dist/node.js");
const gateway = createGateway({
  name: "sluice",
  adapter,
  // The suite invalidates and stores by POST, and speaks of methods that no route would list.
  routes: [{ path: "/*", methods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "M-SEARCH"], pipeline: { policies: [cache(BY_HTTP_ALONE)], upstream: { type: "url", target: `http://127.0.0.1:${port}`, via: false } } }],
});
const server = await serve(gateway, { port: 0 });

try {
  await answering(`http://127.0.0.1:${port}/`);
  const output = await run(["--no-warnings", "test-engine/cli.mjs"], { ...settings, npm_package_config_base: server.url });
  if (id === "") report(JSON.parse(output.slice(output.indexOf("{"))), (await import(pathToFileURL(join(suite, "tests/index.mjs")).href)).default);
  else console.log(output);
} finally {
  origin.kill();
  await server.close({ graceMs: 0 });
  await close();
  rmSync(scratch, { recursive: true, force: true });
}

/** Passed and failed by kind; the failed ones by name. */
function report(results, suites) {
  console.log(`http-tests/cache-tests, state in ${name}`);
  for (const kind of ["required", "optimal"]) {
    const tests = suites.flatMap((one) => one.tests).filter((test) => (test.kind ?? "required") === kind && test.browser_only !== true && results[test.id] !== undefined);
    const failed = tests.filter((test) => results[test.id] !== true);
    console.log(`${kind}: ${tests.length - failed.length} of ${tests.length}`);
    for (const test of failed) console.log(`  ${test.id}: ${test.name}\n    ${JSON.stringify(results[test.id])}`);
  }
}

async function stateOf({ REDIS_URL, DATABASE_URL }) {
  if (REDIS_URL !== undefined) {
    const [{ Redis }, { redisAdapter }] = await Promise.all([import("ioredis"), import("../dist/redis.js")]);
    const client = new Redis(REDIS_URL);
    return { name: "Redis", adapter: redisAdapter({ client }), close: async () => client.disconnect() };
  }
  if (DATABASE_URL !== undefined) {
    const [{ default: pg }, { POSTGRES_SCHEMA_SQL, postgresAdapter }] = await Promise.all([import("pg"), import("../dist/postgres.js")]);
    const client = new pg.Pool({ connectionString: DATABASE_URL });
    await client.query(POSTGRES_SCHEMA_SQL);
    return { name: "Postgres", adapter: postgresAdapter({ client }), close: () => client.end() };
  }
  const { memoryAdapter } = await import("../dist/memory.js");
  const adapter = memoryAdapter();
  return { name: "memory", adapter, close: () => adapter.close() };
}

function run(args, env) {
  return new Promise((done, reject) => {
    const child = spawn(process.execPath, args, { cwd: suite, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.once("error", reject);
    child.once("close", () => done(output));
  });
}

async function answering(url) {
  for (let tries = 0; tries < 100; tries++) {
    if (await fetch(url).then(() => true, () => false)) return;
    await new Promise((next) => setTimeout(next, 100));
  }
  throw new Error(`the suite's origin does not answer at ${url}`);
}

function freePort() {
  return new Promise((done) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port: free } = probe.address();
      probe.close(() => done(free));
    });
  });
}
