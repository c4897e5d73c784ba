/** Every contract suite inside workerd, on real Durable Objects, KV and Cache API, with and without `nodejs_compat`. */

import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ContractReport, describeReport } from "../../../src/testing.ts";
import { type Workerd, bundleWorker, startWorkerd, type WorkerBundle } from "../../servers/workerd.ts";

const entry = fileURLToPath(new URL("contracts-worker.ts", import.meta.url));
const bindings = {
  durableObjects: {
    STATE: { className: "State", useSQLite: true },
    PLAIN_STATE: { className: "PlainState" },
    LIMITER: { className: "RateLimiterDO", useSQLite: true },
    PLAIN_LIMITER: { className: "PlainLimiter" },
    BREAKER: { className: "CircuitBreakerDO", useSQLite: true },
  },
  kvNamespaces: ["KV"],
};

let bundle: WorkerBundle;
beforeAll(async () => {
  bundle = await bundleWorker(entry);
});

/** Rules that a suite skips there, by the words of the reason: anything else that is skipped fails. */
const SKIPS: readonly string[] = ["driven by hand", "wall time can be set", "option foreign", "option bounded", "option prefixed", "option exclusive", "no destroy", "the store has no", "has one version", "no atomic operation"];

describe.each([false, true])("in workerd, nodejs_compat %s", (nodejsCompat) => {
  let workerd: Workerd;
  beforeAll(async () => {
    workerd = await startWorkerd({ entry: bundle, nodejsCompat, worker: bindings });
  });
  afterAll(() => workerd.stop());

  it("is workerd", async () => {
    expect(await workerd.json("/")).toMatchObject({ agent: "Cloudflare-Workers", buffer: nodejsCompat ? "function" : "undefined" });
    expect(bundle.imports).toEqual(["cloudflare:workers"]);
  });

  it.concurrent.each([
    "driver, SQLite", "driver, key-value storage", "key-value", "key-value, key-value storage", "rate limits on StateDO", "rate limits on RateLimiterDO",
    "rate limits on RateLimiterDO, key-value storage", "rate limiter", "circuit breaker on StateDO", "circuit breaker on CircuitBreakerDO", "cache on StateDO", "values in KV", "limits in KV", "cache in the Cache API",
  ])("%s", async (name) => {
    const report = await workerd.json<ContractReport>(`/?suite=${encodeURIComponent(name)}`);
    console.log(`workerd${nodejsCompat ? " + nodejs_compat" : ""}, ${name}: ${describeReport(report)}`);
    expect(report.violations).toEqual([]);
    expect(report.passed.length).toBeGreaterThan(5);
    expect(report.skipped.filter(({ reason }) => !SKIPS.some((words) => reason.includes(words)))).toEqual([]);
  });
});
