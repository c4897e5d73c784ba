/** `init`: a small gateway file that works as it is. */

import { existsSync, writeFileSync } from "node:fs";
import { LoadError } from "./load.ts";

const STARTER = `import { health, rateLimit, type GatewayConfig } from "sluice/gateway";

const config: GatewayConfig = {
  name: "my-gateway",
  policies: [rateLimit({ max: 100, windowSeconds: 60 })],
  routes: [
    health(),
    { path: "/hello/:name", methods: ["GET"], pipeline: { upstream: { type: "handler", handler: (c) => c.json({ hello: c.req.param("name") }) } } },
    // A service of yours:
    // { path: "/api/*", pipeline: { upstream: { type: "url", target: "http://127.0.0.1:3000" } } },
  ],
};

export default config;
`;

/** Writes the file; one that is there is never overwritten. */
export function initFile(path: string): void {
  if (existsSync(path)) throw new LoadError(`${path} exists already; name another file, or remove it`);
  writeFileSync(path, STARTER, { flag: "wx" });
  process.stdout.write(`wrote ${path}\n\n  npx sluice dev ${path}\n  curl http://localhost:8787/hello/you\n`);
}
