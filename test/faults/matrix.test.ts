/**
 * The fault matrix: every way a backend can fail, on the real server, behind a gateway with the defaults. Each row of
 * `backends.ts` says what is given up on and what is there afterwards; what holds for all of them is here.
 */

import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../servers/process.ts";
import { backends } from "./backends.ts";
import { ANSWER_MS, STORES, type Site, type StoreName } from "./site.ts";
import { matrixRows } from "./table.ts";

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): void => void unhandled.push(reason);

beforeAll(async () => {
  process.on("unhandledRejection", onUnhandled);
  for (const backend of backends) await backend.start();
});
afterAll(async () => {
  process.off("unhandledRejection", onUnhandled);
  for (const backend of backends) await backend.stop();
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function asked(site: Site, down: readonly StoreName[], pauseMs: number): Promise<void> {
  await site.ask(down);
  await pause(pauseMs);
}

describe.each(backends.map((backend) => [`${backend.name}, ${backend.client}`, backend] as const))("%s", (_, backend) => {
  it.each(backend.faults.map((fault) => [fault.name, fault] as const))("%s: in time, in its mode, one event per change, and back within 2 s", async (name, { expected, cause, cure }) => {
    const site = await backend.site();
    const at = `${backend.name}, ${name}`;
    let broken = false;
    try {
      // The first calls connect, plan and compile.
      for (let n = 0; n < 3; n++) await site.ask([]);
      site.wrong.length = 0;
      await site.ask([]);
      await site.fill();
      expect(site.wrong, at).toEqual([]);
      broken = true;
      await cause();
      if (expected.down.length > 0) {
        const end = performance.now() + 8000;
        while (expected.down.some((store) => site.changes[store].length === 0) && performance.now() < end) await asked(site, expected.down, 10);
        for (const store of STORES) expect(site.changes[store], `${at}: ${store}`).toEqual(expected.down.includes(store) ? ["down"] : []);
      }
      // Long enough for a few probes, which are no change of state.
      const value = expected.down.length > 0 ? await site.value() : { get: "ok", set: "ok" };
      expect([value.get === "ok" ? "ok" : "fails", value.set === "ok" ? "ok" : "fails"], `${at}: get and set say ${value.get}, ${value.set}`).toEqual([expected.get, expected.set]);
      for (let n = 0; expected.down.length > 0 && n < 120; n++) await asked(site, expected.down, 20);
      broken = false;
      await cure();
      const back = performance.now();
      if (expected.down.length === 0) {
        await until(`${at}: the client is back`, async () => (await site.value()).get === "ok");
      } else {
        // A closed route may answer either way until its store is known to be back.
        const before = site.wrong.length;
        while (STORES.some((store) => site.changes[store].length === 1) && performance.now() - back < 6000) await asked(site, [], 10);
        expect(performance.now() - back, `${at}: until all is asked again`).toBeLessThan(2000 + ANSWER_MS);
        site.wrong.splice(before, Infinity, ...site.wrong.slice(before).filter((line) => !line.endsWith("answered 503, not 200")));
      }
      for (const store of STORES) {
        expect(site.changes[store], `${at}: ${store}`).toEqual(expected.down.includes(store) ? ["down", "up"] : []);
      }
      expect(await site.left(), `${at}: what is left`).toEqual(expected.kept);
      expect(site.wrong, at).toEqual([]);
      expect(unhandled, at).toEqual([]);
    } finally {
      if (broken) await cure();
      await site.close();
    }
  });
});

it("is what the documentation says", () => {
  const page = readFileSync(new URL("../../docs/failures.md", import.meta.url), "utf8");
  const table = /<!-- matrix -->\n([^]*?)\n<!-- \/matrix -->/.exec(page)?.[1]?.split("\n").slice(2) ?? [];
  expect(matrixRows(backends)).toEqual(table);
});
