import { defineConfig } from "vitest/config";

/** `unit` needs no server and no build; `suites` may start servers, processes and packed packages. */
export default defineConfig({
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: "unit", include: ["src/**/*.test.ts"] } },
      { extends: true, test: { name: "suites", include: ["test/**/*.test.ts"], fileParallelism: false, globalSetup: "test/build.ts" } },
    ],
  },
});
