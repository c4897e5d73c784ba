import { defineConfig } from "vitest/config";

/**
 * `unit` needs no server and no build; `suites` may start servers, processes and packed packages. Suites run on the real
 * clock of a shared machine, where a pause of the machine looks like a late server: a case may try again, and says so.
 */
export default defineConfig({
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: "unit", include: ["src/**/*.test.ts"] } },
      { extends: true, test: { name: "suites", retry: 2, testTimeout: 120_000, hookTimeout: 120_000, include: ["test/**/*.test.ts"], fileParallelism: false, globalSetup: "test/build.ts" } },
    ],
  },
});
