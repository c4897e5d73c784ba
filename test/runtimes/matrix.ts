/** The suites of a runtime that listens by itself: the packed package, inside it. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type PackedProject, packedProject } from "../servers/package.ts";
import { type ProcessRuntime, type RuntimeProcess, startRuntime } from "../servers/runtime.ts";
import { checkCli } from "./cli.ts";
import { gatewayCases, type Site } from "./cases/gateway-cases.ts";
import { type Upstream, startUpstream } from "./cases/upstream.ts";
import type { SuiteResult } from "./inside/contracts.ts";
import type { RuntimeName } from "./inside/runtime-name.ts";
import type { CaseResult } from "./inside/serving.ts";
import type { SmokeResult } from "./inside/smoke.ts";

const inside = (name: string): string => new URL(`inside/${name}.ts`, import.meta.url).pathname;

export interface Runtime {
  readonly name: RuntimeName;
  readonly version: string;
}

/** Every case on a gateway that runs somewhere else. What cannot hold there is skipped by name, and printed. */
export function describeGateway(runtime: RuntimeName, site: () => Site): void {
  describe("the gateway, over HTTP", () => {
    for (const { name, run, not } of gatewayCases) {
      const reason = not?.[runtime];
      if (reason === undefined) it(name, () => run(site()));
      else it.skip(`${name} (not on ${runtime}: ${reason})`, () => {});
    }
  });
}

/** Reports by suite; a violation fails. */
export function expectSuites(runtime: RuntimeName, results: readonly SuiteResult[], atLeast: number): void {
  const lines = results.map(({ suite, passed, violations, skipped }) => `  ${suite}: ${passed} passed, ${violations.length} violated, ${skipped.length} skipped${skipped.map(({ rule, reason }) => `\n    skipped ${rule}: ${reason}`).join("")}`);
  console.log(`contracts on ${runtime}\n${lines.join("\n")}`);
  expect(results.flatMap(({ suite, violations }) => violations.map((violation) => [suite, violation]))).toEqual([]);
  expect(results.length).toBeGreaterThanOrEqual(atLeast);
  for (const { suite, passed } of results) expect(passed, suite).toBeGreaterThan(5);
}

export function expectSmoke(runtime: RuntimeName, results: readonly SmokeResult[], entries: readonly string[]): void {
  console.log(`packed package on ${runtime}\n${results.map(({ entry, did }) => `  sluice/${entry}: ${did}`).join("\n")}`);
  expect(results.filter(({ failed }) => failed !== undefined)).toEqual([]);
  expect(results.map(({ entry }) => entry)).toEqual(entries);
}

/** Declares all suites of one runtime. */
export function describeRuntime(runtime: ProcessRuntime, options: { readonly suites: number; readonly backends?: readonly string[] }): void {
  describe(`inside ${runtime}`, () => {
    let project: PackedProject;
    let file: string;
    const running: RuntimeProcess[] = [];

    const run = async (...args: string[]): Promise<RuntimeProcess> => {
      const process = startRuntime(runtime, project.folder, file, ...args);
      running.push(process);
      // A suite that ran somewhere else has proven nothing.
      expect((await process.next<Runtime>("runtime")).name).toBe(runtime);
      return process;
    };

    beforeAll(async () => {
      project = packedProject();
      file = await project.bundle(inside(runtime));
    });
    afterAll(async () => {
      await Promise.all(running.map((process) => process.stop()));
      project.remove();
    });

    it("keeps the contracts", async () => {
      const process = await run("contracts");
      expectSuites(runtime, await process.next<SuiteResult[]>("contracts"), options.suites);
    });

    it("imports every entry of the packed package, and they do their work", async () => {
      const process = await run("smoke", project.entries.join(","));
      expectSmoke(runtime, await process.next<SmokeResult[]>("smoke"), project.entries);
    });

    it("runs a gateway file by the packed command", () => checkCli(runtime, project.folder));

    it("serves, closes and refuses as on every runtime", async () => {
      const results = await (await run("serving")).next<CaseResult[]>("serving");
      expect(results.filter(({ failed }) => failed !== undefined)).toEqual([]);
      expect(results.length).toBeGreaterThan(6);
    });

    describe.each(["memory", ...(options.backends ?? [])])("served, its state in %s", (backend) => {
      let upstream: Upstream;
      let process: RuntimeProcess;
      let site: Site;
      beforeAll(async () => {
        upstream = await startUpstream();
        process = await run("gateway", upstream.origin, backend);
        const url = await process.next<string>("listening");
        site = { runtime, url, port: Number(new URL(url).port), upstream };
      });
      afterAll(() => upstream.close());
      describeGateway(runtime, () => site);
      it("has nothing to say on standard error", () => {
        // Deno says this once to whoever looks at a request's signal, which is how one learns that a client has left.
        expect(process.errors().replace(/^Deno\.serve: request\.signal aborts on successful responses \(legacy behavior\).*\n/, "")).toBe("");
      });
    });
  });
}
