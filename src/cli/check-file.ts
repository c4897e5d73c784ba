/** `check` and `routes`: what a gateway file says, without serving it. */

import { resolve } from "node:path";
import { createGateway, type GatewayRegistry } from "../gateway.ts";
import { safeValidateConfig } from "../gateway-config.ts";
import { LoadError, load } from "./load.ts";

/** Prints issues and warnings; exits with 1 when there is an issue. */
export async function checkFile(path: string): Promise<void> {
  const loaded = await load(resolve(path));
  if (loaded.kind !== "config") {
    // A gateway that could be made has no issues: its constructor has checked it.
    await loaded.served.close?.();
    process.stdout.write(`${path}: ok (a ${"_registry" in loaded.served ? "gateway" : "application"}; export the config itself to see warnings)\n`);
    return;
  }
  const { success, warnings, ...rest } = safeValidateConfig(loaded.config);
  for (const { path: at, message } of "issues" in rest ? rest.issues : []) process.stdout.write(`error    ${at === "" ? "" : `${at}: `}${message}\n`);
  for (const { path: at, message } of warnings) process.stdout.write(`warning  ${at}: ${message}\n`);
  if (success) {
    const { routes } = loaded.config;
    process.stdout.write(`${path}: ok, ${routes.length} route${routes.length === 1 ? "" : "s"}${warnings.length === 0 ? "" : `, ${warnings.length} warning${warnings.length === 1 ? "" : "s"}`}\n`);
  } else process.exitCode = 1;
}

/** A table of methods, path, policies and upstream; or the registry as JSON. */
export async function listRoutes(path: string, json: boolean): Promise<void> {
  const { routes, close } = await registryOf(path);
  if (json) process.stdout.write(`${JSON.stringify(routes, null, 2)}\n`);
  else {
    const rows = [["METHODS", "PATH", "POLICIES", "UPSTREAM"], ...routes.map((route) => [route.methods.join(","), route.path, route.policies.join(" > ") || "-", route.upstream])];
    const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => (row[column] as string).length)));
    for (const row of rows) process.stdout.write(`${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()}\n`);
  }
  await close();
}

async function registryOf(path: string): Promise<{ routes: GatewayRegistry["routes"]; close: () => Promise<void> }> {
  const loaded = await load(resolve(path));
  if (loaded.kind === "config") {
    const gateway = createGateway(loaded.config);
    return { routes: gateway._registry.routes, close: () => gateway.close() };
  }
  const { _registry } = loaded.served as { readonly _registry?: GatewayRegistry };
  if (_registry === undefined) throw new LoadError(`${path}: a Hono application has no gateway routes`);
  return { routes: _registry.routes, close: async () => loaded.served.close?.() };
}
