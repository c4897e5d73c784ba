/** The example of deno, and that its database outlives it. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeExample, runPrinted, startExample } from "./examples.ts";

describeExample("deno", () => {
  it("a restart forgets no count", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-example-kv-"));
    try {
      const env = { KV_PATH: join(folder, "kv.sqlite3") };
      const first = await startExample("deno", env);
      runPrinted(first.output());
      expect(await first.end()).toBe(0);
      const second = await startExample("deno", env);
      expect(runPrinted(second.output())[0]).toEqual(["429", "429", "429", "429", "429", "429"]);
      await second.end();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
