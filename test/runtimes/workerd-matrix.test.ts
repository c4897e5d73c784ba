/** The suites inside workerd: the built package, bundled as a deploy would, with and without the platform's Node modules. */

import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Workerd, bundleWorker, startWorkerd } from "../servers/workerd.ts";
import { type Upstream, startUpstream } from "./cases/upstream.ts";
import type { SuiteResult } from "./inside/contracts.ts";
import type { SmokeResult } from "./inside/smoke.ts";
import { type Runtime, describeGateway, expectSmoke, expectSuites } from "./matrix.ts";

const { exports } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { exports: Record<string, unknown> };

/** `sluice/node` imports Node's server: nothing on this platform could want it. */
const entries = Object.keys(exports).map((entry) => entry.slice(2)).filter((entry) => entry !== "package.json" && entry !== "node");

const worker = new URL("inside/worker.ts", import.meta.url).pathname;
const source = `
import { worker } from ${JSON.stringify(worker)};
export default worker({ ${entries.map((entry) => `${JSON.stringify(entry)}: () => import("sluice/${entry}")`).join(", ")} });
`;

describe.each([false, true])("inside workerd, nodejs_compat %s", (nodejsCompat) => {
  let upstream: Upstream;
  let workerd: Workerd;
  const job = async <T>(name: string): Promise<T> => {
    const { runtime, ...rest } = await workerd.json<{ runtime: Runtime } & Record<string, T>>(`/job/${name}`);
    // A suite that ran somewhere else has proven nothing.
    expect(runtime.name).toBe("workerd");
    return rest[name] as T;
  };

  beforeAll(async () => {
    upstream = await startUpstream();
    const bundle = await bundleWorker({ source });
    expect(bundle.imports.filter((name) => name.startsWith("node:"))).toEqual([]);
    workerd = await startWorkerd({ entry: bundle, nodejsCompat, worker: { bindings: { UPSTREAM: upstream.origin } } });
  });
  afterAll(async () => {
    await workerd.stop();
    await upstream.close();
  });

  it("keeps the contracts", async () => expectSuites("workerd", await job<SuiteResult[]>("contracts"), 11));
  it("imports every entry that serves it, and they do their work", async () => expectSmoke("workerd", await job<SmokeResult[]>("smoke"), entries));
  describeGateway("workerd", () => ({ runtime: "workerd", url: workerd.url, port: Number(new URL(workerd.url).port), upstream }));
});
