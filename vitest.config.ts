import { defineConfig } from "vitest/config";

const NODE = "src/runtimes/node/**/*.test.ts";

/**
 * `unit` needs no server and no build; its files share a worker's modules, which halves the time. `node` installs globals,
 * and so has workers of its own. `light` runs the gateway's unit tests under those globals: in production on Node they are
 * what the gateway gets. Suites may start servers, processes and packed packages. They run on the real clock of a shared
 * machine, where a pause of the machine looks like a late server: a case may try again, and says so.
 */
export default defineConfig({
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: "unit", include: ["src/**/*.test.ts"], exclude: [NODE], isolate: false } },
      { extends: true, test: { name: "node", include: [NODE] } },
      { extends: true, test: { name: "light", include: ["src/gateway/**/*.test.ts"], isolate: false, setupFiles: "test/setup/light-globals.ts" } },
      { extends: true, test: { name: "suites", retry: 2, testTimeout: 120_000, hookTimeout: 120_000, include: ["test/**/*.test.ts"], fileParallelism: false, globalSetup: "test/build.ts" } },
    ],
  },
});
